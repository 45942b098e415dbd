import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { toJson } from '@bufbuild/protobuf';
import { analyzeSnapshot } from '#analyze/analyze.ts';
import { type Explanation, explainRequest } from '#analyze/explain.ts';
import { configFor, type ProxyConfig } from '#analyze/proxy-config.ts';
import type { Problem } from '#base/problem.ts';
import type { MeshConfig } from '#mesh/mesh-config.ts';
import type { Proxy as MeshProxy } from '#mesh/proxy.ts';
import type { MeshSnapshot } from '#mesh/snapshot.ts';
import { ClusterSchema } from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '#proto/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '#proto/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '#proto/gen/envoy/config/route/v3/route_pb.js';
import { messageRegistry } from '#proto/registry.ts';
import { parseYaml } from '#yaml/document.ts';
import { formatYaml } from '#yaml/text.ts';
import { describedProxy } from './described-proxy.ts';
import { meshFromYaml, yamlFiles } from './mesh-from-yaml.ts';

export const scenariosFolder = join(import.meta.dirname, '../../fixtures/scenarios');

/** A request that a scenario asks about. */
interface ScenarioRequest {
  readonly from: string;
  readonly to: string;
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

type Part = 'listeners' | 'routes' | 'clusters' | 'endpoints';

interface ScenarioProxy extends Partial<MeshProxy> {
  readonly name: string;
  /** Which parts the story is about and stand in `want`; everything is validated in any case. */
  readonly show?: readonly Part[];
}

/** `proxy.yaml`: who looks at the mesh, and what is asked. */
interface ScenarioFile {
  readonly proxies: readonly ScenarioProxy[];
  readonly requests?: readonly ScenarioRequest[];
  readonly mesh?: Partial<MeshConfig>;
}

/** One story: resources in real YAML, and the proxies that see them. */
export interface Scenario {
  readonly name: string;
  readonly snapshot: MeshSnapshot;
  readonly problems: readonly Problem[];
  readonly proxies: ReadonlyMap<string, { readonly proxy: MeshProxy; readonly show: readonly Part[] }>;
  readonly requests: readonly ScenarioRequest[];
}

export function scenarioNames(): string[] {
  return readdirSync(scenariosFolder)
    .filter((name) => statSync(join(scenariosFolder, name)).isDirectory())
    .sort();
}

const allParts: readonly Part[] = ['listeners', 'routes', 'clusters', 'endpoints'];

export function loadScenario(name: string): Scenario {
  const folder = join(scenariosFolder, name, 'in');
  const description = parseYaml(readFileSync(join(folder, 'proxy.yaml'), 'utf8'))[0]?.value as ScenarioFile;
  const texts = yamlFiles(folder).filter((text) => text.file !== 'proxy.yaml');
  const { snapshot, problems } = meshFromYaml(texts, { mesh: description.mesh ?? {}, clusterId: 'home' });
  const proxies = description.proxies.map(
    ({ name: proxyName, show, ...said }) =>
      [proxyName, { proxy: describedProxy({ clusterId: 'home', workloadName: proxyName, ...said }), show: show ?? allParts }] as const,
  );
  return {
    name,
    snapshot,
    problems: [...problems, ...[...analyzeSnapshot(snapshot).values()].flat()],
    proxies: new Map(proxies),
    requests: description.requests ?? [],
  };
}

/** The files of `want`, by path below it. */
export function wantedFiles(scenario: Scenario): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  if (scenario.problems.length > 0) files.set('problems.yaml', formatYaml(scenario.problems.map(problemView)));
  if (scenario.requests.length > 0)
    files.set('requests.yaml', formatYaml(scenario.requests.map((request) => requestView(scenario, request))));
  for (const [name, { proxy, show }] of scenario.proxies) {
    const config = configFor(scenario.snapshot, proxy);
    for (const part of show) files.set(`${name}/${part}.yaml`, formatYaml(partJson(config, part)));
  }
  return files;
}

/** What stands in `want` now, by path below it. */
export function presentFiles(name: string): ReadonlyMap<string, string> {
  const folder = join(scenariosFolder, name, 'want');
  const files = new Map<string, string>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(relative(folder, path), readFileSync(path, 'utf8'));
  }
  return files;
}

function partJson(config: ProxyConfig, part: Part): unknown {
  const options = { registry: messageRegistry, useProtoFieldName: true } as const;
  switch (part) {
    case 'listeners':
      return config.listeners.map((listener) => toJson(ListenerSchema, listener, options));
    case 'routes':
      return [...config.routes.values()].map((route) => toJson(RouteConfigurationSchema, route, options));
    case 'clusters':
      return [...config.clusters.values()].map((cluster) => toJson(ClusterSchema, cluster, options));
    case 'endpoints':
      return [...config.endpoints.values()].map((assignment) => toJson(ClusterLoadAssignmentSchema, assignment, options));
  }
}

function problemView({ code, severity, path, message, fix, origin, line }: Problem) {
  return { code, severity, file: `${origin?.file ?? ''}:${line ?? origin?.line ?? 0}`, path, message, fix };
}

/** Explains the request: the sentence, where it went, and every rule on the way in one line. */
function requestView(scenario: Scenario, request: ScenarioRequest) {
  const explanation = explain(scenario, request);
  return {
    request,
    summary: explanation.summary,
    outcome: explanation.outcome,
    ...(explanation.origin ? { origin: explanation.origin.text } : {}),
    steps: explanation.steps.map((step) => [step.verdict, step.what, step.name, step.reason].filter((part) => part !== '').join(' | ')),
    destinations: explanation.destinations.map(
      ({ cluster, weightPercent, endpoints }) =>
        `${Math.round(weightPercent * 100) / 100} % ${cluster} -> ${endpoints.join(' ') || 'nobody'}`,
    ),
  };
}

export function explain(scenario: Scenario, request: ScenarioRequest): Explanation {
  const found = scenario.proxies.get(request.from);
  if (!found) throw new Error(`scenario ${scenario.name} has no proxy ${request.from}`);
  const colon = request.to.lastIndexOf(':');
  return explainRequest(scenario.snapshot, found.proxy, {
    host: request.to.slice(0, colon),
    port: Number(request.to.slice(colon + 1)),
    method: request.method ?? 'GET',
    path: request.path ?? '/',
    headers: request.headers ?? {},
  });
}

/** Adapter of the sidecar route cases: clusters of the routes of every virtual host in one route configuration. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { configFor } from '#analyze/proxy-config.ts';
import type { VirtualHost } from '#proto/gen/envoy/config/route/v3/route_components_pb.js';
import { describedProxy } from '../sim/described-proxy.ts';
import { meshFromYaml } from '../sim/mesh-from-yaml.ts';
import type { CaseResult } from './sets.ts';

export const name = 'sidecar-routes';

/** What cases use and this version does not serve yet. */
const skippedFeatures: readonly { readonly reason: string; readonly applies: (text: string) => boolean }[] = [
  { reason: 'the Sidecar kind is not served yet', applies: (text) => /kind: Sidecar/.test(text) },
  { reason: 'Gateway API routes are not served yet', applies: (text) => /kind: HTTPRoute/.test(text) },
];

interface RouteCase {
  readonly name: string;
  readonly variant: string;
  readonly config: string;
  readonly proxyNamespace: string;
  readonly routeName: string;
  readonly expected: Readonly<Record<string, readonly string[] | null>> | null;
}

export async function run(dir: string): Promise<CaseResult[]> {
  const folder = join(dir, 'istio/simulation');
  const file = join(folder, 'sidecar-routes.json');
  if (!existsSync(file)) return [];
  const data: { readonly cases: readonly RouteCase[] } = JSON.parse(readFileSync(file, 'utf8'));
  return data.cases.map((item) => ({ case: `${item.variant}/${item.name}`, ...runCase(item, folder) }));
}

/** The cases' Services name two ports alike, which no API server takes; here the later one gets its number as a suffix. */
function uniquePortNames(kind: string, raw: object): object {
  if (kind !== 'Service' || !('spec' in raw)) return raw;
  const spec = raw.spec as { readonly ports?: readonly { readonly name?: string; readonly port: number }[] };
  const seen = new Set<string>();
  const ports = (spec.ports ?? []).map((port) => {
    const name = port.name ?? '';
    const isTaken = seen.has(name);
    seen.add(name);
    return isTaken ? { ...port, name: `${name}-${port.port}` } : port;
  });
  return { ...raw, spec: { ...spec, ports } };
}

function runCase(item: RouteCase, folder: string): Omit<CaseResult, 'case'> {
  const text = readFileSync(join(folder, item.config), 'utf8');
  const skip = skippedFeatures.find((feature) => feature.applies(text));
  if (skip) return { outcome: 'skipped', reason: skip.reason };
  const { snapshot } = meshFromYaml([{ file: item.config, text }], { complete: uniquePortNames });
  const proxy = describedProxy({ namespace: item.proxyNamespace, dnsDomain: `${item.proxyNamespace}.svc.cluster.local` });
  const route = configFor(snapshot, proxy).routes.get(item.routeName);
  const found = new Map((route?.virtualHosts ?? []).map((host) => [host.name.replace(/:\d+$/, ''), clustersOf(host)]));
  const wrong = Object.entries(item.expected ?? {}).flatMap(([host, clusters]) => {
    const have = found.get(host);
    if (JSON.stringify(have ?? null) === JSON.stringify(clusters)) return [];
    return [`${host}: expected ${JSON.stringify(clusters)}, found ${JSON.stringify(have ?? null)}`];
  });
  return wrong.length === 0 ? { outcome: 'passed' } : { outcome: 'failed', reason: wrong.join('; ') };
}

function clustersOf(host: VirtualHost): string[] {
  return host.routes.flatMap(({ action }) => {
    const specifier = action.case === 'route' ? action.value.clusterSpecifier : undefined;
    if (specifier?.case === 'weightedClusters') return specifier.value.clusters.map((cluster) => cluster.name);
    return [specifier?.case === 'cluster' ? specifier.value : ''];
  });
}

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Origin } from '#base/origin.ts';
import { type Problem, sortProblems } from '#base/problem.ts';
import { delegatesOf, mergeDelegates } from '#mesh/delegates.ts';
import type { ServiceEndpoints } from '#mesh/endpoint.ts';
import { endpointsOf } from '#mesh/endpoints.ts';
import { fromKubernetesService, type MeshNames } from '#mesh/kubernetes-service.ts';
import { defaultMeshConfig, type MeshConfig } from '#mesh/mesh-config.ts';
import { type Service, type ServiceKey, serviceKey } from '#mesh/service.ts';
import { fromServiceEntry, resolveConflict } from '#mesh/service-entry.ts';
import type { MeshSnapshot } from '#mesh/snapshot.ts';
import { fromPod, fromWorkloadEntry, type Workload } from '#mesh/workload.ts';
import { endpointSliceKind } from '#resources/core/endpoint-slice.ts';
import { podKind } from '#resources/core/pod.ts';
import { serviceKind } from '#resources/core/service.ts';
import type { KindDefinition } from '#resources/kind.ts';
import { kindFor } from '#resources/kinds.ts';
import { destinationRuleKind } from '#resources/networking/destination-rule-kind.ts';
import { serviceEntryKind } from '#resources/networking/service-entry-kind.ts';
import { virtualServiceKind } from '#resources/networking/virtual-service-kind.ts';
import { workloadEntryKind } from '#resources/networking/workload-entry-kind.ts';
import type { Resource } from '#resources/object.ts';
import { parseYaml } from '#yaml/document.ts';

/** What a set of YAML texts says about a mesh. */
export interface LoadedMesh {
  readonly snapshot: MeshSnapshot;
  /** Problems of reading and decoding. */
  readonly problems: readonly Problem[];
  /** `apiVersion/kind` of objects whose kind is not known. */
  readonly unknownKinds: readonly string[];
}

interface LoadOptions {
  readonly mesh?: Partial<MeshConfig>;
  readonly defaultNamespace?: string;
  readonly clusterId?: string;
  /** Fills in what a source of test data leaves out and every API server would have required. */
  readonly complete?: (kind: string, raw: object) => object;
}

/** One text of YAML documents with the name that origins show. */
export interface YamlText {
  readonly file: string;
  readonly text: string;
}

/** Every `.yaml` file of a folder, by name. */
export function yamlFiles(folder: string): YamlText[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.yaml'))
    .sort()
    .map((file) => ({ file, text: readFileSync(join(folder, file), 'utf8') }));
}

/** A snapshot straight from YAML, without control plane or registry: what the registry must agree with. */
export function meshFromYaml(texts: readonly YamlText[], options: LoadOptions = {}): LoadedMesh {
  const mesh = { ...defaultMeshConfig, ...options.mesh };
  const names: MeshNames = {
    clusterDomain: mesh.clusterDomain,
    trustDomain: mesh.trustDomain,
    clusterId: options.clusterId ?? 'Kubernetes',
  };
  const problems: Problem[] = [];
  const unknownKinds: string[] = [];
  const objects: Decodable[] = [];
  for (const { file, text } of texts) {
    for (const document of parseYaml(text, file)) {
      problems.push(...document.problems);
      const kind = kindOf(document.value);
      const definition = kind && kindFor(kind.apiVersion, kind.kind);
      if (kind && !definition) unknownKinds.push(`${kind.apiVersion}/${kind.kind}`);
      if (!kind || !definition) continue;
      const origin: Origin = { source: 'file', file, line: document.line };
      const value = options.complete && isObject(document.value) ? options.complete(kind.kind, document.value) : document.value;
      objects.push({ value, origin, definition, position: document.position });
    }
  }
  const read = <Spec>(kind: KindDefinition<Spec>): Resource<Spec>[] =>
    objects
      .filter((object) => object.definition.kind === kind.kind)
      .flatMap((object) => {
        const { resource, problems: found } = kind.decode(object.value, object.origin, {
          position: object.position,
          defaultNamespace: options.defaultNamespace ?? 'default',
        });
        problems.push(...found);
        return resource ? [resource] : [];
      })
      .sort(byAge);
  return { snapshot: snapshotOf(read, mesh, names), problems: sortProblems(problems), unknownKinds };
}

interface Decodable {
  readonly value: unknown;
  readonly origin: Origin;
  readonly definition: KindDefinition;
  readonly position: ReturnType<typeof parseYaml>[number]['position'];
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function kindOf(value: unknown): { readonly apiVersion: string; readonly kind: string } | undefined {
  if (typeof value !== 'object' || value === null || !('kind' in value) || !('apiVersion' in value)) return undefined;
  return { apiVersion: String(value.apiVersion), kind: String(value.kind) };
}

function byAge(a: Resource<unknown>, b: Resource<unknown>): number {
  const [x, y] = [a.metadata, b.metadata];
  return compare(x.creationTimestamp, y.creationTimestamp) || compare(x.name, y.name) || compare(x.namespace, y.namespace);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function snapshotOf(read: <Spec>(kind: KindDefinition<Spec>) => Resource<Spec>[], mesh: MeshConfig, names: MeshNames): MeshSnapshot {
  const entries = read(serviceEntryKind);
  const pods = read(podKind).flatMap((pod) => fromPod(pod, names) ?? []);
  const workloads = [...read(workloadEntryKind).map((entry) => fromWorkloadEntry(entry, names)), ...pods];
  const slices = read(endpointSliceKind);
  const candidates = [...read(serviceKind).map((service) => fromKubernetesService(service, names)), ...entries.flatMap(fromServiceEntry)];
  const services = settle(candidates);
  const endpoints = new Map<ServiceKey, ServiceEndpoints>();
  for (const service of services) {
    const sources = {
      slices: slices.filter(
        (slice) => slice.metadata.namespace === service.namespace && slice.metadata.labels['kubernetes.io/service-name'] === service.name,
      ),
      podOf: () => undefined,
      workloads: workloads.filter((workload) => selects(service, workload)),
      entries:
        service.registry === 'service-entry'
          ? entries.filter((entry) => entry.metadata.namespace === service.namespace && entry.spec.hosts.includes(service.hostname))
          : [],
    };
    endpoints.set(serviceKey(service), endpointsOf(service, sources, names));
  }
  const routes = read(virtualServiceKind);
  const byKey = new Map(routes.map((route) => [`${route.metadata.namespace}/${route.metadata.name}`, route]));
  return {
    epoch: 1,
    mesh,
    services,
    endpoints,
    virtualServices: routes.map((route) =>
      delegatesOf(route).length > 0 ? mergeDelegates(route, (key) => byKey.get(key), mesh.defaultVirtualServiceExportTo) : route,
    ),
    destinationRules: read(destinationRuleKind),
    namespaces: new Map(),
  };
}

function settle(candidates: readonly Service[]): Service[] {
  const byKey = new Map<ServiceKey, Service[]>();
  for (const service of candidates) byKey.set(serviceKey(service), [...(byKey.get(serviceKey(service)) ?? []), service]);
  return [...byKey.values()]
    .flatMap((rivals) => resolveConflict(rivals) ?? [])
    .sort(
      (a, b) => compare(a.createdAt, b.createdAt) || compare(a.origin.name ?? '', b.origin.name ?? '') || compare(a.namespace, b.namespace),
    );
}

function selects(service: Service, workload: Workload): boolean {
  if (!service.selector || workload.namespace !== service.namespace) return false;
  return Object.entries(service.selector).every(([name, value]) => workload.labels[name] === value);
}

import { deepEqual } from '#collection/equal.ts';
import type { Collection, Graph, Read } from '#collection/graph.ts';
import { mergeDelegates } from '#mesh/delegates.ts';
import type { ServiceEndpoints } from '#mesh/endpoint.ts';
import { endpointsOf } from '#mesh/endpoints.ts';
import { fromKubernetesService, type MeshNames } from '#mesh/kubernetes-service.ts';
import type { MeshConfig } from '#mesh/mesh-config.ts';
import { type Service, serviceKey } from '#mesh/service.ts';
import { fromServiceEntry, resolveConflict } from '#mesh/service-entry.ts';
import { fromPod, fromWorkloadEntry, type Workload } from '#mesh/workload.ts';
import { type EndpointSlice, serviceNameLabel } from '#resources/core/endpoint-slice.ts';
import type { Namespace } from '#resources/core/namespace.ts';
import type { Pod } from '#resources/core/pod.ts';
import type { KubernetesService } from '#resources/core/service.ts';
import type { DestinationRule } from '#resources/networking/destination-rule.ts';
import type { ServiceEntry } from '#resources/networking/service-entry.ts';
import type { VirtualService } from '#resources/networking/virtual-service.ts';
import type { WorkloadEntry } from '#resources/networking/workload-entry.ts';
import type { Resource } from '#resources/object.ts';

/** The decoded objects that the mesh is made of, keyed `namespace/name` (namespaces: `/name`). */
export interface MeshInputs {
  readonly services: Collection<Resource<KubernetesService>>;
  readonly endpointSlices: Collection<Resource<EndpointSlice>>;
  readonly pods: Collection<Resource<Pod>>;
  readonly namespaces: Collection<Resource<Namespace>>;
  readonly workloadEntries: Collection<Resource<WorkloadEntry>>;
  readonly serviceEntries: Collection<Resource<ServiceEntry>>;
  readonly virtualServices: Collection<Resource<VirtualService>>;
  readonly destinationRules: Collection<Resource<DestinationRule>>;
}

/** The collections that a snapshot is made of. */
export interface DerivedMesh {
  readonly services: Collection<Service>;
  readonly endpoints: Collection<ServiceEndpoints>;
  readonly virtualServices: Collection<Resource<VirtualService>>;
  readonly destinationRules: Collection<Resource<DestinationRule>>;
  readonly namespaces: Collection<Resource<Namespace>>;
  setMesh(mesh: MeshConfig): void;
}

interface Settings extends MeshNames {
  readonly key: 'settings';
  readonly defaultVirtualServiceExportTo: readonly string[];
}

/** A service before conflicts are resolved, with the ServiceEntry that it came from. */
interface Candidate {
  readonly key: string;
  readonly service: Service;
  readonly entry?: Resource<ServiceEntry>;
}

interface Resolved {
  readonly service: Service;
  readonly entries: readonly Resource<ServiceEntry>[];
}

/** Joins the inputs to services with endpoints and to VirtualServices with their delegates merged. */
export function deriveMesh(graph: Graph, inputs: MeshInputs, mesh: MeshConfig, clusterId: string): DerivedMesh {
  const settings = graph.input<Settings>('settings', (value) => value.key);
  const setMesh = (config: MeshConfig) =>
    settings.set({
      key: 'settings',
      clusterDomain: config.clusterDomain,
      trustDomain: config.trustDomain,
      clusterId,
      defaultVirtualServiceExportTo: config.defaultVirtualServiceExportTo,
    });
  setMesh(mesh);
  const fallback: Settings = { key: 'settings', clusterDomain: '', trustDomain: '', clusterId, defaultVirtualServiceExportTo: [] };
  const settingsFor = (read: Read) => read.get(settings, 'settings') ?? fallback;

  const resolved = deriveServices(graph, inputs, settingsFor);
  const services = graph.derive<Resolved, Service>('services', resolved, { keyOf: serviceKey, transform: ({ service }) => service });
  const endpoints = deriveEndpoints(graph, inputs, resolved, settingsFor);
  const virtualServices = graph.derive<Resource<VirtualService>, Resource<VirtualService>>('virtual-services', inputs.virtualServices, {
    keyOf: resourceKey,
    equals: sameConfiguration,
    transform: (root, read) =>
      root.spec.hosts.length === 0
        ? undefined
        : mergeDelegates(root, (key) => read.get(inputs.virtualServices, key), settingsFor(read).defaultVirtualServiceExportTo),
  });
  const destinationRules = graph.derive<Resource<DestinationRule>, Resource<DestinationRule>>(
    'destination-rules',
    inputs.destinationRules,
    {
      keyOf: resourceKey,
      equals: sameConfiguration,
      transform: (rule) => rule,
    },
  );
  return { services, endpoints, virtualServices, destinationRules, namespaces: inputs.namespaces, setMesh };
}

/** Whether two states of an object configure the same: a written status or a new resourceVersion changes nothing for proxies. */
function sameConfiguration(a: Resource<unknown>, b: Resource<unknown>): boolean {
  return (
    a.metadata.generation === b.metadata.generation &&
    a.metadata.uid === b.metadata.uid &&
    deepEqual(a.spec, b.spec) &&
    deepEqual(a.metadata.labels, b.metadata.labels) &&
    deepEqual(a.metadata.annotations, b.metadata.annotations) &&
    deepEqual(a.origin, b.origin)
  );
}

function deriveServices(graph: Graph, inputs: MeshInputs, settingsFor: (read: Read) => Settings): Collection<Resolved> {
  const fromKubernetes = graph.derive<Resource<KubernetesService>, Candidate>('kubernetes-services', inputs.services, {
    keyOf: (candidate) => candidate.key,
    transform: (resource, read) => {
      const namespace = read.get(inputs.namespaces, `/${resource.metadata.namespace}`);
      return { key: resourceKey(resource), service: fromKubernetesService(resource, settingsFor(read), namespace?.metadata.annotations) };
    },
  });
  const fromEntries = graph.derive<Resource<ServiceEntry>, Candidate>('service-entry-services', inputs.serviceEntries, {
    keyOf: (candidate) => candidate.key,
    equals: (a, b) =>
      deepEqual(a.service, b.service) && (a.entry === b.entry || (!!a.entry && !!b.entry && sameConfiguration(a.entry, b.entry))),
    transform: (entry) => fromServiceEntry(entry).map((service) => ({ key: `${resourceKey(entry)}/${service.hostname}`, service, entry })),
  });
  const kubernetesByKey = graph.index('kubernetes-services-by-key', fromKubernetes, (one) => [serviceKey(one.service)]);
  const entriesByKey = graph.index('service-entries-by-key', fromEntries, (one) => [serviceKey(one.service)]);
  const alone = graph.derive<Candidate, Resolved>('resolved-kubernetes', fromKubernetes, {
    keyOf: ({ service }) => serviceKey(service),
    equals: sameResolved,
    transform: ({ service }) => ({ service, entries: [] }),
  });
  const joined = graph.derive<{ key: string; members: readonly Candidate[] }, Resolved>('resolved-entries', entriesByKey.groups, {
    keyOf: ({ service }) => serviceKey(service),
    equals: sameResolved,
    transform: ({ key, members }, read) => {
      if (read.lookup(kubernetesByKey, key).length > 0) return undefined;
      const service = resolveConflict(members.map((member) => member.service));
      const entries = members.flatMap((member) =>
        member.entry && member.service.resolution === service?.resolution ? [member.entry] : [],
      );
      return service ? { service, entries } : undefined;
    },
  });
  return graph.union('resolved', [alone, joined]);
}

function sameResolved(a: Resolved, b: Resolved): boolean {
  return a.service === b.service && a.entries.length === b.entries.length && a.entries.every((entry, i) => entry === b.entries[i]);
}

function deriveEndpoints(
  graph: Graph,
  inputs: MeshInputs,
  resolved: Collection<Resolved>,
  settingsFor: (read: Read) => Settings,
): Collection<ServiceEndpoints> {
  const entryWorkloads = graph.derive<Resource<WorkloadEntry>, Workload>('workload-entries', inputs.workloadEntries, {
    keyOf: (workload) => workload.key,
    transform: (entry, read) => fromWorkloadEntry(entry, settingsFor(read)),
  });
  const podWorkloads = graph.derive<Resource<Pod>, Workload>('pods', inputs.pods, {
    keyOf: (workload) => workload.key,
    transform: (pod, read) => fromPod(pod, settingsFor(read)),
  });
  const entriesByLabel = graph.index('workload-entries-by-label', entryWorkloads, labelKeys);
  const podsByLabel = graph.index('pods-by-label', podWorkloads, labelKeys);
  const slicesByService = graph.index('slices-by-service', inputs.endpointSlices, ({ metadata }) => {
    const name = metadata.labels[serviceNameLabel];
    return name ? [`${metadata.namespace}/${name}`] : [];
  });

  const selected = (service: Service, read: Read): Workload[] => {
    const selector = Object.entries(service.selector ?? {});
    const first = selector[0];
    if (!first) return [];
    const key = labelKey(service.namespace, first[0], first[1]);
    const pods = service.registry === 'service-entry' ? read.lookup(podsByLabel, key) : [];
    const all = [...read.lookup(entriesByLabel, key), ...pods];
    return all.filter((workload) => selector.every(([name, value]) => workload.labels[name] === value));
  };

  return graph.derive<Resolved, ServiceEndpoints>('endpoints', resolved, {
    keyOf: (endpoints) => endpoints.key,
    transform: ({ service, entries }, read) => {
      const slices = service.registry === 'kubernetes' ? read.lookup(slicesByService, `${service.namespace}/${service.name}`) : [];
      const podOf = ({ targetRef }: { targetRef?: { kind?: string; name?: string } }, namespace: string) =>
        targetRef?.kind === 'Pod' ? read.get(podWorkloads, `pod/${namespace}/${targetRef.name}`) : undefined;
      return endpointsOf(service, { slices, podOf, workloads: selected(service, read), entries }, settingsFor(read));
    },
  });
}

function labelKeys(workload: Workload): string[] {
  return Object.entries(workload.labels).map(([name, value]) => labelKey(workload.namespace, name, value));
}

function labelKey(namespace: string, name: string, value: string): string {
  return `${namespace}|${name}=${value}`;
}

function resourceKey(resource: Resource<unknown>): string {
  return `${resource.metadata.namespace}/${resource.metadata.name}`;
}

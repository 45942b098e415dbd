import type { Origin } from '#base/origin.ts';
import type { Pod, PodStatus } from '#resources/core/pod.ts';
import type { Condition } from '#resources/networking/status.ts';
import type { WorkloadEntry } from '#resources/networking/workload-entry.ts';
import type { Resource } from '#resources/object.ts';
import type { EndpointHealth } from './endpoint.ts';
import { type MeshNames, spiffeId } from './kubernetes-service.ts';

/** A running instance that services may select: a WorkloadEntry, a pod, or an endpoint written inside a ServiceEntry. Immutable. */
export interface Workload {
  /** Unique over pods and WorkloadEntries. */
  readonly key: string;
  readonly namespace: string;
  /** Name of what runs it (deployment), or of the entry itself. */
  readonly workloadName: string;
  /** IP, host name or `unix:///path`; empty while none is known. */
  readonly address: string;
  /** Ports by name: of service ports for a WorkloadEntry, of container ports for a pod. */
  readonly ports: Readonly<Record<string, number>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly health: EndpointHealth;
  readonly weight: number;
  readonly locality: string;
  readonly network: string;
  readonly nodeName: string;
  /** SPIFFE id; empty when it has none. */
  readonly serviceAccount: string;
  readonly tlsMode: 'istio' | 'disabled';
  readonly origin: Origin;
}

/** Label by which a workload says whether it takes the mesh's TLS. */
const tlsModeLabel = 'security.istio.io/tlsMode';
const networkLabel = 'topology.istio.io/network';
const localityLabels = ['topology.istio.io/locality', 'istio-locality'];
const healthChecksAnnotation = 'proxy.istio.io/health-checks-enabled';

/** A WorkloadEntry as workload. Its labels are those of the spec under those of the metadata. */
export function fromWorkloadEntry(resource: Resource<WorkloadEntry>, names: MeshNames): Workload {
  const { metadata, spec } = resource;
  const workload = fromSpec(spec, { namespace: metadata.namespace, labels: metadata.labels, origin: resource.origin }, names);
  return {
    ...workload,
    key: `entry/${metadata.namespace}/${metadata.name}`,
    workloadName: workload.labels['service.istio.io/workload-name'] ?? metadata.name,
    health: entryHealth(resource),
  };
}

interface SpecContext {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly origin: Origin;
}

/** An endpoint as a ServiceEntry or WorkloadEntry describes it; healthy, without key and name. */
export function fromSpec(spec: WorkloadEntry, context: SpecContext, names: MeshNames): Workload {
  const labels = { ...spec.labels, ...context.labels };
  const tlsMode = labels[tlsModeLabel] ?? (spec.serviceAccount ? 'istio' : 'disabled');
  return {
    key: '',
    namespace: context.namespace,
    workloadName: '',
    address: spec.address ?? '',
    ports: spec.ports ?? {},
    labels,
    health: 'healthy',
    weight: spec.weight || 1,
    locality: spec.locality || localityOf(labels),
    network: spec.network || labels[networkLabel] || '',
    nodeName: '',
    serviceAccount: spec.serviceAccount ? spiffeId(names.trustDomain, context.namespace, spec.serviceAccount) : '',
    tlsMode: tlsMode === 'istio' ? 'istio' : 'disabled',
    origin: context.origin,
  };
}

/** A running pod as workload; undefined without an address, or when it has ended. */
export function fromPod(resource: Resource<Pod>, names: MeshNames): Workload | undefined {
  const { metadata, spec } = resource;
  const status = (resource.status ?? {}) as PodStatus;
  if (!status.podIP || status.phase === 'Succeeded' || status.phase === 'Failed') return undefined;
  const containers = [...spec.containers, ...(spec.initContainers ?? [])];
  const ports = containers
    .flatMap((container) => container.ports ?? [])
    .flatMap((port) => (port.name ? [[port.name, port.containerPort] as const] : []));
  const isReady = status.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false;
  return {
    key: `pod/${metadata.namespace}/${metadata.name}`,
    namespace: metadata.namespace,
    workloadName: podWorkloadName(metadata.name, metadata.labels),
    address: status.podIP,
    ports: Object.fromEntries(ports),
    labels: metadata.labels,
    health: metadata.deletionTimestamp ? 'terminating' : isReady ? 'healthy' : 'unhealthy',
    weight: 1,
    locality: localityOf(metadata.labels),
    network: metadata.labels[networkLabel] ?? '',
    nodeName: spec.nodeName ?? '',
    serviceAccount: spiffeId(names.trustDomain, metadata.namespace, spec.serviceAccountName || 'default'),
    tlsMode: metadata.labels[tlsModeLabel] === 'istio' ? 'istio' : 'disabled',
    origin: resource.origin,
  };
}

/** Condition `Healthy` of the status; an entry that promises health checks is unhealthy until one has said otherwise. */
function entryHealth(resource: Resource<WorkloadEntry>): EndpointHealth {
  if (resource.metadata.deletionTimestamp) return 'terminating';
  const { conditions } = (resource.status ?? {}) as { readonly conditions?: readonly Condition[] };
  const healthy = Array.isArray(conditions) ? conditions.find((condition) => condition.type === 'Healthy') : undefined;
  if (healthy) return healthy.status === 'True' ? 'healthy' : 'unhealthy';
  return resource.metadata.annotations[healthChecksAnnotation] === 'true' ? 'unhealthy' : 'healthy';
}

/** A label value cannot hold slashes, so dots stand for them. */
function localityOf(labels: Readonly<Record<string, string>>): string {
  for (const name of localityLabels) {
    const value = labels[name];
    if (value) return value.includes('/') ? value : value.replaceAll('.', '/');
  }
  const region = labels['topology.kubernetes.io/region'] ?? '';
  const zone = labels['topology.kubernetes.io/zone'] ?? '';
  const subzone = labels['topology.istio.io/subzone'] ?? '';
  return [region, zone, subzone].join('/').replace(/\/+$/, '');
}

/** Pods of deployments, stateful and daemon sets are named after them, with suffixes that their labels reveal. */
function podWorkloadName(name: string, labels: Readonly<Record<string, string>>): string {
  const said = labels['service.istio.io/workload-name'];
  if (said) return said;
  const hash = labels['pod-template-hash'];
  const at = hash ? name.lastIndexOf(`-${hash}-`) : -1;
  if (at > 0) return name.slice(0, at);
  if (labels['statefulset.kubernetes.io/pod-name']) return name.replace(/-\d+$/, '');
  if (labels['controller-revision-hash'] || hash) return name.replace(/-[a-z0-9]{5}$/, '');
  return name;
}

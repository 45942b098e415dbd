import type { EndpointSlice, SliceEndpoint } from '#resources/core/endpoint-slice.ts';
import type { ServiceEntry } from '#resources/networking/service-entry.ts';
import type { Resource } from '#resources/object.ts';
import type { Endpoint, EndpointHealth, ServiceEndpoints } from './endpoint.ts';
import type { MeshNames } from './kubernetes-service.ts';
import { type Service, type ServicePort, serviceKey } from './service.ts';
import { fromSpec, type Workload } from './workload.ts';

/** Where the endpoints of one service come from. */
export interface EndpointSources {
  /** Slices that name the service. */
  readonly slices: readonly Resource<EndpointSlice>[];
  /** The pod that a slice endpoint refers to, for its labels and identity. */
  readonly podOf: (endpoint: SliceEndpoint, namespace: string) => Workload | undefined;
  /** WorkloadEntries (and for a ServiceEntry pods) that carry every label of the service's selector. */
  readonly workloads: readonly Workload[];
  /** ServiceEntries that the service was made from. */
  readonly entries: readonly Resource<ServiceEntry>[];
}

/** All endpoints of a service, sorted, each address and port once. */
export function endpointsOf(service: Service, sources: EndpointSources, names: MeshNames): ServiceEndpoints {
  const found: Endpoint[] = [];
  if (service.registry === 'kubernetes') for (const slice of sources.slices) found.push(...sliceEndpoints(service, slice, sources, names));
  for (const workload of sources.workloads) found.push(...workloadEndpoints(service, workload, names));
  for (const entry of sources.entries) found.push(...entryEndpoints(service, entry, names));
  found.sort(compareEndpoints);
  const endpoints = found.filter((endpoint, i) => i === 0 || compareEndpoints(found[i - 1] ?? endpoint, endpoint) !== 0);
  return { key: serviceKey(service), endpoints };
}

function compareEndpoints(a: Endpoint, b: Endpoint): number {
  if (a.address !== b.address) return a.address < b.address ? -1 : 1;
  if (a.port !== b.port) return a.port - b.port;
  return a.servicePortName === b.servicePortName ? 0 : a.servicePortName < b.servicePortName ? -1 : 1;
}

/** Slices of host names are left out, as Istio does: cluster DNS, not the mesh, serves them. */
function* sliceEndpoints(
  service: Service,
  slice: Resource<EndpointSlice>,
  sources: EndpointSources,
  names: MeshNames,
): Generator<Endpoint> {
  if (slice.spec.addressType === 'FQDN') return;
  for (const endpoint of slice.spec.endpoints) {
    const pod = sources.podOf(endpoint, slice.metadata.namespace);
    const health = sliceHealth(endpoint, service.publishNotReady);
    for (const address of endpoint.addresses.slice(0, 1)) {
      for (const port of slice.spec.ports) {
        if (port.port === undefined || !service.ports.some((one) => one.name === port.name)) continue;
        yield {
          address,
          port: port.port,
          servicePortName: port.name,
          labels: pod?.labels ?? {},
          health,
          weight: 1,
          locality: pod?.locality || (endpoint.zone ? `/${endpoint.zone}` : ''),
          network: pod?.network ?? '',
          clusterId: names.clusterId,
          nodeName: endpoint.nodeName ?? pod?.nodeName ?? '',
          serviceAccount: pod?.serviceAccount ?? '',
          tlsMode: pod?.tlsMode ?? 'disabled',
          workloadName: pod?.workloadName ?? '',
          namespace: slice.metadata.namespace,
          origin: slice.origin,
        };
      }
    }
  }
}

function sliceHealth(endpoint: SliceEndpoint, publishNotReady: boolean): EndpointHealth {
  const { ready, serving, terminating } = endpoint.conditions ?? {};
  if (ready !== false || publishNotReady) return 'healthy';
  if (!terminating) return 'unhealthy';
  return serving ? 'draining' : 'terminating';
}

function* workloadEndpoints(service: Service, workload: Workload, names: MeshNames): Generator<Endpoint> {
  if (workload.address === '') return;
  for (const port of service.ports) {
    const number = portOf(service, port, workload);
    if (number !== undefined) yield toEndpoint(workload, port, number, names);
  }
}

/**
 * The port at which a workload serves a service port: by the workload's own list under the service port's name, else the
 * target port (a name is looked up in that list), else the service port's number. Undefined for an unknown named target port.
 */
function portOf(service: Service, port: ServicePort, workload: Workload): number | undefined {
  if (workload.address.startsWith('unix://')) return 0;
  const isPod = workload.key.startsWith('pod/');
  const own = isPod ? undefined : workload.ports[port.name];
  if (own) return own;
  if (typeof port.targetPort === 'number') return port.targetPort;
  if (port.targetPort === undefined) return port.number;
  const byName = workload.ports[port.targetPort];
  if (byName) return byName;
  return /^\d+$/.test(port.targetPort) ? Number(port.targetPort) : service.registry === 'kubernetes' && !isPod ? port.number : undefined;
}

function* entryEndpoints(service: Service, entry: Resource<ServiceEntry>, names: MeshNames): Generator<Endpoint> {
  const { spec, metadata, origin } = entry;
  const written = spec.endpoints ?? [];
  // Endpoints of an entry with resolution NONE would never be used: connections go where the caller addressed them.
  if (service.resolution === 'passthrough' || service.resolution === 'dynamic-dns') return;
  const ports = service.ports.filter((port) => (spec.ports ?? []).some((own) => own.name === port.name && own.number === port.number));
  const isDns = service.resolution === 'dns' || service.resolution === 'dns-round-robin';
  if (written.length === 0 && isDns && !spec.workloadSelector) {
    const self = fromSpec({ address: service.hostname }, { namespace: metadata.namespace, labels: {}, origin }, names);
    for (const port of ports) yield toEndpoint(self, port, Number(port.targetPort ?? port.number), names);
    return;
  }
  for (const [i, one] of written.entries()) {
    const context = { namespace: metadata.namespace, labels: {}, origin: { ...origin, path: `spec.endpoints[${i}]` } };
    yield* workloadEndpoints({ ...service, ports }, fromSpec(one, context, names), names);
  }
}

function toEndpoint(workload: Workload, port: ServicePort, number: number, names: MeshNames): Endpoint {
  return {
    address: workload.address,
    port: number,
    servicePortName: port.name,
    labels: workload.labels,
    health: workload.health,
    weight: workload.weight,
    locality: workload.locality,
    network: workload.network,
    clusterId: names.clusterId,
    nodeName: workload.nodeName,
    serviceAccount: workload.serviceAccount,
    tlsMode: workload.tlsMode,
    workloadName: workload.workloadName,
    namespace: workload.namespace,
    origin: workload.origin,
  };
}

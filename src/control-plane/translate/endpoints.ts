import { fromBinary } from '@bufbuild/protobuf';
import { ipv4ToNumber } from '#base/loopback.ts';
import type { Endpoint, ServiceEndpoints } from '#mesh/endpoint.ts';
import { ClusterLoadAssignmentSchema } from '#proto/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { internPlan } from './intern-plan.ts';
import { arrangeByLocality, type EndpointGroup, type LocalityInput } from './locality.ts';
import { parseOutboundClusterName, typeUrls } from './names.ts';
import type { Built, ResourcePlan } from './plan.ts';
import type { Scope } from './scope.ts';
import { localityInputFor, subsetLabels } from './traffic-policy.ts';
import { WireWriter } from './wire.ts';

/** What one load assignment is made of, besides the endpoints themselves. */
export interface EndpointFilter {
  /** Endpoints serve a port by its name. */
  readonly portName: string;
  /** Labels that an endpoint must carry; undefined for the whole service. */
  readonly labels: Readonly<Record<string, string>> | undefined;
  /** Only endpoints on this node (`internalTrafficPolicy: Local`). */
  readonly nodeName: string | undefined;
}

/**
 * The load assignments behind these cluster names. A name that is no visible EDS cluster gets an empty assignment, so
 * that a proxy never waits for it.
 */
export function planEndpoints(scope: Scope, clusterNames: Iterable<string>): ResourcePlan[] {
  const plans: ResourcePlan[] = [];
  for (const name of clusterNames) plans.push(planAssignment(scope, name));
  return plans;
}

function planAssignment(scope: Scope, clusterName: string): ResourcePlan {
  const parsed = parseOutboundClusterName(clusterName);
  const service = parsed && scope.view.service(parsed.hostname);
  const port = service?.ports.find((p) => p.number === parsed?.port);
  if (!parsed || !service || !port)
    return internPlan(clusterName, typeUrls.endpoint, buildAssignment, clusterName, undefined, undefined, undefined);
  const rules = scope.rulesFor(service);
  const labels = parsed.subset === '' ? undefined : subsetLabels(rules, parsed.subset);
  const missingSubset = parsed.subset !== '' && labels === undefined;
  const filter = endpointFilter(port.name, labels, service.nodeLocal ? scope.proxy.nodeName : undefined);
  return internPlan(
    clusterName,
    typeUrls.endpoint,
    buildAssignment,
    clusterName,
    missingSubset ? undefined : scope.endpoints(service),
    filter,
    localityInputFor(scope, service, rules, parsed.subset, port.number),
  );
}

const filters = new Map<string, EndpointFilter>();

/** The one filter with these parts. The set of them is bounded by the ports and subsets that were ever configured. */
export function endpointFilter(
  portName: string,
  labels: Readonly<Record<string, string>> | undefined,
  nodeName: string | undefined,
): EndpointFilter {
  const key = JSON.stringify([portName, labels ?? null, nodeName ?? null]);
  const known = filters.get(key);
  if (known) return known;
  const made = Object.freeze({ portName, labels, nodeName });
  filters.set(key, made);
  return made;
}

/** The endpoints that a cluster with this filter balances over. Unhealthy ones are kept (Envoy decides), leaving ones are not. */
export function selectEndpoints(endpoints: readonly Endpoint[], filter: EndpointFilter): readonly Endpoint[] {
  const labels = Object.entries(filter.labels ?? {});
  return endpoints.filter(
    (endpoint) =>
      endpoint.servicePortName === filter.portName &&
      endpoint.health !== 'terminating' &&
      endpoint.health !== 'draining' &&
      (filter.nodeName === undefined || endpoint.nodeName === filter.nodeName) &&
      labels.every(([name, value]) => endpoint.labels[name] === value),
  );
}

/** Grouped by locality (sorted), each with its weight and priority for the calling proxy. */
export function groupEndpoints(endpoints: readonly Endpoint[], locality: LocalityInput | undefined): readonly EndpointGroup[] {
  const groups = new Map<string, Endpoint[]>();
  for (const endpoint of endpoints) {
    const group = groups.get(endpoint.locality);
    if (group) group.push(endpoint);
    else groups.set(endpoint.locality, [endpoint]);
  }
  const sorted = [...groups.keys()].sort().map((name): EndpointGroup => {
    const members = groups.get(name) ?? [];
    return { locality: name, endpoints: members, weight: sumWeights(members), priority: 0 };
  });
  return locality ? arrangeByLocality(sorted, locality) : sorted;
}

function sumWeights(endpoints: readonly Endpoint[]): number {
  return Math.min(
    4294967295,
    endpoints.reduce((sum, endpoint) => sum + endpoint.weight, 0),
  );
}

function buildAssignment(
  clusterName: string,
  endpoints: ServiceEndpoints | undefined,
  filter: EndpointFilter | undefined,
  locality: LocalityInput | undefined,
): Built {
  const encode = () => {
    // Envoy takes addresses only here; a host name in a service that is not resolved by DNS would void all the others.
    const selected = endpoints && filter ? selectEndpoints(endpoints.endpoints, filter).filter(isAddress) : [];
    return encodeAssignment(clusterName, selected, locality);
  };
  return {
    name: clusterName,
    typeUrl: typeUrls.endpoint,
    message: () => fromBinary(ClusterLoadAssignmentSchema, encode()),
    encode,
    origins: [],
  };
}

function isAddress({ address }: Endpoint): boolean {
  return address.includes(':') || ipv4ToNumber(address) !== undefined;
}

/** Reused: neither is ever entered twice at once. */
const assignmentWriter = new WireWriter();
const fragmentWriter = new WireWriter();

/** Bytes of an `envoy.config.endpoint.v3.ClusterLoadAssignment`, joined from cached endpoint fragments. */
export function encodeAssignment(clusterName: string, endpoints: readonly Endpoint[], locality: LocalityInput | undefined): Uint8Array {
  const writer = assignmentWriter.string(1 /* cluster_name */, clusterName);
  for (const group of groupEndpoints(endpoints, locality)) {
    writer.message(2 /* endpoints */, (inner) => {
      const [region = '', zone = '', subzone = ''] = group.locality.split('/');
      inner.message(1 /* locality */, (place) => place.string(1, region).string(2, zone).string(3, subzone));
      for (const endpoint of group.endpoints) inner.bytes(2 /* lb_endpoints */, endpointBytes(endpoint));
      inner.message(3 /* load_balancing_weight */, (wrapper) => wrapper.number(1, group.weight));
      inner.number(5 /* priority */, group.priority);
    });
  }
  return writer.finish();
}

const fragments = new WeakMap<Endpoint, Uint8Array>();

/** Bytes of an `envoy.config.endpoint.v3.LbEndpoint`; encoded once per endpoint value. */
function endpointBytes(endpoint: Endpoint): Uint8Array {
  const known = fragments.get(endpoint);
  if (known) return known;
  const writer = fragmentWriter;
  writer.message(1 /* endpoint */, (inner) => inner.message(1 /* address */, (address) => writeAddress(address, endpoint)));
  writer.number(2 /* health_status */, endpoint.health === 'unhealthy' ? 2 : 1);
  writer.message(3 /* metadata */, (metadata) => {
    metadata.message(1 /* filter_metadata */, (entry) => {
      entry
        .string(1, 'istio')
        .message(2, (struct) =>
          struct.message(1 /* fields */, (field) =>
            field.string(1, 'workload').message(2, (value) => value.string(3 /* string_value */, workloadText(endpoint))),
          ),
        );
    });
  });
  writer.message(4 /* load_balancing_weight */, (wrapper) => wrapper.number(1, endpoint.weight));
  const bytes = writer.finish();
  fragments.set(endpoint, bytes);
  return bytes;
}

function writeAddress(writer: WireWriter, endpoint: Endpoint): void {
  if (endpoint.address.startsWith('unix://')) {
    writer.message(2 /* pipe */, (pipe) => pipe.string(1, endpoint.address.slice('unix://'.length)));
    return;
  }
  writer.message(1 /* socket_address */, (socket) =>
    socket.string(2 /* address */, endpoint.address).number(3 /* port_value */, endpoint.port),
  );
}

/** Istio's peer text: `workload;namespace;canonical name;canonical revision;cluster`. */
function workloadText(endpoint: Pick<Endpoint, 'workloadName' | 'namespace' | 'labels' | 'clusterId'>): string {
  const { labels } = endpoint;
  const name = labels['service.istio.io/canonical-name'] ?? labels['app.kubernetes.io/name'] ?? labels.app ?? endpoint.workloadName;
  const revision = labels['service.istio.io/canonical-revision'] ?? labels['app.kubernetes.io/version'] ?? labels.version ?? '';
  return [endpoint.workloadName, endpoint.namespace, name, revision === 'latest' ? '' : revision, endpoint.clusterId].join(';');
}

import type { ServiceEntry, ServiceEntryPort, ServiceEntryStatus } from '#resources/networking/service-entry.ts';
import type { Resource } from '#resources/object.ts';
import { trafficDistribution } from './kubernetes-service.ts';
import { parseProtocol, protocolByName } from './protocol.ts';
import type { Resolution, Service, ServicePort } from './service.ts';

const resolutions: Readonly<Record<ServiceEntry['resolution'], Resolution>> = {
  NONE: 'passthrough',
  STATIC: 'static',
  DNS: 'dns',
  DNS_ROUND_ROBIN: 'dns-round-robin',
  DYNAMIC_DNS: 'dynamic-dns',
};

/** The services of a ServiceEntry, one for each host, in the order of the hosts. A host written twice counts once. */
export function fromServiceEntry(resource: Resource<ServiceEntry>): Service[] {
  const { metadata, spec, origin } = resource;
  const selector = spec.workloadSelector?.labels;
  const distribution = trafficDistribution(undefined, metadata.annotations);
  return [...new Set(spec.hosts)].map((host) => ({
    hostname: host,
    name: host,
    namespace: metadata.namespace,
    registry: 'service-entry',
    ports: (spec.ports ?? []).map(toPort),
    addresses: addressesOf(resource, host),
    resolution: resolutions[spec.resolution],
    meshExternal: spec.location === 'MESH_EXTERNAL',
    exportTo: spec.exportTo ?? [],
    ...(selector && Object.keys(selector).length > 0 ? { selector } : {}),
    labels: metadata.labels,
    annotations: metadata.annotations,
    subjectAltNames: spec.subjectAltNames ?? [],
    publishNotReady: false,
    nodeLocal: false,
    ...(distribution ? { trafficDistribution: distribution } : {}),
    createdAt: metadata.creationTimestamp,
    origin,
  }));
}

function toPort(port: ServiceEntryPort): ServicePort {
  const said = port.protocol ? (parseProtocol(port.protocol) ?? 'auto') : protocolByName(port.name, port.number);
  return { name: port.name, number: port.number, protocol: said, ...(port.targetPort ? { targetPort: port.targetPort } : {}) };
}

/** Addresses as written, single-address CIDRs as addresses; without any, those allocated for this host in the status. */
function addressesOf(resource: Resource<ServiceEntry>, host: string): readonly string[] {
  const written = (resource.spec.addresses ?? []).map((address) => address.replace(/^([\d.]+)\/32$/, '$1').replace(/^(.*:.*)\/128$/, '$1'));
  if (written.length > 0) return written;
  const { addresses } = (resource.status ?? {}) as ServiceEntryStatus;
  if (!Array.isArray(addresses)) return [];
  return addresses.filter((one) => one.value && (!one.host || one.host === host)).map((one) => one.value ?? '');
}

/**
 * The one service that several candidates for a hostname and namespace make: Kubernetes before ServiceEntry, the oldest
 * first; later ServiceEntries of the same resolution add ports and addresses that it lacks.
 */
export function resolveConflict(candidates: readonly Service[]): Service | undefined {
  const [winner, ...others] = [...candidates].sort(byPrecedence);
  if (!winner || winner.registry === 'kubernetes') return winner;
  const joined = others.filter((other) => other.registry === winner.registry && other.resolution === winner.resolution);
  if (joined.length === 0) return winner;
  const ports = [...winner.ports];
  const addresses = new Set(winner.addresses);
  for (const other of joined) {
    for (const port of other.ports) {
      if (!ports.some((known) => known.number === port.number || known.name === port.name)) ports.push(port);
    }
    for (const address of other.addresses) addresses.add(address);
  }
  return { ...winner, ports, addresses: [...addresses] };
}

function byPrecedence(a: Service, b: Service): number {
  const kubernetesFirst = Number(b.registry === 'kubernetes') - Number(a.registry === 'kubernetes');
  return kubernetesFirst || compare(a.createdAt, b.createdAt) || compare(a.origin.name ?? '', b.origin.name ?? '');
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

import type { Service } from '#mesh/service.ts';
import type { MeshSnapshot } from '#mesh/snapshot.ts';
import type { Destination } from '#resources/networking/destination.ts';
import { hostCovers, isWildcard, resolveHost } from '#translate/hosts.ts';
import { subsetsOf } from '#translate/traffic-policy.ts';
import { type NamespaceView, type Route, viewOf } from '#translate/visibility.ts';
import { type Finding, finding } from './finding.ts';
import { nearest } from './nearest.ts';

interface Reference {
  readonly path: string;
  readonly destination: Destination;
  readonly protocol: 'http' | 'tcp';
}

/** Hosts, ports and subsets that routes name and that do not exist for the namespace of the VirtualService. */
export function* referenceProblems(snapshot: MeshSnapshot): Generator<Finding> {
  for (const route of snapshot.virtualServices) {
    const view = viewOf(snapshot, route.metadata.namespace);
    for (const reference of referencesOf(route)) yield* checkReference(snapshot, view, route, reference);
  }
}

function referencesOf(route: Route): readonly Reference[] {
  const { http = [], tls = [], tcp = [] } = route.spec;
  const found: Reference[] = [];
  for (const [i, rule] of http.entries()) {
    const add = (path: string, destination: Destination) => found.push({ path: `spec.http[${i}].${path}`, destination, protocol: 'http' });
    for (const [j, { destination }] of (rule.route ?? []).entries()) add(`route[${j}].destination`, destination);
    if (rule.mirror) add('mirror', rule.mirror);
    for (const [j, { destination }] of (rule.mirrors ?? []).entries()) add(`mirrors[${j}].destination`, destination);
  }
  for (const [field, rules] of [
    ['tls', tls],
    ['tcp', tcp],
  ] as const) {
    for (const [i, rule] of rules.entries()) {
      for (const [j, { destination }] of (rule.route ?? []).entries()) {
        found.push({ path: `spec.${field}[${i}].route[${j}].destination`, destination, protocol: 'tcp' });
      }
    }
  }
  return found;
}

function* checkReference(
  snapshot: MeshSnapshot,
  view: NamespaceView,
  route: Route,
  { path, destination, protocol }: Reference,
): Generator<Finding> {
  const host = resolveHost(destination.host, route.metadata.namespace, snapshot.mesh.clusterDomain);
  const service = view.service(host);
  if (!service) {
    if (view.hosts.some((entry) => isWildcard(entry.service.hostname) && hostCovers(entry.service.hostname, host))) return;
    const near = nearest(
      host,
      view.hosts.map((entry) => entry.service.hostname),
    );
    yield finding('IST0101', route.origin, {
      path: `${path}.host`,
      message: `no service that namespace ${route.metadata.namespace} sees has the host ${host}; requests sent there get 503`,
      fix: near ? `Did you mean ${near}?` : 'Correct the host, or create the Service or ServiceEntry.',
    });
    return;
  }
  yield* checkPort(route, service, path, destination, protocol);
  yield* checkSubset(view, route, service, path, destination);
}

function* checkPort(
  route: Route,
  service: Service,
  path: string,
  { port }: Destination,
  protocol: Reference['protocol'],
): Generator<Finding> {
  const numbers = service.ports.map((candidate) => candidate.number);
  if (port?.number) {
    if (numbers.includes(port.number)) return;
    yield finding('IST0101', route.origin, {
      path: `${path}.port.number`,
      message: `${service.hostname} has no port ${port.number}; its ports are ${numbers.join(', ') || 'none'}`,
      fix: 'Use a port number of the service, not the port that its program listens on.',
    });
    return;
  }
  const candidates = service.ports.filter((candidate) => candidate.protocol !== 'udp');
  if (candidates.length <= 1) return;
  yield finding('IST0112', route.origin, {
    path,
    message: `${service.hostname} has the ports ${numbers.join(', ')}; without destination.port the port that was called is used${protocol === 'tcp' ? ', which a TCP route may not have' : ''}`,
  });
}

function* checkSubset(view: NamespaceView, route: Route, service: Service, path: string, { subset }: Destination): Generator<Finding> {
  if (!subset) return;
  const names = subsetsOf(view.rulesFor(service)).map((entry) => entry.subset.name);
  if (names.includes(subset)) return;
  const near = nearest(subset, names);
  yield finding('IST0101', route.origin, {
    path: `${path}.subset`,
    message: `no DestinationRule of ${service.hostname} defines the subset ${subset}${names.length > 0 ? ` (defined: ${names.join(', ')})` : ''}; requests sent there get 503`,
    fix: near ? `Did you mean ${near}?` : 'Add the subset to the DestinationRule of the host.',
  });
}

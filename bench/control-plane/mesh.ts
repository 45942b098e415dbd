/** The synthetic meshes of the control-plane bench, as objects that users would write. */

import { kindFor } from '#resources/kinds.ts';
import type { Resource } from '#resources/object.ts';

export interface MeshShape {
  readonly namespaces: number;
  readonly servicesPerNamespace: number;
  readonly endpointsPerService: number;
  /** Services stay in their namespace (`exportTo: .`), but for the shared one. */
  readonly scoped: boolean;
  /** Whether every second service has a DestinationRule with a subset. */
  readonly subsets: boolean;
}

/** Thousand services of which each proxy sees a hundred; hundred services that all see. */
export const shapes = {
  scoped: { namespaces: 10, servicesPerNamespace: 100, endpointsPerService: 20, scoped: true, subsets: true },
  all: { namespaces: 10, servicesPerNamespace: 10, endpointsPerService: 2, scoped: false, subsets: false },
} as const satisfies Record<string, MeshShape>;

export type ShapeName = keyof typeof shapes;

/** The service that changes and that every proxy sees. */
export const sharedHost = 's0.ns0.svc.cluster.local';
const otherHost = 's1.ns0.svc.cluster.local';

export const portNumber = 8080;

export function namespaceOf(proxy: number, shape: MeshShape): string {
  return `ns${proxy % shape.namespaces}`;
}

export function meshObjects(shape: MeshShape): Resource<unknown>[] {
  const objects: Resource<unknown>[] = [];
  for (let ns = 0; ns < shape.namespaces; ns++) {
    for (let s = 0; s < shape.servicesPerNamespace; s++) {
      const isShared = ns === 0 && s < 2;
      if (shape.subsets && s % 2 === 1) objects.push(destinationRule(`s${s}`, `ns${ns}`));
      objects.push(...pods(`s${s}`, `ns${ns}`, ns, s, shape.endpointsPerService));
      objects.push(
        service(`s${s}`, `ns${ns}`, ns * 256 + s, shape.scoped && !isShared),
        endpointSlice(`s${s}`, `ns${ns}`, ns, s, shape.endpointsPerService, 0),
      );
    }
  }
  objects.push(virtualService(50));
  return objects;
}

/** The shared service's endpoints, the last of which moves with each `change`. */
export function changedEndpoints(shape: MeshShape, change: number): Resource<unknown> {
  return endpointSlice('s0', 'ns0', 0, 0, shape.endpointsPerService, change);
}

/** The shared service's route with another weight. */
export function virtualService(weight: number): Resource<unknown> {
  const destination = (host: string, share: number) => ({ destination: { host }, weight: share });
  const spec = { hosts: [sharedHost], http: [{ route: [destination(sharedHost, weight), destination(otherHost, 100 - weight)] }] };
  return decode({ apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'shared', namespace: 'ns0' }, spec });
}

function destinationRule(name: string, namespace: string): Resource<unknown> {
  const connectionPool = { http: { http2MaxRequests: 1000, maxRequestsPerConnection: 10 }, tcp: { maxConnections: 100 } };
  const trafficPolicy = { connectionPool, outlierDetection: { consecutive5xxErrors: 7, interval: '30s' } };
  const spec = { host: name, trafficPolicy, subsets: [{ name: 'v1', labels: { version: 'v1' } }] };
  return decode({ apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule', metadata: { name, namespace }, spec });
}

function service(name: string, namespace: string, address: number, scoped: boolean): Resource<unknown> {
  const annotations = scoped ? { 'networking.istio.io/exportTo': '.' } : {};
  const spec = {
    clusterIP: `10.${96 + (address >> 16)}.${(address >> 8) & 255}.${address & 255}`,
    selector: { app: name },
    ports: [{ name: 'http', port: portNumber, targetPort: portNumber }],
  };
  return decode({ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace, annotations, labels: { app: name } }, spec });
}

/** The pods behind a service, which say what its endpoints are. */
function pods(name: string, namespace: string, ns: number, s: number, count: number): Resource<unknown>[] {
  return Array.from({ length: count }, (_, i) => {
    const metadata = { name: `${name}-v1-${i}`, namespace, labels: { app: name, version: 'v1' } };
    const spec = { nodeName: `node-${(s + i) % 50}`, serviceAccountName: name, containers: [{ name: 'app' }] };
    const status = { phase: 'Running', podIP: `10.${128 + ns}.${s}.${i}`, podIPs: [{ ip: `10.${128 + ns}.${s}.${i}` }] };
    return decode({ apiVersion: 'v1', kind: 'Pod', metadata, spec, status });
  });
}

function endpointSlice(name: string, namespace: string, ns: number, s: number, count: number, change: number): Resource<unknown> {
  const endpoints = Array.from({ length: count }, (_, i) => ({
    addresses: [i === count - 1 && change > 0 ? `10.250.${change >> 8}.${change & 255}` : `10.${128 + ns}.${s}.${i}`],
    conditions: { ready: true },
    nodeName: `node-${(s + i) % 50}`,
    targetRef: { kind: 'Pod', name: `${name}-v1-${i}`, namespace },
  }));
  const metadata = { name: `${name}-abc`, namespace, labels: { 'kubernetes.io/service-name': name } };
  const ports = [{ name: 'http', port: portNumber, protocol: 'TCP' }];
  return decode({ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata, addressType: 'IPv4', endpoints, ports });
}

interface RawObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

function decode(raw: RawObject): Resource<unknown> {
  const kind = kindFor(raw.apiVersion, raw.kind);
  const decoded = kind?.decode(raw, { source: 'generated' });
  if (!decoded?.resource)
    throw new Error(`${raw.kind} ${raw.metadata.name}: ${decoded?.problems.map((p) => p.message).join('; ') ?? 'unknown kind'}`);
  return decoded.resource;
}

import type { Endpoint } from '#mesh/endpoint.ts';
import { type Service, serviceKey } from '#mesh/service.ts';
import type { MeshSnapshot } from '#mesh/snapshot.ts';
import type { ObjectRef } from '../api.ts';
import { serviceId, workloadId } from '../traffic/table.ts';

export interface ServiceNode {
  readonly id: string;
  readonly service: Service;
  /** Sorted ids. */
  readonly workloads: readonly string[];
  readonly endpoints: number;
  readonly healthy: number;
  /** VirtualServices and DestinationRules for its host. */
  readonly rules: readonly ObjectRef[];
}

export interface WorkloadNode {
  readonly id: string;
  readonly name: string;
  readonly namespace: string;
  readonly app: string;
  readonly version: string;
  readonly mtls: boolean;
  readonly services: readonly string[];
  readonly addresses: readonly string[];
}

/** Services and workloads of one snapshot, by graph id. */
export interface MeshView {
  readonly epoch: number;
  readonly services: ReadonlyMap<string, ServiceNode>;
  readonly workloads: ReadonlyMap<string, WorkloadNode>;
  /** Sorted names of namespaces that hold services. */
  readonly namespaces: readonly string[];
}

interface Gathered {
  readonly first: Endpoint;
  readonly services: Set<string>;
  readonly addresses: Set<string>;
}

/** O(services + endpoints + rules); callers keep the result for as long as the snapshot stays. */
export function viewMesh(snapshot: MeshSnapshot): MeshView {
  const rules = rulesByHost(snapshot);
  const services = new Map<string, ServiceNode>();
  const gathered = new Map<string, Gathered>();
  for (const service of snapshot.services) {
    const id = serviceId(service.namespace, service.name);
    const workloads = new Set<string>();
    const addresses = new Map<string, boolean>();
    for (const endpoint of snapshot.endpoints.get(serviceKey(service))?.endpoints ?? []) {
      addresses.set(endpoint.address, endpoint.health === 'healthy' && addresses.get(endpoint.address) !== false);
      if (!endpoint.workloadName) continue;
      const workload = workloadId(endpoint.namespace, endpoint.workloadName);
      workloads.add(workload);
      const held = gathered.get(workload) ?? { first: endpoint, services: new Set(), addresses: new Set() };
      held.services.add(id);
      held.addresses.add(endpoint.address);
      gathered.set(workload, held);
    }
    services.set(id, {
      id,
      service,
      workloads: [...workloads].sort(),
      endpoints: addresses.size,
      healthy: [...addresses.values()].filter(Boolean).length,
      rules: rules.get(service.hostname) ?? [],
    });
  }
  const workloads = new Map([...gathered].map(([id, held]) => [id, workloadNode(id, held)]));
  const namespaces = [...new Set(snapshot.services.map((service) => service.namespace))].sort();
  return { epoch: snapshot.epoch, services, workloads, namespaces };
}

function workloadNode(id: string, { first, services, addresses }: Gathered): WorkloadNode {
  return {
    id,
    name: first.workloadName,
    namespace: first.namespace,
    app: first.labels.app ?? first.labels['app.kubernetes.io/name'] ?? '',
    version: first.labels.version ?? first.labels['app.kubernetes.io/version'] ?? '',
    mtls: first.tlsMode === 'istio',
    services: [...services].sort(),
    addresses: [...addresses].sort(),
  };
}

function rulesByHost(snapshot: MeshSnapshot): ReadonlyMap<string, readonly ObjectRef[]> {
  const byHost = new Map<string, ObjectRef[]>();
  const add = (host: string, ref: ObjectRef) => {
    const held = byHost.get(host);
    if (held) held.push(ref);
    else byHost.set(host, [ref]);
  };
  for (const { metadata, spec } of snapshot.virtualServices) {
    const ref = { kind: 'VirtualService', namespace: metadata.namespace, name: metadata.name };
    for (const host of new Set((spec.hosts ?? []).map((host) => fullHost(host, metadata.namespace)))) add(host, ref);
  }
  for (const { metadata, spec } of snapshot.destinationRules) {
    add(fullHost(spec.host ?? '', metadata.namespace), { kind: 'DestinationRule', namespace: metadata.namespace, name: metadata.name });
  }
  return byHost;
}

/** A short name means the service of that name in the rule's own namespace (Istio 1.30 behaviour). */
export function fullHost(host: string, namespace: string): string {
  return host.includes('.') || host.startsWith('*') ? host : `${host}.${namespace}.svc.cluster.local`;
}

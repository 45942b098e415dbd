import { deepEqual } from '#collection/equal.ts';
import type { Collection } from '#collection/graph.ts';
import type { ServiceEndpoints } from '#mesh/endpoint.ts';
import type { MeshConfig } from '#mesh/mesh-config.ts';
import { type Service, serviceKey } from '#mesh/service.ts';
import type { MeshSnapshot, SnapshotChange } from '#mesh/snapshot.ts';
import type { DestinationRule } from '#resources/networking/destination-rule.ts';
import type { VirtualService } from '#resources/networking/virtual-service.ts';
import type { Resource } from '#resources/object.ts';
import type { DerivedMesh } from './derive.ts';
import { createSortedList, type SortedList } from './sorted-list.ts';

interface Pending {
  mesh: boolean;
  readonly services: Set<string>;
  readonly endpoints: Set<string>;
  readonly virtualServices: Set<string>;
  readonly destinationRules: Set<string>;
  readonly namespaces: Set<string>;
}

function noChange(): Pending {
  return {
    mesh: false,
    services: new Set(),
    endpoints: new Set(),
    virtualServices: new Set(),
    destinationRules: new Set(),
    namespaces: new Set(),
  };
}

function isEmpty(change: Pending): boolean {
  const { mesh, ...sets } = change;
  return !mesh && Object.values(sets).every((set) => set.size === 0);
}

export interface SnapshotBuilder {
  /** The newest snapshot; made when asked for, kept until the next change. */
  current(): MeshSnapshot;
  /** What has changed since this was called last; undefined when nothing has. */
  takeChange(): SnapshotChange | undefined;
  setMesh(mesh: MeshConfig): void;
}

/** Follows the derived collections and calls `onChange` at every change. */
export function createSnapshotBuilder(firstMesh: MeshConfig, derived: DerivedMesh, onChange: () => void): SnapshotBuilder {
  const services = createSortedList<Service>(serviceKey, (service) => ({
    created: service.createdAt,
    name: service.name,
    namespace: service.namespace,
  }));
  const virtualServices = createSortedList<Resource<VirtualService>>(resourceKey, resourceOrder);
  const destinationRules = createSortedList<Resource<DestinationRule>>(resourceKey, resourceOrder);
  let endpoints = new Map<string, ServiceEndpoints>();
  let namespaces = new Map<string, Readonly<Record<string, string>>>();
  let mesh = firstMesh;
  let snapshot: MeshSnapshot | undefined;
  let epoch = 0;
  // A map that a snapshot refers to is copied before the next write.
  let isEndpointsShared = false;
  let isNamespacesShared = false;
  let pending = noChange();

  fill(services, derived.services);
  fill(virtualServices, derived.virtualServices);
  fill(destinationRules, derived.destinationRules);
  for (const one of derived.endpoints.values()) endpoints.set(one.key, one);
  for (const one of derived.namespaces.values()) namespaces.set(one.metadata.name, one.metadata.labels);

  const changed = () => {
    snapshot = undefined;
    onChange();
  };
  derived.services.subscribe((changes) => {
    services.apply(changes);
    for (const { key } of changes) pending.services.add(key);
    changed();
  });
  derived.virtualServices.subscribe((changes) => {
    virtualServices.apply(changes);
    for (const { key } of changes) pending.virtualServices.add(key);
    changed();
  });
  derived.destinationRules.subscribe((changes) => {
    destinationRules.apply(changes);
    for (const { key } of changes) pending.destinationRules.add(key);
    changed();
  });
  derived.endpoints.subscribe((changes) => {
    if (isEndpointsShared) endpoints = new Map(endpoints);
    isEndpointsShared = false;
    for (const { key, after } of changes) {
      if (after) endpoints.set(key, after);
      else endpoints.delete(key);
      pending.endpoints.add(key);
    }
    changed();
  });
  derived.namespaces.subscribe((changes) => {
    const relevant = changes.filter(({ before, after }) => !deepEqual(before?.metadata.labels, after?.metadata.labels));
    if (relevant.length === 0) return;
    if (isNamespacesShared) namespaces = new Map(namespaces);
    isNamespacesShared = false;
    for (const { before, after } of relevant) {
      const name = (after ?? before)?.metadata.name ?? '';
      if (after) namespaces.set(name, after.metadata.labels);
      else namespaces.delete(name);
      pending.namespaces.add(name);
    }
    changed();
  });

  return {
    current(): MeshSnapshot {
      if (snapshot) return snapshot;
      isEndpointsShared = true;
      isNamespacesShared = true;
      snapshot = {
        epoch: ++epoch,
        mesh,
        services: services.items(),
        endpoints,
        virtualServices: virtualServices.items(),
        destinationRules: destinationRules.items(),
        namespaces,
      };
      return snapshot;
    },
    takeChange(): SnapshotChange | undefined {
      if (isEmpty(pending)) return undefined;
      const change = pending;
      pending = noChange();
      return change;
    },
    setMesh(next: MeshConfig) {
      mesh = next;
      pending.mesh = true;
      changed();
    },
  };
}

function fill<T>(list: SortedList<T>, from: Collection<T>): void {
  list.apply([...from.values()].map((after) => ({ key: '', before: undefined, after })));
}

function resourceKey(resource: Resource<unknown>): string {
  return `${resource.metadata.namespace}/${resource.metadata.name}`;
}

function resourceOrder({ metadata }: Resource<unknown>) {
  return { created: metadata.creationTimestamp, name: metadata.name, namespace: metadata.namespace };
}

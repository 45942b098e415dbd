import { messageOf } from '#base/fault.ts';
import { clusterFromBytes, endpointsFromBytes } from './compile/cluster.ts';
import { listenerFromBytes } from './compile/listener.ts';
import { routeConfigFromBytes } from './compile/route.ts';
import { type ClusterTable, emptyUpdate, type HostTable, type ListenerTable, type RouteConfigTable, type TableUpdate } from './table.ts';

export const typeUrls = {
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoints: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  route: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
} as const;

/** A resource as it came over xDS. */
export interface Resource {
  readonly name: string;
  readonly version: string;
  readonly bytes: Uint8Array;
}

/** A resource in force, or refused: then `error` says why and the last good one goes on. */
export interface HeldResource {
  readonly name: string;
  readonly version: string;
  readonly bytes: Uint8Array;
  /** Epoch milliseconds. */
  readonly updatedAt: number;
}

interface Sort<T> {
  readonly held: Map<string, HeldResource>;
  readonly tables: Map<string, T>;
  readonly refused: Map<string, HeldResource & { readonly error: string }>;
}

const sort = <T>(): Sort<T> => ({ held: new Map(), tables: new Map(), refused: new Map() });

/** The result of taking an update in: what to send to the threads, and what was refused. */
export interface Taken {
  readonly update: TableUpdate;
  /** `resource: field: reason`, one per refused resource. */
  readonly errors: readonly string[];
}

/** Every xDS resource the proxy holds, raw and compiled. Refusing one leaves all others alone. */
export class Configuration {
  private readonly sourceAddress: string;
  private readonly now: () => number;
  readonly clusters = sort<ClusterTable>();
  readonly endpoints = sort<readonly HostTable[]>();
  readonly listeners = sort<ListenerTable>();
  readonly routes = sort<RouteConfigTable>();

  constructor(sourceAddress: string, now: () => number) {
    this.sourceAddress = sourceAddress;
    this.now = now;
  }

  take(typeUrl: string, added: readonly Resource[], removed: readonly string[]): Taken {
    const { update, errors } = this.compileAll(typeUrl, added, removed);
    return { update: { ...update, needs: needsOf(update) }, errors };
  }

  private compileAll(typeUrl: string, added: readonly Resource[], removed: readonly string[]): Taken {
    switch (typeUrl) {
      case typeUrls.cluster: {
        const { good, errors } = this.compile(this.clusters, added, (resource) =>
          clusterFromBytes(resource.bytes, resource.version, this.sourceAddress),
        );
        return { errors, update: { ...emptyUpdate, clusters: good, removedClusters: this.remove(this.clusters, removed) } };
      }
      case typeUrls.endpoints: {
        const { good, errors } = this.compile(this.endpoints, added, (resource) => endpointsFromBytes(resource.bytes).hosts);
        const names = added
          .filter((resource) => this.endpoints.held.get(resource.name)?.bytes === resource.bytes)
          .map((resource) => resource.name);
        const endpoints = good.map((hosts, index) => ({ name: names[index] ?? '', hosts }));
        return { errors, update: { ...emptyUpdate, endpoints, removedEndpoints: this.remove(this.endpoints, removed) } };
      }
      case typeUrls.route: {
        const { good, errors } = this.compile(this.routes, added, (resource) => routeConfigFromBytes(resource.bytes));
        return { errors, update: { ...emptyUpdate, routes: good, removedRoutes: this.remove(this.routes, removed) } };
      }
      case typeUrls.listener: {
        const { good, errors } = this.compile(this.listeners, added, (resource) => listenerFromBytes(resource.bytes, resource.version));
        return { errors, update: { ...emptyUpdate, listeners: good, removedListeners: this.remove(this.listeners, removed) } };
      }
      default:
        return { errors: [`${typeUrl}: resources of this type are not known here`], update: emptyUpdate };
    }
  }

  /** Everything in force as one update. */
  snapshot(): TableUpdate {
    const update = {
      ...emptyUpdate,
      clusters: [...this.clusters.tables.values()],
      endpoints: [...this.endpoints.tables].map(([name, hosts]) => ({ name, hosts })),
      routes: [...this.routes.tables.values()],
      listeners: [...this.listeners.tables.values()],
    };
    return { ...update, needs: needsOf(update) };
  }

  /** Names that EDS must deliver. */
  endpointNames(): string[] {
    return [...new Set([...this.clusters.tables.values()].filter((table) => table.type === 'eds').map((table) => table.serviceName))];
  }

  /** Names that RDS must deliver. */
  routeNames(): string[] {
    const names = new Set<string>();
    for (const listener of this.listeners.tables.values()) {
      for (const { filter } of listener.defaultChain === undefined ? listener.chains : [...listener.chains, listener.defaultChain]) {
        if (filter.kind === 'http' && filter.routes === undefined) names.add(filter.routeName);
      }
    }
    return [...names];
  }

  private compile<T>(kind: Sort<T>, added: readonly Resource[], make: (resource: Resource) => T): { good: T[]; errors: string[] } {
    const good: T[] = [];
    const errors: string[] = [];
    for (const resource of added) {
      const held = { name: resource.name, version: resource.version, bytes: resource.bytes, updatedAt: this.now() };
      try {
        const table = make(resource);
        kind.held.set(resource.name, held);
        kind.tables.set(resource.name, table);
        kind.refused.delete(resource.name);
        good.push(table);
      } catch (error) {
        kind.refused.set(resource.name, { ...held, error: messageOf(error) });
        errors.push(`${resource.name}: ${messageOf(error)}`);
      }
    }
    return { good, errors };
  }

  private remove<T>(kind: Sort<T>, names: readonly string[]): string[] {
    for (const name of names) {
      kind.held.delete(name);
      kind.tables.delete(name);
      kind.refused.delete(name);
    }
    return [...names];
  }
}

/** An expression shows as a rule of that kind, or as a substitution's pattern. */
function needsOf(update: TableUpdate): TableUpdate['needs'] {
  const regex = /"kind":"regex"|"pattern":/.test(JSON.stringify([update.routes, update.listeners]));
  return { regex, tls: update.clusters.some((table) => table.tls !== undefined) };
}

import type { Clock } from '#base/clock.ts';
import { Bug } from '#base/fault.ts';
import { Deadlines } from '#http/deadlines.ts';
import { createSharedReader } from '#http/net-transport.ts';
import { OutputArena } from '#http/transport.ts';
import { RouteConfig } from './http/router.ts';
import { loadRegex } from './http/rules.ts';
import { Listener, type ListenerState } from './listener/listener.ts';
import { AccessLogs } from './log/access-log.ts';
import { RequestMetrics } from './log/metrics.ts';
import type { AccessRecord, MetricRow } from './records.ts';
import type { NodeFacts, Runtime } from './runtime.ts';
import type { ChainTable, ListenerTable, TableUpdate } from './table.ts';
import { Cluster } from './upstream/cluster.ts';

export interface DataPlaneOptions {
  readonly facts: NodeFacts;
  readonly clock: Clock;
  report(level: 'info' | 'warn' | 'error', message: string, context?: Readonly<Record<string, unknown>>): void;
  records(batch: readonly AccessRecord[]): void;
}

/** Counts of one endpoint as the admin port shows them. */
export interface HostStats {
  readonly label: string;
  readonly hostname: string;
  readonly health: string;
  readonly ejected: boolean;
  readonly weight: number;
  readonly priority: number;
  readonly locality: string;
  readonly active: number;
  readonly connections: number;
  readonly connectionsTotal: number;
  readonly connectFailures: number;
  readonly requestsTotal: number;
  readonly requestsOk: number;
  readonly requestsFailed: number;
}

export interface ClusterStats {
  readonly name: string;
  readonly counters: Readonly<Record<string, number>>;
  readonly gauges: Readonly<Record<string, number>>;
  readonly limits: Readonly<Record<'maxConnections' | 'maxPending' | 'maxRequests' | 'maxRetries', number>>;
  readonly addedByApi: boolean;
  readonly hosts: readonly HostStats[];
}

/** Everything one data-plane thread counts. */
export interface ThreadStats {
  readonly downstream: {
    readonly connections: number;
    readonly active: number;
    readonly requests: number;
    readonly requestsActive: number;
    readonly refusedHeads: number;
  };
  readonly clusters: readonly ClusterStats[];
  readonly listeners: readonly ListenerState[];
  readonly metrics: readonly MetricRow[];
}

/** A listener that did not come up, for the answer to the control plane. */
export interface ListenerFailure {
  readonly listener: string;
  readonly error: string;
}

/** What came of an update: listeners that failed, and how many still wait for their routes. */
export interface Applied {
  readonly failures: readonly ListenerFailure[];
  readonly warming: number;
}

/** How to drain. Without `stopAccepting` new connections are still served, and asked to close after their answer. */
export interface Drain {
  readonly inboundOnly: boolean;
  readonly stopAccepting: boolean;
}

/** One thread's proxy: takes compiled tables, serves traffic. Knows nothing of protobuf or xDS. */
export class DataPlane {
  private readonly runtime: Runtime;
  private readonly listeners = new Map<string, Listener>();
  /** Listeners whose routes have not arrived; what they replace goes on meanwhile. */
  private readonly warming = new Map<string, ListenerTable>();
  /** Updates take effect one after the other, in the order they came. */
  private lastUpdate: Promise<void> = Promise.resolve();
  /** Endpoints by EDS name, kept for clusters that come or change later. */
  private readonly endpoints = new Map<string, TableUpdate['endpoints'][number]['hosts']>();

  constructor(options: DataPlaneOptions) {
    const { clock, facts } = options;
    this.runtime = {
      clock,
      facts,
      deadlines: new Deadlines(clock),
      reader: createSharedReader(),
      arena: new OutputArena(),
      clusters: new Map(),
      routes: new Map(),
      ownSockets: new Set(),
      logs: new AccessLogs(clock, options.records, (message) => options.report('warn', message)),
      metrics: new RequestMetrics(),
      counters: {
        downstreamConnections: 0,
        downstreamActive: 0,
        downstreamRequests: 0,
        downstreamRequestsActive: 0,
        refusedHeads: 0,
        connectionId: 0,
      },
      connectTls: () => {
        throw new Bug('a TLS cluster before the TLS transport was loaded');
      },
      draining: false,
      report: options.report,
    };
  }

  /** Puts an update in force between two requests; resolves when new listeners listen or failed to. */
  apply(update: TableUpdate): Promise<Applied> {
    const applied = this.lastUpdate.then(() => this.applyNow(update));
    // A failed update must not hold up the next one; its caller hears of the failure.
    this.lastUpdate = applied.then(
      () => {},
      () => {},
    );
    return applied;
  }

  private async applyNow(update: TableUpdate): Promise<Applied> {
    if (update.needs.regex) await loadRegex();
    if (update.needs.tls) this.runtime.connectTls = (await import('#http/tls-transport.ts')).connectTls;
    for (const { name, hosts } of update.endpoints) this.endpoints.set(name, hosts);
    for (const name of update.removedEndpoints) this.endpoints.delete(name);
    for (const table of update.clusters) {
      const known = this.runtime.clusters.get(table.name);
      if (known === undefined || known.table.type !== table.type) {
        known?.remove();
        this.runtime.clusters.set(table.name, new Cluster(this.runtime, table));
      } else {
        known.update(table);
      }
    }
    for (const name of update.removedClusters) {
      this.runtime.clusters.get(name)?.remove();
      this.runtime.clusters.delete(name);
    }
    this.giveEndpoints(update);
    for (const table of update.routes) this.runtime.routes.set(table.name, new RouteConfig(table));
    for (const name of update.removedRoutes) this.runtime.routes.delete(name);
    for (const name of update.removedListeners) {
      this.warming.delete(name);
      this.listeners.get(name)?.stop();
      this.listeners.delete(name);
    }
    for (const table of update.listeners) this.warming.set(table.name, table);
    return { failures: await this.activate(), warming: this.warming.size };
  }

  private giveEndpoints(update: TableUpdate): void {
    const changed = new Set(update.endpoints.map((entry) => entry.name));
    const renewed = new Set(update.clusters.map((table) => table.name));
    for (const cluster of this.runtime.clusters.values()) {
      const { type, serviceName, name } = cluster.table;
      if (type !== 'eds' || !(changed.has(serviceName) || (renewed.has(name) && !cluster.ready))) continue;
      const hosts = this.endpoints.get(serviceName);
      if (hosts !== undefined) cluster.setHosts(hosts);
    }
  }

  private async activate(): Promise<ListenerFailure[]> {
    const failures: ListenerFailure[] = [];
    const opening: Promise<void>[] = [];
    for (const [name, table] of [...this.warming]) {
      if (!routesOf(table).every((route) => this.runtime.routes.has(route))) continue;
      this.warming.delete(name);
      const known = this.listeners.get(name);
      if (known !== undefined && sameSockets(known.table, table)) {
        known.update(table);
        continue;
      }
      known?.stop();
      const listener = new Listener(this.runtime, table);
      this.listeners.set(name, listener);
      opening.push(
        listener.open().then((error) => {
          if (error !== '') failures.push({ listener: name, error });
        }),
      );
    }
    await Promise.all(opening);
    return failures;
  }

  drain(drain: Drain): void {
    if (!drain.inboundOnly) this.runtime.draining = true;
    for (const listener of this.listeners.values()) {
      if (drain.inboundOnly && listener.table.direction !== 'inbound') continue;
      if (drain.stopAccepting) listener.stop();
      else listener.drain();
    }
  }

  set recording(on: boolean) {
    this.runtime.logs.recording = on;
  }

  /** Requests and tunnels in flight. */
  get active(): number {
    return this.runtime.counters.downstreamActive;
  }

  async close(): Promise<void> {
    for (const listener of this.listeners.values()) listener.stop();
    await this.runtime.logs.close();
    this.runtime.deadlines.close();
  }

  stats(): ThreadStats {
    const { counters } = this.runtime;
    const warming = [...this.warming.values()].filter((table) => !this.listeners.has(table.name));
    return {
      downstream: {
        connections: counters.downstreamConnections,
        active: counters.downstreamActive,
        requests: counters.downstreamRequests,
        requestsActive: counters.downstreamRequestsActive,
        refusedHeads: counters.refusedHeads,
      },
      clusters: [...this.runtime.clusters.values()].map(clusterStats),
      listeners: [
        ...[...this.listeners.values()].map((listener) => listener.state),
        ...warming.map((table) => ({
          name: table.name,
          addresses: table.addresses.map((place) => `${place.address}:${place.port}`),
          state: 'warming' as const,
          error: '',
          accepted: 0,
          active: 0,
        })),
      ],
      metrics: this.runtime.metrics.snapshot(),
    };
  }
}

function chainsOf(table: ListenerTable): readonly ChainTable[] {
  return table.defaultChain === undefined ? table.chains : [...table.chains, table.defaultChain];
}

function routesOf(table: ListenerTable): string[] {
  return chainsOf(table).flatMap(({ filter }) => (filter.kind === 'http' && filter.routes === undefined ? [filter.routeName] : []));
}

function sameSockets(a: ListenerTable, b: ListenerTable): boolean {
  return a.bind === b.bind && a.backlog === b.backlog && JSON.stringify(a.addresses) === JSON.stringify(b.addresses);
}

function clusterStats(cluster: Cluster): ClusterStats {
  const { table } = cluster;
  const byClass = [2, 3, 4, 5].map((hundreds) => [`upstream_rq_${hundreds}xx`, cluster.byClass[hundreds] ?? 0] as const);
  return {
    name: table.name,
    addedByApi: table.addedByApi,
    limits: {
      maxConnections: table.maxConnections,
      maxPending: table.maxPending,
      maxRequests: table.maxRequests,
      maxRetries: table.maxRetries,
    },
    counters: {
      upstream_cx_total: cluster.connectionsTotal,
      upstream_cx_connect_fail: cluster.connectFailures,
      upstream_cx_connect_timeout: cluster.connectTimeouts,
      upstream_cx_none_healthy: cluster.noHealthy,
      upstream_rq_total: cluster.requestsTotal,
      upstream_rq_completed: byClass.reduce((sum, [, count]) => sum + count, 0),
      ...Object.fromEntries(byClass),
      upstream_rq_pending_overflow: cluster.overflowed,
      upstream_rq_retry: cluster.retries,
      upstream_rq_timeout: cluster.timeouts,
      'outlier_detection.ejections_enforced_total': cluster.ejectionsTotal,
    },
    gauges: {
      upstream_cx_active: cluster.activeConnections,
      upstream_rq_active: cluster.activeRequests,
      upstream_rq_pending_active: cluster.pending,
      membership_total: cluster.hosts.length,
      membership_healthy: cluster.hosts.filter((host) => host.usable).length,
      'outlier_detection.ejections_active': cluster.hosts.filter((host) => host.ejected).length,
    },
    hosts: cluster.hosts.map((host) => ({
      label: host.label,
      hostname: host.table.hostname,
      health: host.table.health,
      ejected: host.ejected,
      weight: host.table.weight,
      priority: host.table.priority,
      locality: host.table.locality,
      active: host.active,
      connections: host.connections,
      connectionsTotal: host.connectionsTotal,
      connectFailures: host.connectFailures,
      requestsTotal: host.requestsTotal,
      requestsOk: host.requestsOk,
      requestsFailed: host.requestsFailed,
    })),
  };
}

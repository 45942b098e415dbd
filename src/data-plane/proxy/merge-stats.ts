import type { ClusterStats, HostStats, ThreadStats } from './data-plane.ts';
import type { ListenerState } from './listener/listener.ts';
import type { Histogram, MetricRow } from './records.ts';

/** Counts of several threads as one. */
export function mergeStats(all: readonly ThreadStats[]): ThreadStats {
  const sum = (pick: (stats: ThreadStats) => number) => all.reduce((total, stats) => total + pick(stats), 0);
  return {
    downstream: {
      connections: sum((stats) => stats.downstream.connections),
      active: sum((stats) => stats.downstream.active),
      requests: sum((stats) => stats.downstream.requests),
      requestsActive: sum((stats) => stats.downstream.requestsActive),
      refusedHeads: sum((stats) => stats.downstream.refusedHeads),
    },
    clusters: mergeBy(
      all.map((stats) => stats.clusters),
      (cluster) => cluster.name,
      mergeClusters,
    ),
    listeners: mergeBy(
      all.map((stats) => stats.listeners),
      (listener) => listener.name,
      mergeListeners,
    ),
    metrics: mergeRows(all.map((stats) => stats.metrics)),
  };
}

export function mergeRows(all: readonly (readonly MetricRow[])[]): MetricRow[] {
  return mergeBy(
    all,
    (row) =>
      [row.kind, row.reporter, row.cluster, row.upstreamWorkload, row.peer, row.responseCode, row.responseFlags, row.grpcStatus].join('|'),
    (a, b) => ({
      ...a,
      count: a.count + b.count,
      durationMs: mergeHistograms(a.durationMs, b.durationMs),
      requestBytes: mergeHistograms(a.requestBytes, b.requestBytes),
      responseBytes: mergeHistograms(a.responseBytes, b.responseBytes),
      opened: a.opened + b.opened,
      closed: a.closed + b.closed,
      received: a.received + b.received,
      sent: a.sent + b.sent,
    }),
  );
}

function mergeBy<T>(lists: readonly (readonly T[])[], key: (item: T) => string, merge: (a: T, b: T) => T): T[] {
  const merged = new Map<string, T>();
  for (const item of lists.flat()) {
    const known = merged.get(key(item));
    merged.set(key(item), known === undefined ? item : merge(known, item));
  }
  return [...merged.values()];
}

function mergeHistograms(a: Histogram, b: Histogram): Histogram {
  return { sum: a.sum + b.sum, buckets: a.buckets.map((count, index) => count + (b.buckets[index] ?? 0)) };
}

function mergeListeners(a: ListenerState, b: ListenerState): ListenerState {
  return {
    ...a,
    error: a.error || b.error,
    state: a.state === 'failed' ? a.state : b.state,
    accepted: a.accepted + b.accepted,
    active: a.active + b.active,
  };
}

/** Gauges that describe the cluster, not the thread. */
const shared: ReadonlySet<string> = new Set(['membership_total', 'membership_healthy']);

function mergeClusters(a: ClusterStats, b: ClusterStats): ClusterStats {
  const gauges = Object.fromEntries(
    Object.entries(a.gauges).map(([name, value]) => [name, shared.has(name) ? value : value + (b.gauges[name] ?? 0)]),
  );
  const counters = Object.fromEntries(Object.entries(a.counters).map(([name, value]) => [name, value + (b.counters[name] ?? 0)]));
  return { ...a, gauges, counters, hosts: mergeBy([a.hosts, b.hosts], (host) => host.label, mergeHosts) };
}

function mergeHosts(a: HostStats, b: HostStats): HostStats {
  return {
    ...a,
    ejected: a.ejected || b.ejected,
    active: a.active + b.active,
    connections: a.connections + b.connections,
    connectionsTotal: a.connectionsTotal + b.connectionsTotal,
    connectFailures: a.connectFailures + b.connectFailures,
    requestsTotal: a.requestsTotal + b.requestsTotal,
    requestsOk: a.requestsOk + b.requestsOk,
    requestsFailed: a.requestsFailed + b.requestsFailed,
  };
}

import type { ThreadStats } from '../data-plane.ts';
import { type MetricRow, metricBounds } from '../records.ts';

interface Sample {
  readonly name: string;
  readonly value: number;
  readonly kind: 'counter' | 'gauge';
  /** Labels that Envoy's Prometheus form takes out of the name. */
  readonly cluster?: string;
  readonly short: string;
}

function samples(stats: ThreadStats, restarts: number): Sample[] {
  const { downstream } = stats;
  const plain = (name: string, value: number, kind: 'counter' | 'gauge'): Sample => ({ name, value, kind, short: name });
  const list: Sample[] = [
    plain('http.downstream_cx_total', downstream.connections, 'counter'),
    plain('http.downstream_cx_active', downstream.active, 'gauge'),
    plain('http.downstream_rq_total', downstream.requests, 'counter'),
    plain('http.downstream_rq_active', downstream.requestsActive, 'gauge'),
    plain('http.downstream_cx_protocol_error', downstream.refusedHeads, 'counter'),
    plain('listener_manager.total_listeners_active', stats.listeners.filter((listener) => listener.state === 'listening').length, 'gauge'),
    plain('listener_manager.total_listeners_warming', stats.listeners.filter((listener) => listener.state === 'warming').length, 'gauge'),
    plain('cluster_manager.active_clusters', stats.clusters.length, 'gauge'),
    plain('server.live', 1, 'gauge'),
    plain('server.uptime', Math.floor(process.uptime()), 'gauge'),
    plain('server.worker_restarts', restarts, 'counter'),
  ];
  for (const cluster of stats.clusters) {
    const add =
      (kind: 'counter' | 'gauge') =>
      ([key, value]: readonly [string, number]) =>
        list.push({ name: `cluster.${cluster.name}.${key}`, value, kind, cluster: cluster.name, short: `cluster.${key}` });
    Object.entries(cluster.counters).forEach(add('counter'));
    Object.entries(cluster.gauges).forEach(add('gauge'));
  }
  return list;
}

/** Envoy's `/stats`: lines or JSON, with its `filter` and `usedonly`. */
export function statsText(
  stats: ThreadStats,
  query: URLSearchParams,
  restarts: number,
): { readonly status?: number; readonly type?: string; readonly body: string } {
  const filter = query.get('filter');
  let wanted: (name: string) => boolean = () => true;
  if (filter !== null) {
    // A filter is looked for as plain text: no expression of a stranger runs on this thread.
    const parts = filter.split('|');
    wanted = (name) => parts.some((part) => name.includes(part));
  }
  const chosen = samples(stats, restarts)
    .filter((sample) => wanted(sample.name) && (query.get('usedonly') === null || sample.value !== 0))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  if (query.get('format') === 'json') {
    return { type: 'application/json', body: JSON.stringify({ stats: chosen.map(({ name, value }) => ({ name, value })) }) };
  }
  return { body: chosen.map(({ name, value }) => `${name}: ${value}\n`).join('') };
}

/** Envoy's metrics under `envoy_`, then Istio's request metrics as this proxy counts them (without the caller's own labels). */
export function prometheusText(stats: ThreadStats, restarts: number): string {
  const groups = new Map<string, { readonly kind: string; readonly lines: string[] }>();
  for (const sample of samples(stats, restarts)) {
    const name = `envoy_${sample.short.replace(/[^a-zA-Z0-9_]/g, '_')}`;
    const group = groups.get(name) ?? { kind: sample.kind, lines: [] };
    group.lines.push(`${name}${labels(sample.cluster === undefined ? {} : { envoy_cluster_name: sample.cluster })} ${sample.value}`);
    groups.set(name, group);
  }
  const parts = [...groups].map(([name, group]) => `# TYPE ${name} ${group.kind}\n${group.lines.join('\n')}\n`);
  return parts.join('') + requestMetrics(stats.metrics.filter((row) => row.kind === 'http'));
}

function requestMetrics(rows: readonly MetricRow[]): string {
  if (rows.length === 0) return '';
  const lines = ['# TYPE meshwright_proxy_requests_total counter'];
  const labelsOf = (row: MetricRow) => ({
    reporter: row.reporter,
    envoy_cluster_name: row.cluster,
    upstream: row.upstreamWorkload,
    peer: row.peer,
    response_code: String(row.responseCode),
    response_flags: row.responseFlags || '-',
  });
  for (const row of rows) lines.push(`meshwright_proxy_requests_total${labels(labelsOf(row))} ${row.count}`);
  lines.push('# TYPE meshwright_proxy_request_duration_milliseconds histogram');
  for (const row of rows) {
    let total = 0;
    row.durationMs.buckets.forEach((count, index) => {
      total += count;
      const bound = metricBounds[index];
      lines.push(
        `meshwright_proxy_request_duration_milliseconds_bucket${labels({ ...labelsOf(row), le: bound === undefined ? '+Inf' : String(bound) })} ${total}`,
      );
    });
    lines.push(`meshwright_proxy_request_duration_milliseconds_sum${labels(labelsOf(row))} ${row.durationMs.sum}`);
    lines.push(`meshwright_proxy_request_duration_milliseconds_count${labels(labelsOf(row))} ${row.count}`);
  }
  return `${lines.join('\n')}\n`;
}

function labels(values: Readonly<Record<string, string>>): string {
  const entries = Object.entries(values).map(
    ([key, value]) => `${key}="${value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`,
  );
  return `{${entries.join(',')}}`;
}

import type { ReportingWorkload } from './access.ts';
import { type MetricHistogram, type MetricRow, metricBounds } from './metric-rows.ts';
import { calledHost, parsePeer, type WorkloadIdentity } from './workload-identity.ts';

/**
 * Istio's standard metrics as Prometheus text (istio.io: standard metrics): names and labels unchanged, so that dashboards
 * made for Istio work. Families without a series are left out. Rows that come to the same labels are added up.
 */
export function exposeIstioMetrics(rows: readonly MetricRow[], own: ReportingWorkload): string {
  const series = new Map<string, Series>();
  for (const row of rows) {
    const labels = labelsOf(row, own);
    const same = series.get(labels);
    if (same) same.rows.push(row);
    else series.set(labels, { labels, rows: [row] });
  }
  const all = [...series.values()];
  const http = all.filter(({ rows: [first] }) => first?.kind === 'http');
  const tcp = all.filter(({ rows: [first] }) => first?.kind === 'tcp');
  return [
    histogram('istio_request_bytes', 'Size of request bodies in bytes.', http, (row) => row.requestBytes),
    histogram('istio_request_duration_milliseconds', 'Duration of requests in milliseconds.', http, (row) => row.durationMs),
    counter('istio_requests_total', 'Requests.', http, (row) => row.count),
    histogram('istio_response_bytes', 'Size of response bodies in bytes.', http, (row) => row.responseBytes),
    counter('istio_tcp_connections_closed_total', 'Closed TCP connections.', tcp, (row) => row.closed),
    counter('istio_tcp_connections_opened_total', 'Opened TCP connections.', tcp, (row) => row.opened),
    counter('istio_tcp_received_bytes_total', 'Bytes that servers received over TCP.', tcp, (row) => row.received),
    counter('istio_tcp_sent_bytes_total', 'Bytes that servers sent over TCP.', tcp, (row) => row.sent),
  ].join('');
}

interface Series {
  readonly labels: string;
  readonly rows: MetricRow[];
}

const unknownWorkload: WorkloadIdentity = { workload: '', namespace: '', app: '', version: '', cluster: '' };

/** In Istio's order; what is not known is `unknown`. */
function labelsOf(row: MetricRow, own: ReportingWorkload): string {
  const inbound = row.reporter === 'destination';
  const source = parsePeer(inbound ? row.peer : own.peer) ?? unknownWorkload;
  const destination = parsePeer(inbound ? own.peer : row.upstreamWorkload) ?? unknownWorkload;
  const service = serviceOf(inbound ? own.serviceHost : calledHost(row.cluster));
  const isGrpc = row.grpcStatus >= 0;
  const isHttp = row.kind === 'http';
  const labels: readonly (readonly [string, string] | false)[] = [
    ['reporter', row.reporter],
    ...side('source', source),
    ...side('destination', destination),
    ['destination_service', service.host],
    ['destination_service_name', service.name],
    ['destination_service_namespace', service.namespace || destination.namespace],
    ['request_protocol', isHttp ? (isGrpc ? 'grpc' : 'http') : 'tcp'],
    isHttp && ['response_code', String(row.responseCode)],
    ['response_flags', row.responseFlags || '-'],
    isHttp && ['grpc_response_status', isGrpc ? String(row.grpcStatus) : ''],
    // The source cannot know how the far end saw its connection.
    ['connection_security_policy', inbound ? 'none' : 'unknown'],
  ];
  return labels
    .filter((label) => label !== false)
    .map(([name, value]) => `${name}="${escapeLabel(value || (name === 'grpc_response_status' ? '' : 'unknown'))}"`)
    .join(',');
}

function side(prefix: 'source' | 'destination', identity: WorkloadIdentity): readonly (readonly [string, string])[] {
  return [
    [`${prefix}_workload`, identity.workload],
    [`${prefix}_workload_namespace`, identity.namespace],
    [`${prefix}_principal`, ''],
    [`${prefix}_app`, identity.app],
    [`${prefix}_version`, identity.version],
    [`${prefix}_cluster`, identity.cluster],
    [`${prefix}_canonical_service`, identity.app || identity.workload],
    [`${prefix}_canonical_revision`, identity.version || (identity.workload ? 'latest' : '')],
  ];
}

/** `reviews.default.svc.cluster.local` is service `reviews` in `default`; other hosts are their own name. */
function serviceOf(host: string): { readonly host: string; readonly name: string; readonly namespace: string } {
  const match = /^([^.]+)\.([^.]+)\.svc\./.exec(host);
  return match ? { host, name: match[1] ?? '', namespace: match[2] ?? '' } : { host, name: host, namespace: '' };
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function counter(name: string, help: string, series: readonly Series[], value: (row: MetricRow) => number): string {
  if (series.length === 0) return '';
  const lines = series.map(({ labels, rows }) => `${name}{${labels}} ${sum(rows.map(value))}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} counter\n${lines.join('')}`;
}

function histogram(name: string, help: string, series: readonly Series[], pick: (row: MetricRow) => MetricHistogram): string {
  if (series.length === 0) return '';
  const lines = [`# HELP ${name} ${help}\n# TYPE ${name} histogram\n`];
  for (const { labels, rows } of series) {
    const found = rows.map(pick);
    let below = 0;
    metricBounds.forEach((bound, index) => {
      below += sum(found.map(({ buckets }) => buckets[index] ?? 0));
      lines.push(`${name}_bucket{${labels},le="${bound}"} ${below}\n`);
    });
    const count = sum(found.flatMap(({ buckets }) => buckets));
    lines.push(`${name}_bucket{${labels},le="+Inf"} ${count}\n`);
    lines.push(`${name}_sum{${labels}} ${sum(found.map((one) => one.sum))}\n${name}_count{${labels}} ${count}\n`);
  }
  return lines.join('');
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

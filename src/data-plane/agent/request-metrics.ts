import type { AccessRecord } from './access-record.ts';
import { parsePeer, type WorkloadIdentity } from './workload-identity.ts';

/** Istio's standard metrics of one workload (istio/api telemetry: standard metrics and labels). */
export interface RequestMetrics {
  /** A few hundred nanoseconds when this combination of labels has been seen before. */
  observe(record: AccessRecord, isGrpc: boolean): void;
  /** Prometheus text, families sorted by name. */
  expose(): string;
}

/** Upper bounds of Envoy's default histogram buckets, milliseconds or bytes. */
const buckets = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000,
] as const;

interface Histogram {
  /** One more than `buckets`: the last is beyond all. Not cumulative. */
  readonly counts: number[];
  sum: number;
  count: number;
}

/** All series of one combination of labels. */
interface Series {
  readonly labels: string;
  requests: number;
  readonly duration: Histogram;
  readonly requestBytes: Histogram;
  readonly responseBytes: Histogram;
}

interface TcpSeries {
  readonly labels: string;
  connections: number;
  sent: number;
  received: number;
}

const unknownWorkload: WorkloadIdentity = { workload: '', namespace: '', app: '', version: '', cluster: '' };

/**
 * Counts by labels, at most `maxSeries` combinations per protocol. What comes after is counted under
 * `destination_service="other"` with the least labels, so that hostile host names cannot fill the memory and totals stay
 * right.
 */
export function createRequestMetrics(maxSeries: number): RequestMetrics {
  const http = new Map<string, Series>();
  const tcp = new Map<string, TcpSeries>();
  let folded = 0;

  function observe(record: AccessRecord, isGrpc: boolean): void {
    const { reporter, source, destination, destinationService, upstreamCluster, responseFlags } = record;
    const key = `${reporter}\n${source}\n${destination}\n${destinationService}\n${upstreamCluster}\n${responseFlags}`;
    if (record.kind === 'tcp') {
      const series = seriesFor(tcp, key, record, (told) => newTcpSeries(labelsOf(told, false)));
      series.connections++;
      // Named from the server's side, as Istio does: sent = what the server sent.
      series.sent += record.responseBytes;
      series.received += record.requestBytes;
      return;
    }
    const answer = `${record.responseCode}${isGrpc ? `\n${record.grpcStatus}` : ''}`;
    const series = seriesFor(http, `${key}\n${answer}`, record, (told) => newSeries(labelsOf(told, isGrpc)));
    series.requests++;
    add(series.duration, record.durationMs);
    add(series.requestBytes, record.requestBytes);
    add(series.responseBytes, record.responseBytes);
  }

  function seriesFor<S>(all: Map<string, S>, key: string, record: AccessRecord, make: (told: AccessRecord) => S): S {
    const known = all.get(key);
    if (known) return known;
    const fits = all.size < maxSeries;
    if (!fits) folded++;
    const place = fits ? key : `other\n${record.reporter}`;
    const series = all.get(place) ?? make(fits ? record : fold(record));
    all.set(place, series);
    return series;
  }

  function expose(): string {
    const series = [...http.values()];
    const connections = [...tcp.values()];
    return [
      histogram('istio_request_bytes', 'Size of request bodies in bytes.', series, (s) => s.requestBytes),
      histogram('istio_request_duration_milliseconds', 'Duration of requests in milliseconds.', series, (s) => s.duration),
      counter('istio_requests_total', 'Requests.', series, (s) => s.requests),
      histogram('istio_response_bytes', 'Size of response bodies in bytes.', series, (s) => s.responseBytes),
      // A connection is told when it ends, hence both at once.
      counter('istio_tcp_connections_closed_total', 'Closed TCP connections.', connections, (s) => s.connections),
      counter('istio_tcp_connections_opened_total', 'Opened TCP connections.', connections, (s) => s.connections),
      counter('istio_tcp_received_bytes_total', 'Bytes received by the server over TCP.', connections, (s) => s.received),
      counter('istio_tcp_sent_bytes_total', 'Bytes sent by the server over TCP.', connections, (s) => s.sent),
      `# HELP meshwright_agent_metric_series_folded_total Accesses counted under "other" because the limit of series was reached.\n# TYPE meshwright_agent_metric_series_folded_total counter\nmeshwright_agent_metric_series_folded_total ${folded}\n`,
    ].join('');
  }

  return { observe, expose };
}

function fold(record: AccessRecord): AccessRecord {
  return { ...record, source: '', destination: '', destinationService: 'other', upstreamCluster: '', responseCode: 0, responseFlags: '' };
}

function newSeries(labels: string): Series {
  return { labels, requests: 0, duration: newHistogram(), requestBytes: newHistogram(), responseBytes: newHistogram() };
}

function newTcpSeries(labels: string): TcpSeries {
  return { labels, connections: 0, sent: 0, received: 0 };
}

function newHistogram(): Histogram {
  return { counts: new Array<number>(buckets.length + 1).fill(0), sum: 0, count: 0 };
}

function add(histogram: Histogram, value: number): void {
  let index = 0;
  while (index < buckets.length && value > (buckets[index] ?? 0)) index++;
  histogram.counts[index] = (histogram.counts[index] ?? 0) + 1;
  histogram.sum += value;
  histogram.count++;
}

/** The labels in Istio's order; what is not known is `unknown`. */
function labelsOf(record: AccessRecord, isGrpc: boolean): string {
  const source = parsePeer(record.source) ?? unknownWorkload;
  const destination = parsePeer(record.destination) ?? unknownWorkload;
  const service = serviceParts(record);
  const protocol = record.kind === 'tcp' ? 'tcp' : isGrpc ? 'grpc' : 'http';
  const labels: [string, string][] = [
    ['reporter', record.reporter],
    ...side('source', source),
    ...side('destination', destination),
    ['destination_service', service.host],
    ['destination_service_name', service.name],
    ['destination_service_namespace', service.namespace || destination.namespace],
    ['request_protocol', protocol],
  ];
  if (record.kind === 'http') labels.push(['response_code', String(record.responseCode)]);
  labels.push(['response_flags', record.responseFlags || '-']);
  if (record.kind === 'http') labels.push(['grpc_response_status', isGrpc ? record.grpcStatus || '0' : '']);
  // The source cannot know how the far end saw its connection.
  labels.push(['connection_security_policy', record.reporter === 'destination' ? 'none' : 'unknown']);
  const mayBeEmpty = 'grpc_response_status';
  return labels.map(([name, value]) => `${name}="${escapeLabel(value || (name === mayBeEmpty ? '' : 'unknown'))}"`).join(',');
}

function side(prefix: 'source' | 'destination', identity: WorkloadIdentity): [string, string][] {
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
function serviceParts(record: AccessRecord): { host: string; name: string; namespace: string } {
  const host = record.destinationService;
  const match = /^([^.]+)\.([^.]+)\.svc\./.exec(host);
  if (match) return { host, name: match[1] ?? '', namespace: match[2] ?? '' };
  const unrouted = /^(PassthroughCluster|BlackHoleCluster)$/.exec(record.upstreamCluster);
  return { host, name: unrouted?.[1] ?? host, namespace: '' };
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function counter<S extends { readonly labels: string }>(name: string, help: string, series: readonly S[], value: (s: S) => number): string {
  if (series.length === 0) return '';
  return `# HELP ${name} ${help}\n# TYPE ${name} counter\n${series.map((s) => `${name}{${s.labels}} ${value(s)}\n`).join('')}`;
}

function histogram(name: string, help: string, series: readonly Series[], pick: (s: Series) => Histogram): string {
  if (series.length === 0) return '';
  const lines = [`# HELP ${name} ${help}\n# TYPE ${name} histogram\n`];
  for (const s of series) {
    const { counts, sum, count } = pick(s);
    let below = 0;
    buckets.forEach((bound, index) => {
      below += counts[index] ?? 0;
      lines.push(`${name}_bucket{${s.labels},le="${bound}"} ${below}\n`);
    });
    lines.push(`${name}_bucket{${s.labels},le="+Inf"} ${count}\n${name}_sum{${s.labels}} ${sum}\n${name}_count{${s.labels}} ${count}\n`);
  }
  return lines.join('');
}

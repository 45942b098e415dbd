import { flagNames } from '../flags.ts';
import { type MetricRow, metricBounds } from '../records.ts';

/** Numbers per row: count, three sums, three histograms, and four for TCP. */
const buckets = metricBounds.length + 1;
const at = {
  count: 0,
  durationSum: 1,
  requestSum: 2,
  responseSum: 3,
  duration: 4,
  request: 4 + buckets,
  response: 4 + 2 * buckets,
} as const;
const tcpAt = 4 + 3 * buckets;
const width = tcpAt + 4;

/** Label combinations beyond this share one row per reporter, so that hostile peers cannot fill memory. */
const maxRows = 2000;
const maxNames = 4000;

interface Labels {
  readonly kind: 'http' | 'tcp';
  readonly reporter: 'source' | 'destination';
  readonly upstream: number;
  readonly peer: number;
  readonly code: number;
  readonly flags: number;
  readonly grpcStatus: number;
}

/** Names that became small numbers; number 0 is the empty name, and what does not fit is number 1, `other`. */
class Names {
  private readonly ids = new Map<string, number>([
    ['', 0],
    ['other', 1],
  ]);
  readonly list: string[] = ['', 'other'];

  id(name: string): number {
    const known = this.ids.get(name);
    if (known !== undefined) return known;
    if (this.list.length >= maxNames) return 1;
    this.ids.set(name, this.list.length);
    return this.list.push(name) - 1;
  }
}

/** Request and connection counts of a thread in typed arrays; nothing is allocated for a combination seen before. */
export class RequestMetrics {
  private readonly rows = new Map<number, Float64Array>();
  private readonly labels = new Map<number, Labels>();
  private readonly upstreams = new Names();
  private readonly peers = new Names();
  /** Requests of one kind often follow each other. */
  private lastKey = -1;
  private lastRow: Float64Array = new Float64Array(0);

  /** Number of an upstream: its cluster and the workload behind the endpoint. Keep it; making it costs a look-up by text. */
  upstreamId(cluster: string, workload: string): number {
    return this.upstreams.id(cluster === '' ? '' : `${cluster}\n${workload}`);
  }
  peerId(peer: string): number {
    return this.peers.id(peer);
  }

  request(
    outbound: boolean,
    upstream: number,
    peer: number,
    status: number,
    flags: number,
    grpcStatus: number,
    durationMs: number,
    received: number,
    sent: number,
  ): void {
    const row = this.row('http', outbound, upstream, peer, status, flags, grpcStatus);
    row[at.count] = (row[at.count] ?? 0) + 1;
    row[at.durationSum] = (row[at.durationSum] ?? 0) + durationMs;
    row[at.requestSum] = (row[at.requestSum] ?? 0) + received;
    row[at.responseSum] = (row[at.responseSum] ?? 0) + sent;
    bump(row, at.duration + bucketOf(durationMs));
    bump(row, at.request + bucketOf(received));
    bump(row, at.response + bucketOf(sent));
  }

  tcpOpened(outbound: boolean, upstream: number, flags: number): void {
    bump(this.row('tcp', outbound, upstream, 0, 0, flags, -1), tcpAt);
  }
  tcpClosed(outbound: boolean, upstream: number, flags: number, received: number, sent: number): void {
    const row = this.row('tcp', outbound, upstream, 0, 0, flags, -1);
    bump(row, tcpAt + 1);
    row[tcpAt + 2] = (row[tcpAt + 2] ?? 0) + received;
    row[tcpAt + 3] = (row[tcpAt + 3] ?? 0) + sent;
  }

  snapshot(): MetricRow[] {
    return [...this.rows].map(([key, row]) => this.toRow(this.labels.get(key), row)).filter((row) => row !== undefined);
  }

  private row(
    kind: Labels['kind'],
    outbound: boolean,
    upstream: number,
    peer: number,
    code: number,
    flags: number,
    grpcStatus: number,
  ): Float64Array {
    // 12 + 12 bits of names, 10 of status, 5 of gRPC status, 1 + 1: exact in a double; flags are mixed in above 2^41.
    const key =
      ((((upstream * 4096 + peer) * 1024 + code) * 32 + (grpcStatus + 1)) * 2 + (outbound ? 1 : 0)) * 2 +
      (kind === 'tcp' ? 1 : 0) +
      flagIndex(flags) * 2 ** 41;
    if (key === this.lastKey) return this.lastRow;
    const known = this.rows.get(key);
    if (known !== undefined) {
      this.lastKey = key;
      this.lastRow = known;
      return known;
    }
    if (this.rows.size >= maxRows && upstream !== 1) return this.row(kind, outbound, 1, 1, code - (code % 100), 0, -1);
    const row = new Float64Array(width);
    this.rows.set(key, row);
    this.labels.set(key, { kind, reporter: outbound ? 'source' : 'destination', upstream, peer, code, flags, grpcStatus });
    return row;
  }

  private toRow(labels: Labels | undefined, row: Float64Array): MetricRow | undefined {
    if (labels === undefined) return undefined;
    const [cluster = '', workload = ''] = (this.upstreams.list[labels.upstream] ?? '').split('\n');
    const histogram = (sum: number, from: number) => ({ sum: row[sum] ?? 0, buckets: [...row.subarray(from, from + buckets)] });
    return {
      kind: labels.kind,
      reporter: labels.reporter,
      cluster,
      upstreamWorkload: workload,
      peer: this.peers.list[labels.peer] ?? '',
      responseCode: labels.code,
      responseFlags: flagNames(labels.flags),
      grpcStatus: labels.grpcStatus,
      count: row[at.count] ?? 0,
      durationMs: histogram(at.durationSum, at.duration),
      requestBytes: histogram(at.requestSum, at.request),
      responseBytes: histogram(at.responseSum, at.response),
      opened: row[tcpAt] ?? 0,
      closed: row[tcpAt + 1] ?? 0,
      received: row[tcpAt + 2] ?? 0,
      sent: row[tcpAt + 3] ?? 0,
    };
  }
}

function bump(row: Float64Array, index: number): void {
  row[index] = (row[index] ?? 0) + 1;
}

function bucketOf(value: number): number {
  let low = 0;
  let high = metricBounds.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (value > (metricBounds[middle] ?? 0)) low = middle + 1;
    else high = middle;
  }
  return low;
}

const flagSets: number[] = [0];
/** Combinations of flags are few: each gets a small number. */
function flagIndex(flags: number): number {
  if (flags === 0) return 0;
  const known = flagSets.indexOf(flags);
  return known >= 0 ? known : flagSets.length < 1000 ? flagSets.push(flags) - 1 : 0;
}

import type { AccessRecord } from './access-record.ts';

/** Upper bounds of the histograms of a row (Envoy's default buckets), milliseconds or bytes. */
export const metricBounds: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000,
];

export interface MetricHistogram {
  readonly sum: number;
  /** Not cumulative: one count per bound, then one for the rest. */
  readonly buckets: readonly number[];
}

/** Requests (or TCP connections) of one combination of what tells them apart, counted since the proxy's start. */
export interface MetricRow {
  readonly kind: 'http' | 'tcp';
  readonly reporter: 'source' | 'destination';
  readonly cluster: string;
  /** Endpoint metadata `istio.workload` of the chosen upstream host; empty when it has none. */
  readonly upstreamWorkload: string;
  /** The request's `x-envoy-peer-metadata-id`; empty when absent. */
  readonly peer: string;
  readonly responseCode: number;
  readonly responseFlags: string;
  /** -1 when it is no gRPC call. */
  readonly grpcStatus: number;
  readonly count: number;
  readonly durationMs: MetricHistogram;
  readonly requestBytes: MetricHistogram;
  readonly responseBytes: MetricHistogram;
  /** TCP only, like the three below. */
  readonly opened: number;
  readonly closed: number;
  readonly received: number;
  readonly sent: number;
}

/** Counts access records into rows, for an engine that does not count by itself. */
export interface MetricRows {
  /** Well under a microsecond when such a record has been seen before. */
  observe(record: AccessRecord): void;
  rows(): readonly MetricRow[];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends MetricHistogram ? { sum: number; buckets: number[] } : T[K] };

/**
 * At most `maxRows` rows; what comes after is counted in one row per kind and reporter that says nothing else, so that
 * hostile peers cannot fill the memory and totals stay right.
 */
export function createMetricRows(maxRows: number): MetricRows {
  const rows = new Map<string, Mutable<MetricRow>>();

  function rowFor(record: AccessRecord): Mutable<MetricRow> {
    const { kind, reporter, upstreamCluster, responseCode, responseFlags, grpcStatus } = record;
    const peer = reporter === 'destination' ? record.source : record.destination;
    const key = `${kind}\n${reporter}\n${upstreamCluster}\n${peer}\n${responseCode}\n${responseFlags}\n${grpcStatus}`;
    const known = rows.get(key);
    if (known) return known;
    const fits = rows.size < maxRows;
    const place = fits ? key : `${kind}\n${reporter}`;
    const row = rows.get(place) ?? newRow(fits ? record : { ...record, ...indistinct });
    rows.set(place, row);
    return row;
  }

  return {
    observe(record) {
      const row = rowFor(record);
      row.count++;
      if (record.kind === 'tcp') {
        // A connection is told when it ends, hence both at once.
        row.opened++;
        row.closed++;
        row.received += record.requestBytes;
        row.sent += record.responseBytes;
        return;
      }
      add(row.durationMs, record.durationMs);
      add(row.requestBytes, record.requestBytes);
      add(row.responseBytes, record.responseBytes);
    },
    rows: () => [...rows.values()],
  };
}

const indistinct = { upstreamCluster: '', source: '', destination: '', responseCode: 0, responseFlags: '', grpcStatus: '' };

function newRow(record: AccessRecord): Mutable<MetricRow> {
  const inbound = record.reporter === 'destination';
  return {
    kind: record.kind,
    reporter: record.reporter,
    cluster: record.upstreamCluster,
    upstreamWorkload: inbound ? '' : record.destination,
    peer: inbound ? record.source : '',
    responseCode: record.responseCode,
    responseFlags: record.responseFlags,
    grpcStatus: record.grpcStatus === '' ? -1 : Number(record.grpcStatus),
    count: 0,
    durationMs: newHistogram(),
    requestBytes: newHistogram(),
    responseBytes: newHistogram(),
    opened: 0,
    closed: 0,
    received: 0,
    sent: 0,
  };
}

function newHistogram(): { sum: number; buckets: number[] } {
  return { sum: 0, buckets: new Array<number>(metricBounds.length + 1).fill(0) };
}

function add(histogram: { sum: number; buckets: number[] }, value: number): void {
  let index = 0;
  while (index < metricBounds.length && value > (metricBounds[index] ?? 0)) index++;
  histogram.buckets[index] = (histogram.buckets[index] ?? 0) + 1;
  histogram.sum += value;
}

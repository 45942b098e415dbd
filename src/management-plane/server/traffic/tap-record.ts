import type { TapRecord } from '../api.ts';

type Json = Readonly<Record<string, unknown>>;
const record = (value: unknown): Json => (typeof value === 'object' && value !== null ? (value as Json) : {});
const text = (value: unknown): string => (typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '');

/**
 * The record of one line of an agent's tap stream, none when the line is not one. Lines are Envoy's HTTPAccessLogEntry or
 * TCPAccessLogEntry in canonical JSON (envoy/data/accesslog/v3); what those have no field for stands in `customTags`.
 * A connection has the method `TCP` and no status.
 */
export function* tapRecord(line: string, workload: string): Generator<TapRecord> {
  let entry: Json;
  try {
    entry = record(JSON.parse(line));
  } catch {
    return;
  }
  const common = record(entry.commonProperties);
  if (!Object.keys(common).length) return;
  const request = record(entry.request);
  const tags = record(common.customTags);
  const name = workload.split('/').at(-1) ?? workload;
  const cluster = text(common.upstreamCluster);
  const reporter = text(tags.reporter) || (cluster.startsWith('inbound|') ? 'destination' : 'source');
  const own = reporter === 'source' ? { source: name, destination: '' } : { source: '', destination: name };
  yield {
    at: Date.parse(text(common.startTime)) || 0,
    reporter,
    source: workloadIn(tags.source_workload) || own.source || addressIn(common.downstreamRemoteAddress),
    destination: workloadIn(tags.destination_workload) || own.destination,
    service: text(tags.destination_service) || (cluster.split('|').at(-1) ?? ''),
    method: entry.connectionProperties ? 'TCP' : text(request.requestMethod),
    authority: text(request.authority),
    path: text(request.originalPath) || text(request.path),
    status: Number(record(entry.response).responseCode ?? 0),
    flags: text(tags.response_flags) || flagsOf(record(common.responseFlags)),
    durationMs: milliseconds(text(common.duration) || text(common.timeToLastDownstreamTxByte)),
    route: text(common.routeName),
    cluster,
    origin: text(tags.route_origin),
  };
}

/** `workload;namespace;app;version;cluster` to its workload. */
function workloadIn(peer: unknown): string {
  return text(peer).split(';')[0] ?? '';
}

function addressIn(address: unknown): string {
  return text(record(record(address).socketAddress).address);
}

/** `12.345s` to 12345; null when absent. */
function milliseconds(duration: string): number | null {
  const seconds = Number.parseFloat(duration);
  return Number.isFinite(seconds) ? Math.round(seconds * 1e5) / 100 : null;
}

function flagsOf(flags: Json): string {
  return Object.entries(flags)
    .filter(([, set]) => set === true)
    .map(([flag]) => flag)
    .join(', ');
}

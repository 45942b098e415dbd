import type { TapRecord } from '../api.ts';

type Json = Readonly<Record<string, unknown>>;
const record = (value: unknown): Json => (typeof value === 'object' && value !== null ? (value as Json) : {});
const text = (value: unknown): string => (typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '');

/**
 * The record of one line of an agent's tap stream, none when the line is not one. Lines are Envoy's HTTPAccessLogEntry
 * in canonical JSON (envoy/data/accesslog/v3), with `node` naming the reporter when an agent serves several.
 */
export function* tapRecord(line: string, workload: string): Generator<TapRecord> {
  let entry: Json;
  try {
    entry = record(JSON.parse(line));
  } catch {
    return;
  }
  const common = record(entry.commonProperties);
  const request = record(entry.request);
  const response = record(entry.response);
  const tags = record(common.customTags);
  if (!Object.keys(request).length) return;
  const name = workload.split('/').at(-1) ?? workload;
  const outbound = text(common.upstreamCluster).startsWith('outbound|');
  const peer = text(record(request.requestHeaders)['x-envoy-peer-metadata-id']).split(';')[0] ?? '';
  const destination = text(tags.destination_workload).split(';')[0] ?? '';
  yield {
    at: Date.parse(text(common.startTime)) || 0,
    reporter: outbound ? 'source' : 'destination',
    source: outbound ? name : peer || text(record(record(common.downstreamRemoteAddress).socketAddress).address),
    destination: outbound ? destination : name,
    service: text(common.upstreamCluster).split('|').at(-1) ?? '',
    method: text(request.requestMethod),
    authority: text(request.authority),
    path: text(request.originalPath) || text(request.path),
    status: Number(response.responseCode ?? 0),
    flags: flagsOf(record(common.responseFlags)),
    durationMs: milliseconds(text(common.duration) || text(common.timeToLastDownstreamTxByte)),
    route: text(common.routeName),
    cluster: text(common.upstreamCluster),
    origin: text(tags.route_origin),
  };
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

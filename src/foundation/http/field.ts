import { equalsFolded, lowerBytes } from './ascii.ts';

/** Field names the scanner recognises. The number is the field's id in `Head.ids`; 0 is every other name. */
export const field = {
  host: 1,
  connection: 2,
  contentLength: 3,
  transferEncoding: 4,
  upgrade: 5,
  expect: 6,
  te: 7,
  keepAlive: 8,
  proxyConnection: 9,
  requestId: 10,
  forwardedFor: 11,
  forwardedProto: 12,
  userAgent: 13,
  server: 14,
  date: 15,
  location: 16,
  http2Settings: 17,
  trailer: 18,
  contentType: 19,
  origin: 20,
  grpcStatus: 21,
  /** Any name that starts with `x-envoy-` and has no id of its own. */
  envoy: 22,
  serviceTime: 23,
  peerMetadataId: 24,
  /** Never scanned: a reader of the head may mark a field with it that must not go on. */
  hidden: 25,
} as const;

const names: readonly (readonly [string, number])[] = [
  ['host', field.host],
  ['connection', field.connection],
  ['content-length', field.contentLength],
  ['transfer-encoding', field.transferEncoding],
  ['upgrade', field.upgrade],
  ['expect', field.expect],
  ['te', field.te],
  ['keep-alive', field.keepAlive],
  ['proxy-connection', field.proxyConnection],
  ['x-request-id', field.requestId],
  ['x-forwarded-for', field.forwardedFor],
  ['x-forwarded-proto', field.forwardedProto],
  ['user-agent', field.userAgent],
  ['server', field.server],
  ['date', field.date],
  ['location', field.location],
  ['http2-settings', field.http2Settings],
  ['trailer', field.trailer],
  ['content-type', field.contentType],
  ['origin', field.origin],
  ['grpc-status', field.grpcStatus],
  ['x-envoy-upstream-service-time', field.serviceTime],
  ['x-envoy-peer-metadata-id', field.peerMetadataId],
];

interface KnownField {
  readonly bytes: Uint8Array;
  readonly id: number;
}

const byLength: KnownField[][] = Array.from({ length: 40 }, () => []);
for (const [name, id] of names) byLength[name.length]?.push({ bytes: lowerBytes(name), id });
const envoyPrefix = lowerBytes('x-envoy-');

/** The id of the field name at [start, end), or 0. Chooses by length, then first byte, then compares. */
export function fieldId(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length >= 40) return 0;
  const first = (bytes[start] ?? 0) | 32;
  const candidates = byLength[length];
  if (candidates !== undefined) {
    for (let i = 0; i < candidates.length; i++) {
      const candidate = candidates[i];
      if (candidate !== undefined && candidate.bytes[0] === first && equalsFolded(bytes, start, end, candidate.bytes)) return candidate.id;
    }
  }
  if (first === 120 && length > 8 && equalsFolded(bytes, start, start + 8, envoyPrefix)) return field.envoy;
  return 0;
}

/** The id of a name given as text, or 0; for rules compiled once. */
export function fieldIdOf(name: string): number {
  const bytes = lowerBytes(name);
  return fieldId(bytes, 0, bytes.length);
}

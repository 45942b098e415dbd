import type { Duration, Timestamp } from '@bufbuild/protobuf/wkt';
import type { Address } from '#proto/gen/envoy/config/core/v3/address_pb.js';
import { RequestMethod } from '#proto/gen/envoy/config/core/v3/base_pb.js';
import {
  type AccessLogCommon,
  type HTTPAccessLogEntry,
  HTTPAccessLogEntry_HTTPVersion,
  type ResponseFlags,
  ResponseFlags_Unauthorized_Reason,
  type TCPAccessLogEntry,
} from '#proto/gen/envoy/data/accesslog/v3/accesslog_pb.js';
import type { ProxyAccess } from './access.ts';

/** Short names of the flags (Envoy: `%RESPONSE_FLAGS%`), in the order in which Envoy writes them. */
export const flagNames: readonly (readonly [Exclude<keyof ResponseFlags, 'unauthorizedDetails' | '$typeName' | '$unknown'>, string])[] = [
  ['failedLocalHealthcheck', 'LH'],
  ['noHealthyUpstream', 'UH'],
  ['upstreamRequestTimeout', 'UT'],
  ['localReset', 'LR'],
  ['upstreamRemoteReset', 'UR'],
  ['upstreamConnectionFailure', 'UF'],
  ['upstreamConnectionTermination', 'UC'],
  ['upstreamOverflow', 'UO'],
  ['noRouteFound', 'NR'],
  ['delayInjected', 'DI'],
  ['faultInjected', 'FI'],
  ['rateLimited', 'RL'],
  ['rateLimitServiceError', 'RLSE'],
  ['downstreamConnectionTermination', 'DC'],
  ['upstreamRetryLimitExceeded', 'URX'],
  ['streamIdleTimeout', 'SI'],
  ['invalidEnvoyRequestHeaders', 'IH'],
  ['downstreamProtocolError', 'DPE'],
  ['upstreamMaxStreamDurationReached', 'UMSDR'],
  ['responseFromCacheFilter', 'RFCF'],
  ['noFilterConfigFound', 'NFCF'],
  ['durationTimeout', 'DT'],
  ['upstreamProtocolError', 'UPE'],
  ['noClusterFound', 'NC'],
  ['overloadManager', 'OM'],
  ['dnsResolutionFailure', 'DF'],
  ['downstreamRemoteReset', 'DR'],
];

const httpVersions: Readonly<Record<number, string>> = {
  [HTTPAccessLogEntry_HTTPVersion.HTTP10]: 'HTTP/1.0',
  [HTTPAccessLogEntry_HTTPVersion.HTTP11]: 'HTTP/1.1',
  [HTTPAccessLogEntry_HTTPVersion.HTTP2]: 'HTTP/2',
  [HTTPAccessLogEntry_HTTPVersion.HTTP3]: 'HTTP/3',
};

/** One HTTP entry of Envoy's gRPC access log. */
export function fromHttpEntry(entry: HTTPAccessLogEntry): ProxyAccess {
  const { request, response } = entry;
  const header = (name: string) => request?.requestHeaders[name] ?? '';
  return {
    ...fromCommon(entry.commonProperties),
    kind: 'http',
    method: RequestMethod[request?.requestMethod ?? 0]?.replace('METHOD_UNSPECIFIED', '') ?? '',
    path: request?.originalPath || request?.path || '',
    authority: request?.authority ?? '',
    protocol: httpVersions[entry.protocolVersion] ?? '',
    responseCode: response?.responseCode ?? 0,
    responseCodeDetails: response?.responseCodeDetails ?? '',
    grpcStatus: response?.responseTrailers['grpc-status'] ?? response?.responseHeaders['grpc-status'] ?? '',
    requestBytes: Number(request?.requestBodyBytes ?? 0n),
    responseBytes: Number(response?.responseBodyBytes ?? 0n),
    requestId: request?.requestId ?? '',
    userAgent: request?.userAgent ?? '',
    peer: header('x-envoy-peer-metadata-id'),
  };
}

/** One connection of Envoy's gRPC access log. */
export function fromTcpEntry(entry: TCPAccessLogEntry): ProxyAccess {
  return {
    ...fromCommon(entry.commonProperties),
    kind: 'tcp',
    method: '',
    path: '',
    authority: entry.commonProperties?.tlsProperties?.tlsSniHostname ?? '',
    protocol: 'TCP',
    responseCode: 0,
    responseCodeDetails: entry.commonProperties?.connectionTerminationDetails ?? '',
    grpcStatus: '',
    requestBytes: Number(entry.connectionProperties?.receivedBytes ?? 0n),
    responseBytes: Number(entry.connectionProperties?.sentBytes ?? 0n),
    requestId: '',
    userAgent: '',
    peer: '',
  };
}

function fromCommon(common: AccessLogCommon | undefined) {
  return {
    startedAt: timestampMs(common?.startTime),
    durationMs: durationMs(common?.duration ?? common?.timeToLastDownstreamTxByte),
    responseFlags: formatFlags(common?.responseFlags),
    upstreamCluster: common?.upstreamCluster ?? '',
    upstreamHost: formatAddress(common?.upstreamRemoteAddress),
    attempts: common?.upstreamRequestAttemptCount ?? 0,
    routeName: common?.routeName ?? '',
    routeOrigin: tag(common, 'route_origin'),
    upstreamWorkload: tag(common, 'destination_workload'),
    downstreamRemote: formatAddress(common?.downstreamRemoteAddress),
    downstreamLocal: formatAddress(common?.downstreamLocalAddress),
  };
}

/** A tag whose value Envoy did not find is `-` or absent. */
function tag(common: AccessLogCommon | undefined, name: string): string {
  const value = common?.customTags[name] ?? '';
  return value === '-' ? '' : value;
}

function formatFlags(flags: ResponseFlags | undefined): string {
  if (!flags) return '';
  const names = flagNames.filter(([field]) => flags[field]).map(([, name]) => name);
  if (flags.unauthorizedDetails?.reason === ResponseFlags_Unauthorized_Reason.EXTERNAL_SERVICE) names.push('UAEX');
  return names.join(',');
}

function formatAddress(address: Address | undefined): string {
  const inner = address?.address;
  if (inner?.case === 'pipe') return inner.value.path;
  if (inner?.case === 'envoyInternalAddress') return `internal:${inner.value.addressNameSpecifier.value ?? ''}`;
  if (inner?.case !== 'socketAddress') return '';
  const port = inner.value.portSpecifier.case === 'portValue' ? inner.value.portSpecifier.value : 0;
  return inner.value.address.includes(':') ? `[${inner.value.address}]:${port}` : `${inner.value.address}:${port}`;
}

function timestampMs(time: Timestamp | undefined): number {
  return time ? Number(time.seconds) * 1_000 + time.nanos / 1e6 : 0;
}

function durationMs(duration: Duration | undefined): number {
  return duration ? Number(duration.seconds) * 1_000 + duration.nanos / 1e6 : 0;
}

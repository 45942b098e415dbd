import { create, type MessageInitShape, toJson } from '@bufbuild/protobuf';
import type { AddressSchema } from '#proto/gen/envoy/config/core/v3/address_pb.js';
import { RequestMethod } from '#proto/gen/envoy/config/core/v3/base_pb.js';
import {
  type AccessLogCommonSchema,
  HTTPAccessLogEntry_HTTPVersion,
  HTTPAccessLogEntrySchema,
  type ResponseFlagsSchema,
  TCPAccessLogEntrySchema,
} from '#proto/gen/envoy/data/accesslog/v3/accesslog_pb.js';
import { flagNames } from './access-entry.ts';
import type { AccessRecord } from './access-record.ts';

const httpVersions: Readonly<Record<string, HTTPAccessLogEntry_HTTPVersion>> = {
  'HTTP/1.0': HTTPAccessLogEntry_HTTPVersion.HTTP10,
  'HTTP/1.1': HTTPAccessLogEntry_HTTPVersion.HTTP11,
  'HTTP/2': HTTPAccessLogEntry_HTTPVersion.HTTP2,
  'HTTP/3': HTTPAccessLogEntry_HTTPVersion.HTTP3,
};

/**
 * A record as one line of the tap stream: Envoy's HTTPAccessLogEntry (a TCPAccessLogEntry for connections) in canonical
 * JSON. What Envoy has no field for stands in `customTags`: `reporter`, `source_workload`, `destination_workload` (both
 * `workload;namespace;app;version;cluster`), `destination_service`, `route_origin`, `response_flags` (short names).
 */
export function tapLine(record: AccessRecord): string {
  const entry = record.kind === 'tcp' ? tcpEntry(record) : httpEntry(record);
  return `${JSON.stringify(entry)}\n`;
}

function httpEntry(record: AccessRecord) {
  const message = create(HTTPAccessLogEntrySchema, {
    commonProperties: common(record),
    protocolVersion: httpVersions[record.protocol] ?? HTTPAccessLogEntry_HTTPVersion.PROTOCOL_UNSPECIFIED,
    request: {
      requestMethod: methodOf(record.method),
      authority: record.authority,
      path: record.path,
      originalPath: record.path,
      userAgent: record.userAgent,
      requestId: record.requestId,
      requestBodyBytes: BigInt(record.requestBytes),
      requestHeaders: record.source ? { 'x-envoy-peer-metadata-id': record.source } : {},
    },
    response: {
      responseCode: record.responseCode,
      responseCodeDetails: record.responseCodeDetails,
      responseBodyBytes: BigInt(record.responseBytes),
      responseTrailers: record.grpcStatus ? { 'grpc-status': record.grpcStatus } : {},
    },
  });
  return toJson(HTTPAccessLogEntrySchema, message);
}

function tcpEntry(record: AccessRecord) {
  const message = create(TCPAccessLogEntrySchema, {
    commonProperties: { ...common(record), connectionTerminationDetails: record.responseCodeDetails },
    connectionProperties: { receivedBytes: BigInt(record.requestBytes), sentBytes: BigInt(record.responseBytes) },
  });
  return toJson(TCPAccessLogEntrySchema, message);
}

function common(record: AccessRecord): MessageInitShape<typeof AccessLogCommonSchema> {
  const seconds = Math.floor(record.startedAt / 1_000);
  return {
    startTime: { seconds: BigInt(seconds), nanos: Math.round((record.startedAt - seconds * 1_000) * 1e6) },
    duration: { seconds: BigInt(Math.floor(record.durationMs / 1_000)), nanos: Math.round((record.durationMs % 1_000) * 1e6) },
    downstreamRemoteAddress: addressOf(record.downstreamRemote),
    downstreamLocalAddress: addressOf(record.downstreamLocal),
    upstreamRemoteAddress: addressOf(record.upstreamHost),
    upstreamCluster: record.upstreamCluster,
    upstreamRequestAttemptCount: record.attempts,
    routeName: record.routeName,
    responseFlags: flagsOf(record.responseFlags),
    customTags: tagsOf(record),
  };
}

function tagsOf(record: AccessRecord): Record<string, string> {
  const tags = {
    reporter: record.reporter,
    source_workload: record.source,
    destination_workload: record.destination,
    destination_service: record.destinationService,
    route_origin: record.routeOrigin,
    response_flags: record.responseFlags,
  };
  return Object.fromEntries(Object.entries(tags).filter(([, value]) => value !== ''));
}

function flagsOf(text: string): MessageInitShape<typeof ResponseFlagsSchema> {
  const names = new Set(text.split(','));
  return Object.fromEntries(flagNames.filter(([, short]) => names.has(short)).map(([field]) => [field, true]));
}

/** Methods beyond Envoy's list are METHOD_UNSPECIFIED, as Envoy itself tells them. */
function methodOf(method: string): RequestMethod {
  const value: unknown = Reflect.get(RequestMethod, method);
  return typeof value === 'number' ? value : RequestMethod.METHOD_UNSPECIFIED;
}

function addressOf(text: string): MessageInitShape<typeof AddressSchema> | undefined {
  const match = /^\[?([^\]]*?)\]?:(\d+)$/.exec(text);
  if (!match) return text.startsWith('/') ? { address: { case: 'pipe', value: { path: text } } } : undefined;
  const portSpecifier = { case: 'portValue', value: Number(match[2]) } as const;
  return { address: { case: 'socketAddress', value: { address: match[1] ?? '', portSpecifier } } };
}

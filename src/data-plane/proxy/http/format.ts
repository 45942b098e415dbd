import { lowerBytes } from '#http/ascii.ts';
import { flagNames, longFlagNames } from '../flags.ts';
import { type RequestView, requestField } from './request-view.ts';
import { formatTime } from './start-time.ts';

/** Everything a format may show. Times are milliseconds; -1 stands for "did not happen". */
export interface FormatContext extends RequestView {
  /** Wall time of the start, epoch milliseconds. */
  readonly startedAtWall: number;
  readonly durationMs: number;
  readonly requestDurationMs: number;
  readonly responseDurationMs: number;
  readonly status: number;
  readonly flags: number;
  readonly details: string;
  readonly terminationDetails: string;
  readonly transportFailure: string;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly protocol: string;
  readonly upstreamHost: string;
  readonly upstreamLocal: string;
  readonly clusterName: string;
  readonly attempts: number;
  readonly downstreamRemote: string;
  readonly downstreamLocal: string;
  readonly serverName: string;
  readonly routeName: string;
  readonly virtualHostName: string;
  readonly chainName: string;
  readonly connectionId: number;
  readonly grpcStatus: number;
  readonly hostname: string;
  environment(name: string): string;
  metadata(source: 'route' | 'cluster' | 'host', key: string): string;
  /** A response field as it went out; undefined when absent or not remembered (see `responseNames`). */
  responseField(lower: string): string | undefined;
}

/** Text of one request; empty when a lone value is absent (logs print `-` then). */
export type Formatter = (context: FormatContext) => string;

type Piece = string | ((context: FormatContext) => string | undefined);

const command = /%(?:%|([A-Z_0-9]+)(?:\(([^%]*?)\))?(?::(\d+))?%)/g;

/** Why a format cannot be used, naming the operator; undefined when it can. */
export function formatError(format: string): string | undefined {
  const rest = format.replace(command, (_whole, name?: string, argument?: string) => {
    if (name !== undefined && pieceFor(name, argument) === undefined) throwaway.push(`%${name}%`);
    return '';
  });
  const unknown = throwaway.splice(0);
  if (unknown.length > 0) return `operator ${unknown.join(', ')}`;
  return rest.includes('%') ? `unpaired % in ${JSON.stringify(format)}` : undefined;
}
const throwaway: string[] = [];

/** Names of the response fields that a format reads, lower case. */
export function responseNames(format: string): string[] {
  const names: string[] = [];
  for (const match of format.matchAll(command)) {
    if (match[1] === 'RESP') names.push(...(match[2] ?? '').toLowerCase().split('?'));
  }
  return names;
}

/** Compiles a format for header values: absent values are empty. */
export function formatterFor(format: string): Formatter {
  return formatter(format, '');
}

/** Compiles a format with what absent values print. */
export function formatter(format: string, absent: string): Formatter {
  const pieces = piecesOf(format);
  const only = pieces[0];
  if (pieces.length === 1 && typeof only === 'function') return (context) => only(context) ?? absent;
  return (context) => {
    let text = '';
    for (let i = 0; i < pieces.length; i++) {
      const piece = pieces[i];
      if (typeof piece === 'string') text += piece;
      else if (piece !== undefined) text += piece(context) || absent;
    }
    return text;
  };
}

function piecesOf(format: string): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const match of format.matchAll(command)) {
    if (match.index > from) pieces.push(format.slice(from, match.index));
    from = match.index + match[0].length;
    const [, name, argument, limit] = match;
    if (name === undefined) {
      pieces.push('%');
      continue;
    }
    const read = pieceFor(name, argument);
    if (read !== undefined) pieces.push(limit === undefined ? read : (context) => read(context)?.slice(0, Number(limit)));
  }
  if (from < format.length) pieces.push(format.slice(from));
  return pieces;
}

type Reader = (context: FormatContext) => string | undefined;

function pieceFor(name: string, argument: string | undefined): Reader | undefined {
  if (argument === undefined) return plain[name];
  const text = argument;
  switch (name) {
    case 'REQ':
      return alternatives(text, requestField);
    case 'RESP':
      return alternatives(text, (context: FormatContext, lower) => context.responseField(lower));
    case 'TRAILER':
    case 'DYNAMIC_METADATA':
    case 'FILTER_STATE':
      return () => undefined;
    case 'START_TIME':
      return (context) => formatTime(context.startedAtWall, text);
    case 'ENVIRONMENT':
      return (context) => context.environment(text) || undefined;
    case 'METADATA':
      return metadataReader(text);
    case 'CLUSTER_METADATA':
      return (context) => context.metadata('cluster', text) || undefined;
    case 'UPSTREAM_METADATA':
      return (context) => context.metadata('host', text) || undefined;
    case 'PER_REQUEST_STATE':
      return undefined;
    case 'GRPC_STATUS':
      return plain.GRPC_STATUS;
    default:
      return undefined;
  }
}

function alternatives(argument: string, read: (context: FormatContext, name: string, lower: Uint8Array) => string | undefined): Reader {
  const [first = '', second] = argument.toLowerCase().split('?');
  const firstBytes = lowerBytes(first);
  if (first === 'x-envoy-original-path' && second === ':path') return (context) => read(context, second, firstBytes);
  if (second === undefined) return (context) => read(context, first, firstBytes);
  const secondBytes = lowerBytes(second);
  return (context) => read(context, first, firstBytes) ?? read(context, second, secondBytes);
}

function metadataReader(argument: string): Reader | undefined {
  const [source = '', ...key] = argument.split(':');
  const kinds: Readonly<Record<string, 'route' | 'cluster' | 'host'>> = { ROUTE: 'route', CLUSTER: 'cluster', UPSTREAM_HOST: 'host' };
  const kind = kinds[source];
  if (kind === undefined) return source === 'DYNAMIC' ? () => undefined : undefined;
  return (context) => context.metadata(kind, key.join(':')) || undefined;
}

const number = (value: number): string | undefined => (value < 0 ? undefined : String(value));
const hostOnly = (label: string): string => label.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
const portOnly = (label: string): string | undefined => /:(\d+)$/.exec(label)?.[1];

const grpcNames =
  'OK Canceled Unknown InvalidArgument DeadlineExceeded NotFound AlreadyExists PermissionDenied ResourceExhausted FailedPrecondition Aborted OutOfRange Unimplemented Internal Unavailable DataLoss Unauthenticated'.split(
    ' ',
  );

const plain: Readonly<Record<string, Reader>> = {
  START_TIME: (c) => formatTime(c.startedAtWall, ''),
  PROTOCOL: (c) => c.protocol,
  RESPONSE_CODE: (c) => String(c.status),
  RESPONSE_CODE_DETAILS: (c) => c.details.replaceAll(' ', '_'),
  RESPONSE_FLAGS: (c) => flagNames(c.flags),
  RESPONSE_FLAGS_LONG: (c) => longFlagNames(c.flags),
  CONNECTION_TERMINATION_DETAILS: (c) => c.terminationDetails,
  UPSTREAM_TRANSPORT_FAILURE_REASON: (c) => c.transportFailure,
  DOWNSTREAM_TRANSPORT_FAILURE_REASON: () => undefined,
  BYTES_RECEIVED: (c) => String(c.bytesReceived),
  BYTES_SENT: (c) => String(c.bytesSent),
  DURATION: (c) => number(c.durationMs),
  REQUEST_DURATION: (c) => number(c.requestDurationMs),
  RESPONSE_DURATION: (c) => number(c.responseDurationMs),
  RESPONSE_TX_DURATION: (c) => (c.responseDurationMs < 0 ? undefined : String(c.durationMs - c.responseDurationMs)),
  UPSTREAM_HOST: (c) => c.upstreamHost,
  UPSTREAM_REMOTE_ADDRESS: (c) => c.upstreamHost,
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: (c) => hostOnly(c.upstreamHost),
  UPSTREAM_REMOTE_PORT: (c) => portOnly(c.upstreamHost),
  UPSTREAM_CLUSTER: (c) => c.clusterName,
  UPSTREAM_CLUSTER_RAW: (c) => c.clusterName,
  UPSTREAM_LOCAL_ADDRESS: (c) => c.upstreamLocal,
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: (c) => hostOnly(c.upstreamLocal),
  UPSTREAM_LOCAL_PORT: (c) => portOnly(c.upstreamLocal),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: (c) => String(c.attempts),
  DOWNSTREAM_LOCAL_ADDRESS: (c) => c.downstreamLocal,
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: (c) => hostOnly(c.downstreamLocal),
  DOWNSTREAM_LOCAL_PORT: (c) => portOnly(c.downstreamLocal),
  DOWNSTREAM_REMOTE_ADDRESS: (c) => c.downstreamRemote,
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: (c) => hostOnly(c.downstreamRemote),
  DOWNSTREAM_REMOTE_PORT: (c) => portOnly(c.downstreamRemote),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: (c) => c.downstreamRemote,
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: (c) => hostOnly(c.downstreamRemote),
  REQUESTED_SERVER_NAME: (c) => c.serverName,
  ROUTE_NAME: (c) => c.routeName,
  VIRTUAL_CLUSTER_NAME: () => undefined,
  FILTER_CHAIN_NAME: (c) => c.chainName,
  CONNECTION_ID: (c) => String(c.connectionId),
  GRPC_STATUS: (c) => (c.grpcStatus < 0 ? undefined : (grpcNames[c.grpcStatus] ?? String(c.grpcStatus))),
  GRPC_STATUS_NUMBER: (c) => number(c.grpcStatus),
  HOSTNAME: (c) => c.hostname,
  STREAM_ID: (c) => requestField(c, 'x-request-id', requestIdName),
  TRACE_ID: () => undefined,
  DOWNSTREAM_PEER_URI_SAN: () => undefined,
  DOWNSTREAM_PEER_SUBJECT: () => undefined,
  DOWNSTREAM_TLS_VERSION: () => undefined,
};

const requestIdName = lowerBytes('x-request-id');

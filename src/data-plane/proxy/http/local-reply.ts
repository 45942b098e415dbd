import { flag } from '../flags.ts';
import type { RedirectTable } from '../table.ts';
import { composeLocal } from './compose.ts';
import type { Downstream } from './downstream.ts';
import type { Exchange } from './exchange.ts';

/** Sends an answer made by the proxy itself; returns the body's length. */
export function sendLocalReply(exchange: Exchange, connection: Downstream, status: number, body: string, location: string): number {
  const lines: [string, string][] = [];
  const bodyBytes = Buffer.from(body);
  const grpc = isGrpc(exchange) && exchange.details !== 'direct_response';
  const bodiless = status === 204 || status === 304;
  if (location !== '') lines.push(['location', location]);
  if (grpc) {
    lines.push(
      ['content-type', 'application/grpc'],
      ['grpc-status', String(exchange.grpcStatus >= 0 ? exchange.grpcStatus : grpcStatusOf(status))],
    );
    if (body !== '') lines.push(['grpc-message', percentEncode(body)]);
    lines.push(['content-length', '0']);
  } else if (!bodiless) {
    if (exchange.grpcStatus >= 0) lines.push(['grpc-status', String(exchange.grpcStatus)]);
    lines.push(['content-length', String(bodyBytes.length)]);
    if (body !== '') lines.push(['content-type', 'text/plain']);
  }
  if ((exchange.flags & flag.UO) !== 0) lines.push(['x-envoy-overloaded', 'true']);
  const arena = exchange.runtime.arena;
  const routed = exchange.details === 'direct_response' || exchange.details === 'cors_response';
  const length = grpc || bodiless || exchange.request.method === 1 ? 0 : bodyBytes.length;
  const shown = grpc ? 200 : status;
  let at = composeLocal(exchange, shown, reasonOf(shown), lines, routed, arena, length);
  at += bodyBytes.copy(arena.bytes, at, 0, length);
  arena.sent(at, connection.write(arena.bytes, arena.base, at));
  return length;
}

/** Reason phrases of the statuses a proxy or its configuration answers with; others get none of their own. */
const reasons: Readonly<Record<number, string>> = {
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  204: 'No Content',
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  304: 'Not Modified',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  410: 'Gone',
  413: 'Payload Too Large',
  415: 'Unsupported Media Type',
  418: "I'm a Teapot",
  422: 'Unprocessable Entity',
  426: 'Upgrade Required',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
};

function reasonOf(status: number): string {
  return reasons[status] ?? 'Unknown';
}

function isGrpc(exchange: Exchange): boolean {
  if (exchange.request.count === 0) return false;
  const at = exchange.request.find(exchange.requestBytes, 0, contentType);
  if (at < 0) return false;
  return /^application\/grpc(?:[+;]|$)/i.test(
    exchange.requestBytes.latin1Slice(exchange.request.valueStart(at), exchange.request.valueEnd(at)),
  );
}
const contentType = new TextEncoder().encode('content-type');

/** gRPC's code for an HTTP status, by gRPC's own table. */
/** gRPC over HTTP/2, Status-Message: spaces and printable ASCII but `%` stand for themselves. */
function percentEncode(text: string): string {
  return text.replaceAll(/[^ -~]|%/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}

function grpcStatusOf(status: number): number {
  const table: Readonly<Record<number, number>> = { 400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14, 200: 0 };
  return table[status] ?? 2;
}

/** Answers with the redirect of a route. */
export function writeRedirect(
  exchange: Exchange,
  redirect: RedirectTable & { readonly rewrite: ((path: string) => string) | undefined },
): void {
  const scheme = redirect.scheme || exchange.scheme;
  let host = redirect.host || exchange.authority;
  if (redirect.port > 0) host = `${host.replace(/:\d+$/, '')}:${redirect.port}`;
  else if (redirect.scheme !== '' && redirect.scheme !== exchange.scheme) host = withoutDefaultPort(host, exchange.scheme);
  let path = redirect.path !== '' ? redirect.path : redirect.rewrite !== undefined ? redirect.rewrite(exchange.path) : exchange.path;
  const query = exchange.path.slice(exchange.queryAt);
  if (redirect.path !== '' && !redirect.path.includes('?')) path += query;
  if (redirect.stripQuery) path = path.split('?')[0] ?? '';
  exchange.fail(redirect.status, '', 0, 'direct_response', `${scheme}://${host}${path}`);
}

/** A port that was the old scheme's default says nothing under the new one. */
function withoutDefaultPort(host: string, scheme: string): string {
  return host.replace(scheme === 'http' ? /:80$/ : /:443$/, '');
}

import { randomUUID } from 'node:crypto';
import { equalsFolded, lowerBytes } from '#http/ascii.ts';
import { field } from '#http/field.ts';
import { connectionNames, type Head, teMayPass } from '#http/head.ts';
import { putBytes, putText } from '#http/put.ts';
import type { OutputArena } from '#http/transport.ts';
import type { Exchange } from './exchange.ts';
import { HeaderEdits } from './header-edits.ts';
import type { Forward } from './router.ts';
import { httpDate } from './start-time.ts';

const edits = new HeaderEdits();
const text = (value: string): Buffer => Buffer.from(value, 'latin1');

const line = {
  host: text('host: '),
  proto: text('x-forwarded-proto: '),
  requestId: text('x-request-id: '),
  attempts: text('x-envoy-attempt-count: '),
  expected: text('x-envoy-expected-rq-timeout-ms: '),
  originalPath: text('x-envoy-original-path: '),
  originalHost: text('x-envoy-original-host: '),
  forwardedHost: text('x-forwarded-host: '),
  forwardedFor: text('x-forwarded-for: '),
  internal: text('x-envoy-internal: '),
  external: text('x-envoy-external-address: '),
  connection: text('connection: '),
  server: text('server: '),
  date: text('date: '),
  serviceTime: text('x-envoy-upstream-service-time: '),
  transferEncoding: text('transfer-encoding: '),
  setCookie: text('set-cookie: '),
  via: text('via: '),
};
const name = {
  requestId: lowerBytes('x-request-id'),
  proto: lowerBytes('x-forwarded-proto'),
  attempts: lowerBytes('x-envoy-attempt-count'),
  server: lowerBytes('server'),
  date: lowerBytes('date'),
  serviceTime: lowerBytes('x-envoy-upstream-service-time'),
  host: lowerBytes('host'),
};
const http = text('http');
const keepAliveValue = text('keep-alive');
const closeValue = text('close');
const upgradeValue = text('upgrade');
const chunkedValue = text('chunked');
const trueValue = text('true');
const httpVersion = text(' HTTP/1.1\r\n');
const statusPrefix = text('HTTP/1.1 ');

/** Fields with which outsiders could steer this proxy's router; only requests from inside the mesh keep them. */
const steering: ReadonlySet<string> = new Set([
  'x-envoy-retriable-status-codes',
  'x-envoy-retriable-header-names',
  'x-envoy-retry-on',
  'x-envoy-retry-grpc-on',
  'x-envoy-max-retries',
  'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-rq-timeout-ms',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-upstream-rq-timeout-alt-response',
  'x-envoy-expected-rq-timeout-ms',
  'x-envoy-force-trace',
  'x-envoy-ip-tags',
  'x-envoy-original-url',
  'x-envoy-hedge-on-per-try-timeout',
  'x-envoy-internal',
]);

const websocketToken = lowerBytes('h2c');

/** Whether the client asks to leave HTTP; `h2c` is not an offer this proxy takes. */
export function wantsUpgrade(request: Head, bytes: Buffer): boolean {
  if (!request.upgrade || request.upgradeField < 0) return false;
  const at = request.upgradeField;
  return !equalsFolded(bytes, request.valueStart(at), request.valueEnd(at), websocketToken);
}

/** The upgrade the client wants, lower case. */
function upgradeType(exchange: Exchange): string {
  if (exchange.request.method === 5) return 'connect';
  const at = exchange.request.upgradeField;
  return exchange.requestBytes.latin1Slice(exchange.request.valueStart(at), exchange.request.valueEnd(at)).toLowerCase();
}

/** Route before connection manager, as Envoy does. */
export function upgradeAllowed(exchange: Exchange, forward: Forward): boolean {
  const type = upgradeType(exchange);
  return forward.table.upgrades[type] ?? exchange.chain?.table.upgrades[type] ?? false;
}

/** Writes the request's head as the upstream gets it at the arena's base, with room for `extra` bytes behind it. */
export function composeRequest(exchange: Exchange, arena: OutputArena, extra: number): number {
  const { request, requestBytes, chain, forward, target, route } = exchange;
  edits.begin(request, requestBytes, 0);
  const internal = isInternal(exchange);
  dropHops(exchange, internal);
  if (chain === undefined || forward === undefined || target === undefined || route === undefined) return arena.base;
  addStandard(exchange, internal);
  const operations = target.requestOperations;
  for (let i = 0; i < operations.length; i++) {
    const level = operations[i];
    if (level !== undefined) edits.apply(level, exchange);
  }
  setHost(exchange);
  if (exchange.rewrittenPath !== undefined && !edits.has(originalPathName)) edits.add(line.originalPath, exchange.path);
  if (exchange.upgrading && request.method !== 5) edits.add(line.connection, upgradeValue);
  return writeRequest(exchange, arena, extra);
}
const originalPathName = lowerBytes('x-envoy-original-path');

function dropHops(exchange: Exchange, internal: boolean): void {
  const { request, requestBytes } = exchange;
  for (let i = 0; i < request.count; i++) {
    const id = request.ids[i] ?? 0;
    if (id === 0) continue;
    switch (id) {
      case field.connection:
      case field.hidden:
      case field.keepAlive:
      case field.proxyConnection:
      case field.http2Settings:
        edits.drop(i);
        break;
      case field.upgrade:
        if (!exchange.upgrading) edits.drop(i);
        break;
      case field.te:
        if (!teMayPass(request, requestBytes, 0, i)) edits.drop(i);
        break;
      case field.expect:
        if (exchange.chain?.table.pass100Continue === false) edits.drop(i);
        break;
      case field.envoy:
        if (!internal && steering.has(requestBytes.latin1Slice(request.nameStart(i), request.nameEnd(i)).toLowerCase())) edits.drop(i);
        break;
    }
  }
  if (request.namesOthers) connectionNames(request, requestBytes, 0, (other) => edits.remove(lowerBytes(other)));
}

function addStandard(exchange: Exchange, internal: boolean): void {
  const { request, chain, forward, route } = exchange;
  const table = chain?.table;
  if (table === undefined || forward === undefined) return;
  if (table.useRemoteAddress) addClientAddress(exchange);
  if (internal) edits.add(line.internal, trueValue);
  if (request.findId(field.forwardedProto) < 0) edits.add(line.proto, http, name.proto);
  const idAt = request.findId(field.requestId);
  // At an edge an id from outside is not believed.
  const foreign = idAt >= 0 && table.useRemoteAddress && !table.preserveRequestId && !internal;
  if (foreign) edits.drop(idAt);
  if (idAt < 0 || foreign) {
    if (table.generateRequestId) edits.add(line.requestId, requestIdOf(exchange), name.requestId);
  }
  if (table.via !== '') edits.add(line.via, table.via);
  if (route?.virtualHost.table.attemptCount === true) {
    edits.remove(name.attempts);
    edits.add(line.attempts, String(exchange.attempts), name.attempts);
  }
  if (!table.suppressEnvoyHeaders) {
    const total = forward.table.timeoutMs;
    const perTry = forward.retry?.table.perTryTimeoutMs ?? 0;
    const expected = perTry > 0 && (total === 0 || perTry < total) ? perTry : total;
    if (expected > 0) edits.add(line.expected, String(expected));
  }
}

/** The id is made once per request: attempts share it, and logs find it. */
function requestIdOf(exchange: Exchange): string {
  if (exchange.requestId === '') exchange.requestId = randomUUID();
  return exchange.requestId;
}

function addClientAddress(exchange: Exchange): void {
  const address = exchange.connection?.facts.remoteAddress ?? '';
  if (exchange.chain?.table.skipForwardedForAppend === true) return;
  const at = exchange.request.findId(field.forwardedFor);
  if (at < 0) {
    edits.add(line.forwardedFor, address);
    return;
  }
  const { request, requestBytes } = exchange;
  edits.drop(at);
  edits.add(line.forwardedFor, `${requestBytes.latin1Slice(request.valueStart(at), request.valueEnd(at))},${address}`);
}

/** Envoy's notion of a request from inside: exactly one forwarded-for address, and a private one. */
function isInternal(exchange: Exchange): boolean {
  const at = exchange.request.findId(field.forwardedFor);
  if (at < 0) return false;
  const value = exchange.requestBytes.latin1Slice(exchange.request.valueStart(at), exchange.request.valueEnd(at));
  return !value.includes(',') && /^(?:10\.|127\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|::1$|f[cd][0-9a-f]{2}:)/i.test(value.trim());
}

/** The authority that the route puts in place of the request's, if any. */
export function rewrittenHost({ request, requestBytes, forward, target, host }: Exchange): Buffer | string | undefined {
  const table = forward?.table;
  if (target?.hostRewrite !== undefined || table === undefined) return target?.hostRewrite;
  if (table.hostRewrite !== '') return table.hostRewrite;
  if (table.autoHostRewrite) return host?.table.hostname || undefined;
  if (table.hostRewriteHeader === '') return undefined;
  const at = request.find(requestBytes, 0, lowerBytes(table.hostRewriteHeader));
  return at < 0 ? undefined : requestBytes.latin1Slice(request.valueStart(at), request.valueEnd(at));
}

function setHost(exchange: Exchange): void {
  const { request, forward, target } = exchange;
  const hostAt = request.hostField;
  const table = forward?.table;
  let host = rewrittenHost(exchange);
  if (host !== undefined) {
    // Envoy leaves this line out when a weighted cluster rewrites the host.
    if (target?.hostRewrite === undefined) edits.add(line.originalHost, exchange.sentAuthority);
    if (table?.appendForwardedHost === true) edits.add(line.forwardedHost, exchange.sentAuthority);
  } else if (exchange.authorityFromTarget || hostAt < 0) {
    host = exchange.authority;
  }
  if (host === undefined) return;
  if (hostAt >= 0) edits.drop(hostAt);
  edits.add(line.host, host);
}

function writeRequest(exchange: Exchange, arena: OutputArena, extra: number): number {
  const { request, requestBytes } = exchange;
  const path = exchange.rewrittenPath ?? (exchange.pathChanged ? exchange.path : undefined);
  arena.reserve(edits.size + (path?.length ?? 0) + request.targetEnd + 64 + extra);
  const out = arena.bytes;
  let at = arena.base;
  if (path === undefined || request.method === 5) {
    at = putBytes(out, at, requestBytes, request.methodStart, request.targetEnd);
  } else {
    at = putBytes(out, at, requestBytes, request.methodStart, request.methodEnd);
    out[at++] = 32;
    at += out.latin1Write(path, at);
  }
  at = putBytes(out, at, httpVersion, 0, httpVersion.length);
  return edits.write(out, at);
}

/** Writes the response's head as the client gets it at the arena's base, with room for `extra` body bytes behind it. */
export function composeResponse(
  exchange: Exchange,
  head: Head,
  bytes: Buffer,
  start: number,
  reframe: 'none' | 'chunk' | 'dechunk',
  arena: OutputArena,
  extra: number,
): number {
  const { chain, target, request } = exchange;
  edits.begin(head, bytes, start);
  const switching = head.status === 101;
  for (let i = 0; i < head.count; i++) {
    const id = head.ids[i] ?? 0;
    if (id === 0) continue;
    if (id === field.connection || id === field.keepAlive || id === field.proxyConnection) edits.drop(i);
    else if (id === field.upgrade && !switching) edits.drop(i);
    else if (id === field.transferEncoding && reframe === 'dechunk') edits.drop(i);
    else if (id === field.serviceTime) edits.drop(i);
    else if (id === field.server && chain?.table.serverHeader === 'overwrite') edits.drop(i);
  }
  if (head.namesOthers) connectionNames(head, bytes, start, (other) => edits.remove(lowerBytes(other)));
  if (chain === undefined || target === undefined) return arena.base;
  const server = chain.table.serverHeader;
  if (server === 'overwrite' || (server === 'append-if-absent' && head.findId(field.server) < 0))
    edits.add(line.server, chain.server, name.server);
  if (head.findId(field.date) < 0) edits.add(line.date, httpDate(exchange.runtime.clock.now()), name.date);
  if (!chain.table.suppressEnvoyHeaders) edits.add(line.serviceTime, String(exchange.serviceTimeMs), name.serviceTime);
  finishResponse(exchange);
  if (reframe === 'chunk') edits.add(line.transferEncoding, chunkedValue);
  if (switching) edits.add(line.connection, upgradeValue);
  else if (exchange.closing) edits.add(line.connection, closeValue);
  else if (request.minorVersion === 0) edits.add(line.connection, keepAliveValue);
  arena.reserve(edits.size + 64 + extra + 32);
  const out = arena.bytes;
  let at = putBytes(out, arena.base, statusPrefix, 0, statusPrefix.length);
  at = putText(out, at, String(head.status));
  out[at++] = 32;
  at = putBytes(out, at, bytes, start + head.reasonStart, start + head.reasonEnd);
  out[at++] = 13;
  out[at++] = 10;
  return edits.write(out, at);
}

/** What route, virtual host and CORS add to any response that the route answers for. */
function finishResponse(exchange: Exchange): void {
  const { target, chain } = exchange;
  for (const [key, value] of exchange.corsLines) {
    const lower = lowerBytes(key);
    edits.remove(lower);
    edits.add(text(`${key}: `), value, lower);
  }
  if (exchange.cookie !== '') edits.add(line.setCookie, exchange.cookie);
  if (exchange.route?.virtualHost.table.attemptCountInResponse === true && exchange.attempts > 0)
    edits.add(line.attempts, String(exchange.attempts));
  if (chain?.table.requestIdInResponse === true) {
    const at = exchange.request.findId(field.requestId);
    const id =
      at >= 0 ? exchange.requestBytes.latin1Slice(exchange.request.valueStart(at), exchange.request.valueEnd(at)) : exchange.requestId;
    if (id !== '') edits.add(line.requestId, id);
  }
  const operations = target?.responseOperations;
  if (operations === undefined) return;
  for (let i = 0; i < operations.length; i++) {
    const level = operations[i];
    if (level !== undefined) edits.apply(level, exchange);
  }
}

/** Writes the head of an answer made here at the arena's base. `lines` stand before what the route adds. */
export function composeLocal(
  exchange: Exchange,
  status: number,
  reasonText: string,
  lines: readonly (readonly [string, string])[],
  routed: boolean,
  arena: OutputArena,
  extra: number,
): number {
  edits.beginEmpty();
  for (const [key, value] of lines) edits.add(text(`${key}: `), value, lowerBytes(key));
  if (routed) finishResponse(exchange);
  const chain = exchange.chain;
  edits.add(line.date, httpDate(exchange.runtime.clock.now()), name.date);
  if (chain !== undefined && chain.table.serverHeader !== 'pass-through') edits.add(line.server, chain.server, name.server);
  if (exchange.closing) edits.add(line.connection, closeValue);
  else if (exchange.request.minorVersion === 0) edits.add(line.connection, keepAliveValue);
  arena.reserve(edits.size + 64 + reasonText.length + extra);
  const out = arena.bytes;
  let at = arena.base + out.latin1Write(`HTTP/1.1 ${status} ${reasonText}\r\n`, arena.base);
  at = edits.write(out, at);
  return at;
}

import { BodyReader } from '#http/body.ts';
import { Deadline, type DeadlineOwner } from '#http/deadlines.ts';
import { field } from '#http/field.ts';
import { Head, type HeadError, httpMethods, incomplete, scanResponse } from '#http/head.ts';
import { judge } from '../filter/cors.ts';
import { type CompiledFault, drawn } from '../filter/fault.ts';
import { flag } from '../flags.ts';
import type { Runtime } from '../runtime.ts';
import type { Cluster, ClusterHost } from '../upstream/cluster.ts';
import { acquire, type UpstreamConnection, type Waiter, withdraw } from '../upstream/connection.ts';
import { originalHost } from '../upstream/original.ts';
import type { HttpChain } from './chain.ts';
import { composeRequest, composeResponse, rewrittenHost, upgradeAllowed, wantsUpgrade } from './compose.ts';
import type { Downstream } from './downstream.ts';
import { ExchangeState } from './exchange-state.ts';
import { hashOf } from './hash-policy.ts';
import { readTarget } from './intake.ts';
import { sendLocalReply, writeRedirect } from './local-reply.ts';
import { mirror } from './mirror.ts';
import { backoffMs, type ResponseView } from './retry.ts';
import { type Forward, findRoute, type Target } from './router.ts';

const pauseAbove = 64 * 1024;
const responseLimits = { maxBytes: 60 * 1024, maxFields: 200 };
const headWaitMs = 5_000;
const noBytes = Buffer.alloc(0);
const pool: Exchange[] = [];
const upstreamHead = new Head();
const view: { head: Head; bytes: Buffer; start: number } = { head: upstreamHead, bytes: noBytes, start: 0 };

export function acquireExchange(runtime: Runtime): Exchange {
  return pool.pop() ?? new Exchange(runtime);
}

/**
 * One request and its response: the state machine between a client's connection and an upstream's. Objects are reused;
 * `serial` tells a late callback that its request is over.
 */
export class Exchange extends ExchangeState implements Waiter, DeadlineOwner {
  private readonly responseBody = new BodyReader();
  serial = 0;

  private queued = false;
  private sent = false;
  private answered = false;
  private tunnel: '' | 'open' | 'client-done' | 'upstream-done' = '';
  private counted = false;
  private retrying = false;
  private tried: string[] = [];
  private held: Buffer | undefined = undefined;
  private activeFault: CompiledFault | undefined = undefined;

  /** Body bytes kept from the start, for a connection to come, a retry or a mirror. */
  private kept: Buffer | undefined = undefined;
  private keptLength = 0;
  private keeping = false;
  private run: Buffer = noBytes;
  private runStart = 0;
  private runEnd = 0;

  closing = false;
  private reframe: 'none' | 'chunk' | 'dechunk' = 'none';
  private readonly totalAlarm = new Deadline(this);
  private readonly tryAlarm = new Deadline(this);
  private readonly idleAlarm = new Deadline(this);
  private readonly requestAlarm = new Deadline(this);
  private readonly streamAlarm = new Deadline(this);

  // --- the request ------------------------------------------------------------------------------------------------

  /** Takes a scanned head at `start` with the body bytes that follow it; returns how far the request reaches. */
  begin(connection: Downstream, chain: HttpChain, bytes: Buffer, start: number, length: number, end: number): number {
    this.prepare(connection, chain);
    this.copyHead(bytes, start, length);
    const request = this.request;
    this.method =
      request.method >= 0 ? (httpMethods[request.method] ?? '') : this.requestBytes.latin1Slice(request.methodStart, request.methodEnd);
    this.upgrading = request.method === 5 || wantsUpgrade(request, this.requestBytes);
    if (request.chunked) this.requestBody.start('chunked', 0);
    else this.requestBody.start(request.contentLength > 0 ? 'length' : 'none', request.contentLength);
    const bodyStart = start + length;
    const bodyEnd = this.requestBody.advance(bytes, bodyStart, end);
    if (this.requestBody.done) this.requestDoneAt = this.startedAt;
    else if (chain.table.requestTimeoutMs > 0) this.runtime.deadlines.set(this.requestAlarm, chain.table.requestTimeoutMs);
    this.run = bytes;
    this.runStart = bodyStart;
    this.runEnd = bodyEnd;
    const serial = this.serial;
    if (this.requestBody.bad) this.fail(400, 'Bad Request', flag.DPE, 'http1.invalid_chunk');
    else if (chain.table.underscores !== 'allow' && this.refuseUnderscores(chain))
      this.failClosed(400, 'Bad Request', flag.DPE, 'http1.unexpected_underscore');
    else if (request.expectContinue && !chain.table.pass100Continue) this.continueThenRoute();
    else this.routeRequest();
    if (this.serial === serial) this.settleRun();
    return bodyEnd;
  }

  /** A head that cannot be served at all: answers, logs, closes. */
  beginRefused(connection: Downstream, chain: HttpChain, error: HeadError): void {
    this.prepare(connection, chain);
    this.request.reset();
    this.method = '';
    this.requestBody.start('none', 0);
    this.closing = true;
    const reasons: Readonly<Record<number, string>> = {
      408: 'request header timeout',
      431: 'Request Header Fields Too Large',
      501: 'Not Implemented',
      505: 'HTTP Version Not Supported',
    };
    this.fail(error.status, reasons[error.status] ?? 'Bad Request', error.status === 408 ? 0 : flag.DPE, error.detail);
  }

  private prepare(connection: Downstream, chain: HttpChain): void {
    this.connection = connection;
    this.chain = chain;
    this.startedAt = this.runtime.clock.monotonic();
    this.startedAtWall = this.runtime.clock.now();
    this.runtime.counters.downstreamRequests++;
    this.runtime.counters.downstreamRequestsActive++;
    this.counted = true;
  }

  private copyHead(bytes: Buffer, start: number, length: number): void {
    if (this.requestBytes.length < length) this.requestBytes = Buffer.allocUnsafeSlow(Math.max(length, this.requestBytes.length * 2));
    bytes.copy(this.requestBytes, 0, start, start + length);
  }

  /** Names with an underscore: true when the chain refuses them; else they are left out on the way. */
  private refuseUnderscores(chain: HttpChain): boolean {
    const { request, requestBytes } = this;
    for (let i = 0; i < request.count; i++) {
      if (!requestBytes.subarray(request.nameStart(i), request.nameEnd(i)).includes(95)) continue;
      if (chain.table.underscores === 'reject') return true;
      request.ids[i] = field.hidden;
    }
    return false;
  }

  private continueThenRoute(): void {
    this.connection?.write(continueLine, 0, continueLine.length);
    this.routeRequest();
  }

  private routeRequest(): void {
    const refusal = readTarget(this);
    if (refusal === undefined) {
      this.choose();
      return;
    }
    if (refusal.location !== undefined) {
      this.redirectTo(refusal.status, refusal.location, refusal.details);
      return;
    }
    this.failClosed(refusal.status, refusal.body, flag.DPE, refusal.details);
  }

  /** Virtual host, route, filters, action. */
  private choose(): void {
    const chain = this.chain;
    const isConnect = this.request.method === 5;
    const random = this.runtime.clock.random;
    const virtualHost = chain?.routes()?.virtualHost(this.authority);
    const route = virtualHost === undefined ? undefined : findRoute(virtualHost, this, isConnect, random);
    if (chain === undefined || route === undefined) {
      this.fail(404, '', flag.NR, 'route_not_found');
      return;
    }
    this.route = route;
    if (route.virtualHost.table.requireTls) {
      this.redirectTo(301, `https://${this.authority}${this.path}`, 'direct_response');
      return;
    }
    const action = route.action;
    if (action.kind === 'forward') {
      this.forward = action;
      this.target = action.targets.length === 1 ? action.targets[0] : pickTarget(action, random);
    }
    this.target ??= route.target;
    if (chain.hasCors && this.applyCors(this.target)) return;
    if (chain.hasFault && this.applyFault(this.target.fault ?? chain.fault)) return;
    this.act();
  }

  /** True when CORS answered the request itself. */
  private applyCors(target: Target): boolean {
    const cors = target.cors;
    if (cors === undefined || !drawn(cors.table.enabled, this.runtime.clock.random)) return false;
    const verdict = judge(cors, this);
    if (verdict === undefined) return false;
    this.corsLines = verdict.lines;
    if (verdict.preflight) {
      this.fail(200, '', 0, 'cors_response');
      return true;
    }
    return false;
  }

  /** True when a fault holds or ends the request. */
  private applyFault(fault: CompiledFault | undefined): boolean {
    if (fault === undefined || fault.active >= fault.table.maxActive || !fault.applies(this)) return false;
    const { table } = fault;
    const random = this.runtime.clock.random;
    if (table.delayMs > 0 && drawn(table.delayFraction, random)) {
      this.flags |= flag.DI;
      fault.active++;
      this.activeFault = fault;
      this.after(table.delayMs, () => {
        if (!this.applyAbort(fault)) this.act();
      });
      return true;
    }
    return this.applyAbort(fault);
  }

  private applyAbort(fault: CompiledFault): boolean {
    const { table } = fault;
    if (table.abortFraction === 0 || (table.abortStatus === 0 && table.abortGrpcStatus < 0)) return false;
    if (!drawn(table.abortFraction, this.runtime.clock.random)) return false;
    if (table.abortGrpcStatus >= 0) {
      this.grpcStatus = table.abortGrpcStatus;
      this.fail(200, 'fault filter abort', flag.FI, 'fault_filter_abort');
    } else {
      this.fail(table.abortStatus, 'fault filter abort', flag.FI, 'fault_filter_abort');
    }
    return true;
  }

  /** Runs `next` later unless the request is over by then. */
  private after(delayMs: number, next: () => void): void {
    const serial = this.serial;
    this.runtime.clock.after(delayMs, () => {
      if (this.serial === serial) next();
    });
  }

  private act(): void {
    const action = this.route?.action;
    if (action === undefined) return;
    if (action.kind === 'direct') {
      this.fail(action.status, action.body, 0, 'direct_response');
      return;
    }
    if (action.kind === 'redirect') {
      writeRedirect(this, action);
      return;
    }
    if (this.upgrading && !upgradeAllowed(this, action)) {
      this.fail(403, '', 0, 'upgrade_failed');
      return;
    }
    const name = action.table.clusterHeader === '' ? (this.target?.cluster ?? '') : this.clusterFromHeader(action.table.clusterHeader);
    const cluster = this.runtime.clusters.get(name);
    if (cluster === undefined) {
      this.fail(action.table.notFoundStatus, '', flag.NC, 'cluster_not_found');
      return;
    }
    this.cluster = cluster;
    if (cluster.table.refusal !== '') {
      this.fail(503, cluster.table.refusal, flag.UPE, 'http2_upstream_not_supported');
      return;
    }
    if (action.rewrite !== undefined) this.rewrittenPath = action.rewrite(this.path);
    this.keeping = action.retry !== undefined || action.mirrors.length > 0;
    if (cluster.ready) {
      this.attempt();
      return;
    }
    const serial = this.serial;
    cluster.whenReady(() => {
      if (this.serial === serial && this.host === undefined && !this.answered) this.attempt();
    });
    this.runtime.deadlines.set(this.tryAlarm, headWaitMs);
  }

  private clusterFromHeader(name: string): string {
    const at = this.request.find(this.requestBytes, 0, Buffer.from(name));
    return at < 0 ? '' : this.requestBytes.latin1Slice(this.request.valueStart(at), this.request.valueEnd(at));
  }

  // --- attempts ---------------------------------------------------------------------------------------------------

  private attempt(): void {
    const cluster = this.cluster;
    const forward = this.forward;
    if (cluster === undefined || forward === undefined) return;
    this.runtime.deadlines.clear(this.tryAlarm);
    if (cluster.table.type === 'original-dst') {
      const serial = this.serial;
      originalHost(this.runtime, cluster, this, (host) => {
        if (this.serial === serial) this.attemptHost(host);
      });
      return;
    }
    const retry = this.attempts > 0 ? forward.retry : undefined;
    const context = { hash: forward.table.hash.length === 0 ? undefined : hashOf(forward.table.hash, this) };
    const host =
      retry?.table.previousHosts === true
        ? cluster.pick(context, retry.table.hostAttempts, (candidate) => this.tried.includes(candidate.key))
        : cluster.pickOnce(context);
    this.attemptHost(host);
  }

  private attemptHost(host: ClusterHost | undefined): void {
    const cluster = this.cluster;
    if (cluster === undefined) return;
    if (host === undefined) {
      cluster.noHealthy++;
      this.fail(503, 'no healthy upstream', flag.UH, 'no_healthy_upstream');
      return;
    }
    if (cluster.activeRequests >= cluster.table.maxRequests) {
      this.overflow(cluster);
      return;
    }
    this.attempts++;
    this.host = host;
    cluster.activeRequests++;
    host.active++;
    const got = acquire(this.runtime, cluster, host, this);
    if (got === 'overflow') {
      this.leaveHost();
      this.overflow(cluster);
      return;
    }
    if (got === 'waiting') this.queued = true;
    else this.connectionReady(got);
  }

  private overflow(cluster: Cluster): void {
    cluster.overflowed++;
    this.fail(503, `${resetText}overflow`, flag.UO, 'upstream_reset_before_response_started{overflow}');
  }

  connectionReady(connection: UpstreamConnection): void {
    this.queued = false;
    this.upstream = connection;
    this.sent = true;
    this.sentAt = this.runtime.clock.monotonic();
    const forward = this.forward;
    if (forward?.table.terminateConnect === true) {
      this.openTunnel(connection);
      return;
    }
    if (this.attempts === 1 && this.keeping && this.runEnd > this.runStart) this.keep(this.run, this.runStart, this.runEnd);
    const arena = this.runtime.arena;
    const extra = this.keeping || this.keptLength > 0 ? this.keptLength : this.runEnd - this.runStart;
    let at = composeRequest(this, arena, extra);
    if (this.keeping || this.keptLength > 0) {
      if (this.kept !== undefined) at += this.kept.copy(arena.bytes, at, 0, this.keptLength);
    } else {
      at += this.run.copy(arena.bytes, at, this.runStart, this.runEnd);
    }
    this.runEnd = this.runStart;
    if (!this.keeping) this.dropKept();
    const taken = connection.transport.write(arena.bytes, arena.base, at);
    arena.sent(at, taken);
    if (!taken) this.connection?.pause();
    else if (!this.requestBody.done) this.connection?.resume();
    if (this.requestBody.done) this.requestSent(this.sentAt);
    this.armIdle(this.sentAt);
  }

  /** The whole request has gone: the route's time begins. */
  private requestSent(now: number): void {
    const forward = this.forward;
    if (forward === undefined) return;
    const perTry = forward.retry?.table.perTryTimeoutMs ?? 0;
    const longest = forward.table.maxStreamDurationMs;
    if (longest > 0 && this.streamAlarm.list === undefined) this.runtime.deadlines.set(this.streamAlarm, longest, now);
    if (forward.table.timeoutMs > 0 && this.totalAlarm.list === undefined)
      this.runtime.deadlines.set(this.totalAlarm, forward.table.timeoutMs, now);
    if (perTry > 0) this.runtime.deadlines.set(this.tryAlarm, perTry, now);
    if (forward.mirrors.length > 0 && this.attempts === 1)
      mirror(this, forward.mirrors, this.keeping ? this.kept?.subarray(0, this.keptLength) : undefined);
  }

  private armIdle(now = this.runtime.clock.monotonic()): void {
    const idle =
      this.forward === undefined || this.forward.table.idleTimeoutMs < 0
        ? (this.chain?.table.streamIdleTimeoutMs ?? 0)
        : this.forward.table.idleTimeoutMs;
    if (idle > 0) this.runtime.deadlines.set(this.idleAlarm, idle, now);
  }

  /** More of the request from the client; returns how far it belongs to this request. */
  requestData(bytes: Buffer, start: number, end: number): number {
    if (this.tunnel !== '') {
      this.toUpstream(bytes, start, end);
      return end;
    }
    if (this.requestBody.done) return start;
    const stop = this.requestBody.advance(bytes, start, end);
    if (this.requestBody.bad) {
      this.dropUpstream();
      this.fail(400, 'Bad Request', flag.DPE, 'http1.invalid_chunk');
      return end;
    }
    if (this.requestBody.done) {
      this.requestDoneAt = this.runtime.clock.monotonic();
      this.runtime.deadlines.clear(this.requestAlarm);
    }
    if (this.idleAlarm.list !== undefined) this.armIdle();
    if (!this.sent) {
      this.keep(bytes, start, stop);
      if (this.keptLength > pauseAbove && !this.requestBody.done) this.connection?.pause();
      return stop;
    }
    if (this.keeping) this.keep(bytes, start, stop);
    if (this.upstream !== undefined) {
      this.toUpstream(bytes, start, stop);
      if (this.requestBody.done) this.requestSent(this.requestDoneAt);
    }
    return stop;
  }

  private toUpstream(bytes: Buffer, start: number, end: number): void {
    const upstream = this.upstream;
    if (upstream === undefined || end <= start) return;
    const arena = this.runtime.arena;
    arena.reserve(end - start);
    const to = arena.base + bytes.copy(arena.bytes, arena.base, start, end);
    const taken = upstream.transport.write(arena.bytes, arena.base, to);
    arena.sent(to, taken);
    if (!taken) this.connection?.pause();
  }

  upstreamDrained(): void {
    this.connection?.resume();
  }

  /** Bytes that arrived with the head but could not go out yet. */
  private settleRun(): void {
    if (this.runEnd > this.runStart) this.keep(this.run, this.runStart, this.runEnd);
    this.run = noBytes;
    this.runStart = 0;
    this.runEnd = 0;
  }

  private keep(bytes: Buffer, start: number, end: number): void {
    if (end <= start) return;
    const limit = this.route?.table.bufferLimit || this.chain?.bufferLimit || 1024 * 1024;
    const length = this.keptLength + end - start;
    if (this.sent && length > limit) {
      // Too long to be sent twice: what is on its way goes on, retries and mirrors are off.
      this.keeping = false;
      this.dropKept();
      return;
    }
    if (this.kept === undefined || this.kept.length < length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(1024, length, (this.kept?.length ?? 0) * 2));
      this.kept?.copy(larger, 0, 0, this.keptLength);
      this.kept = larger;
    }
    bytes.copy(this.kept, this.keptLength, start, end);
    this.keptLength = length;
  }
  private dropKept(): void {
    this.kept = undefined;
    this.keptLength = 0;
  }

  get fresh(): boolean {
    return this.forward?.table.terminateConnect === true;
  }

  get upstreamName(): string {
    const authority = rewrittenHost(this)?.toString('latin1') ?? this.authority;
    return authority
      .replace(/:\d*$/, '')
      .replace(/^\[(.*)\]$/, '$1')
      .toLowerCase();
  }

  // --- what the upstream says -------------------------------------------------------------------------------------

  connectionFailed(reason: string, detail: string): void {
    this.queued = false;
    this.transportFailure = detail;
    const cluster = this.cluster;
    this.leaveHost();
    if (cluster !== undefined) countStatus(cluster, 503);
    if (this.forward?.retry?.onConnectFailure === true && this.retryLater()) return;
    // What TLS found is for the log, as with Envoy.
    const text = detail === '' || detail.startsWith('TLS_error:') ? '' : `, transport failure reason: ${detail}`;
    this.fail(
      503,
      `${resetText}${reason}${text}`,
      flag.UF,
      `upstream_reset_before_response_started{${reason.replaceAll(' ', '_')}${detail === '' ? '' : `|${detail.replaceAll(' ', '_')}`}}`,
    );
  }

  upstreamData(bytes: Buffer, start: number, end: number): void {
    if (this.tunnel !== '') {
      this.fromTunnel(bytes, start, end);
      return;
    }
    if (this.answered) {
      if (this.idleAlarm.list !== undefined) this.armIdle();
      this.relay(bytes, start, end);
      return;
    }
    const serial = this.serial;
    const now = this.runtime.clock.monotonic();
    this.responseHead(bytes, start, end, now);
    // Most responses are over by now.
    if (this.serial === serial && this.idleAlarm.list !== undefined) this.armIdle(now);
  }

  private responseHead(bytes: Buffer, start: number, end: number, now: number): void {
    let from = bytes;
    let at = start;
    let stop = end;
    if (this.held !== undefined) {
      from = Buffer.concat([this.held, bytes.subarray(start, end)]);
      this.held = undefined;
      at = 0;
      stop = from.length;
    }
    while (at < stop) {
      const length = scanResponse(upstreamHead, from, at, stop, responseLimits);
      if (length === incomplete) {
        this.held = Buffer.from(from.subarray(at, stop));
        return;
      }
      if (length < 0) {
        this.protocolError();
        return;
      }
      if (upstreamHead.status < 200 && upstreamHead.status !== 101) {
        this.interim(from, at, length);
        at += length;
        continue;
      }
      this.firstByteAt = now;
      if (upstreamHead.status === 101) {
        this.upgraded(from, at, length, stop);
        return;
      }
      this.respond(from, at, at + length, stop);
      return;
    }
  }

  /** 100, 102 and 103 go on to the client when it can understand them; other interim answers end here. */
  private interim(bytes: Buffer, start: number, length: number): void {
    const status = upstreamHead.status;
    if (this.chain?.table.pass100Continue !== true || this.request.minorVersion === 0 || status > 103 || status === 101) return;
    const arena = this.runtime.arena;
    arena.reserve(length);
    const to = arena.base + bytes.copy(arena.bytes, arena.base, start, start + length);
    arena.sent(to, this.connection?.write(arena.bytes, arena.base, to) ?? true);
  }

  private protocolError(): void {
    const cluster = this.cluster;
    const host = this.host;
    this.dropUpstream();
    if (cluster !== undefined && host !== undefined) cluster.note(host, 0);
    if (this.forward?.retry?.onReset(true) === true && this.retryLater()) return;
    this.fail(502, `${resetText}protocol error`, flag.UPE, 'upstream_reset_before_response_started{protocol_error}');
  }

  /** A final response head: try again, or pass it on with the body bytes that came along. */
  private respond(bytes: Buffer, start: number, bodyStart: number, end: number): void {
    const head = upstreamHead;
    const cluster = this.cluster;
    const host = this.host;
    const connection = this.connection;
    if (cluster === undefined || host === undefined || connection === undefined) return;
    const grpcAt = head.findId(field.grpcStatus);
    cluster.note(host, head.status);
    countStatus(cluster, head.status);
    host.requestsTotal++;
    if (head.status >= 500) host.requestsFailed++;
    else host.requestsOk++;
    if (this.wantsRetry(bytes, start)) {
      this.readResponseFraming(head);
      this.responseBody.advance(bytes, bodyStart, end);
      const whole = this.responseBody.done && this.responseBody.framing !== 'until-close';
      this.detachUpstream(whole && !head.close && head.minorVersion === 1);
      if (this.retryLater()) return;
    }
    this.answered = true;
    this.status = head.status;
    this.details = 'via_upstream';
    if (grpcAt >= 0) this.grpcStatus = Number(bytes.latin1Slice(start + head.valueStart(grpcAt), start + head.valueEnd(grpcAt)));
    this.readResponseFraming(head);
    this.reusable = !head.close && (head.minorVersion === 1 || head.keepAlive);
    this.reframe = 'none';
    if (this.responseBody.framing === 'until-close') {
      if (this.request.minorVersion === 1) this.reframe = 'chunk';
      else this.closing = true;
    } else if (this.responseBody.framing === 'chunked' && this.request.minorVersion === 0) {
      this.reframe = 'dechunk';
      this.closing = true;
    }
    this.closing ||= this.clientWantsClose || connection.mustClose || !this.requestBody.done;
    this.rememberResponse(head, bytes, start);
    const arena = this.runtime.arena;
    const at = composeResponse(this, head, bytes, start, this.reframe, arena, end - bodyStart);
    this.writeBody(bytes, bodyStart, end, at);
  }
  private reusable = false;

  private get clientWantsClose(): boolean {
    return this.request.close || (this.request.minorVersion === 0 && !this.request.keepAlive);
  }

  private readResponseFraming(head: Head): void {
    if (this.request.method === 1 || head.status === 204 || head.status === 304) this.responseBody.start('none', 0);
    else if (head.chunked) this.responseBody.start('chunked', 0);
    else if (head.contentLength >= 0) this.responseBody.start('length', head.contentLength);
    else {
      this.responseBody.start('until-close', 0);
      this.responseBody.done = false;
    }
  }

  private relay(bytes: Buffer, start: number, end: number): void {
    const arena = this.runtime.arena;
    arena.reserve(end - start + 32);
    this.writeBody(bytes, start, end, arena.base);
  }

  /** Appends the body bytes of [start, end) at `at` in the arena, sends, and ends the response when it is whole. */
  private writeBody(bytes: Buffer, start: number, end: number, at: number): void {
    const connection = this.connection;
    const arena = this.runtime.arena;
    const body = this.responseBody;
    if (connection === undefined) return;
    const surplusIsError = body.done;
    const runs = this.reframe === 'dechunk' ? [] : undefined;
    body.chunks.payload = runs;
    const stop = body.advance(bytes, start, end);
    let to = at;
    if (runs !== undefined) {
      for (let i = 0; i < runs.length; i += 2) to += bytes.copy(arena.bytes, to, runs[i], runs[i + 1]);
    } else if (stop > start) {
      if (this.reframe === 'chunk') to += arena.bytes.latin1Write(`${(stop - start).toString(16)}\r\n`, to);
      to += bytes.copy(arena.bytes, to, start, stop);
      if (this.reframe === 'chunk') to += arena.bytes.latin1Write('\r\n', to);
    }
    this.bytesSent += stop - start;
    if (stop < end || surplusIsError) this.reusable = this.reusable && stop === end;
    if (to > arena.base) {
      const taken = connection.write(arena.bytes, arena.base, to);
      arena.sent(to, taken);
      if (!taken && !body.done) this.upstream?.transport.pause();
    }
    if (body.bad) {
      this.breakResponse('upstream_reset_after_response_started{protocol_error}', flag.UPE);
      return;
    }
    if (body.done) this.responseDone();
  }

  private responseDone(): void {
    this.detachUpstream(this.reusable && this.requestBody.done);
    this.finish();
  }

  downstreamDrained(): void {
    this.upstream?.transport.resume();
    if (this.upstream === undefined || this.upstream.transport.pendingBytes === 0) this.connection?.resume();
  }

  upstreamEnded(): void {
    if (this.tunnel !== '') {
      this.tunnelHalf('upstream-done');
      return;
    }
    if (this.answered && this.responseBody.framing === 'until-close') {
      this.endUntilClose();
      return;
    }
    this.upstreamClosed('');
  }

  private endUntilClose(): void {
    this.responseBody.done = true;
    this.reusable = false;
    if (this.reframe === 'chunk') this.connection?.write(lastChunk, 0, lastChunk.length);
    this.responseDone();
  }

  upstreamClosed(code: string): void {
    if (this.tunnel !== '') {
      this.endTunnel();
      return;
    }
    if (this.answered && this.responseBody.framing === 'until-close' && code === '') {
      this.endUntilClose();
      return;
    }
    if (this.answered) {
      this.breakResponse('upstream_reset_after_response_started{connection_termination}', flag.UC);
      return;
    }
    const cluster = this.cluster;
    const host = this.host;
    const sent = this.held !== undefined || this.attempts > 0;
    this.dropUpstream();
    if (cluster !== undefined && host !== undefined) {
      cluster.note(host, 0);
      host.requestsTotal++;
      host.requestsFailed++;
      countStatus(cluster, 503);
    }
    if (this.forward?.retry?.onReset(sent) === true && this.retryLater()) return;
    this.fail(503, `${resetText}connection termination`, flag.UC, 'upstream_reset_before_response_started{connection_termination}');
  }

  /** The upstream failed in the middle of a response: the client must notice. */
  private breakResponse(details: string, bit: number): void {
    this.details = details;
    this.flags |= bit;
    const cluster = this.cluster;
    if (cluster !== undefined && this.host !== undefined) cluster.note(this.host, 0);
    this.dropUpstream();
    const connection = this.connection;
    this.end();
    connection?.abort();
    connection?.exchangeDone(true);
  }

  // --- trying again -----------------------------------------------------------------------------------------------

  private wantsRetry(bytes: Buffer, start: number): boolean {
    const retry = this.forward?.retry;
    if (retry === undefined) return false;
    view.bytes = bytes;
    view.start = start;
    return retry.onStatus(upstreamHead.status) || retry.onHead(view satisfies ResponseView);
  }

  /** Schedules one more attempt when policy, budget and the kept body allow; the current one must be detached. */
  private retryLater(): boolean {
    const retry = this.forward?.retry;
    const cluster = this.cluster;
    if (retry === undefined || cluster === undefined) return false;
    if (!this.keeping || !this.requestBody.done) return false;
    if (retry.requestAllows !== undefined && !retry.requestAllows(this)) return false;
    if (this.attempts > retry.table.attempts) {
      this.flags |= flag.URX;
      return false;
    }
    if (!cluster.mayRetry) {
      cluster.overflowed++;
      this.flags |= flag.UO;
      return false;
    }
    if (this.lastTried !== '') this.tried.push(this.lastTried);
    cluster.activeRetries++;
    cluster.retries++;
    this.retrying = true;
    this.held = undefined;
    this.after(backoffMs(retry.table, this.attempts, this.runtime.clock.random), () => {
      this.endRetrying();
      this.attempt();
    });
    return true;
  }
  private lastTried = '';

  private endRetrying(): void {
    if (!this.retrying) return;
    this.retrying = false;
    if (this.cluster !== undefined) this.cluster.activeRetries--;
  }

  /** Gives the upstream connection back, or ends it. */
  private detachUpstream(reusable: boolean): void {
    const upstream = this.upstream;
    this.leaveHost();
    this.upstream = undefined;
    if (upstream === undefined) return;
    this.lastTransport = upstream.transport;
    if (reusable) {
      upstream.transport.resume();
      upstream.release(true);
    } else {
      upstream.discard();
    }
  }

  private dropUpstream(): void {
    if (this.queued && this.cluster !== undefined && this.host !== undefined) withdraw(this.cluster, this.host, this);
    this.queued = false;
    this.detachUpstream(false);
  }

  private leaveHost(): void {
    const host = this.host;
    if (host === undefined) return;
    this.runtime.deadlines.clear(this.tryAlarm);
    this.lastTried = host.key;
    this.lastHost = host;
    host.active--;
    if (this.cluster !== undefined) {
      this.cluster.activeRequests--;
      this.cluster.requestsTotal++;
    }
    this.host = undefined;
  }

  // --- tunnels ----------------------------------------------------------------------------------------------------

  /** CONNECT that ends here: the connection's bytes are the tunnel's. */
  private openTunnel(connection: UpstreamConnection): void {
    this.status = 200;
    this.details = 'via_upstream';
    this.answered = true;
    this.firstByteAt = this.sentAt;
    this.tunnel = 'open';
    this.connection?.write(connectedLine, 0, connectedLine.length);
    if (this.keptLength > 0 && this.kept !== undefined) connection.transport.write(this.kept, 0, this.keptLength);
    this.dropKept();
    this.armIdle();
    this.connection?.resume();
  }

  /** 101: the head goes to the client and both ends become a tunnel. */
  private upgraded(bytes: Buffer, start: number, length: number, end: number): void {
    if (!this.upgrading) {
      this.protocolError();
      return;
    }
    this.answered = true;
    this.status = 101;
    this.details = 'via_upstream';
    this.responseBody.start('none', 0);
    this.rememberResponse(upstreamHead, bytes, start);
    const arena = this.runtime.arena;
    const at = composeResponse(this, upstreamHead, bytes, start, 'none', arena, end - start - length);
    this.tunnel = 'open';
    this.requestBody.done = true;
    this.runtime.deadlines.clear(this.totalAlarm);
    this.runtime.deadlines.clear(this.tryAlarm);
    const to = at + bytes.copy(arena.bytes, at, start + length, end);
    this.bytesSent += end - start - length;
    arena.sent(to, this.connection?.write(arena.bytes, arena.base, to) ?? true);
  }

  private fromTunnel(bytes: Buffer, start: number, end: number): void {
    const arena = this.runtime.arena;
    arena.reserve(end - start);
    const to = arena.base + bytes.copy(arena.bytes, arena.base, start, end);
    const taken = this.connection?.write(arena.bytes, arena.base, to) ?? true;
    arena.sent(to, taken);
    this.bytesSent += end - start;
    if (!taken) this.upstream?.transport.pause();
    if (this.idleAlarm.list !== undefined) this.armIdle();
  }

  private tunnelHalf(side: 'client-done' | 'upstream-done'): void {
    if (this.tunnel !== 'open' && this.tunnel !== side) {
      this.endTunnel();
      return;
    }
    this.tunnel = side;
    if (side === 'client-done') this.upstream?.transport.end();
    else this.connection?.transport.end();
  }

  private endTunnel(): void {
    this.tunnel = '';
    this.detachUpstream(false);
    this.closing = true;
    this.finish();
  }

  // --- the client's end -------------------------------------------------------------------------------------------

  /** The client sends nothing more; true when the exchange goes on regardless (tunnels). */
  downstreamEnded(): boolean {
    if (this.tunnel === '') return false;
    this.tunnelHalf('client-done');
    return true;
  }

  /** The client is gone: everything of this request stops. */
  downstreamGone(): void {
    if (this.connection === undefined) return;
    if (this.tunnel === '') {
      this.flags |= flag.DC;
      this.details = 'downstream_remote_disconnect';
      if (!this.answered) this.status = 0;
    }
    this.tunnel = '';
    this.dropUpstream();
    this.end();
  }

  deadlinePassed(deadline: Deadline): void {
    if (deadline === this.idleAlarm) {
      this.idleTooLong();
      return;
    }
    if (deadline === this.requestAlarm) {
      this.requestTooLong();
      return;
    }
    if (deadline === this.streamAlarm) {
      this.streamTooLong();
      return;
    }
    if (deadline === this.tryAlarm) {
      this.tryTooLong();
      return;
    }
    this.timedOut('response_timeout');
  }

  private idleTooLong(): void {
    if (this.tunnel !== '') {
      this.endTunnel();
      return;
    }
    this.dropUpstream();
    if (this.answered) {
      this.flags |= flag.SI;
      this.breakAnswered('stream_idle_timeout');
      return;
    }
    this.closing = true;
    this.fail(408, 'stream timeout', flag.SI, 'stream_idle_timeout');
  }

  /** The client takes too long to send its request. */
  private requestTooLong(): void {
    this.dropUpstream();
    if (this.answered) {
      this.breakAnswered('request_overall_timeout');
      return;
    }
    this.closing = true;
    this.fail(408, 'request timeout', 0, 'request_overall_timeout');
  }

  private streamTooLong(): void {
    this.dropUpstream();
    this.flags |= flag.UMSDR;
    if (this.answered) this.breakAnswered('upstream_max_stream_duration_reached');
    else this.fail(504, 'upstream max stream duration reached', flag.UMSDR, 'upstream_max_stream_duration_reached');
  }

  private tryTooLong(): void {
    const cluster = this.cluster;
    const host = this.host;
    if (cluster === undefined) return;
    // Still waiting for the cluster's first endpoints.
    if (this.attempts === 0) {
      this.fail(503, 'no healthy upstream', flag.UH, 'no_healthy_upstream');
      return;
    }
    if (this.answered) return;
    this.dropUpstream();
    if (host !== undefined) cluster.note(host, 0);
    cluster.timeouts++;
    if (this.forward?.retry?.onReset(true) === true && this.retryLater()) return;
    countStatus(cluster, 504);
    this.fail(504, 'upstream request timeout', flag.UT, 'upstream_per_try_timeout');
  }

  private timedOut(details: string): void {
    const cluster = this.cluster;
    const host = this.host;
    this.dropUpstream();
    this.endRetrying();
    if (cluster !== undefined) {
      cluster.timeouts++;
      countStatus(cluster, 504);
      if (host !== undefined) cluster.note(host, 0);
    }
    if (this.answered) {
      this.flags |= flag.UT;
      this.breakAnswered(details);
      return;
    }
    this.fail(504, 'upstream request timeout', flag.UT, details);
  }

  private breakAnswered(details: string): void {
    this.details = details;
    const connection = this.connection;
    this.end();
    connection?.abort();
    connection?.exchangeDone(true);
  }

  // --- answers of our own -----------------------------------------------------------------------------------------

  /** Answers the client from here and ends the exchange. */
  fail(status: number, body: string, bits: number, details: string, location = ''): void {
    const connection = this.connection;
    if (connection === undefined || this.answered) return;
    this.answered = true;
    this.status = status;
    this.flags |= bits;
    this.details = details;
    this.runEnd = this.runStart;
    this.closing ||= this.clientWantsClose || connection.mustClose || !this.requestBody.done;
    this.bytesSent = sendLocalReply(this, connection, status, body, location);
    this.finish();
  }

  private failClosed(status: number, body: string, bits: number, details: string): void {
    this.closing = true;
    this.fail(status, body, bits, details);
  }

  private redirectTo(status: number, location: string, details: string): void {
    this.fail(status, '', 0, details, location);
  }

  // --- the end ----------------------------------------------------------------------------------------------------

  private finish(): void {
    const connection = this.connection;
    const closing = this.closing;
    const endedAt = this.end();
    connection?.exchangeDone(closing, endedAt);
  }

  /** Accounts for the request and makes the object ready for another; returns when the request ended. */
  private end(): number {
    const { deadlines, counters, clock } = this.runtime;
    if (this.totalAlarm.list !== undefined) deadlines.clear(this.totalAlarm);
    if (this.tryAlarm.list !== undefined) deadlines.clear(this.tryAlarm);
    if (this.idleAlarm.list !== undefined) deadlines.clear(this.idleAlarm);
    if (this.requestAlarm.list !== undefined) deadlines.clear(this.requestAlarm);
    if (this.streamAlarm.list !== undefined) deadlines.clear(this.streamAlarm);
    this.endRetrying();
    this.leaveHost();
    if (this.activeFault !== undefined) this.activeFault.active--;
    if (this.counted) counters.downstreamRequestsActive--;
    const endedAt = clock.monotonic();
    this.endedAt = endedAt;
    this.account();
    this.giveBack();
    return endedAt;
  }

  /** Puts the object back unused or after its request. */
  giveBack(): void {
    this.serial++;
    this.resetState();
    this.counted = false;
    this.lastTried = '';
    this.queued = false;
    this.sent = false;
    this.answered = false;
    this.tunnel = '';
    if (this.tried.length > 0) this.tried = [];
    this.held = undefined;
    this.activeFault = undefined;
    this.dropKept();
    this.keeping = false;
    this.run = noBytes;
    this.runStart = 0;
    this.runEnd = 0;
    this.closing = false;
    this.reusable = false;
    this.reframe = 'none';
    pool.push(this);
  }
}

const resetText = 'upstream connect error or disconnect/reset before headers. reset reason: ';
const continueLine = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n');
const connectedLine = Buffer.from('HTTP/1.1 200 OK\r\n\r\n');
const lastChunk = Buffer.from('0\r\n\r\n');

function pickTarget(forward: Forward, random: () => number): Target | undefined {
  let point = random() * forward.table.totalWeight;
  for (const target of forward.targets) {
    point -= target.weight;
    if (point < 0) return target;
  }
  return forward.targets.at(-1);
}

function countStatus(cluster: Cluster, status: number): void {
  const at = Math.floor(status / 100);
  cluster.byClass[at] = (cluster.byClass[at] ?? 0) + 1;
}

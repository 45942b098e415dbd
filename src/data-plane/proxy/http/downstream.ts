import { Deadline, type DeadlineOwner } from '#http/deadlines.ts';
import { http2Preface, incomplete, refused, scanRequest } from '#http/head.ts';
import type { Transport, TransportSink } from '#http/transport.ts';
import type { Runtime } from '../runtime.ts';
import type { HttpChain } from './chain.ts';
import { acquireExchange, type Exchange } from './exchange.ts';

/** Guard against heads that trickle in, where configuration sets none. */
const defaultHeadTimeoutMs = 60_000;
/** How long the rest of an unwanted request is read and thrown away, so that the answer is not lost to a reset. */
const lingerMs = 1_000;
/** Pipelined bytes kept while a request is being served. */
const maxHeld = 64 * 1024;

/** Where a connection came from, fixed at accept. */
export interface ConnectionFacts {
  readonly remote: string;
  readonly local: string;
  readonly remoteAddress: string;
  readonly localPort: number;
  readonly serverName: string;
  readonly id: number;
}

/** Finds the chain that serves a connection now; undefined when an update left none. */
export type ChainSource = () => HttpChain | undefined;

/** The client's side of HTTP/1 connections: heads, pipelining, back-pressure and the end. */
export class Downstream implements TransportSink, DeadlineOwner {
  readonly runtime: Runtime;
  readonly transport: Transport;
  readonly facts: ConnectionFacts;
  chain: HttpChain;
  requests = 0;
  /** The peer metadata id seen last and its number for metrics: connections rarely change it. */
  peer = '';
  peerId = 0;
  private readonly chainSource: ChainSource;
  private readonly onClosed: (connection: Downstream) => void;
  private exchange: Exchange | undefined = undefined;
  private held: Buffer | undefined = undefined;
  private state: 'open' | 'lingering' | 'closed' = 'open';
  private inData = false;
  private paused = false;
  private draining = false;
  private headTimed = false;
  private readonly alarm = new Deadline(this);
  private readonly lifetime = new Deadline(this);

  constructor(
    runtime: Runtime,
    transport: Transport,
    facts: ConnectionFacts,
    source: ChainSource,
    chain: HttpChain,
    onClosed: (connection: Downstream) => void,
  ) {
    this.runtime = runtime;
    this.transport = transport;
    this.facts = facts;
    this.chainSource = source;
    this.chain = chain;
    this.onClosed = onClosed;
    if (chain.table.maxConnectionMs > 0) runtime.deadlines.set(this.lifetime, chain.table.maxConnectionMs);
    this.armIdle();
  }

  connected(): void {}

  data(bytes: Buffer, start: number, end: number): void {
    if (this.state !== 'open') return;
    this.inData = true;
    let from = start;
    const active = this.exchange;
    if (active !== undefined) {
      from = active.requestData(bytes, start, end);
    } else if (this.held === undefined) {
      from = this.parse(bytes, start, end);
    }
    if (from < end && this.state === 'open') this.hold(bytes, from, end);
    this.inData = false;
    if (this.exchange !== undefined || this.held === undefined || this.state !== 'open') return;
    // A head can only be complete, or grow past its limit in lines, where a line ends: bytes that trickle cost no scan.
    if (from > start || this.held.length >= this.chain.limits.maxBytes || bytes.subarray(start, end).includes(10)) this.parseHeld();
  }

  /** Serves requests from [start, end) until one needs waiting; returns how far it came. */
  private parse(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && this.exchange === undefined && this.state === 'open') {
      // A client that sends but does not read must not make answers pile up.
      if (this.transport.pendingBytes > 0) {
        this.pause();
        return at;
      }
      const chain = this.chainSource();
      if (chain === undefined) {
        this.finishConnection();
        return end;
      }
      this.chain = chain;
      const exchange = acquireExchange(this.runtime);
      const length = scanRequest(exchange.request, bytes, at, end, chain.limits);
      if (length > 0) {
        if (this.alarm.list !== undefined) this.runtime.deadlines.clear(this.alarm);
        this.headTimed = false;
        this.exchange = exchange;
        this.requests++;
        at = exchange.begin(this, chain, bytes, at, length, end);
        continue;
      }
      if (length === incomplete) {
        exchange.giveBack();
        if (!this.headTimed) this.armHead();
        return at;
      }
      if (length === http2Preface) {
        exchange.giveBack();
        this.refuseHttp2();
        return end;
      }
      if (length === refused) {
        this.runtime.counters.refusedHeads++;
        this.exchange = exchange;
        exchange.beginRefused(this, chain, exchange.request.error);
        return end;
      }
    }
    return at;
  }

  private parseHeld(): void {
    const held = this.held;
    if (held === undefined) return;
    this.held = undefined;
    this.inData = true;
    const at = this.parse(held, 0, held.length);
    if (at < held.length && this.state === 'open') this.held = held.subarray(at);
    this.inData = false;
    if (this.paused && this.exchange === undefined && this.transport.pendingBytes === 0) this.resume();
  }

  private hold(bytes: Buffer, start: number, end: number): void {
    const piece = bytes.subarray(start, end);
    this.held = this.held === undefined ? Buffer.from(piece) : Buffer.concat([this.held, piece]);
    if (this.exchange !== undefined && this.held.length >= maxHeld) this.pause();
  }

  /** Sends bytes of a response; false when the client does not keep up and the sender should pause. */
  write(bytes: Buffer, start: number, end: number): boolean {
    return this.transport.write(bytes, start, end);
  }

  pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.transport.pause();
  }
  resume(): void {
    if (!this.paused || this.state === 'closed') return;
    this.paused = false;
    this.transport.resume();
  }

  /** Whether the next response must say that the connection ends. */
  get mustClose(): boolean {
    const limit = this.chain.table.maxRequestsPerConnection;
    return this.draining || this.runtime.draining || (limit > 0 && this.requests >= limit);
  }

  /** The listener drains but still accepts: one answer, then the end. */
  closeAfterNext(): void {
    this.draining = true;
  }

  /** The listener goes: idle connections close now, busy ones after their response. */
  drainConnection(): void {
    this.draining = true;
    if (this.exchange === undefined && this.held === undefined) this.finishConnection();
  }

  /** The exchange is over. `close`: the response said so, or the connection cannot be trusted any more. */
  exchangeDone(close: boolean, now = this.runtime.clock.monotonic()): void {
    this.exchange = undefined;
    if (this.state !== 'open') return;
    if (close) {
      this.finishConnection();
      return;
    }
    if (this.inData) return;
    this.armIdle(now);
    if (this.held !== undefined) this.parseHeld();
    else this.resume();
  }

  /** Sends what is waiting and closes, reading on for a moment. */
  private finishConnection(): void {
    if (this.state !== 'open') return;
    this.state = 'lingering';
    this.held = undefined;
    this.transport.end();
    this.paused = true;
    this.resume();
    this.runtime.deadlines.set(this.alarm, lingerMs);
  }

  /** Ends the connection so that the client sees that the response is not whole. */
  abort(): void {
    if (this.state === 'closed') return;
    this.state = 'lingering';
    this.transport.reset();
  }

  drain(): void {
    if (this.exchange !== undefined) this.exchange.downstreamDrained();
    else if (this.held !== undefined && this.state === 'open') this.parseHeld();
    else this.resume();
  }

  eof(): void {
    if (this.state !== 'open') {
      this.transport.destroy();
      this.closed('');
      return;
    }
    if (this.exchange?.downstreamEnded() === true) return;
    this.exchange?.downstreamGone();
    this.state = 'lingering';
    this.transport.end();
    this.runtime.deadlines.set(this.alarm, lingerMs);
  }

  closed(_code: string): void {
    if (this.state === 'closed') return;
    const exchange = this.exchange;
    this.state = 'closed';
    this.held = undefined;
    this.runtime.deadlines.clear(this.alarm);
    this.runtime.deadlines.clear(this.lifetime);
    exchange?.downstreamGone();
    this.onClosed(this);
  }

  deadlinePassed(deadline: Deadline): void {
    if (deadline === this.lifetime) {
      this.drainConnection();
      return;
    }
    if (this.state === 'lingering') {
      this.transport.destroy();
      this.closed('');
      return;
    }
    if (this.exchange !== undefined) return;
    if (this.headTimed || this.held !== undefined) {
      const exchange = acquireExchange(this.runtime);
      exchange.request.reset();
      this.exchange = exchange;
      exchange.beginRefused(this, this.chain, { status: 408, detail: 'request_header_timeout' });
      return;
    }
    this.finishConnection();
  }

  private armIdle(now = this.runtime.clock.monotonic()): void {
    if (this.chain.table.idleTimeoutMs > 0) this.runtime.deadlines.set(this.alarm, this.chain.table.idleTimeoutMs, now);
  }

  private armHead(): void {
    this.headTimed = true;
    this.runtime.deadlines.set(this.alarm, this.chain.table.headTimeoutMs || defaultHeadTimeoutMs);
  }

  /** Speaks enough HTTP/2 to say why not: empty SETTINGS, then GOAWAY with HTTP_1_1_REQUIRED. */
  private refuseHttp2(): void {
    this.runtime.counters.refusedHeads++;
    this.transport.write(goAway, 0, goAway.length);
    this.finishConnection();
  }
}

const reason = Buffer.from('this proxy speaks HTTP/1.1 only');
const goAway = Buffer.concat([
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
  Buffer.from([0, 0, 8 + reason.length, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 13]),
  reason,
]);

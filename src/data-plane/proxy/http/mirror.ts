import { BodyReader } from '#http/body.ts';
import { Deadline, type DeadlineOwner } from '#http/deadlines.ts';
import { Head, incomplete, scanResponse } from '#http/head.ts';
import { OutputArena } from '#http/transport.ts';
import { drawn } from '../filter/fault.ts';
import type { Runtime } from '../runtime.ts';
import type { MirrorTable } from '../table.ts';
import type { Cluster, ClusterHost } from '../upstream/cluster.ts';
import { acquire, type UpstreamConnection, type Waiter, withdraw } from '../upstream/connection.ts';
import { composeRequest } from './compose.ts';
import type { Exchange } from './exchange.ts';

const limits = { maxBytes: 60 * 1024, maxFields: 200 };
const head = new Head();
const defaultTimeoutMs = 60_000;

/** Sends copies of a whole request to mirror clusters. Their answers are read and forgotten. */
export function mirror(exchange: Exchange, mirrors: readonly MirrorTable[], body: Buffer | undefined): void {
  for (const rule of mirrors) {
    if (!drawn(rule.fraction, exchange.runtime.clock.random)) continue;
    // A body too long to keep cannot be sent twice.
    if (body === undefined && exchange.requestBody.received > 0) continue;
    const cluster = exchange.runtime.clusters.get(rule.cluster);
    if (cluster === undefined || !cluster.ready || cluster.table.refusal !== '') continue;
    const host = cluster.pickOnce({ hash: undefined });
    if (host === undefined || cluster.activeRequests >= cluster.table.maxRequests) continue;
    const upstreamName = rule.suffix ? withSuffix(exchange.upstreamName) : exchange.upstreamName;
    const shadow = new Shadow(exchange, cluster, host, { bytes: requestBytes(exchange, rule, body), upstreamName });
    shadow.start();
  }
}

function requestBytes(exchange: Exchange, rule: MirrorTable, body: Buffer | undefined): Buffer {
  const arena = new OutputArena(4096);
  const authority = exchange.authority;
  if (rule.suffix) {
    exchange.authority = withSuffix(authority);
    exchange.authorityFromTarget = true;
  }
  const end = composeRequest(exchange, arena, 0);
  exchange.authority = authority;
  return Buffer.concat([arena.bytes.subarray(arena.base, end), body ?? Buffer.alloc(0)]);
}

function withSuffix(authority: string): string {
  return authority.replace(/(:\d+)?$/, '-shadow$1');
}

class Shadow implements Waiter, DeadlineOwner {
  readonly fresh = false;
  readonly upstreamName: string;
  private readonly runtime: Runtime;
  private readonly cluster: Cluster;
  private readonly host: ClusterHost;
  private readonly bytes: Buffer;
  private readonly isHead: boolean;
  private readonly timeoutMs: number;
  private readonly body = new BodyReader();
  private readonly alarm = new Deadline(this);
  private connection: UpstreamConnection | undefined = undefined;
  private held: Buffer | undefined = undefined;
  private inBody = false;
  private reusable = false;
  private over = false;

  constructor(exchange: Exchange, cluster: Cluster, host: ClusterHost, message: { readonly bytes: Buffer; readonly upstreamName: string }) {
    this.runtime = exchange.runtime;
    this.cluster = cluster;
    this.host = host;
    this.bytes = message.bytes;
    this.upstreamName = message.upstreamName;
    this.isHead = exchange.request.method === 1;
    this.timeoutMs = exchange.forward?.table.timeoutMs || defaultTimeoutMs;
    cluster.activeRequests++;
    host.active++;
  }

  start(): void {
    this.runtime.deadlines.set(this.alarm, this.timeoutMs);
    const got = acquire(this.runtime, this.cluster, this.host, this);
    if (got === 'overflow') this.end();
    else if (got !== 'waiting') this.connectionReady(got);
  }

  connectionReady(connection: UpstreamConnection): void {
    this.connection = connection;
    connection.transport.write(this.bytes, 0, this.bytes.length);
  }
  connectionFailed(): void {
    this.end();
  }

  upstreamData(bytes: Buffer, start: number, end: number): void {
    let from = bytes;
    let at = start;
    let stop = end;
    if (this.held !== undefined) {
      from = Buffer.concat([this.held, bytes.subarray(start, end)]);
      this.held = undefined;
      at = 0;
      stop = from.length;
    }
    while (!this.inBody && at < stop) {
      const length = scanResponse(head, from, at, stop, limits);
      if (length === incomplete) {
        this.held = Buffer.from(from.subarray(at, stop));
        return;
      }
      if (length < 0 || head.status === 101) {
        this.end();
        return;
      }
      at += length;
      if (head.status < 200) continue;
      this.inBody = true;
      this.reusable = !head.close && head.minorVersion === 1;
      if (this.isHead || head.status === 204 || head.status === 304) this.body.start('none', 0);
      else if (head.chunked) this.body.start('chunked', 0);
      else if (head.contentLength >= 0) this.body.start('length', head.contentLength);
      else {
        this.end();
        return;
      }
    }
    const reached = this.body.advance(from, at, stop);
    if (this.body.bad) {
      this.end();
      return;
    }
    if (this.inBody && this.body.done) {
      const connection = this.connection;
      this.connection = undefined;
      this.end();
      connection?.release(this.reusable && reached === stop);
    }
  }
  upstreamDrained(): void {}
  upstreamEnded(): void {
    this.end();
  }
  upstreamClosed(): void {
    this.connection = undefined;
    this.end();
  }
  deadlinePassed(): void {
    this.end();
  }

  private end(): void {
    if (this.over) return;
    this.over = true;
    this.runtime.deadlines.clear(this.alarm);
    withdraw(this.cluster, this.host, this);
    this.connection?.discard();
    this.connection = undefined;
    this.cluster.activeRequests--;
    this.host.active--;
  }
}

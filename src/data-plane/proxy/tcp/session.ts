import { Deadline, type DeadlineOwner } from '#http/deadlines.ts';
import { Head } from '#http/head.ts';
import type { Transport, TransportSink } from '#http/transport.ts';
import { flag } from '../flags.ts';
import type { ChainPlace } from '../http/chain.ts';
import type { ConnectionFacts } from '../http/downstream.ts';
import { hashText } from '../lb/hash.ts';
import type { LinkedLog, LoggedContext } from '../log/access-log.ts';
import type { Runtime } from '../runtime.ts';
import type { TcpChainTable } from '../table.ts';
import type { Cluster, ClusterHost } from '../upstream/cluster.ts';
import { acquire, type UpstreamConnection, type Waiter, withdraw } from '../upstream/connection.ts';
import { TunnelReader, tunnelRequest } from './tunnel.ts';

/** A TCP proxy filter ready to serve. */
export interface TcpChain extends ChainPlace {
  readonly table: TcpChainTable;
  readonly outbound: boolean;
  readonly logs: readonly LinkedLog[];
}

export function linkTcpChain(runtime: Runtime, table: TcpChainTable, place: ChainPlace): TcpChain {
  return { table, ...place, outbound: place.direction !== 'inbound', logs: runtime.logs.link(table.logs) };
}

const noBytes = Buffer.alloc(0);
const maxEarly = 64 * 1024;
const endpointWaitMs = 5_000;

/** One proxied TCP connection: bytes both ways, half-close passed on, both sides slowed to the slower one. */
export class TcpSession implements TransportSink, Waiter, DeadlineOwner, LoggedContext {
  readonly request = new Head();
  readonly requestBytes = noBytes;
  readonly method = '';
  readonly authority = '';
  readonly path = '';
  readonly queryAt = 0;
  readonly scheme = '';
  readonly fresh = true;
  readonly upstreamName = '';
  readonly logKind = 'tcp';
  readonly requestHeadBytes = 0;
  readonly status = 0;
  readonly protocol = '';
  readonly grpcStatus = -1;
  readonly requestDurationMs = -1;
  readonly responseDurationMs = -1;
  readonly routeName = '';
  readonly virtualHostName = '';
  readonly startedAtWall: number;
  flags = 0;
  details = '';
  terminationDetails = '';
  transportFailure = '';
  bytesReceived = 0;
  bytesSent = 0;
  attempts = 0;
  upstreamHost = '';
  upstreamLocal = '';
  clusterName = '';
  private readonly startedAt: number;
  private readonly runtime: Runtime;
  private readonly transport: Transport;
  private readonly facts: ConnectionFacts;
  private readonly chain: TcpChain;
  private readonly onClosed: (session: TcpSession) => void;
  private readonly idle = new Deadline(this);
  private readonly lifetime = new Deadline(this);
  private readonly readiness = new Deadline(this);
  private cluster: Cluster | undefined = undefined;
  private host: ClusterHost | undefined = undefined;
  private upstream: UpstreamConnection | undefined = undefined;
  /** Set while the far proxy has not answered CONNECT: nothing else may pass. */
  private asking: TunnelReader | undefined = undefined;
  private metric = 0;
  private early: Buffer = noBytes;
  private clientDone = false;
  private upstreamDone = false;
  private over = false;

  constructor(runtime: Runtime, transport: Transport, facts: ConnectionFacts, chain: TcpChain, onClosed: (session: TcpSession) => void) {
    this.runtime = runtime;
    this.transport = transport;
    this.facts = facts;
    this.chain = chain;
    this.onClosed = onClosed;
    this.startedAt = runtime.clock.monotonic();
    this.startedAtWall = runtime.clock.now();
    if (chain.table.maxDurationMs > 0) runtime.deadlines.set(this.lifetime, chain.table.maxDurationMs);
    // The transport is not wired to this sink yet: dial in the next turn.
    queueMicrotask(() => this.begin());
  }

  private begin(): void {
    if (this.over) return;
    const { table } = this.chain;
    const random = this.runtime.clock.random;
    let point = random() * table.totalWeight;
    const target = table.targets.find((candidate) => {
      point -= candidate.weight;
      return point < 0;
    });
    this.clusterName = (target ?? table.targets.at(-1))?.cluster ?? '';
    const cluster = this.runtime.clusters.get(this.clusterName);
    if (cluster === undefined) {
      this.refuse(flag.NC, 'cluster_not_found');
      return;
    }
    this.cluster = cluster;
    if (table.tunnel !== '' && cluster.table.refusal !== '') {
      this.refuse(flag.UF, 'http2_upstream_not_supported');
      return;
    }
    if (cluster.ready) {
      this.dial();
      return;
    }
    this.runtime.deadlines.set(this.readiness, endpointWaitMs);
    cluster.whenReady(() => {
      if (!this.over && this.host === undefined) this.dial();
    });
  }

  private dial(): void {
    const cluster = this.cluster;
    if (cluster === undefined) return;
    this.runtime.deadlines.clear(this.readiness);
    // Without redirected traffic the original destination is this listener itself.
    if (cluster.table.type === 'original-dst') {
      this.refuse(flag.UH, 'no_healthy_upstream');
      return;
    }
    const host = cluster.pickOnce({ hash: this.chain.table.hashSource ? hashText(this.facts.remoteAddress) : undefined });
    if (host === undefined) {
      this.refuse(flag.UH, 'no_healthy_upstream');
      return;
    }
    this.attempts++;
    this.host = host;
    this.upstreamHost = host.label;
    host.active++;
    cluster.activeRequests++;
    const got = acquire(this.runtime, cluster, host, this);
    if (got === 'overflow') {
      this.leaveHost();
      this.refuse(flag.UO, 'upstream_overflow');
    } else if (got !== 'waiting') {
      this.connectionReady(got);
    }
  }

  connectionReady(connection: UpstreamConnection): void {
    this.upstream = connection;
    this.upstreamLocal = `${connection.transport.localAddress}:${connection.transport.localPort}`;
    this.armIdle();
    const { tunnel } = this.chain.table;
    if (tunnel === '') {
      this.open(connection);
      return;
    }
    this.asking = new TunnelReader();
    const request = tunnelRequest(tunnel);
    connection.transport.write(request, 0, request.length);
  }

  /** Bytes may pass both ways. */
  private open(connection: UpstreamConnection): void {
    this.metric = this.runtime.metrics.upstreamId(this.clusterName, this.host?.table.metadata['istio:workload'] ?? '');
    this.runtime.metrics.tcpOpened(this.chain.outbound, this.metric, this.flags);
    if (this.early.length > 0 && !connection.transport.write(this.early, 0, this.early.length)) this.transport.pause();
    else this.transport.resume();
    this.early = noBytes;
    if (this.clientDone) connection.transport.end();
  }

  private answered(reader: TunnelReader, bytes: Buffer, start: number, end: number): void {
    const answer = reader.take(bytes, start, end);
    const connection = this.upstream;
    if (answer === undefined || connection === undefined) return;
    // RFC 9110 9.3.6: any 2xx opens the tunnel.
    if (answer.status < 200 || answer.status > 299) {
      this.tunnelFailed(`tunnel refused with ${answer.status || 'no HTTP answer'}`);
      return;
    }
    this.asking = undefined;
    this.open(connection);
    if (answer.rest.length > 0) this.upstreamData(answer.rest, 0, answer.rest.length);
  }

  /** The next attempt is made on a new connection, as if this one had not come up. */
  private tunnelFailed(detail: string): void {
    this.asking = undefined;
    const failed = this.upstream;
    this.upstream = undefined;
    failed?.discard();
    this.connectionFailed('remote connection failure', detail);
  }

  connectionFailed(reason: string, detail: string): void {
    this.transportFailure = detail;
    this.leaveHost();
    if (this.attempts < this.chain.table.maxConnectAttempts) {
      this.dial();
      return;
    }
    this.refuse(this.attempts > 1 ? flag.UF | flag.URX : flag.UF, `upstream_reset_before_response_started{${reason.replaceAll(' ', '_')}}`);
  }

  connected(): void {}

  data(bytes: Buffer, start: number, end: number): void {
    this.bytesReceived += end - start;
    this.armIdle();
    if (this.upstream === undefined || this.asking !== undefined) {
      this.early = Buffer.concat([this.early, bytes.subarray(start, end)]);
      if (this.early.length >= maxEarly) this.transport.pause();
      return;
    }
    if (!this.pass(this.upstream.transport, bytes, start, end)) this.transport.pause();
  }

  upstreamData(bytes: Buffer, start: number, end: number): void {
    if (this.asking !== undefined) {
      this.answered(this.asking, bytes, start, end);
      return;
    }
    this.bytesSent += end - start;
    this.armIdle();
    if (!this.pass(this.transport, bytes, start, end)) this.upstream?.transport.pause();
  }

  private pass(to: Transport, bytes: Buffer, start: number, end: number): boolean {
    const arena = this.runtime.arena;
    arena.reserve(end - start);
    const stop = arena.base + bytes.copy(arena.bytes, arena.base, start, end);
    const taken = to.write(arena.bytes, arena.base, stop);
    arena.sent(stop, taken);
    return taken;
  }

  drain(): void {
    this.upstream?.transport.resume();
  }
  upstreamDrained(): void {
    this.transport.resume();
  }

  eof(): void {
    this.clientDone = true;
    if (this.upstreamDone) {
      this.end();
      return;
    }
    if (this.asking === undefined) this.upstream?.transport.end();
  }
  upstreamEnded(): void {
    if (this.asking !== undefined) {
      this.tunnelFailed('tunnel closed without an answer');
      return;
    }
    this.upstreamDone = true;
    if (this.clientDone) {
      this.end();
      return;
    }
    this.transport.end();
  }
  upstreamClosed(code: string): void {
    this.upstream = undefined;
    if (this.asking !== undefined) {
      this.tunnelFailed('tunnel closed without an answer');
      return;
    }
    if (code !== '') {
      this.flags |= flag.UC;
      this.end(true);
    } else this.end();
  }
  closed(code: string): void {
    if (code !== '') this.flags |= flag.DC;
    this.end();
  }

  deadlinePassed(deadline: Deadline): void {
    if (deadline === this.readiness) {
      this.refuse(flag.UH, 'no_healthy_upstream');
      return;
    }
    this.terminationDetails = deadline === this.idle ? 'tcp_session_idle_timeout' : 'max_connection_duration_reached';
    if (deadline === this.lifetime) this.flags |= flag.DT;
    this.end();
  }

  /** The listener goes: tunnels have no idle moment, so they stay until an end closes or the process leaves. */
  drainConnection(): void {}

  private armIdle(): void {
    if (this.chain.table.idleTimeoutMs > 0) this.runtime.deadlines.set(this.idle, this.chain.table.idleTimeoutMs);
  }

  private refuse(bits: number, details: string): void {
    this.flags |= bits;
    this.details = details;
    this.end(true);
  }

  private leaveHost(): void {
    if (this.host === undefined || this.cluster === undefined) return;
    withdraw(this.cluster, this.host, this);
    this.host.active--;
    this.cluster.activeRequests--;
    this.host = undefined;
  }

  private end(reset = false): void {
    if (this.over) return;
    this.over = true;
    const { deadlines, metrics } = this.runtime;
    for (const deadline of [this.idle, this.lifetime, this.readiness]) deadlines.clear(deadline);
    if (this.upstream !== undefined) this.upstream.discard();
    if (this.metric === 0) this.metric = metrics.upstreamId(this.clusterName, '');
    metrics.tcpClosed(this.chain.outbound, this.metric, this.flags, this.bytesReceived, this.bytesSent);
    const host = this.host;
    for (const log of this.chain.logs) log.write(this);
    this.host = host;
    this.leaveHost();
    if (reset) this.transport.reset();
    else if (this.transport.pendingBytes > 0) this.transport.end();
    else this.transport.destroy();
    this.onClosed(this);
  }

  get durationMs(): number {
    return Math.round(this.runtime.clock.monotonic() - this.startedAt);
  }
  get downstreamRemote(): string {
    return this.facts.remote;
  }
  get downstreamLocal(): string {
    return this.facts.local;
  }
  get serverName(): string {
    return this.facts.serverName;
  }
  get chainName(): string {
    return this.chain.chainName;
  }
  get listenerName(): string {
    return this.chain.listenerName;
  }
  get direction(): string {
    return this.chain.direction;
  }
  get connectionId(): number {
    return this.facts.id;
  }
  get hostname(): string {
    return this.runtime.facts.hostname;
  }
  addedField(): undefined {
    return undefined;
  }
  environment(name: string): string {
    return this.runtime.facts.environment[name] ?? '';
  }
  metadata(source: 'route' | 'cluster' | 'host', key: string): string {
    if (source === 'cluster') return this.cluster?.table.metadata[key] ?? '';
    return source === 'host' ? (this.host?.table.metadata[key] ?? '') : '';
  }
  responseField(): undefined {
    return undefined;
  }
}

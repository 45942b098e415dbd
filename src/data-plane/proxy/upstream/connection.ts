import { isIP } from 'node:net';
import { Deadline, type DeadlineOwner } from '#http/deadlines.ts';
import { connect } from '#http/net-transport.ts';
import type { TlsPeer } from '#http/tls-transport.ts';
import type { Transport, TransportSink } from '#http/transport.ts';
import type { Pool, PooledConnection, Waiting } from '../lb/host.ts';
import type { Runtime } from '../runtime.ts';
import type { TlsTable } from '../table.ts';
import type { Cluster, ClusterHost } from './cluster.ts';

/** A request that waits for, then owns, an upstream connection. */
export interface Waiter extends Waiting {
  /** Raw bytes will follow: a connection that has served requests will not do. */
  readonly fresh: boolean;
  /** Host of the authority as the upstream gets it, for server names taken from requests; empty when there is none. */
  readonly upstreamName: string;
  connectionReady(connection: UpstreamConnection): void;
  upstreamData(bytes: Buffer, start: number, end: number): void;
  upstreamDrained(): void;
  upstreamEnded(): void;
  upstreamClosed(code: string): void;
}

/** Why a connection could not be had at once. */
export type Acquired = UpstreamConnection | 'waiting' | 'overflow';

/**
 * A connection to `host` for `waiter`: an idle one at once; else the waiter queues and a dial starts, within the
 * cluster's limits on connections and on waiting requests.
 */
export function acquire(runtime: Runtime, cluster: Cluster, host: ClusterHost, waiter: Waiter): Acquired {
  const pool = poolOf(cluster, host, waiter);
  if (!waiter.fresh) {
    for (let idle = pool.idle.pop(); idle !== undefined; idle = pool.idle.pop()) {
      if (idle.assign(waiter)) return idle;
    }
  }
  if (cluster.pending >= cluster.table.maxPending) {
    host.release(pool);
    return 'overflow';
  }
  cluster.pending++;
  pool.queue.push(waiter);
  dialWhenNeeded(runtime, cluster, host, pool);
  return 'waiting';
}

/** Takes a waiter out of its queue; false when it was not there any more. */
export function withdraw(cluster: Cluster, host: ClusterHost, waiter: Waiter): boolean {
  for (const pool of host.pools) {
    const at = pool.queue.indexOf(waiter);
    if (at < 0) continue;
    pool.queue.splice(at, 1);
    cluster.pending--;
    host.release(pool);
    return true;
  }
  return false;
}

type HostPool = Pool<UpstreamConnection, Waiter>;

function poolOf(cluster: Cluster, host: ClusterHost, waiter: Waiter): HostPool {
  const tls = cluster.table.tls;
  return host.poolFor(tls !== undefined && (tls.autoSni || tls.autoSan) ? waiter.upstreamName : '');
}

function dialWhenNeeded(runtime: Runtime, cluster: Cluster, host: ClusterHost, pool: HostPool): void {
  if (pool.dialing >= pool.queue.length) return;
  // A pool without any connection always gets one, or its queue could never move.
  if (cluster.activeConnections >= cluster.table.maxConnections && pool.connections > 0) return;
  new UpstreamConnection(runtime, cluster, host, pool);
}

/** One HTTP/1 or raw connection to an endpoint. It serves one waiter at a time and returns to its host's pool. */
export class UpstreamConnection implements TransportSink, DeadlineOwner, PooledConnection {
  readonly cluster: Cluster;
  readonly host: ClusterHost;
  readonly transport: Transport;
  private readonly runtime: Runtime;
  private readonly pool: HostPool;
  private state: 'dialing' | 'idle' | 'busy' | 'closed' = 'dialing';
  private waiter: Waiter | undefined = undefined;
  private readonly alarm = new Deadline(this);
  private timedOut = false;
  served = 0;
  private readonly openedAt: number;

  constructor(runtime: Runtime, cluster: Cluster, host: ClusterHost, pool: HostPool) {
    this.runtime = runtime;
    this.cluster = cluster;
    this.host = host;
    this.pool = pool;
    this.openedAt = runtime.clock.monotonic();
    cluster.activeConnections++;
    cluster.connectionsTotal++;
    host.connections++;
    host.connectionsTotal++;
    pool.connections++;
    pool.dialing++;
    const table = cluster.table;
    const options = {
      host: host.table.address,
      port: host.table.port,
      localAddress: sourceFor(table.sourceAddress, host),
      keepAliveMs: table.keepAliveMs,
      keepAliveIntervalMs: table.keepAliveIntervalMs,
      keepAliveProbes: table.keepAliveProbes,
    };
    this.transport =
      table.tls === undefined
        ? connect(options, runtime.reader, this)
        : runtime.connectTls(options, table.tls, peerOf(table.tls, pool.name), this);
    if (table.connectTimeoutMs > 0) runtime.deadlines.set(this.alarm, table.connectTimeoutMs);
  }

  /** Gives an idle connection to a waiter; false when it has just died. */
  assign(waiter: Waiter): boolean {
    if (this.state !== 'idle') return false;
    this.runtime.deadlines.clear(this.alarm);
    this.state = 'busy';
    this.waiter = waiter;
    this.served++;
    return true;
  }

  /** The waiter is done and the connection's state is clean. */
  release(reusable: boolean): void {
    if (this.state !== 'busy') return;
    this.waiter = undefined;
    const limit = this.cluster.table.maxRequestsPerConnection;
    const tooOld =
      this.cluster.table.maxConnectionMs > 0 && this.runtime.clock.monotonic() - this.openedAt > this.cluster.table.maxConnectionMs;
    if (!reusable || tooOld || this.host.removed || (limit > 0 && this.served >= limit)) {
      this.state = 'idle';
      this.retire();
      return;
    }
    this.offer();
  }

  /** Ends the connection whatever its state; a waiter hears nothing more. */
  discard(): void {
    this.waiter = undefined;
    if (this.state === 'closed') return;
    if (this.state === 'dialing') this.pool.dialing--;
    this.forget();
    this.transport.destroy();
  }

  retire(): void {
    this.discard();
  }

  private offer(): void {
    const queue = this.pool.queue;
    const at = this.served === 0 ? 0 : queue.findIndex((waiter) => !waiter.fresh);
    const next = at < 0 ? undefined : queue[at];
    if (next !== undefined) {
      queue.splice(at, 1);
      this.cluster.pending--;
      this.state = 'idle';
      this.assign(next);
      next.connectionReady(this);
      return;
    }
    this.state = 'idle';
    this.pool.idle.push(this);
    if (this.cluster.table.idleTimeoutMs > 0) this.runtime.deadlines.set(this.alarm, this.cluster.table.idleTimeoutMs);
  }

  private forget(): void {
    if (this.state === 'closed') return;
    if (this.state === 'idle') {
      const at = this.pool.idle.lastIndexOf(this);
      if (at >= 0) this.pool.idle.splice(at, 1);
    }
    this.state = 'closed';
    this.runtime.deadlines.clear(this.alarm);
    this.cluster.activeConnections--;
    this.host.connections--;
    this.pool.connections--;
    // Room for one more: whoever still waits gets a dial.
    if (this.pool.queue.length > 0) dialWhenNeeded(this.runtime, this.cluster, this.host, this.pool);
    else this.host.release(this.pool);
  }

  connected(): void {
    if (this.state !== 'dialing') return;
    this.pool.dialing--;
    this.runtime.deadlines.clear(this.alarm);
    this.state = 'idle';
    if (this.host.removed && this.pool.queue.length === 0) {
      this.retire();
      return;
    }
    this.offer();
  }

  data(bytes: Buffer, start: number, end: number): void {
    if (this.waiter !== undefined) this.waiter.upstreamData(bytes, start, end);
    // An idle upstream has nothing to say: whatever this is, it must not reach the next request.
    else if (this.state === 'idle') this.retire();
  }

  drain(): void {
    this.waiter?.upstreamDrained();
  }

  eof(): void {
    if (this.waiter !== undefined) this.waiter.upstreamEnded();
    else this.retire();
  }

  closed(code: string): void {
    if (this.state === 'closed') return;
    if (this.state === 'dialing') {
      this.dialFailed(code);
      return;
    }
    const waiter = this.waiter;
    this.waiter = undefined;
    this.forget();
    waiter?.upstreamClosed(code);
  }

  deadlinePassed(): void {
    if (this.state === 'idle') {
      this.retire();
      return;
    }
    if (this.state !== 'dialing') return;
    this.timedOut = true;
    this.transport.destroy();
    this.dialFailed('ETIMEDOUT');
  }

  private dialFailed(code: string): void {
    this.pool.dialing--;
    this.host.connectFailures++;
    this.cluster.connectFailures++;
    if (this.timedOut) this.cluster.connectTimeouts++;
    const failed = this.pool.queue.splice(0);
    this.cluster.pending -= failed.length;
    this.forget();
    this.cluster.note(this.host, 0);
    const reason = this.timedOut ? 'connection timeout' : 'remote connection failure';
    for (const waiter of failed) waiter.connectionFailed(reason, this.timedOut ? '' : failureText(code));
  }
}

/** Server names of a connection: the request's where the cluster takes them from requests; an address is no server name. */
function peerOf(tls: TlsTable, name: string): TlsPeer {
  return { sni: tls.autoSni && name !== '' ? (isIP(name) === 0 ? name : '') : tls.sni, requiredName: tls.autoSan ? name : '' };
}

/** A source address only fits targets of its own kind: loopback to loopback, IPv4 to IPv4. */
function sourceFor(source: string, host: ClusterHost): string {
  if (source === '' || host.table.port === 0) return '';
  if (source.includes(':') !== host.table.address.includes(':')) return '';
  if (source.startsWith('127.') !== host.table.address.startsWith('127.')) return '';
  return source;
}

const texts: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Connection refused',
  ENETUNREACH: 'Network is unreachable',
  EHOSTUNREACH: 'No route to host',
  ENOENT: 'No such file or directory',
  ECONNRESET: 'Connection reset by peer',
  ETIMEDOUT: 'Connection timed out',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  EACCES: 'Permission denied',
};

function failureText(code: string): string {
  if (code.includes(' ') || code.startsWith('TLS')) return code;
  return `delayed connect error: ${texts[code] ?? code}`;
}

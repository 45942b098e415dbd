import type { HostTable } from '../table.ts';

/** A connection that waits for work; the pool is a stack, so the warmest connection serves next. */
export interface PooledConnection {
  /** Ends an idle connection. */
  retire(): void;
}

/**
 * Connections to one host that may stand in for each other. Over TLS with automatic server names each name has a pool of
 * its own: a connection opened and verified for one name must not carry requests for another.
 */
export class Pool<C extends PooledConnection = PooledConnection, W extends Waiting = Waiting> {
  readonly name: string;
  readonly idle: C[] = [];
  readonly queue: W[] = [];
  dialing = 0;
  connections = 0;

  constructor(name: string) {
    this.name = name;
  }
}

/** Someone who waits for a connection to a host. */
export interface Waiting {
  /** The dial failed; `reason` is Envoy's word for a reset, `detail` the transport's. */
  connectionFailed(reason: string, detail: string): void;
}

/** One endpoint as the data plane sees it. It outlives updates as long as its address stays in the cluster. */
export class Host<C extends PooledConnection = PooledConnection, W extends Waiting = Waiting> {
  table: HostTable;
  readonly key: string;
  /** `address:port` as logs show it. */
  readonly label: string;
  active = 0;
  connections = 0;
  private readonly pool = new Pool<C, W>('');
  private named: Map<string, Pool<C, W>> | undefined = undefined;
  /** When it came into the cluster or was last seen to recover; monotonic milliseconds. */
  healthySince = 0;
  /** Taken out of the cluster; its connections end as they become idle. */
  removed = false;

  ejected = false;
  ejections = 0;
  ejectedAt = 0;
  consecutive5xx = 0;
  consecutiveGateway = 0;
  consecutiveLocal = 0;

  requestsTotal = 0;
  requestsOk = 0;
  requestsFailed = 0;
  connectionsTotal = 0;
  connectFailures = 0;

  /** For smooth weighted rotation. */
  credit = 0;

  constructor(table: HostTable) {
    this.table = table;
    this.key = hostKey(table);
    this.label =
      table.port === 0
        ? table.address
        : table.address.includes(':')
          ? `[${table.address}]:${table.port}`
          : `${table.address}:${table.port}`;
  }

  /** The pool of a server name; the empty name is the one of everything else. */
  poolFor(name: string): Pool<C, W> {
    if (name === '') return this.pool;
    this.named ??= new Map();
    let pool = this.named.get(name);
    if (pool === undefined) {
      pool = new Pool(name);
      this.named.set(name, pool);
    }
    return pool;
  }

  /** Forgets a named pool that holds nothing: clients choose the names. */
  release(pool: Pool<C, W>): void {
    if (pool.connections === 0 && pool.queue.length === 0 && pool.name !== '') this.named?.delete(pool.name);
  }

  get pools(): Pool<C, W>[] {
    return this.named === undefined ? [this.pool] : [this.pool, ...this.named.values()];
  }

  /** Ends every idle connection. */
  retireIdle(): void {
    for (const pool of this.pools) for (const connection of pool.idle.splice(0)) connection.retire();
  }

  get usable(): boolean {
    return !this.ejected && this.table.health !== 'unhealthy' && this.table.health !== 'draining';
  }
}

export function hostKey(table: HostTable): string {
  return `${table.address}|${table.port}|${table.hostname}`;
}

import type { HostTable } from '../table.ts';

/** A connection that waits for work; the pool is a stack, so the warmest connection serves next. */
export interface PooledConnection {
  /** Ends an idle connection. */
  retire(): void;
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
  readonly idle: C[] = [];
  readonly queue: W[] = [];
  dialing = 0;
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

  get usable(): boolean {
    return !this.ejected && this.table.health !== 'unhealthy' && this.table.health !== 'draining';
  }
}

export function hostKey(table: HostTable): string {
  return `${table.address}|${table.port}|${table.hostname}`;
}

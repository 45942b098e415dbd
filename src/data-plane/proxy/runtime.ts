import type { Clock } from '#base/clock.ts';
import type { Deadlines } from '#http/deadlines.ts';
import type { SharedReader } from '#http/net-transport.ts';
import type { connectTls } from '#http/tls-transport.ts';
import type { OutputArena } from '#http/transport.ts';
import type { RouteConfig } from './http/router.ts';
import type { AccessLogs } from './log/access-log.ts';
import type { RequestMetrics } from './log/metrics.ts';
import type { Cluster } from './upstream/cluster.ts';

/** What the data plane knows of where it runs. Crosses to the worker by structured clone. */
export interface NodeFacts {
  /** Source address of upstream connections that configuration does not bind; empty for none. */
  readonly address: string;
  readonly nodeId: string;
  readonly hostname: string;
  /** Answers to %ENVIRONMENT(X)%. */
  readonly environment: Readonly<Record<string, string>>;
  readonly concurrency: number;
  readonly workerIndex: number;
}

/** One data-plane thread's shared parts. `clusters` and `routes` are exchanged between requests, never during one. */
export interface Runtime {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly reader: SharedReader;
  readonly arena: OutputArena;
  readonly facts: NodeFacts;
  readonly clusters: Map<string, Cluster>;
  readonly routes: Map<string, RouteConfig>;
  /** `address|port` of every socket this proxy listens on. */
  readonly ownSockets: Set<string>;
  readonly logs: AccessLogs;
  readonly metrics: RequestMetrics;
  readonly counters: Counters;
  /** Loaded with the first cluster that needs it. */
  connectTls: typeof connectTls;
  /** Set while the whole proxy drains: every response asks its client to close. */
  draining: boolean;
  report(level: 'info' | 'warn' | 'error', message: string, context?: Readonly<Record<string, unknown>>): void;
}

/** Whole-thread counts, read by the admin port. */
export interface Counters {
  downstreamConnections: number;
  downstreamActive: number;
  downstreamRequests: number;
  downstreamRequestsActive: number;
  refusedHeads: number;
  connectionId: number;
}

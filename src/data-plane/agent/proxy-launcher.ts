import type { ProcessIdentity } from '#process/process-identity.ts';
import type { ProxyAccess } from './access.ts';
import type { ProxyBootstrap } from './bootstrap.ts';
import type { MetricRow } from './metric-rows.ts';

/** A proxy that carries one workload's traffic. */
export interface RunningProxy {
  /** Resolves when the first configuration is in force; rejects when `signal` aborts before. */
  ready(signal: AbortSignal): Promise<void>;
  /** Whether it serves now. */
  isReady(): Promise<boolean>;
  /** Its own statistics as Prometheus text, without the request metrics; empty when it cannot be asked. */
  stats(): Promise<string>;
  /** What it carried since its start. */
  metricRows(): Promise<readonly MetricRow[]>;
  /** Hands every finished request or connection to `listener` from now on; undefined ends that. At most one at a time. */
  observe(listener: ((access: ProxyAccess) => void) | undefined): void;
  /** New inbound connections are refused, running requests go on. */
  drain(): Promise<void>;
  stop(): Promise<void>;
  /** Processes that would outlive us if we were killed. May change over time. */
  processes(): readonly ProcessIdentity[];
}

export interface ProxyHooks {
  /** `processes()` has changed. */
  readonly onProcesses: () => void;
}

/** Starts a proxy of one engine. Resolves when it runs, not when it is configured. */
export type ProxyLauncher = (bootstrap: ProxyBootstrap, hooks: ProxyHooks) => Promise<RunningProxy>;

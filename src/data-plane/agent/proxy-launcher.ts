import type { ProcessIdentity } from '#process/process-identity.ts';
import type { ProxyAccess } from './access.ts';
import type { ProxyBootstrap } from './bootstrap.ts';

/** A proxy that carries one workload's traffic. */
export interface RunningProxy {
  /** Resolves when the first configuration is in force; rejects when `signal` aborts before. */
  ready(signal: AbortSignal): Promise<void>;
  /** Whether it serves now. */
  isReady(): Promise<boolean>;
  /** Its own statistics as Prometheus text; empty when it cannot be asked. */
  stats(): Promise<string>;
  /** New inbound connections are refused, running requests go on. */
  drain(): Promise<void>;
  stop(): Promise<void>;
  /** Processes that would outlive us if we were killed. May change over time. */
  processes(): readonly ProcessIdentity[];
}

export interface ProxyHooks {
  /** Every finished request or connection. Must not throw. */
  readonly onAccess: (access: ProxyAccess) => void;
  /** `processes()` has changed. */
  readonly onProcesses: () => void;
}

/** Starts a proxy of one engine. Resolves when it runs, not when it is configured. */
export type ProxyLauncher = (bootstrap: ProxyBootstrap, hooks: ProxyHooks) => Promise<RunningProxy>;

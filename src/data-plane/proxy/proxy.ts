import { hostname } from 'node:os';
import type { Clock } from '#base/clock.ts';
import { sleep } from '#base/task.ts';
import type { BackEnd } from '#http/handle-writer.ts';
import type { Logger } from '#process/log.ts';
import { type Verdict, type XdsClient, xdsClient } from '#xds/client.ts';
import { type AdminServer, startAdmin } from './admin/admin.ts';
import { Configuration, type Resource, typeUrls } from './configuration.ts';
import type { Drain, ThreadStats } from './data-plane.ts';
import { mergeRows, mergeStats } from './merge-stats.ts';
import type { AccessRecord, MetricRow } from './records.ts';
import { Threads } from './threads.ts';

export interface ProxyOptions {
  /** The workload's address: source of upstream connections that configuration does not bind. Empty for none. */
  readonly address: string;
  readonly nodeId: string;
  /** Answers to %ENVIRONMENT(X)%; nothing else of the process's environment is seen. */
  readonly environment: Readonly<Record<string, string>>;
  /** Clusters that stand before any control plane is heard (encoded `Cluster` messages), e.g. from a bootstrap. */
  readonly staticClusters?: readonly Resource[];
  /** Where configuration comes from; without it only `update` brings any. `node` is an encoded `envoy.config.core.v3.Node`. */
  readonly xds?: { readonly target: string | readonly string[]; readonly node: Uint8Array; readonly localAddress?: string };
  /** Address of the admin port; port 0 lets the system choose. */
  readonly admin?: { readonly address: string; readonly port: number };
  /** Data-plane threads; 1 serves tens of thousands of requests a second. */
  readonly workers?: number;
  /** `onread` when absent. `handle` costs less per request and stands on interfaces that Node does not promise to keep. */
  readonly backEnd?: BackEnd;
  readonly clock: Clock;
  readonly log: Logger;
  /** Finished requests of listeners that have a gRPC access log, in batches. See `setRecording`. */
  onAccessRecords?(batch: readonly AccessRecord[]): void;
  /** Told when the control plane is reached or lost. */
  onConnection?(connected: boolean): void;
}

export type ProxyState = 'starting' | 'live' | 'draining' | 'closed';

export interface ProxyHandle {
  /** `http://address:port` of the admin port, or empty. */
  readonly adminAddress: string;
  readonly state: ProxyState;
  readonly connected: boolean;
  /** How often a data-plane thread had to be replaced. */
  readonly restarts: number;
  /** Takes resources as xDS would: undefined when all were taken, else what was refused and why. */
  update(typeUrl: string, added: readonly Resource[], removed: readonly string[]): Promise<Verdict>;
  /** Request and connection counts since the start, all threads together. */
  metrics(): Promise<MetricRow[]>;
  stats(): Promise<ThreadStats>;
  /** Switches the stream of access records. On from the start when `onAccessRecords` was given; costs a few microseconds a request. */
  setRecording(on: boolean): void;
  /** Stops accepting, asks clients to close, and resolves when nothing is in flight or after `timeoutMs`. */
  drain(timeoutMs: number): Promise<void>;
  close(): Promise<void>;
  /** Ends a data-plane thread the hard way, to show that it is replaced. */
  killThread(index: number): Promise<void>;
}

/** Starts a proxy: this thread speaks xDS and compiles, worker threads serve. Resolves when the admin port answers. */
export async function startProxy(options: ProxyOptions): Promise<ProxyHandle> {
  const proxy = new EmbeddedProxy(options);
  await proxy.start();
  return proxy;
}

class EmbeddedProxy implements ProxyHandle {
  state: ProxyState = 'starting';
  private readonly options: ProxyOptions;
  private readonly configuration: Configuration;
  private readonly threads: Threads;
  private client: XdsClient | undefined = undefined;
  private admin: AdminServer | undefined = undefined;
  private heardListeners = false;
  private readonly asked = { [typeUrls.endpoints]: new Set<string>(), [typeUrls.route]: new Set<string>() };

  constructor(options: ProxyOptions) {
    this.options = options;
    const { clock, log } = options;
    const count = Math.max(1, options.workers ?? 1);
    this.configuration = new Configuration(options.address, () => clock.now());
    this.threads = new Threads({
      count,
      clock,
      log,
      facts: {
        address: options.address,
        nodeId: options.nodeId,
        hostname: hostname(),
        environment: options.environment,
        concurrency: count,
      },
      backEnd: options.backEnd ?? 'onread',
      snapshot: () => this.configuration.snapshot(),
      records: (batch) => options.onAccessRecords?.(batch),
    });
    if (options.onAccessRecords !== undefined) this.threads.setRecording(true);
  }

  async start(): Promise<void> {
    const { options } = this;
    if (options.staticClusters !== undefined && options.staticClusters.length > 0) {
      const verdict = await this.update(typeUrls.cluster, options.staticClusters, []);
      if (verdict !== undefined) options.log.warn('a static cluster is refused', { reason: verdict });
    }
    if (options.admin !== undefined) {
      const { configuration, threads } = this;
      this.admin = await startAdmin({
        ...options.admin,
        nodeId: options.nodeId,
        clock: options.clock,
        log: options.log,
        configuration,
        state: () => this.state,
        restarts: () => threads.restarts,
        stats: () => this.stats(),
        drain: (drain) => this.beginDrain(drain),
      });
    }
    if (options.xds === undefined) {
      this.state = 'live';
      return;
    }
    this.client = xdsClient({
      target: options.xds.target,
      node: options.xds.node,
      clock: options.clock,
      log: options.log,
      ...(options.xds.localAddress ? { localAddress: options.xds.localAddress } : {}),
      subscriptions: { [typeUrls.cluster]: '*', [typeUrls.endpoints]: [], [typeUrls.listener]: '*', [typeUrls.route]: [] },
      onUpdate: (typeUrl, added, removed) => this.update(typeUrl, added, removed),
      onConnection: (connected) => options.onConnection?.(connected),
    });
  }

  get adminAddress(): string {
    return this.admin?.address ?? '';
  }
  get connected(): boolean {
    return this.client?.connected ?? false;
  }
  get restarts(): number {
    return this.threads.restarts;
  }

  async update(typeUrl: string, added: readonly Resource[], removed: readonly string[]): Promise<Verdict> {
    const { update, errors } = this.configuration.take(typeUrl, added, removed);
    const { failures, warming } = await this.threads.apply(update);
    this.subscribe();
    if (typeUrl === typeUrls.listener) this.heardListeners = true;
    if (this.heardListeners && warming === 0 && this.state === 'starting') this.state = 'live';
    const all = [...errors, ...failures.map((failure) => `${failure.listener}: ${failure.error}`)];
    for (const error of all) this.options.log.warn('configuration refused', { typeUrl, error });
    return all.length === 0 ? undefined : all.join('; ');
  }

  /** Asks for the endpoints and routes that clusters and listeners name, and gives up the others. */
  private subscribe(): void {
    this.ask(typeUrls.endpoints, this.configuration.endpointNames());
    this.ask(typeUrls.route, this.configuration.routeNames());
  }

  private ask(typeUrl: typeof typeUrls.endpoints | typeof typeUrls.route, names: readonly string[]): void {
    if (this.client === undefined) return;
    const asked = this.asked[typeUrl];
    const wanted = new Set(names);
    const more = names.filter((name) => !asked.has(name));
    const less = [...asked].filter((name) => !wanted.has(name));
    if (more.length > 0) this.client.subscribe(typeUrl, more);
    if (less.length > 0) {
      this.client.unsubscribe(typeUrl, less);
      // What is not asked for is no longer told of: it must not come back stale.
      void this.threads.apply(this.configuration.take(typeUrl, [], less).update);
    }
    this.asked[typeUrl] = wanted;
  }

  async stats(): Promise<ThreadStats> {
    return mergeStats(await this.threads.stats());
  }
  async metrics(): Promise<MetricRow[]> {
    return mergeRows((await this.threads.stats()).map((stats) => stats.metrics));
  }

  setRecording(on: boolean): void {
    this.threads.setRecording(on);
  }

  private beginDrain(drain: Drain): void {
    if (!drain.inboundOnly) this.state = 'draining';
    this.threads.drain(drain);
  }

  async drain(timeoutMs: number): Promise<void> {
    this.beginDrain({ inboundOnly: false, stopAccepting: true });
    const until = this.options.clock.monotonic() + timeoutMs;
    while (this.options.clock.monotonic() < until) {
      if ((await this.stats()).downstream.active === 0) return;
      await sleep(50);
    }
  }

  async close(): Promise<void> {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.client?.close();
    await Promise.all([this.admin?.close(), this.threads.close()]);
  }

  async killThread(index: number): Promise<void> {
    await this.threads.kill(index);
  }
}

import type { Balancer, PickContext } from '../lb/balancer.ts';
import { createBalancer, createHashBalancer, usesHash } from '../lb/balancer.ts';
import { Host, hostKey } from '../lb/host.ts';
import { eject, noteOutcome, readmit } from '../lb/outlier.ts';
import type { Runtime } from '../runtime.ts';
import type { ClusterTable, HostTable } from '../table.ts';
import type { UpstreamConnection, Waiter } from './connection.ts';
import { Resolver } from './resolver.ts';

export type ClusterHost = Host<UpstreamConnection, Waiter>;

interface Locality {
  readonly weight: number;
  readonly hosts: readonly ClusterHost[];
  readonly balance: Balancer<ClusterHost>;
}

interface Level {
  /** Share of traffic in percent. */
  readonly share: number;
  readonly hosts: readonly ClusterHost[];
  readonly balance: Balancer<ClusterHost>;
  readonly localities: readonly Locality[];
}

/** Endpoints of one upstream with their health, load and limits. */
export class Cluster {
  table: ClusterTable;
  hosts: ClusterHost[] = [];
  /** False until the first endpoints arrived; requests wait meanwhile. */
  ready = false;
  activeRequests = 0;
  activeConnections = 0;
  pending = 0;
  activeRetries = 0;
  requestsTotal = 0;
  connectionsTotal = 0;
  connectFailures = 0;
  connectTimeouts = 0;
  overflowed = 0;
  retries = 0;
  timeouts = 0;
  noHealthy = 0;
  ejectionsTotal = 0;
  /** Five counters, by hundreds of the status. */
  readonly byClass = new Float64Array(6);
  private readonly runtime: Runtime;
  private levels: Level[] = [];
  private waiting: (() => void)[] = [];
  private stopOutlier: (() => void) | undefined = undefined;
  private readonly resolver: Resolver;
  private removed = false;

  constructor(runtime: Runtime, table: ClusterTable) {
    this.runtime = runtime;
    this.table = table;
    this.resolver = new Resolver(runtime, (hosts) => this.setHosts(hosts));
    this.update(table);
  }

  /** Takes a new definition. Endpoints of an EDS cluster stay; they come by `setHosts`. */
  update(table: ClusterTable): void {
    this.table = table;
    this.resolver.stop();
    // Nothing would let them back in once the rule that put them out is gone.
    if (table.outlier === undefined) for (const host of this.hosts) host.ejected = false;
    if (table.type === 'static') this.setHosts(table.hosts);
    else if (table.type === 'strict-dns' || table.type === 'logical-dns') this.resolver.watch(table);
    else if (table.type === 'original-dst') this.ready = true;
    else this.rebuild();
    this.stopOutlier?.();
    this.stopOutlier = undefined;
    if (table.outlier !== undefined) this.watchOutliers(table.outlier.intervalMs);
  }

  setHosts(tables: readonly HostTable[]): void {
    const known = new Map(this.hosts.map((host) => [host.key, host]));
    const now = this.runtime.clock.monotonic();
    const next: ClusterHost[] = [];
    for (const table of tables) {
      const key = hostKey(table);
      const old = known.get(key);
      if (old !== undefined) {
        if (isSound(table) && !isSound(old.table)) old.healthySince = now;
        old.table = table;
        known.delete(key);
        next.push(old);
      } else {
        const host = new Host<UpstreamConnection, Waiter>(table);
        host.healthySince = now;
        next.push(host);
      }
    }
    for (const gone of known.values()) retireHost(gone);
    this.hosts = next;
    this.rebuild();
    this.becomeReady();
  }

  /** Requests that came before the first endpoints go on now. */
  becomeReady(): void {
    this.ready = true;
    const waiting = this.waiting;
    this.waiting = [];
    for (const resume of waiting) resume();
  }

  whenReady(resume: () => void): void {
    this.waiting.push(resume);
  }

  /** Removed by the control plane: idle connections end, busy ones when their request is done. */
  remove(): void {
    this.removed = true;
    this.resolver.stop();
    this.stopOutlier?.();
    for (const host of this.hosts) retireHost(host);
    this.becomeReady();
  }

  /** An endpoint for a request, or undefined when none is usable. `avoid` is asked up to `attempts` times. */
  pick(context: PickContext, attempts: number, avoid: (host: ClusterHost) => boolean): ClusterHost | undefined {
    let host = this.pickOnce(context);
    for (let i = 0; i < attempts && host !== undefined && avoid(host); i++) host = this.pickOnce(context);
    return host;
  }

  pickOnce(context: PickContext): ClusterHost | undefined {
    const random = this.runtime.clock.random;
    const level = this.levels.length === 1 ? this.levels[0] : chooseLevel(this.levels, this.byHash(context) ?? random());
    if (level === undefined || level.hosts.length === 0) return undefined;
    if (level.localities.length > 0) {
      let point = random() * level.localities.reduce((sum, locality) => sum + locality.weight, 0);
      for (const locality of level.localities) {
        point -= locality.weight;
        if (point < 0) return locality.balance(locality.hosts, context, random);
      }
    }
    if (level.hosts.length === 1) return level.hosts[0];
    return level.balance(level.hosts, context, random);
  }

  /** Where a key stands among the priorities, in [0, 1): the same key stays with its priority while health is the same. */
  private byHash(context: PickContext): number | undefined {
    return context.hash === undefined || !usesHash(this.table) ? undefined : (context.hash % 10_000) / 10_000;
  }

  /** Takes in how a request or dial ended: `status` 0 when no answer came. */
  note(host: ClusterHost, status: number): void {
    const outlier = this.table.outlier;
    if (outlier === undefined || !noteOutcome(outlier, host, status, this.runtime.clock.random)) return;
    if (!eject(outlier, host, this.hosts, this.runtime.clock.monotonic())) return;
    this.ejectionsTotal++;
    this.runtime.report('warn', 'ejected an endpoint that keeps failing', { cluster: this.table.name, endpoint: host.label });
    this.rebuild();
  }

  get mayRetry(): boolean {
    const budget = this.table.retryBudget;
    if (budget === undefined) return this.activeRetries < this.table.maxRetries;
    return this.activeRetries < Math.max(budget.minimum, (this.activeRequests * budget.percent) / 100);
  }

  private watchOutliers(intervalMs: number): void {
    this.stopOutlier = this.runtime.clock.after(intervalMs, () => {
      const outlier = this.table.outlier;
      if (outlier === undefined || this.removed) return;
      if (readmit(outlier, this.hosts, this.runtime.clock.monotonic())) this.rebuild();
      this.watchOutliers(outlier.intervalMs);
    });
  }

  private rebuild(): void {
    const byPriority = new Map<number, ClusterHost[]>();
    for (const host of this.hosts) {
      const list = byPriority.get(host.table.priority) ?? [];
      list.push(host);
      byPriority.set(host.table.priority, list);
    }
    const priorities = [...byPriority.keys()].sort((a, b) => a - b).map((priority) => byPriority.get(priority) ?? []);
    const shares = sharesOf(priorities);
    this.levels = priorities.map((all, index) => this.level(all, shares[index] ?? 0));
  }

  private level(all: readonly ClusterHost[], share: number): Level {
    const usable = all.filter((host) => host.usable);
    const panic = (usable.length * 100) / all.length < this.table.panicPercent;
    const hosts = panic ? all.filter((host) => host.table.health !== 'draining') : usable;
    const monotonic = () => this.runtime.clock.monotonic();
    const localities: Locality[] = [];
    if (this.table.localityWeighted) {
      const weights = localityWeights(all, hosts);
      // A key must not jump between localities, so they share one table, each host with its part of its locality's weight.
      const weigh = (host: ClusterHost) => host.table.weight * (weights.get(host.table.locality)?.perHostWeight ?? 0);
      const weighed = hosts.filter((host) => weigh(host) > 0);
      if (usesHash(this.table) && weighed.length > 0)
        return { share, hosts: weighed, balance: createHashBalancer(this.table, weighed, weigh), localities };
      for (const [name, { weight }] of weights) {
        const members = hosts.filter((host) => host.table.locality === name);
        if (weight > 0) localities.push({ weight, hosts: members, balance: createBalancer(this.table, members, monotonic) });
      }
    }
    return { share, hosts, balance: createBalancer(this.table, hosts, monotonic), localities };
  }
}

/** Traffic per priority: a level takes what its health allows with the usual 1.4 reserve, the next ones the rest. */
function sharesOf(levels: readonly (readonly ClusterHost[])[]): number[] {
  const health = levels.map((hosts) =>
    hosts.length === 0 ? 0 : Math.min(100, (140 * hosts.filter((host) => host.usable).length) / hosts.length),
  );
  const total = Math.min(
    100,
    health.reduce((sum, value) => sum + value, 0),
  );
  if (total === 0) return levels.map((_, index) => (index === 0 ? 100 : 0));
  let left = 100;
  return health.map((value) => {
    const share = Math.min(left, (value * 100) / total);
    left -= share;
    return share;
  });
}

/** Each locality's weight, lowered as it loses more hosts than the usual reserve covers, whole and per unit of host weight. */
function localityWeights(all: readonly ClusterHost[], hosts: readonly ClusterHost[]) {
  const weights = new Map<string, { readonly weight: number; readonly perHostWeight: number }>();
  for (const name of new Set(hosts.map((host) => host.table.locality))) {
    const members = hosts.filter((host) => host.table.locality === name);
    const total = all.filter((host) => host.table.locality === name).length;
    const weight = (members[0]?.table.localityWeight ?? 0) * Math.min(1, (1.4 * members.length) / total);
    weights.set(name, { weight, perHostWeight: weight / members.reduce((sum, host) => sum + host.table.weight, 0) });
  }
  return weights;
}

/** `at` in [0, 1) says where among the shares. */
function chooseLevel(levels: readonly Level[], at: number): Level | undefined {
  let point = at * 100;
  for (const level of levels) {
    point -= level.share;
    if (point < 0) return level;
  }
  return levels.find((level) => level.share > 0) ?? levels[0];
}

function isSound(table: HostTable): boolean {
  return table.health === 'healthy';
}

function retireHost(host: ClusterHost): void {
  host.removed = true;
  host.retireIdle();
}

import type { ClusterTable } from '../table.ts';
import { hashText } from './hash.ts';
import type { Host } from './host.ts';
import { warmAt, warmth } from './slow-start.ts';

/** What a choice may look at. `hash` is undefined when the route has no hash policy that applied. */
export interface PickContext {
  readonly hash: number | undefined;
}

/** Chooses among the hosts of one priority. */
export type Balancer<H extends Host> = (hosts: readonly H[], context: PickContext, random: () => number) => H | undefined;

const maxRing = 65536;

/** What decides how much a host gets; balancers of one kind may weigh by more than the host's own weight. */
export type Weigh<H extends Host> = (host: H) => number;

/**
 * A balancer for one set of hosts; made again whenever the set or the policy changes. `now` is the monotonic clock that
 * the hosts' `healthySince` was taken from.
 */
export function createBalancer<H extends Host>(table: ClusterTable, hosts: readonly H[], now: () => number): Balancer<H> {
  const whole = settledBalancer(table, hosts);
  const { slowStart } = table;
  if (slowStart === undefined || hosts.length < 2) return whole;
  const until = warmAt(slowStart, hosts);
  const bias = table.balancer === 'least-request' ? table.activeRequestBias : 0;
  return (set, context, random) => {
    const at = now();
    if (at >= until) return whole(set, context, random);
    return richest(set, (host) => (host.table.weight * warmth(slowStart, host, at)) / (host.active + 1) ** bias);
  };
}

function settledBalancer<H extends Host>(table: ClusterTable, hosts: readonly H[]): Balancer<H> {
  const weighted = hosts.some((host) => host.table.weight !== hosts[0]?.table.weight);
  switch (table.balancer) {
    case 'random':
      return weighted
        ? (set, _context, random) => weightedRandom(set, random)
        : (set, _context, random) => set[Math.floor(random() * set.length)];
    case 'round-robin':
      return weighted ? (set) => richest(set, (host) => host.table.weight) : rotation();
    case 'least-request':
      return weighted
        ? (set) => richest(set, (host) => host.table.weight / (host.active + 1) ** table.activeRequestBias)
        : leastOf(table.choices);
    case 'ring-hash':
    case 'maglev':
      return createHashBalancer(table, hosts, ownWeight);
  }
}

function ownWeight(host: Host): number {
  return host.table.weight;
}

export function usesHash(table: ClusterTable): boolean {
  return table.balancer === 'ring-hash' || table.balancer === 'maglev';
}

/** Consistent hashing over all hosts, each with the share of keys that `weigh` says. */
export function createHashBalancer<H extends Host>(table: ClusterTable, hosts: readonly H[], weigh: Weigh<H>): Balancer<H> {
  return hashed(table.balancer === 'maglev' ? buildMaglev(table, hosts, weigh) : buildRing(table, hosts, weigh));
}

function rotation<H extends Host>(): Balancer<H> {
  let next = -1;
  return (hosts, _context, random) => {
    if (next < 0) next = Math.floor(random() * hosts.length);
    next = (next + 1) % hosts.length;
    return hosts[next];
  };
}

/** Each round every host earns its weight as of now and the richest pays the sum: even spacing for any weights. */
function richest<H extends Host>(hosts: readonly H[], weightOf: (host: H) => number): H | undefined {
  let best: H | undefined;
  let total = 0;
  for (const host of hosts) {
    const gain = weightOf(host);
    host.credit += gain;
    total += gain;
    if (best === undefined || host.credit > best.credit) best = host;
  }
  if (best !== undefined) best.credit -= total;
  return best;
}

function leastOf<H extends Host>(choices: number): Balancer<H> {
  return (hosts, _context, random) => {
    let best = hosts[Math.floor(random() * hosts.length)];
    for (let i = 1; i < choices; i++) {
      const other = hosts[Math.floor(random() * hosts.length)];
      if (other !== undefined && best !== undefined && other.active < best.active) best = other;
    }
    return best;
  };
}

function weightedRandom<H extends Host>(hosts: readonly H[], random: () => number): H | undefined {
  let total = 0;
  for (const host of hosts) total += host.table.weight;
  let point = random() * total;
  for (const host of hosts) {
    point -= host.table.weight;
    if (point < 0) return host;
  }
  return hosts.at(-1);
}

type Finder<H> = (hash: number) => H | undefined;

function hashed<H extends Host>(find: Finder<H>): Balancer<H> {
  return (hosts, context, random) => {
    const hash = context.hash ?? Math.floor(random() * 0x100000000);
    const host = find(hash);
    // A host that became unusable after the table was made: its keys move to the rest.
    return host !== undefined && hosts.includes(host) ? host : hosts[hash % hosts.length];
  };
}

function buildRing<H extends Host>(table: ClusterTable, hosts: readonly H[], weigh: Weigh<H>): Finder<H> {
  const points: { readonly at: number; readonly host: H }[] = [];
  const total = hosts.reduce((sum, host) => sum + weigh(host), 0);
  const size = Math.min(maxRing, Math.max(table.ringSize, hosts.length));
  for (const host of hosts) {
    const copies = Math.max(1, Math.round((size * weigh(host)) / total));
    for (let i = 0; i < copies; i++) points.push({ at: hashText(`${host.label}_${i}`), host });
  }
  points.sort((a, b) => a.at - b.at);
  return (hash) => {
    let low = 0;
    let high = points.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((points[middle]?.at ?? 0) < hash) low = middle + 1;
      else high = middle;
    }
    return (points[low] ?? points[0])?.host;
  };
}

/** Every host fills the table by a permutation of its own; heavier hosts take more turns. */
function buildMaglev<H extends Host>(table: ClusterTable, hosts: readonly H[], weigh: Weigh<H>): Finder<H> {
  const size = table.tableSize;
  const entries: (H | undefined)[] = new Array(size);
  const heaviest = Math.max(Number.MIN_VALUE, ...hosts.map(weigh));
  const rows = hosts.map((host) => ({
    host,
    offset: hashText(host.label) % size,
    skip: (hashText(host.label, 0x9e3779b9) % (size - 1)) + 1,
    share: weigh(host) / heaviest,
    next: 0,
    credit: 0,
  }));
  let filled = 0;
  while (filled < size && rows.length > 0) {
    for (const row of rows) {
      row.credit += row.share;
      if (row.credit < 1) continue;
      row.credit -= 1;
      let at = (row.offset + row.skip * row.next++) % size;
      while (entries[at] !== undefined) at = (row.offset + row.skip * row.next++) % size;
      entries[at] = row.host;
      if (++filled === size) break;
    }
  }
  return (hash) => entries[hash % size];
}

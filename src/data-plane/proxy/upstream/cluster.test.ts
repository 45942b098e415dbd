import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createSteppedClock, type SteppedClock } from '../../../../test/support/stepped-clock.ts';
import { clusterFromBytes } from '../compile/cluster.ts';
import { hashText } from '../lb/hash.ts';
import type { Runtime } from '../runtime.ts';
import type { ClusterTable, HostTable } from '../table.ts';
import { Cluster } from './cluster.ts';

const base: ClusterTable = { ...clusterFromBytes(new Uint8Array(), '1', ''), type: 'eds', panicPercent: 0 };

function host(address: string, said: Partial<HostTable> = {}): HostTable {
  const table = { address, port: 80, hostname: '', weight: 1, priority: 0, locality: '', localityWeight: 0, metadata: {} };
  return { ...table, health: 'healthy', ...said };
}

function clusterOf(said: Partial<ClusterTable>, hosts: readonly HostTable[]): { cluster: Cluster; clock: SteppedClock } {
  const stepped = createSteppedClock();
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const clock = { ...stepped, random };
  const cluster = new Cluster({ clock, report: () => {} } as unknown as Runtime, { ...base, ...said });
  cluster.setHosts(hosts);
  return { cluster, clock };
}

/** Percent of requests per address, rounded. */
function percents(cluster: Cluster, picks = 4000): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < picks; i++) {
    const address = cluster.pickOnce({ hash: undefined })?.table.address ?? 'nobody';
    counts[address] = (counts[address] ?? 0) + 1;
  }
  return Object.fromEntries(Object.entries(counts).map(([address, count]) => [address, Math.round((count * 100) / picks)]));
}

function near(actual: Record<string, number>, wanted: Record<string, number>): void {
  for (const address of new Set([...Object.keys(actual), ...Object.keys(wanted)])) {
    const [is, should] = [actual[address] ?? 0, wanted[address] ?? 0];
    assert.ok(Math.abs(is - should) <= (should === 0 ? 0 : 3), `${address}: ${JSON.stringify(actual)}, wanted ${JSON.stringify(wanted)}`);
  }
}

const sick = { health: 'unhealthy' } as const;
const first = (count: number, sickOnes: number) =>
  Array.from({ length: count }, (_, i) => host(`first`, { port: 80 + i, ...(i < sickOnes ? sick : {}) }));

describe('priorities', () => {
  const cases: readonly { name: string; hosts: readonly HostTable[]; want: Record<string, number> }[] = [
    { name: 'all goes to the first while it is well', hosts: [...first(4, 0), host('next', { priority: 1 })], want: { first: 100 } },
    { name: 'a quarter lost is covered by the reserve', hosts: [...first(4, 1), host('next', { priority: 1 })], want: { first: 100 } },
    { name: 'half lost: 1.4 times the rest stays', hosts: [...first(4, 2), host('next', { priority: 1 })], want: { first: 70, next: 30 } },
    { name: 'all lost: the next takes over', hosts: [...first(4, 4), host('next', { priority: 1 })], want: { next: 100 } },
    {
      name: 'two lost: the third takes over',
      hosts: [...first(2, 2), host('next', { priority: 1, ...sick }), host('last', { priority: 2 })],
      want: { last: 100 },
    },
    { name: 'nobody is left', hosts: [...first(2, 2), host('next', { priority: 1, ...sick })], want: { nobody: 100 } },
  ];
  for (const { name, hosts, want } of cases) test(name, () => near(percents(clusterOf({ balancer: 'random' }, hosts).cluster), want));

  test('an ejection counts like bad health', () => {
    const outlier = { ...ejecting, consecutive5xx: 1 };
    const { cluster } = clusterOf({ balancer: 'random', outlier }, [host('first'), host('next', { priority: 1 })]);
    const [victim] = cluster.hosts;
    assert.ok(victim);
    cluster.note(victim, 500);
    near(percents(cluster), { next: 100 });
    cluster.remove();
  });
});

const ejecting = {
  consecutive5xx: 5,
  enforce5xx: 100,
  consecutiveGateway: 5,
  enforceGateway: 0,
  consecutiveLocal: 5,
  enforceLocal: 100,
  splitLocal: false,
  intervalMs: 10_000,
  baseEjectionMs: 30_000,
  maxEjectionMs: 300_000,
  maxEjectionPercent: 100,
  alwaysEjectOne: true,
};

describe('locality weights', () => {
  const west = (port: number, said: Partial<HostTable> = {}) => host('west', { locality: 'w', localityWeight: 80, port, ...said });
  const east = (port: number, said: Partial<HostTable> = {}) => host('east', { locality: 'e', localityWeight: 20, port, ...said });
  const cases: readonly { name: string; hosts: readonly HostTable[]; weighted: boolean; want: Record<string, number> }[] = [
    {
      name: 'shares do not depend on how many hosts there are',
      hosts: [west(1), east(1), east(2), east(3)],
      weighted: true,
      want: { west: 80, east: 20 },
    },
    {
      name: 'without them every host counts the same',
      hosts: [west(1), east(1), east(2), east(3)],
      weighted: false,
      want: { west: 25, east: 75 },
    },
    {
      name: 'a locality that lost half has 0.7 of its weight',
      hosts: [west(1), west(2, sick), east(1)],
      weighted: true,
      want: { west: 74, east: 26 },
    },
    { name: 'a locality that is gone gives all to the others', hosts: [west(1, sick), east(1)], weighted: true, want: { east: 100 } },
    { name: 'a weight of 0 takes nothing', hosts: [west(1), host('none', { locality: 'n' })], weighted: true, want: { west: 100 } },
  ];
  for (const balancer of ['round-robin', 'least-request', 'random'] as const) {
    for (const { name, hosts, weighted, want } of cases)
      test(`${balancer}: ${name}`, () => near(percents(clusterOf({ balancer, localityWeighted: weighted }, hosts).cluster), want));
  }

  for (const balancer of ['ring-hash', 'maglev'] as const) {
    test(`${balancer}: keys keep their host and spread by the localities' weights`, () => {
      const { cluster } = clusterOf({ balancer, localityWeighted: true }, [west(1), west(2), east(1)]);
      const counts: Record<string, number> = {};
      for (let i = 0; i < 4000; i++) {
        const context = { hash: hashText(`user-${i}`) };
        const chosen = cluster.pickOnce(context);
        assert.equal(cluster.pickOnce(context), chosen);
        const address = chosen?.table.address ?? 'nobody';
        counts[address] = (counts[address] ?? 0) + 1 / 40;
      }
      assert.ok(Math.abs((counts.west ?? 0) - 80) < 6, JSON.stringify(counts));
    });
  }
});

test('keys keep their host when two priorities share the traffic', () => {
  const { cluster } = clusterOf({ balancer: 'ring-hash' }, [...first(4, 2), host('next', { priority: 1 })]);
  const chosen = new Set<string>();
  for (let i = 0; i < 500; i++) {
    const context = { hash: hashText(`user-${i}`) };
    const one = cluster.pickOnce(context);
    assert.equal(cluster.pickOnce(context), one);
    chosen.add(one?.table.address ?? 'nobody');
  }
  assert.deepEqual([...chosen].sort(), ['first', 'next']);
});

describe('slow start', () => {
  const slow = { balancer: 'round-robin', slowStart: { windowMs: 10_000, aggression: 1, minWeightPercent: 10 } } as const;

  test('a host that is added starts small and grows; those that were there are whole', async () => {
    const { cluster, clock } = clusterOf(slow, [host('old')]);
    await clock.advance(60_000);
    cluster.setHosts([host('old'), host('new')]);
    near(percents(cluster), { old: 91, new: 9 });
    await clock.advance(5_000);
    near(percents(cluster), { old: 67, new: 33 });
    await clock.advance(5_000);
    near(percents(cluster), { old: 50, new: 50 });
  });

  test('an update that says the same does not start it again', async () => {
    const { cluster, clock } = clusterOf(slow, [host('old')]);
    await clock.advance(60_000);
    cluster.setHosts([host('old'), host('new')]);
    await clock.advance(10_000);
    cluster.setHosts([host('old'), host('new')]);
    near(percents(cluster), { old: 50, new: 50 });
  });

  test('a host that becomes healthy starts small', async () => {
    const { cluster, clock } = clusterOf(slow, [host('old'), host('new', sick)]);
    await clock.advance(60_000);
    cluster.setHosts([host('old'), host('new')]);
    near(percents(cluster), { old: 91, new: 9 });
  });

  test('hosts that are all new share alike', () => near(percents(clusterOf(slow, [host('a'), host('b')]).cluster), { a: 50, b: 50 }));
});

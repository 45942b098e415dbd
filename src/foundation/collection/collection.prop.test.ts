import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createGraph } from './collection.ts';
import type { Change, Collection, Graph } from './graph.ts';

interface Pod {
  readonly name: string;
  readonly labels: readonly string[];
  readonly ready: boolean;
}
interface Svc {
  readonly name: string;
  readonly select: string;
  readonly alias: string;
}
interface Bound {
  readonly key: string;
  readonly pods: readonly string[];
  readonly alias: string;
}

/** A small mesh: services select pods by label, look at each other by name, and are summed up. */
function build(graph: Graph) {
  const pods = graph.input<Pod>('pods', (p) => p.name);
  const services = graph.input<Svc>('services', (s) => s.name);
  const ready = graph.derive<Pod, Pod>('ready', pods, { keyOf: (p) => p.name, transform: (p) => (p.ready ? p : undefined) });
  const byLabel = graph.index('by-label', ready, (p) => p.labels);
  const bound = graph.derive<Svc, Bound>('bound', services, {
    keyOf: (b) => b.key,
    transform: (s, read) => {
      const names = read
        .lookup(byLabel, s.select)
        .map((p) => p.name)
        .sort();
      const alias = read.get(services, s.alias)?.select ?? '';
      // Several outputs for one input.
      return [s.name, `${s.name}-canary`].map((key) => ({ key, pods: names, alias }));
    },
  });
  const sizes = graph.derive('sizes', byLabel.groups, {
    keyOf: (g: { key: string; n: number }) => g.key,
    transform: (g) => ({ key: g.key, n: g.members.length }),
  });
  const total = graph.derive('total', services, {
    keyOf: (t: { key: string; n: number }) => t.key,
    transform: (s, read) => (s.name === 's0' ? { key: 'total', n: read.all(bound).length } : undefined),
  });
  const names = graph.derive<Pod, Bound>('names', ready, {
    keyOf: (b) => b.key,
    transform: (p) => ({ key: p.name.replace('p', 's'), pods: [p.name], alias: '' }),
  });
  const both = graph.union('both', [names, bound]);
  return { pods, services, bound, sizes, total, both };
}

function contents<T>(collection: Collection<T>): Map<string, T> {
  const entries = [...collection.values()].map((value) => [JSON.stringify(value), value] as const);
  return new Map(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

const label = fc.constantFrom('a', 'b', 'c');
const podStep = fc.record({
  type: fc.constant('pod' as const),
  name: fc.constantFrom('p0', 'p1', 'p2', 'p3'),
  labels: fc.uniqueArray(label, { maxLength: 2 }),
  ready: fc.boolean(),
});
const serviceStep = fc.record({
  type: fc.constant('service' as const),
  name: fc.constantFrom('s0', 's1', 's2'),
  select: label,
  alias: fc.constantFrom('s0', 's1', 's2', 'none'),
});
const deletion = fc.record({ type: fc.constant('delete' as const), name: fc.constantFrom('p0', 'p1', 'p2', 's0', 's1', 's2') });
const step = fc.oneof(podStep, serviceStep, deletion);

test('after any transactions the derived collections equal those computed anew', () => {
  fc.assert(
    fc.property(fc.array(fc.array(step, { maxLength: 4 }), { maxLength: 25 }), (transactions) => {
      const graph = createGraph();
      const live = build(graph);
      const followed = new Map<string, Bound>();
      live.bound.subscribe((changes: readonly Change<Bound>[]) => {
        for (const { key, before, after } of changes) {
          assert.equal(followed.get(key), before, 'a change begins where the last one ended');
          if (after) followed.set(key, after);
          else followed.delete(key);
        }
      });
      for (const steps of transactions) {
        graph.transaction(() => {
          for (const s of steps) {
            if (s.type === 'pod') live.pods.set({ name: s.name, labels: s.labels, ready: s.ready });
            else if (s.type === 'service') live.services.set({ name: s.name, select: s.select, alias: s.alias });
            else if (s.name.startsWith('p')) live.pods.delete(s.name);
            else live.services.delete(s.name);
          }
        });
        const freshGraph = createGraph();
        const fresh = build(freshGraph);
        freshGraph.transaction(() => {
          for (const pod of live.pods.values()) fresh.pods.set(pod);
          for (const service of live.services.values()) fresh.services.set(service);
        });
        assert.deepEqual([...contents(live.bound).keys()], [...contents(fresh.bound).keys()]);
        assert.deepEqual([...contents(live.sizes).keys()], [...contents(fresh.sizes).keys()]);
        assert.deepEqual([...contents(live.both).keys()], [...contents(fresh.both).keys()]);
        assert.deepEqual([...contents(live.total).keys()], [...contents(fresh.total).keys()]);
        assert.deepEqual(new Set(followed.values()), new Set(live.bound.values()));
      }
    }),
    { numRuns: 150 },
  );
});

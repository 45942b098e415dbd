/** What the graph draws of a mesh: grouping, places, dots. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { GraphEdge, GraphNode, Numbers } from '#server/api.ts';
import { arranged } from '../../web/src/graph/arrange.ts';
import { drawingOf, groupOf, sumOf } from '../../web/src/graph/grouping.ts';
import { Flow, requestsPerDot, type Stream } from '../../web/src/graph/particles.ts';
import { svgOf } from '../../web/src/graph/svg.ts';

const numbers = (rps: number, errors = 0): Numbers => ({ rps, errors, p50: 5, p95: 9, p99: 10, bps: 0 });

function node(namespace: string, name: string, more: Partial<GraphNode> = {}): GraphNode {
  const kind = more.kind ?? 'service';
  return { id: `${kind}/${namespace}/${name}`, kind, name, namespace, health: 'ok', problems: 0, numbers: numbers(1), ...more };
}

function edge(source: GraphNode, target: GraphNode, more: Partial<GraphEdge> = {}): GraphEdge {
  return { id: `${source.id}>${target.id}`, source: source.id, target: target.id, mtls: true, numbers: numbers(1), ...more };
}

/** `apps` services with `versions` workloads each. */
function team(namespace: string, apps: number, versions: number): { nodes: GraphNode[]; edges: GraphEdge[] } {
  const nodes: GraphNode[] = [];
  const edges: GraphEdge[] = [];
  for (let index = 0; index < apps; index++) {
    const service = node(namespace, `app-${index}`);
    nodes.push(service);
    for (let version = 1; version <= versions; version++) {
      const workload = node(namespace, `run-${index}-${version}`, { kind: 'workload', version: `v${version}` });
      nodes.push(workload);
      edges.push(edge(service, workload));
    }
  }
  return { nodes, edges };
}

describe('grouping', () => {
  it('leaves up to 150 nodes alone and puts boxes around namespaces when there are several', () => {
    const [one, two] = [team('one', 25, 2), team('two', 25, 2)];
    const both = drawingOf({ nodes: [...one.nodes, ...two.nodes], edges: [...one.edges, ...two.edges] }, new Set());
    assert.equal(both.nodes.length, 150);
    assert.equal(both.grouped, false);
    assert.deepEqual(both.boxes, ['one', 'two']);
    assert.deepEqual(drawingOf(one, new Set()).boxes, []);
  });

  it('makes one node of a namespace above that, but never of what has problems', () => {
    const [one, two] = [team('one', 40, 2), team('two', 40, 2)];
    const failing = node('two', 'payments', { health: 'bad', numbers: numbers(3, 0.5) });
    const suspect = node('two', 'ledger', { problems: 2 });
    const nodes = [...one.nodes, ...two.nodes, failing, suspect];
    const [first] = one.nodes;
    assert.ok(first);
    const edges = [...one.edges, ...two.edges, edge(first, failing), edge(first, suspect, { mtls: false })];
    const drawn = drawingOf({ nodes, edges }, new Set());
    assert.deepEqual(drawn.nodes.map(({ id, label, box }) => [id, label, box]).sort(), [
      ['group/one', 'one  (120)', ''],
      ['group/two', '120 more', 'two'],
      ['service/two/ledger', '⚠ ledger', 'two'],
      ['service/two/payments', '✖ payments', 'two'],
    ]);
    assert.deepEqual(drawn.edges.map(({ id, mtls }) => [id, mtls]).sort(), [
      ['group/one>service/two/ledger', false],
      ['group/one>service/two/payments', true],
    ]);
    const opened = drawingOf({ nodes, edges }, new Set(['one']));
    assert.equal(opened.nodes.filter((shown) => shown.box === 'one').length, 120);
    assert.equal(drawingOf({ nodes, edges }, new Set(['*'])).nodes.length, nodes.length);
    const pinned = drawingOf({ nodes, edges }, new Set(), first.id);
    assert.ok(pinned.nodes.some((shown) => shown.id === first.id));
  });

  it('groups by app inside a namespace that is still too large, by the service a workload serves', () => {
    const large = team('one', 60, 2);
    const drawn = drawingOf(large, new Set());
    assert.equal(drawn.nodes.length, 60);
    assert.deepEqual(drawn.nodes.find(({ id }) => id === 'group/one/app-7')?.members, [
      'service/one/app-7',
      'workload/one/run-7-1',
      'workload/one/run-7-2',
    ]);
    const opened = drawingOf(large, new Set(['one/app-7']));
    assert.equal(opened.nodes.length, 62);
    assert.equal(groupOf('group/one/app-7'), 'one/app-7');
    assert.equal(groupOf('service/one/app-7'), undefined);
  });

  it('adds numbers, weighs errors by rate, and knows no percentile of several', () => {
    const held: Readonly<Record<string, Numbers>> = { a: numbers(30, 0.1), b: numbers(10, 0.5) };
    const find = (id: string) => held[id] ?? numbers(0);
    assert.deepEqual(sumOf(['a', 'b'], find), { rps: 40, errors: 0.2, p50: null, p95: null, p99: null, bps: 0 });
    assert.equal(sumOf(['a'], find), held.a);
    assert.equal(sumOf([], find).errors, 0);
  });
});

describe('places', () => {
  const size = (id: string, box: string) => ({ id, width: 100, box });

  it('keeps boxes apart, follows requests from left to right, and does not depend on order', () => {
    const nodes = [size('a', 'one'), size('b', 'one'), size('c', 'two'), size('d', 'two'), size('e', ''), size('f', 'two')];
    const lines = [
      { source: 'e', target: 'a' },
      { source: 'a', target: 'b' },
      { source: 'b', target: 'c' },
      { source: 'c', target: 'd' },
    ];
    const at = arranged(nodes, lines);
    const x = (id: string) => at.get(id)?.x ?? Number.NaN;
    assert.ok(x('e') < x('a') && x('a') < x('b') && x('b') + 100 < x('c') && x('c') < x('d'));
    assert.deepEqual([...arranged(nodes.toReversed(), lines.toReversed())].sort(), [...at].sort());
  });

  it('packs 1000 nodes without edges into rows, none over another', () => {
    const nodes = Array.from({ length: 1000 }, (_, index) => size(`n${index}`, ''));
    const places = [...arranged(nodes, []).values()].sort((a, b) => a.y - b.y || a.x - b.x);
    for (const [index, { x, y }] of places.entries()) {
      const next = places[index + 1];
      if (next && next.y === y) assert.ok(next.x - x > 100);
    }
    assert.ok(new Set(places.map(({ y }) => y)).size > 10);
  });
});

describe('dots', () => {
  const stream = (id: string, rps: number, errors = 0): Stream => ({
    id,
    rps,
    errors,
    covered: 0,
    from: { x: 0, y: 0 },
    middle: { x: 350, y: 0 },
    to: { x: 700, y: 0 },
  });

  it('stand for so many requests that the screen is never flooded', () => {
    assert.equal(requestsPerDot([stream('a', 2)]), 1);
    assert.equal(requestsPerDot([stream('a', 40)]), 10);
    assert.equal(requestsPerDot([stream('a', 3_000_000)]), 500_000);
    const many = Array.from({ length: 500 }, (_, index) => stream(`e${index}`, 50));
    assert.ok(new Flow().step(many, 1).length <= 200);
  });

  it('are proportional to the rate, move along the edge, and show the share of failures', () => {
    const flow = new Flow();
    const fast = () => flow.step([stream('a', 30, 0.25), stream('b', 10)], 0);
    flow.step([stream('a', 30, 0.25), stream('b', 10)], 100);
    const count = (share: number, id: string) => new Flow().step([stream(id, share)], 50).length;
    assert.ok(Math.abs(fast().length - (60 + 20)) <= 2, 'ten seconds of way, five requests a dot');
    assert.ok(fast().every(({ x, y }) => x >= 0 && x <= 700 && y === 0));
    const failed = flow.step([stream('a', 30, 0.25)], 0).filter((dot) => dot.failed).length;
    assert.ok(failed >= 13 && failed <= 17, `${failed} of about 60`);
    assert.equal(count(0, 'c'), 0);
    const under = new Flow();
    under.step([stream('a', 30)], 100);
    const labelled = under.step([{ ...stream('a', 30), covered: 50 }], 0);
    assert.ok(labelled.length > 40 && labelled.every(({ x }) => x < 300 || x > 400), 'dots pass under the label');
    const [before] = flow.step([stream('b', 1)], 0);
    const [later] = flow.step([stream('b', 1)], 0.5);
    assert.ok(before && later && later.x - before.x > 30 && later.x - before.x < 40, 'seventy units in a second');
  });
});

it('an SVG holds every node and edge, and takes names as text', () => {
  const c = Object.fromEntries(
    ['text', 'muted', 'surface', 'sunken', 'background', 'line', 'faint', 'accent', 'ok', 'warn', 'bad'].map((name) => [name, '#123456']),
  ) as unknown as Parameters<typeof svgOf>[1];
  const shape = { x1: 0, y1: 0, x2: 100, y2: 36 };
  const svg = svgOf(
    {
      extent: shape,
      boxes: [{ ...shape, label: 'team' }],
      nodes: [{ ...shape, label: '<a&b>', colour: '#abcdef', kind: 'service', border: 3 }],
      edges: [{ from: { x: 0, y: 0 }, middle: { x: 5, y: 0 }, to: { x: 10, y: 0 }, colour: 'red', width: 2, idle: true, label: '4.0/s' }],
    },
    c,
  );
  assert.match(svg, />&#60;a&#38;b&#62;</);
  assert.match(svg, /stroke-dasharray="6 4"/);
  assert.match(svg, />4\.0\/s</);
  assert.equal(svg.match(/<text/g)?.length, 3);
});

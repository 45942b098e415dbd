import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGraph } from './collection.ts';
import { deepEqual } from './equal.ts';

interface Item {
  readonly id: string;
  readonly n: number;
}

const idOf = (item: Item) => item.id;

test('one transaction gives one batch, and what is equal gives none', () => {
  const graph = createGraph();
  const input = graph.input<Item>('input', idOf);
  const parity = graph.derive<Item, Item>('parity', input, { keyOf: idOf, transform: (item) => ({ id: item.id, n: item.n % 2 }) });
  const batches: string[][] = [];
  parity.subscribe((changes) => batches.push(changes.map((c) => `${c.key}:${c.before?.n}->${c.after?.n}`)));
  graph.transaction(() => {
    input.set({ id: 'a', n: 1 });
    input.set({ id: 'b', n: 2 });
    input.set({ id: 'b', n: 4 });
  });
  const kept = parity.get('a');
  input.set({ id: 'a', n: 3 });
  assert.equal(parity.get('a'), kept, 'an equal result keeps its identity');
  input.set({ id: 'a', n: 4 });
  input.delete('b');
  input.delete('nothing');
  assert.deepEqual(batches, [['a:undefined->1', 'b:undefined->0'], ['a:1->0'], ['b:0->undefined']]);
});

test('an input that is set to an equal value keeps its identity', () => {
  const graph = createGraph();
  const input = graph.input<Item>('input', idOf);
  const first = { id: 'a', n: 1 };
  input.set(first);
  let batches = 0;
  input.subscribe(() => batches++);
  input.set({ id: 'a', n: 1 });
  assert.equal(input.get('a'), first);
  graph.transaction(() => {
    input.delete('a');
    input.set({ id: 'a', n: 1 });
  });
  assert.equal(batches, 0);
});

test('only inputs that read what has changed are computed again', () => {
  const graph = createGraph();
  const left = graph.input<Item>('left', idOf);
  const right = graph.input<Item>('right', idOf);
  const ran: string[] = [];
  const sum = graph.derive<Item, Item>('sum', left, {
    keyOf: idOf,
    transform: (item, read) => {
      ran.push(item.id);
      return { id: item.id, n: item.n + (read.get(right, item.id)?.n ?? 0) };
    },
  });
  graph.transaction(() => {
    for (const id of ['a', 'b', 'c']) left.set({ id, n: 1 });
  });
  ran.length = 0;
  right.set({ id: 'b', n: 5 });
  assert.deepEqual([ran, sum.get('b')?.n], [['b'], 6]);
  right.delete('b');
  assert.deepEqual([ran, sum.get('b')?.n], [['b', 'b'], 1]);
});

test('a subscriber sees a finished graph and may write again', () => {
  const graph = createGraph();
  const input = graph.input<Item>('input', idOf);
  const doubled = graph.derive<Item, Item>('doubled', input, { keyOf: idOf, transform: (item) => ({ id: item.id, n: item.n * 2 }) });
  const seen: (number | undefined)[] = [];
  input.subscribe(() => {
    seen.push(doubled.get('a')?.n);
    if ((input.get('a')?.n ?? 9) < 3) input.set({ id: 'a', n: (input.get('a')?.n ?? 0) + 1 });
  });
  input.set({ id: 'a', n: 1 });
  assert.deepEqual(seen, [2, 4, 6]);
});

test('a failing writer leaves the graph in agreement with what it wrote', () => {
  const graph = createGraph();
  const input = graph.input<Item>('input', idOf);
  const copy = graph.derive<Item, Item>('copy', input, { keyOf: idOf, transform: (item) => item });
  assert.throws(() =>
    graph.transaction(() => {
      input.set({ id: 'a', n: 1 });
      throw new Error('stop');
    }),
  );
  assert.equal(copy.get('a')?.n, 1);
});

test('deep equality of plain data', () => {
  const rows: readonly (readonly [unknown, unknown, boolean])[] = [
    [{ a: [1, { b: null }] }, { a: [1, { b: null }] }, true],
    [{ a: 1, b: undefined }, { a: 1 }, true],
    [{ a: 1 }, { a: 1, b: undefined }, true],
    [{ a: 1 }, { b: 1 }, false],
    [[1, 2], [1], false],
    [[], {}, false],
    [Number.NaN, Number.NaN, true],
    [new Map([['a', [1]]]), new Map([['a', [1]]]), true],
    [new Map([['a', 1]]), new Map([['a', 2]]), false],
    [new Set([1]), new Set([2]), false],
    [null, {}, false],
    ['1', 1, false],
  ];
  for (const [a, b, expected] of rows) assert.equal(deepEqual(a, b), expected, `${JSON.stringify(a)} ${JSON.stringify(b)}`);
});

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { KubeObject } from '#kube/object.ts';
import type { Logger } from '#process/log.ts';
import { kinds } from '#resources/kinds.ts';
import { openStore } from './open-store.ts';
import type { ObjectStore } from './store.ts';

const configMap = (name: string, data: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default' },
  data,
});
const kind = { group: '', kind: 'ConfigMap' };
const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} };

function open(t: TestContext, log: Logger = quiet): ObjectStore {
  const folder = mkdtempSync(join(tmpdir(), 'mw-store-'));
  const clock = { now: () => 1_700_000_000_000, monotonic: () => 0, random: () => 0.5, after: () => () => {} };
  const opened = openStore({ stateDir: folder, kinds, clock, log, historyEvents: 20 });
  t.after(() => {
    opened.close();
    rmSync(folder, { recursive: true });
  });
  return opened.objects;
}

test('subscribers see each commit before the write returns, in order, also when one of them writes', (t) => {
  const store = open(t);
  const first: string[] = [];
  const second: string[] = [];
  const note = (list: string[]) => (event: { type: string; object: KubeObject; version: number }) =>
    list.push(`${event.type} ${event.object.metadata.name} ${event.version}`);
  store.subscribe((event) => {
    note(first)(event);
    if (event.object.metadata.name === 'outer' && event.type === 'ADDED') store.create(configMap('inner'));
  });
  store.subscribe(note(second), { kinds: [kind] });
  const version = store.version();
  store.create(configMap('outer'));
  assert.deepEqual(first, [`ADDED outer ${version + 1}`, `ADDED inner ${version + 2}`]);
  assert.deepEqual(second, first);
});

test('a failing subscriber stops nobody, is logged, and can leave', (t) => {
  const errors: string[] = [];
  const store = open(t, { ...quiet, error: (message) => errors.push(message) });
  let seen = 0;
  const end = store.subscribe(() => {
    throw new Error('oops');
  });
  store.subscribe(() => {
    seen += 1;
  });
  store.create(configMap('a'));
  end();
  store.create(configMap('b'));
  assert.deepEqual([seen, errors.length], [2, 1]);
});

test('a late subscriber is told what it missed, or that it is forgotten', (t) => {
  const store = open(t);
  const from = store.version();
  store.create(configMap('a'));
  store.update(configMap('a', { x: '1' }));
  store.delete({ ...kind, namespace: 'default', name: 'a' });
  const seen: unknown[] = [];
  store.subscribe(({ type, previous, object }) => seen.push([type, previous?.data, object.data]), { fromVersion: from, kinds: [kind] });
  assert.deepEqual(seen, [
    ['ADDED', undefined, {}],
    ['MODIFIED', {}, { x: '1' }],
    ['DELETED', { x: '1' }, { x: '1' }],
  ]);
  for (let index = 0; index < 20; index += 1) store.create(configMap(`more-${index}`));
  assert.throws(() => store.subscribe(() => {}, { fromVersion: from }), { code: 'KUBE_EXPIRED' });
});

test('dry runs answer as if and change nothing', (t) => {
  const store = open(t);
  store.create(configMap('a'));
  const version = store.version();
  const options = { dryRun: true };
  assert.equal(store.create(configMap('b'), options).metadata.creationTimestamp, '2023-11-14T22:13:20Z');
  assert.deepEqual(store.update(configMap('a', { x: '1' }), options).data, { x: '1' });
  assert.deepEqual(store.apply(configMap('a', { y: '1' }), 'me', options).data, { y: '1' });
  store.delete({ ...kind, namespace: 'default', name: 'a' }, options);
  assert.equal(store.version(), version);
  assert.deepEqual(
    store.list(kind).map((object) => [object.metadata.name, object.data]),
    [['a', {}]],
  );
});

test('lists are sorted by namespace and name', (t) => {
  const store = open(t);
  store.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'a' } });
  for (const [namespace, name] of [
    ['default', 'z'],
    ['a', 'y'],
    ['default', 'b'],
    ['a', 'x'],
  ]) {
    store.create({ ...configMap(name ?? ''), metadata: { name: name ?? '', namespace: namespace ?? '' } });
  }
  const names = (namespace?: string) => store.list(kind, namespace).map((object) => `${object.metadata.namespace}/${object.metadata.name}`);
  assert.deepEqual(names(), ['a/x', 'a/y', 'default/b', 'default/z']);
  assert.deepEqual(names('a'), ['a/x', 'a/y']);
});

test('two managers of one object keep what is theirs', (t) => {
  const store = open(t);
  store.apply(configMap('shared', { a: '1', b: '1' }), 'one');
  store.apply(configMap('shared', { c: '1' }), 'two');
  assert.deepEqual(store.apply(configMap('shared', { a: '1' }), 'one').data, { a: '1', c: '1' });
  assert.deepEqual(store.apply(configMap('shared'), 'two').data, { a: '1' });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '#base/clock.ts';
import { virtualServiceKind } from '#resources/networking/virtual-service-kind.ts';
import { readObjects } from '#resources/read.ts';
import { createConfig } from './config.ts';
import type { Sink, Source } from './source.ts';
import { type ConfigStore, type StoredObject, storeSource } from './store-source.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };

/** A clock whose timers run when `tick` is called. */
function manualClock(): Clock & { tick(): Promise<void> } {
  let timers: (() => void)[] = [];
  return {
    now: () => Date.UTC(2026, 0, 1),
    monotonic: () => 0,
    random: () => 0.5,
    after(_delay, run) {
      timers.push(run);
      return () => {
        timers = timers.filter((timer) => timer !== run);
      };
    },
    async tick() {
      for (const run of timers.splice(0)) run();
      for (let i = 0; i < 20; i++) await Promise.resolve();
    },
  };
}

/** A source that a test writes by hand, one object per YAML document. */
function manualSource(name: string): Source & { sink: Sink; put(place: string, yaml: string): void } {
  let sink: Sink | undefined;
  return {
    name,
    get sink() {
      assert.ok(sink);
      return sink;
    },
    put(place, yaml) {
      const [object] = readObjects(yaml, `${place}.yaml`).objects;
      assert.ok(object);
      this.sink.put(place, object);
    },
    async run(given) {
      sink = given;
      given.synced();
    },
  };
}

function route(host: string, extra = '', name = 'reviews'): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}}
spec:
  hosts: [reviews]
  http: [{route: [{destination: {host: ${host}}}]${extra}}]
`;
}

async function start(...sources: Source[]) {
  const clock = manualClock();
  const config = createConfig({ sources, clock, log });
  const stop = new AbortController();
  const running = config.run(stop.signal);
  await config.synced;
  const routes = config.collection(virtualServiceKind);
  const hostOf = (name = 'reviews') => routes.get(`default/${name}`)?.spec.http?.[0]?.route?.[0]?.destination.host;
  return { clock, config, routes, hostOf, running, stop };
}

test('an invalid update keeps the last valid object and says what is wrong', async () => {
  const source = manualSource('files');
  const { config, hostOf } = await start(source);
  let calls = 0;
  config.onProblems(() => calls++);
  source.put('a', route('reviews'));
  assert.equal(hostOf(), 'reviews');
  source.put('a', route('other', ', timout: 5s'));
  assert.equal(hostOf(), 'reviews');
  assert.deepEqual(
    config.problemsOf('VirtualService/default/reviews').map((p) => [p.code, p.origin?.file, p.line]),
    [['MW0110', 'a.yaml', 6]],
  );
  source.put('a', route('ratings'));
  assert.equal(hostOf(), 'ratings');
  assert.deepEqual(config.problems(), []);
  source.sink.remove('a');
  assert.equal(hostOf(), undefined);
  assert.equal(calls, 4);
});

test('of two definitions of an object the first source counts, and the other is named', async () => {
  const [first, second] = [manualSource('files'), manualSource('apiserver')];
  const { config, hostOf } = await start(first, second);
  second.put('b', route('second'));
  assert.equal(hostOf(), 'second');
  first.put('a', route('first'));
  assert.equal(hostOf(), 'first');
  const [problem] = config.problems();
  assert.deepEqual([problem?.code, problem?.origin?.file], ['MW0117', 'b.yaml']);
  assert.match(problem?.message ?? '', /a\.yaml:1/);
  first.sink.remove('a');
  assert.equal(hostOf(), 'second');
  assert.deepEqual(config.problems(), []);
});

test('an unknown kind and an object without a name are problems, their neighbours are not touched', async () => {
  const source = manualSource('files');
  const { config, hostOf } = await start(source);
  source.sink.batch(() => {
    source.put('a', 'apiVersion: networking.istio.io/v1\nkind: VirtualServce\nmetadata: {name: x}\n');
    source.put('b', 'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {}\n');
    source.put('c', route('reviews'));
  });
  assert.equal(hostOf(), 'reviews');
  assert.deepEqual(
    config
      .problems()
      .map((p) => p.code)
      .sort(),
    ['MW0107', 'MW0108'],
  );
  assert.match(config.problems().find((p) => p.code === 'MW0107')?.message ?? '', /did you mean `VirtualService`/);
});

test('a batch is one transaction of the graph', async () => {
  const source = manualSource('files');
  const { routes } = await start(source);
  const batches: number[] = [];
  routes.subscribe((changes) => batches.push(changes.length));
  source.sink.batch(() => {
    for (let i = 0; i < 50; i++) source.put(`p${i}`, route('reviews', '', `r${i}`));
  });
  assert.deepEqual(batches, [50]);
});

/** The part of an API server's store that configuration needs. */
function memoryStore(): ConfigStore & { put(object: StoredObject): void; writes: StoredObject[] } {
  const objects = new Map<string, StoredObject>();
  const listeners = new Set<(event: { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: StoredObject }) => void>();
  const writes: StoredObject[] = [];
  const put = (object: StoredObject) => {
    objects.set(object.metadata.name, object);
    for (const listener of listeners) listener({ type: 'MODIFIED', object });
  };
  return {
    put,
    writes,
    get: ({ name }) => objects.get(name),
    list: ({ kind }) => [...objects.values()].filter((object) => object.kind === kind),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    updateStatus(object) {
      writes.push(object);
      put(object);
    },
  };
}

function stored(host: string, generation: number, status?: unknown): StoredObject {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'reviews', namespace: 'default', ...{ generation } },
    spec: { hosts: ['reviews'], http: [{ route: [{ destination: { host } }] }] },
    ...(status ? { status } : {}),
  };
}

test('an object from an API server learns its state, and only when that has changed', async () => {
  const store = memoryStore();
  store.put(stored('reviews', 1));
  const { clock, config, hostOf, stop, running } = await start(storeSource(store, [virtualServiceKind]));
  assert.equal(hostOf(), 'reviews');
  await clock.tick();
  assert.deepEqual(
    store.writes.map((o) => o.status),
    [
      {
        conditions: [
          {
            type: 'Reconciled',
            status: 'True',
            reason: 'Accepted',
            message: '',
            observedGeneration: 1,
            lastTransitionTime: '2026-01-01T00:00:00Z',
          },
        ],
        observedGeneration: 1,
      },
    ],
  );
  await clock.tick();
  await clock.tick();
  assert.equal(store.writes.length, 1, 'its own write asks for no other');

  config.report('analyze', 'VirtualService/default/reviews', [
    {
      code: 'IST0101',
      severity: 'error',
      path: 'spec.http[0].route[0].destination.host',
      message: 'host reviews is not known',
      fix: 'Create it.',
    },
  ]);
  await clock.tick();
  const status = store.writes[1]?.status as {
    conditions: { status: string; message: string }[];
    validationMessages: { type: { code: string } }[];
  };
  assert.equal(status.conditions[0]?.status, 'False');
  assert.match(status.conditions[0]?.message ?? '', /destination\.host: host reviews is not known/);
  assert.deepEqual(
    status.validationMessages.map((m) => m.type.code),
    ['IST0101'],
  );
  assert.equal(hostOf(), 'reviews', 'a report does not take the object away');

  config.report('analyze', 'VirtualService/default/reviews', []);
  await clock.tick();
  assert.ok(store.writes[2] && !('validationMessages' in (store.writes[2].status as object)));
  stop.abort();
  await running;
  config.report('proxy', 'VirtualService/default/reviews', [{ code: 'MW0301', severity: 'error', path: '', message: 'no', fix: '' }]);
  await clock.tick();
  assert.equal(store.writes.length, 3, 'nothing is written after the end');
});

test('conditions of others stay in the status', async () => {
  const store = memoryStore();
  store.put(stored('reviews', 2, { conditions: [{ type: 'PassedValidation', status: 'True' }], other: 1 }));
  const { clock } = await start(storeSource(store, [virtualServiceKind]));
  await clock.tick();
  const status = store.writes[0]?.status as { conditions: { type: string }[]; other: number };
  assert.deepEqual([status.conditions.map((c) => c.type), status.other], [['PassedValidation', 'Reconciled'], 1]);
});

test('a namespace that two sources know is no problem, an object that they both define is one', async () => {
  const [first, second] = [manualSource('apiserver'), manualSource('kubernetes')];
  const { config } = await start(first, second);
  const namespace = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: default}\n';
  first.put('a', namespace);
  second.put('b', namespace);
  assert.deepEqual(config.problems(), []);
  first.put('c', route('reviews'));
  second.put('d', route('reviews'));
  assert.deepEqual(
    config.problems().map(({ code }) => code),
    ['MW0117'],
  );
});

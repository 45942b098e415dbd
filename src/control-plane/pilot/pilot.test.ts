import assert from 'node:assert/strict';
import { after, afterEach, describe, it } from 'node:test';
import type { Message } from '@bufbuild/protobuf';
import { create, toBinary } from '@bufbuild/protobuf';
import { formatGrpcAddress, type GrpcAddress } from '#grpc/address.ts';
import { defaultMeshConfig } from '#mesh/mesh-config.ts';
import type { Proxy as MeshProxy } from '#mesh/proxy.ts';
import type { MeshSnapshot, SnapshotChange } from '#mesh/snapshot.ts';
import { systemClock } from '#process/clock.ts';
import { logger, setLogLevel } from '#process/log.ts';
import { NodeSchema } from '#proto/gen/envoy/config/core/v3/base_pb.js';
import { typeUrls } from '#proto/type-url.ts';
import { type Built, plan, type ResourcePlan } from '#translate/plan.ts';
import { type XdsClient, xdsClient } from '#xds/client.ts';
import { createPilot, type MeshStateSource, type Pilot, type PilotOptions, type RejectedResources } from './pilot.ts';
import type { Translator } from './translator.ts';

setLogLevel('silent');
const log = logger('pilot-test');

const noChange: SnapshotChange = {
  mesh: false,
  services: new Set(),
  endpoints: new Set(),
  virtualServices: new Set(),
  destinationRules: new Set(),
  namespaces: new Set(),
};

/** A mesh whose configuration is one text per type and namespace, so that tests say exactly what changes. */
class FakeMesh implements MeshStateSource {
  texts = new Map<string, string>();
  #epoch = 1;
  #listeners = new Set<(snapshot: MeshSnapshot, change: SnapshotChange) => void>();
  #snapshot = this.#make();

  current(): MeshSnapshot {
    return this.#snapshot;
  }

  subscribe(listener: (snapshot: MeshSnapshot, change: SnapshotChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  set(
    texts: Readonly<Record<string, string | undefined>>,
    change: Partial<SnapshotChange> = { virtualServices: new Set(['default/vs']) },
  ): number {
    this.texts = new Map(this.texts);
    for (const [name, text] of Object.entries(texts)) {
      if (text === undefined) this.texts.delete(name);
      else this.texts.set(name, text);
    }
    this.#epoch++;
    this.#snapshot = this.#make();
    for (const listener of this.#listeners) listener(this.#snapshot, { ...noChange, ...change });
    return this.#epoch;
  }

  #make(): MeshSnapshot {
    return {
      epoch: this.#epoch,
      mesh: { ...defaultMeshConfig, texts: this.texts } as MeshSnapshot['mesh'],
      services: [],
      endpoints: new Map(),
      virtualServices: [],
      destinationRules: [],
      namespaces: new Map(),
    };
  }
}

const builds: string[] = [];

function buildText(typeUrl: string, name: string, text: string): Built {
  builds.push(`${name}=${text}`);
  if (text.startsWith('throw')) throw new Error(text);
  const origins = [{ source: 'file' as const, file: `${name}.yaml`, line: 1 }];
  return { name, typeUrl, message: () => ({ $typeName: 'x' }) as Message, encode: () => Buffer.from(text), origins };
}

interface FakeScope {
  readonly namespace: string;
  readonly texts: ReadonlyMap<string, string>;
}

const plans = new Map<string, ResourcePlan>();

/** Texts named `<type>/<name>`, for all; `<type>/<namespace>!<name>` for one namespace. */
function planTexts(typeUrl: string, type: string, scope: FakeScope, names?: Iterable<string>): ResourcePlan[] {
  const wanted = names && new Set(names);
  return [...scope.texts].flatMap(([key, text]) => {
    const [, owner, namespace, name = ''] = /^(\w+)\/(?:(\w+)!)?(.*)$/.exec(key) ?? [];
    if (owner !== type || (namespace && namespace !== scope.namespace) || (wanted && !wanted.has(name))) return [];
    if (text === 'throw in planner') throw new Error(text);
    const id = `${typeUrl} ${name} ${text}`;
    const made = plans.get(id) ?? plan(name, typeUrl, buildText, typeUrl, name, text);
    plans.set(id, made);
    return [made];
  });
}

const translator: Translator<FakeScope> = {
  scopeKey: (snapshot, proxy) => `${proxy.namespace}${proxy.labels.app === 'own' ? proxy.id : ''}${textsOf(snapshot).get('key') ?? ''}`,
  typesReachedBy: () => undefined,
  scopeFor: (snapshot, proxy) => ({ namespace: proxy.namespace, texts: textsOf(snapshot) }),
  planClusters: (scope) => planTexts(typeUrls.cluster, 'cds', scope),
  planListeners: (scope) => planTexts(typeUrls.listener, 'lds', scope),
  planRoutes: (scope, names) => planTexts(typeUrls.route, 'rds', scope, names),
  planEndpoints: (scope, names) => planTexts(typeUrls.endpoint, 'eds', scope, names),
};

function textsOf(snapshot: MeshSnapshot): ReadonlyMap<string, string> {
  return (snapshot.mesh as unknown as { texts: ReadonlyMap<string, string> }).texts;
}

function nodeOf(name: string, namespace: string, labels: MeshProxy['labels'] = {}): Uint8Array {
  const metadata = { NAMESPACE: namespace, LABELS: { ...labels } };
  return toBinary(NodeSchema, create(NodeSchema, { id: `sidecar~10.0.0.1~${name}.${namespace}~${namespace}.svc.cluster.local`, metadata }));
}

/** A proxy that keeps what it gets, as text, and can be told to refuse. */
class FakeProxy {
  readonly has = new Map<string, string>();
  readonly updates: string[] = [];
  readonly client: XdsClient;
  refuse: (name: string, text: string) => string | undefined = () => undefined;
  #waiting: (() => void)[] = [];

  constructor(
    target: string,
    name: string,
    namespace = 'default',
    names: { readonly eds?: string[]; readonly rds?: string[] } = {},
    labels = {},
  ) {
    this.client = xdsClient({
      target,
      node: nodeOf(name, namespace, labels),
      subscriptions: {
        [typeUrls.cluster]: '*',
        ...(names.eds && { [typeUrls.endpoint]: names.eds }),
        [typeUrls.listener]: '*',
        ...(names.rds && { [typeUrls.route]: names.rds }),
      },
      onUpdate: (typeUrl, added, removed) => {
        const type =
          typeUrl === typeUrls.cluster ? 'cds' : typeUrl === typeUrls.endpoint ? 'eds' : typeUrl === typeUrls.listener ? 'lds' : 'rds';
        this.updates.push(
          `${type} ${added.map((r) => `${r.name}=${r.bytes}`).join(' ')}${removed.map((name_) => ` -${name_}`).join('')}`.trim(),
        );
        queueMicrotask(() => {
          for (const wake of this.#waiting.splice(0)) wake();
        });
        const refusal = added.map((r) => this.refuse(r.name, String(r.bytes))).find((text) => text !== undefined);
        if (refusal) return refusal;
        for (const { name: resource, bytes } of added) this.has.set(`${type}/${resource}`, String(bytes));
        for (const resource of removed) this.has.delete(`${type}/${resource}`);
        return undefined;
      },
      clock: systemClock,
      log,
    });
    opened.push(this.client);
  }

  /** Waits for an update after which `done` holds. */
  async until(done: () => boolean): Promise<void> {
    while (!done()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

const opened: XdsClient[] = [];
const pilots: Pilot[] = [];

async function start(
  options: Partial<PilotOptions<FakeScope>> = {},
): Promise<{ mesh: FakeMesh; pilot: Pilot; target: string; address: GrpcAddress }> {
  const mesh = new FakeMesh();
  mesh.set({ 'cds/a': 'a1', 'cds/b': 'b1', 'eds/a': 'e1', 'lds/l': 'l1', 'rds/80': 'r1' });
  const pilot = createPilot({ meshState: mesh, translator, clock: systemClock, log, version: '1.0', ...options });
  pilots.push(pilot);
  const address = await pilot.listen({ host: '127.0.0.1', port: 0 });
  return { mesh, pilot, target: formatGrpcAddress(address), address };
}

afterEach(async () => {
  for (const client of opened.splice(0)) client.close();
  await Promise.all(pilots.splice(0).map((pilot) => pilot.close()));
});
after(() => setLogLevel('info'));

const wants = { eds: ['a'], rds: ['80'] };

describe('pilot', () => {
  it('gives a new proxy everything, in order, and says so', async () => {
    const { pilot, target } = await start();
    const proxy = new FakeProxy(target, 'p', 'default', wants);
    await proxy.until(() => proxy.has.size === 5);
    assert.deepEqual(proxy.updates, ['cds a=a1 b=b1', 'eds a=e1', 'lds l=l1', 'rds 80=r1']);
    const mark = await pilot.waitForEpoch(2, 2000);
    assert.deepEqual(mark, { epoch: 2, proxies: 1, reached: 1, rejected: 0 });
    const [status] = pilot.proxies();
    assert.equal(status?.state, 'SYNCED');
    assert.deepEqual(
      status?.types.map(({ type, state, resources }) => [type, state, resources]),
      [
        ['cds', 'SYNCED', 2],
        ['eds', 'SYNCED', 1],
        ['lds', 'SYNCED', 1],
        ['rds', 'SYNCED', 1],
      ],
    );
  });

  it('sends only what changed, only to those whose resources changed, and builds it once', async () => {
    const { mesh, pilot, target } = await start();
    const [a1, a2, b1] = [
      new FakeProxy(target, 'a1', 'a', wants),
      new FakeProxy(target, 'a2', 'a', wants),
      new FakeProxy(target, 'b1', 'b', wants),
    ];
    for (const proxy of [a1, a2, b1]) await proxy.until(() => proxy.has.size === 5);
    for (const proxy of [a1, a2, b1]) proxy.updates.length = 0;
    builds.length = 0;
    const epoch = mesh.set({ 'rds/a!80': 'r2', 'rds/80': undefined, 'rds/b!80': 'r1' });
    await a1.until(() => a1.has.get('rds/80') === 'r2');
    await a2.until(() => a2.has.get('rds/80') === 'r2');
    assert.deepEqual(await pilot.waitForEpoch(epoch, 2000), { epoch, proxies: 3, reached: 3, rejected: 0 });
    assert.deepEqual([a1.updates, a2.updates, b1.updates], [['rds 80=r2'], ['rds 80=r2'], []]);
    assert.deepEqual(builds, ['80=r2']);
    const record = pilot.pushes().at(-1);
    assert.deepEqual(
      { ...record, at: 0, queuedMs: 0, buildMs: 0, lastAnswerMs: 0, bytes: (record?.bytes ?? 0) > 0 },
      {
        epoch,
        at: 0,
        triggers: ['config'],
        objects: ['VirtualService default/vs'],
        objectCount: 1,
        merged: 1,
        queuedMs: 0,
        buildMs: 0,
        groups: 1,
        proxies: 2,
        responses: 2,
        bytes: true,
        acked: 2,
        rejected: 0,
        lastAnswerMs: 0,
      },
    );
  });

  it('joins changes that come while a push is made, and skips what was overtaken', async () => {
    const { mesh, pilot, target } = await start({ timing: { minGapMs: 30 } });
    const proxy = new FakeProxy(target, 'p', 'default', wants);
    await proxy.until(() => proxy.has.size === 5);
    let epoch = 0;
    for (let i = 2; i <= 20; i++) epoch = mesh.set({ 'cds/a': `a${i}` });
    await proxy.until(() => proxy.has.get('cds/a') === 'a20');
    await pilot.waitForEpoch(epoch, 2000);
    assert.deepEqual(proxy.updates.filter((update) => update.startsWith('cds')).slice(1), ['cds a=a2', 'cds a=a20']);
    assert.equal(pilot.pushes().at(-1)?.merged, 18);
  });

  it('sends the endpoints of changed clusters again, so that they can warm', async () => {
    const { mesh, target } = await start();
    const proxy = new FakeProxy(target, 'p', 'default', wants);
    await proxy.until(() => proxy.has.size === 5);
    proxy.updates.length = 0;
    mesh.set({ 'cds/a': 'a2' });
    await proxy.until(() => proxy.updates.length === 2);
    assert.deepEqual(proxy.updates, ['cds a=a2', 'eds a=e1']);
  });

  it('keeps the last good bytes of what cannot be built, and updates the rest', async () => {
    const problems: string[] = [];
    const { mesh, target } = await start({ onProblem: ({ name, message }) => problems.push(`${name}: ${message}`) });
    const proxy = new FakeProxy(target, 'p', 'default', wants);
    await proxy.until(() => proxy.has.size === 5);
    mesh.set({ 'cds/a': 'throw it', 'cds/b': 'b2' });
    await proxy.until(() => proxy.has.get('cds/b') === 'b2');
    assert.equal(proxy.has.get('cds/a'), 'a1');
    mesh.set({ 'lds/l': 'throw in planner', 'cds/b': 'b3' });
    await proxy.until(() => proxy.has.get('cds/b') === 'b3');
    assert.equal(proxy.has.get('lds/l'), 'l1');
    assert.deepEqual(problems, ['a: throw it', '*: throw in planner']);
  });

  it('holds a rejected version back, tells whose it is, and goes on when it changes', async () => {
    const rejected: RejectedResources[] = [];
    const { mesh, pilot, target } = await start({ onReject: (found) => rejected.push(found) });
    const proxy = new FakeProxy(target, 'p', 'default', wants);
    await proxy.until(() => proxy.has.size === 5);
    proxy.refuse = (name, text) => (text.startsWith('bad') ? `cannot take ${name}` : undefined);
    proxy.updates.length = 0;
    let epoch = mesh.set({ 'cds/a': 'bad', 'cds/b': 'b2' });
    await proxy.until(() => proxy.has.get('cds/b') === 'b2');
    assert.equal(proxy.has.get('cds/a'), 'a1');
    assert.deepEqual(await pilot.waitForEpoch(epoch, 2000), { epoch, proxies: 1, reached: 0, rejected: 1 });
    assert.deepEqual(
      rejected.map(({ names, error, origins }) => [names, error, origins.map((origin) => origin.file)]),
      [[['a'], 'cannot take a', ['a.yaml']]],
    );
    const cds = pilot.proxies()[0]?.types[0];
    assert.deepEqual([cds?.state, cds?.error, cds?.heldBack], ['NACKED', 'cannot take a', ['a']]);
    epoch = mesh.set({ 'cds/b': 'b3' });
    await proxy.until(() => proxy.has.get('cds/b') === 'b3');
    assert.equal(proxy.updates.filter((update) => update.includes('a=bad')).length, 1);
    epoch = mesh.set({ 'cds/a': 'a3' });
    await proxy.until(() => proxy.has.get('cds/a') === 'a3');
    assert.deepEqual(await pilot.waitForEpoch(epoch, 2000), { epoch, proxies: 1, reached: 1, rejected: 0 });
  });

  it('moves proxies whose scope key changes without sending what they have', async () => {
    const { mesh, pilot, target } = await start();
    const proxy = new FakeProxy(target, 'p', 'default', wants);
    await proxy.until(() => proxy.has.size === 5);
    proxy.updates.length = 0;
    const epoch = mesh.set({ key: 'other', 'lds/l': 'l2' });
    await proxy.until(() => proxy.has.get('lds/l') === 'l2');
    assert.deepEqual(await pilot.waitForEpoch(epoch, 2000), { epoch, proxies: 1, reached: 1, rejected: 0 });
    assert.deepEqual(proxy.updates, ['lds l=l2']);
  });

  it('after a restart sends reconnecting proxies only what differs', async () => {
    const first = await start();
    const proxy = new FakeProxy(first.target, 'p', 'default', wants);
    await proxy.until(() => proxy.has.size === 5);
    await first.pilot.close();
    proxy.updates.length = 0;
    const mesh = new FakeMesh();
    mesh.set({ 'cds/a': 'a1', 'cds/c': 'c1', 'eds/a': 'e1', 'lds/l': 'l1', 'rds/80': 'r2' });
    const second = createPilot({ meshState: mesh, translator, clock: systemClock, log, version: '1.0' });
    pilots.push(second);
    await second.listen(first.address);
    await proxy.until(() => proxy.has.get('rds/80') === 'r2');
    await proxy.until(() => proxy.updates.length >= 4);
    assert.deepEqual(
      proxy.updates.filter((update) => update.length > 3).sort(),
      ['cds c=c1 -b', 'eds a=e1', 'rds 80=r2'].filter((u) => proxy.updates.includes(u)).sort(),
    );
    assert.deepEqual([...proxy.has].sort(), Object.entries({ 'cds/a': 'a1', 'cds/c': 'c1', 'eds/a': 'e1', 'lds/l': 'l1', 'rds/80': 'r2' }));
  });

  it('lets proxies connect again when they have been connected for long, and sends them nothing twice', async () => {
    const peers = new Set<string>();
    let again: () => void = () => {};
    const reconnected = new Promise<void>((resolve) => {
      again = resolve;
    });
    const running = await start({
      maxConnectionAgeMs: 100,
      onChange() {
        for (const { peer } of running.pilot.proxies()) peers.add(peer);
        if (peers.size > 1) again();
      },
    });
    const proxy = new FakeProxy(running.target, 'p', 'default', wants);
    await proxy.until(() => proxy.has.size === 5);
    proxy.updates.length = 0;
    await reconnected;
    const epoch = running.mesh.set({ 'rds/80': 'r2' });
    await proxy.until(() => proxy.has.get('rds/80') === 'r2');
    await running.pilot.waitForEpoch(epoch, 2000);
    assert.deepEqual(
      proxy.updates.filter((update) => update.includes('=')),
      ['rds 80=r2'],
    );
  });

  it('leaves types alone that a change cannot reach', async () => {
    const planned: string[] = [];
    const watched: Translator<FakeScope> = {
      ...translator,
      typesReachedBy: ({ virtualServices }) => (virtualServices.size > 0 ? [typeUrls.route] : undefined),
      planClusters(scope) {
        planned.push('cds');
        return translator.planClusters(scope);
      },
      planRoutes(scope, names) {
        planned.push('rds');
        return translator.planRoutes(scope, names);
      },
    };
    const { mesh, target } = await start({ translator: watched });
    const proxy = new FakeProxy(target, 'p', 'default', wants);
    await proxy.until(() => proxy.has.size === 5);
    planned.length = 0;
    mesh.set({ 'rds/80': 'r2' });
    await proxy.until(() => proxy.has.get('rds/80') === 'r2');
    assert.deepEqual(planned, ['rds']);
    mesh.set({ 'cds/a': 'a2' }, { destinationRules: new Set(['default/a']) });
    await proxy.until(() => proxy.has.get('cds/a') === 'a2');
    assert.deepEqual(planned, ['rds', 'cds', 'rds']);
  });

  it('refuses a node it cannot read, with the reason', async () => {
    const { target } = await start();
    const status = await new Promise<string>((resolve) => {
      opened.push(
        xdsClient({
          target,
          node: toBinary(NodeSchema, create(NodeSchema, { id: 'nonsense' })),
          subscriptions: { [typeUrls.cluster]: '*' },
          onUpdate: () => undefined,
          onConnection: (_connected, why) => why && resolve(why.message),
          clock: systemClock,
          log,
        }),
      );
    });
    assert.match(status, /node id "nonsense" is not of the form/);
  });
});

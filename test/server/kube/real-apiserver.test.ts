/** The client, the definitions of kinds and a control plane against a real kube-apiserver. */
import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join, resolve } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { createKubeClient, type KubeClient, type KubeResource, type WatchEvent } from '#kube/client.ts';
import { loadKubeconfig } from '#kube/kubeconfig.ts';
import type { KubeObject } from '#kube/object.ts';
import { createReflectors, type Reflector } from '#kube/reflector.ts';
import { systemClock } from '#process/clock.ts';
import { startPlane, until } from '../../e2e/plane.ts';
import { needPeer, peerPath } from '../../support/peers.ts';
import { configMap, quiet, run, virtualService } from '../apiserver/fixture.ts';
import { type RealApiServer, startRealApiServer } from './real-apiserver.ts';

const crds = resolve(import.meta.dirname, '../../../deploy/crds');
const configMaps: KubeResource = { group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap', namespaced: true };
const virtualServices: KubeResource = {
  group: 'networking.istio.io',
  version: 'v1',
  plural: 'virtualservices',
  kind: 'VirtualService',
  namespaced: true,
};
const at = (name: string) => ({ namespace: 'default', name });
/** Time passes as it does, but pauses are short. */
const hasty = { ...systemClock, after: (delayMs: number, done: () => void) => systemClock.after(delayMs > 60_000 ? delayMs : 20, done) };

let real: RealApiServer | undefined;
let client: KubeClient;

before(
  async () => {
    const [apiServer, etcd, openssl] = [peerPath('kube-apiserver'), peerPath('etcd'), peerPath('openssl')];
    if (!apiServer || !etcd || !openssl) return;
    real = await startRealApiServer({ apiServer, etcd, openssl });
    client = createKubeClient(loadKubeconfig([real.kubeconfig]));
    // The server makes this namespace a moment after it says that it is ready.
    await until('the namespace default is there', () =>
      client.get({ ...configMaps, plural: 'namespaces', kind: 'Namespace', namespaced: false }, { name: 'default' }).catch(() => undefined),
    );
    const kubectl = peerPath('kubectl-1.34') ?? peerPath('kubectl');
    if (kubectl) await applyDefinitions(kubectl, real);
  },
  { timeout: 150_000 },
);
after(async () => {
  client?.close();
  await real?.close();
});

async function applyDefinitions(kubectl: string, server: RealApiServer): Promise<void> {
  const env = { KUBECONFIG: server.kubeconfig, HOME: server.folder };
  const applied = await run(kubectl, ['apply', '-f', crds], { env });
  assert.equal(applied.code, 0, applied.err);
  // kubectl gives up on definitions that have no conditions at all yet.
  const wait = ['wait', '--for=condition=Established', 'crd', '--all', '--timeout=5s'];
  await until('the definitions are established', async () => (await run(kubectl, wait, { env })).code === 0, 30_000);
}

/** The server and kubectl bound to it, or undefined after the test was skipped. */
function needReal(t: TestContext) {
  for (const name of ['kube-apiserver', 'etcd', 'openssl'] as const) if (!needPeer(t, name)) return undefined;
  const program = peerPath('kubectl-1.34') ?? needPeer(t, 'kubectl');
  if (!program || !real) return undefined;
  const server = real;
  const env = { KUBECONFIG: server.kubeconfig, HOME: server.folder };
  const call = (args: readonly string[], input?: string) => run(program, args, { env, ...(input === undefined ? {} : { input }) });
  const good = async (args: readonly string[], input?: string): Promise<string> => {
    const { code, out, err } = await call(args, input);
    assert.equal(code, 0, `kubectl ${args.join(' ')}: ${err}${out}`);
    return out;
  };
  return { server, call, good };
}

test('the definitions of our kinds are structural, served in all versions and enforced', { timeout: 60_000 }, async (t) => {
  const found = needReal(t);
  if (!found) return;
  const definitions = JSON.parse(await found.good(['get', 'crd', '-o', 'json'])).items as {
    metadata: { name: string };
    spec: { versions: { name: string }[] };
    status: { conditions: { type: string; status: string; message: string }[] };
  }[];
  const files = readdirSync(crds).filter((file) => file.endsWith('.yaml'));
  assert.equal(definitions.length, files.length);
  for (const { metadata, status } of definitions) {
    const conditions = Object.fromEntries(status.conditions.map(({ type, status: is }) => [type, is]));
    assert.equal(conditions.Established, 'True', metadata.name);
    assert.equal(conditions.NamesAccepted, 'True', metadata.name);
    const flaw = status.conditions.find(({ type, status: is }) => type.startsWith('NonStructural') && is === 'True');
    assert.equal(flaw, undefined, `${metadata.name}: ${flaw?.message}`);
  }
  // Applied once more nothing changes: the server added no defaults of its own to what we wrote.
  const again = await found.good(['apply', '-f', crds]);
  assert.equal(again.match(/unchanged/g)?.length, files.length, again);
  const wrong = JSON.stringify({ ...virtualService('wrong'), spec: { hosts: 5 } });
  assert.match((await found.call(['apply', '--validate=false', '-f', '-'], wrong)).err, /spec\.hosts.*must be of type array/);
  const unknown = JSON.stringify(virtualService('unknown', [1, 99], { gatewayz: ['a'] }));
  assert.match((await found.call(['apply', '-f', '-'], unknown)).err, /unknown field "spec\.gatewayz"/);
  await found.good(['apply', '-f', '-'], JSON.stringify({ ...virtualService('versions'), apiVersion: 'networking.istio.io/v1alpha3' }));
  assert.match(await found.good(['get', 'vs', 'versions']), /versions +\["versions"\]/);
});

test('every call of the client', { timeout: 60_000 }, async (t) => {
  if (!needReal(t)) return;
  const made = await client.create(configMaps, configMap('one', { a: '1' }));
  assert.deepEqual(await client.get(configMaps, at('one')), made);
  assert.equal('managedFields' in made.metadata, false);
  await client.update(configMaps, { ...made, data: { a: '2' } });
  await assert.rejects(client.update(configMaps, { ...made, data: {} }), { code: 'KUBE_CONFLICT' });
  assert.deepEqual((await client.patch(configMaps, at('one'), 'merge', { data: { b: '3' } })).data, { a: '2', b: '3' });
  assert.deepEqual((await client.patch(configMaps, at('one'), 'json', [{ op: 'remove', path: '/data/a' }])).data, { b: '3' });
  assert.deepEqual((await client.patch(configMaps, at('one'), 'strategic', { data: { c: '4' } })).data, { b: '3', c: '4' });
  await client.apply(configMaps, configMap('two', { x: '1', y: '2' }), 'tester');
  assert.deepEqual((await client.apply(configMaps, configMap('two', { x: '1' }), 'tester')).data, { x: '1' });
  await assert.rejects(client.create(configMaps, configMap('two')), { code: 'KUBE_ALREADY_EXISTS' });
  assert.equal((await client.create(configMaps, configMap('dry'), { dryRun: true })).metadata.name, 'dry');
  await assert.rejects(client.get(configMaps, at('dry')), { code: 'KUBE_NOT_FOUND', retryable: false });
  const service = await client.create(virtualServices, virtualService('reviews'));
  const status = { conditions: [{ type: 'Reconciled', status: 'True' }] };
  const told = await client.update(virtualServices, { ...service, status, spec: {} }, { subresource: 'status' });
  assert.deepEqual([told.status, told.spec, told.metadata.generation], [status, service.spec, 1]);
  await assert.rejects(client.create(virtualServices, { ...virtualService('bad'), spec: { hosts: 1 } }), { code: 'KUBE_INVALID' });
  // A group that nobody serves is answered in plain text.
  await assert.rejects(client.list({ ...configMaps, group: 'nobody.example.com' }), { code: 'KUBE_NOT_FOUND' });
  assert.equal(await client.delete(configMaps, at('one')), true);
  assert.equal(await client.delete(configMaps, at('one')), false);
});

test('lists of many pages come whole', { timeout: 60_000 }, async (t) => {
  if (!needReal(t)) return;
  const label = { labels: { many: 'yes' } };
  for (let from = 0; from < 1100; from += 10) {
    const names = Array.from({ length: 10 }, (_, index) => `many-${from + index}`);
    await Promise.all(names.map((name) => client.create(configMaps, configMap(name, {}, label))));
  }
  const { items } = await client.list(configMaps, { namespace: 'default', labelSelector: 'many=yes' });
  assert.equal(new Set(items.map((item) => item.metadata.name)).size, 1100);
  assert.deepEqual([items[0]?.apiVersion, items[0]?.kind], ['v1', 'ConfigMap']);
});

test('a client certificate is accepted, a wrong token refused', { timeout: 30_000 }, async (t) => {
  const found = needReal(t);
  if (!found) return;
  const byCertificate = createKubeClient(loadKubeconfig([found.server.certificateKubeconfig]));
  t.after(() => byCertificate.close());
  assert.ok((await byCertificate.list(virtualServices)).resourceVersion !== '');
  const wrong = join(found.server.folder, 'kubeconfig-wrong');
  const config = JSON.parse(await found.good(['config', 'view', '--raw', '-o', 'json']));
  config.users = [{ name: 'admin', user: { token: 'nonsense' } }];
  writeFileSync(wrong, JSON.stringify(config));
  const refused = createKubeClient(loadKubeconfig([wrong]));
  t.after(() => refused.close());
  await assert.rejects(refused.list(virtualServices), { code: 'KUBE_UNAUTHORIZED' });
});

test('a reflector follows, goes on after a restart, and lists anew when its version is too old', { timeout: 150_000 }, async (t) => {
  const found = needReal(t);
  if (!found) return;
  const stopping = new AbortController();
  let open = Promise.withResolvers<void>();
  open.resolve();
  let lists = 0;
  let cut = new AbortController();
  let staleVersion: string | undefined;
  // Watches wait at a gate, so that changes can happen unseen, and once ask for a version of long ago.
  const gated: KubeClient = {
    ...client,
    async list(...args) {
      lists += 1;
      return client.list(...args);
    },
    async *watch(resource, wanted, from, signal = stopping.signal): AsyncGenerator<WatchEvent> {
      await open.promise;
      const begin = { ...from, resourceVersion: staleVersion ?? from.resourceVersion };
      staleVersion = undefined;
      yield* client.watch(resource, wanted, begin, AbortSignal.any([signal, cut.signal]));
    },
  };
  const reflectors = createReflectors({ client: gated, clock: hasty, log: quiet });
  const selection = { namespace: 'default', labelSelector: 'followed=yes' };
  const followed = (name: string, data = {}) => configMap(name, data, { labels: { followed: 'yes' } });
  await client.create(configMaps, followed('before'));
  const reflector = reflectors.of(configMaps, selection);
  const next = follow(reflector);
  const running = reflectors.run(stopping.signal);
  t.after(async () => {
    stopping.abort();
    await running;
  });
  assert.equal(await next(), 'ADDED before');
  const first = reflector.get('default', 'before')?.metadata.resourceVersion ?? '';
  await client.create(configMaps, followed('during'));
  assert.equal(await next(), 'ADDED during');

  open = Promise.withResolvers<void>();
  await found.server.stopServer();
  await assert.rejects(client.list(configMaps), { code: 'KUBE_UNREACHABLE', retryable: true });
  await found.server.startServer();
  await until('writes are taken again', () => client.update(configMaps, followed('during', { a: 'b' })).catch(() => undefined));
  await client.delete(configMaps, at('before'));
  await client.create(configMaps, followed('after'));
  open.resolve();
  assert.deepEqual([await next(), await next(), await next()].sort(), ['ADDED after', 'DELETED before', 'MODIFIED during']);
  assert.deepEqual(names(reflector), ['after', 'during']);

  // Of the time before its restart the server knows nothing any more.
  open = Promise.withResolvers<void>();
  staleVersion = first;
  const listsBefore = lists;
  cut.abort();
  cut = new AbortController();
  await client.delete(configMaps, at('during'));
  open.resolve();
  assert.equal(await next(), 'DELETED during');
  assert.equal(lists, listsBefore + 1);
  const old = client.watch(configMaps, selection, { resourceVersion: first, timeoutSeconds: 5 });
  await assert.rejects(old.next(), { code: /KUBE_(EXPIRED|GONE)/ });
});

test('a control plane takes configuration from it, tells its objects their state, and brings it to a proxy', {
  timeout: 120_000,
}, async (t) => {
  const found = needReal(t);
  if (!found) return;
  const backend = createServer((_request, response) => response.end('hello'));
  await new Promise<void>((done) => backend.listen(0, '127.0.0.1', done));
  const place = backend.address();
  assert.ok(place && typeof place === 'object');
  t.after(() => backend.close());
  const plane = await startPlane('real', '--source-kubeconfig', found.server.kubeconfig);
  t.after(() => plane.close());
  const caller = await plane.join({ service: 'caller', flags: [], command: [process.execPath, '-e', 'setInterval(() => {}, 1000)'] });
  const entry = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { name: 'greeter', namespace: 'default' },
    spec: {
      hosts: ['greeter.example.com'],
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      resolution: 'STATIC',
      location: 'MESH_EXTERNAL',
      endpoints: [{ address: '127.0.0.1', ports: { http: place.port } }],
    },
  };
  await found.good(['apply', '-f', '-'], JSON.stringify(entry));
  const ask = () => plane.ask(caller, 'greeter.example.com', '/', { via: 'proxy' });
  await until('the ServiceEntry is reached', async () => (await ask()).body === 'hello');

  const fault = (httpStatus: number) => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'greeter', namespace: 'default' },
    spec: {
      hosts: ['greeter.example.com'],
      http: [{ fault: { abort: { httpStatus, percentage: { value: 100 } } }, route: [{ destination: { host: 'greeter.example.com' } }] }],
    },
  });
  await found.good(['apply', '-f', '-'], JSON.stringify(fault(418)));
  await until('the VirtualService is at the proxy', async () => (await ask()).status === 418);
  const state = await until('the VirtualService is told its state', async () => {
    const { status } = await client.get(virtualServices, at('greeter'));
    const { conditions = [] } = (status ?? {}) as { conditions?: { type: string; status: string }[] };
    return conditions.find(({ type }) => type === 'Reconciled');
  });
  assert.equal(state.status, 'True');

  await found.server.stopServer();
  assert.equal((await ask()).status, 418, 'without the API server the proxy keeps what it has');
  await found.server.startServer();
  await until('kubectl changes it again', async () => (await found.call(['apply', '-f', '-'], JSON.stringify(fault(451)))).code === 0);
  await until('the change after the restart is at the proxy', async () => (await ask()).status === 451, 60_000);
  await found.good(['delete', 'vs', 'greeter']);
  await until('the route is as without it', async () => (await ask()).body === 'hello');
});

function names(reflector: Omit<Reflector, 'run'>): string[] {
  return reflector
    .list()
    .map((object: KubeObject) => object.metadata.name)
    .sort();
}

/** Events as `TYPE name`, one by one. */
function follow(reflector: Omit<Reflector, 'run'>): () => Promise<string> {
  const events: string[] = [];
  let wake = () => {};
  reflector.subscribe((event) => {
    events.push(`${event.type} ${event.object.metadata.name}`);
    wake();
  });
  return async () => {
    while (events.length === 0) await new Promise<void>((woken) => (wake = woken));
    return events.shift() ?? '';
  };
}

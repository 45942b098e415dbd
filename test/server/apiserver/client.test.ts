import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startApiServer } from '#apiserver/server.ts';
import { createKubeClient, type KubeResource } from '#kube/client.ts';
import { type KubeAccess, loadKubeconfig } from '#kube/kubeconfig.ts';
import { createReflectors, type Reflector } from '#kube/reflector.ts';
import { writePrivateFile } from '#pki/private-file.ts';
import { systemClock } from '#process/clock.ts';
import { kinds } from '#resources/kinds.ts';
import { configMap, quiet, startServer, virtualService } from './fixture.ts';

const configMaps: KubeResource = { group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap', namespaced: true };
const virtualServices: KubeResource = {
  group: 'networking.istio.io',
  version: 'v1',
  plural: 'virtualservices',
  kind: 'VirtualService',
  namespaced: true,
};
const namespaces: KubeResource = { group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace', namespaced: false };
const at = (name: string) => ({ namespace: 'default', name });

/** Time passes as it does, but pauses are short. */
const hasty = { ...systemClock, after: (delayMs: number, run: () => void) => systemClock.after(delayMs > 60_000 ? delayMs : 5, run) };

test('every call of the client against the embedded server', async (t) => {
  const running = await startServer();
  const client = createKubeClient(running.access);
  t.after(async () => {
    client.close();
    await running.stop();
  });
  const made = await client.create(configMaps, configMap('one', { a: '1' }));
  assert.deepEqual(await client.get(configMaps, at('one')), made);
  const updated = await client.update(configMaps, { ...made, data: { a: '2' } });
  await assert.rejects(client.update(configMaps, { ...made, data: {} }), { code: 'KUBE_CONFLICT' });
  const patched = await client.patch(configMaps, at('one'), 'merge', { data: { b: '3' } });
  assert.deepEqual(patched.data, { a: '2', b: '3' });
  assert.notEqual(patched.metadata.resourceVersion, updated.metadata.resourceVersion);
  assert.deepEqual((await client.patch(configMaps, at('one'), 'json', [{ op: 'remove', path: '/data/a' }])).data, { b: '3' });
  assert.deepEqual((await client.patch(configMaps, at('one'), 'strategic', { data: { c: '4' } })).data, { b: '3', c: '4' });
  await client.apply(configMaps, configMap('two', { x: '1', y: '2' }), 'tester');
  assert.deepEqual((await client.apply(configMaps, configMap('two', { x: '1' }), 'tester')).data, { x: '1' });
  assert.equal((await client.create(configMaps, configMap('dry'), { dryRun: true })).metadata.name, 'dry');
  await assert.rejects(client.get(configMaps, at('dry')), { code: 'KUBE_NOT_FOUND', retryable: false });
  const service = await client.create(virtualServices, virtualService('reviews'));
  const withStatus = await client.update(virtualServices, { ...service, status: { validationMessages: [] } }, { subresource: 'status' });
  assert.deepEqual(withStatus.status, { validationMessages: [] });
  assert.deepEqual(
    (await client.list(namespaces)).items.map((item) => item.metadata.name),
    ['default', 'istio-system', 'kube-system'],
  );
  await assert.rejects(
    client.create(virtualServices, { ...virtualService('bad'), spec: { hosts: 1 } }),
    (error: { code: string; status: { details: { causes: unknown[] } } }) => {
      assert.equal(error.code, 'KUBE_INVALID');
      assert.ok(error.status.details.causes.length > 0);
      return true;
    },
  );
  assert.equal(await client.delete(configMaps, at('one')), true);
  assert.equal(await client.delete(configMaps, at('one')), false);
});

test('lists of many pages come whole', async (t) => {
  const running = await startServer();
  const client = createKubeClient(running.access);
  t.after(async () => {
    client.close();
    await running.stop();
  });
  for (let index = 0; index < 1203; index += 1) running.server.store.create(configMap(`m-${index}`));
  const { items, resourceVersion } = await client.list(configMaps, { namespace: 'default' });
  assert.equal(new Set(items.map((item) => item.metadata.name)).size, 1203);
  assert.equal(resourceVersion, String(running.server.store.version()));
});

test('a server that is away is a retryable fault that names it', async () => {
  const access: KubeAccess = {
    server: 'https://127.0.0.1:1',
    namespace: 'default',
    context: 'x',
    tls: () => ({ rejectUnauthorized: true }),
    headers: () => ({}),
  };
  const client = createKubeClient(access);
  await assert.rejects(client.list(configMaps), {
    code: 'KUBE_UNREACHABLE',
    retryable: true,
    message: /https:\/\/127\.0\.0\.1:1 cannot be reached/,
  });
  client.close();
});

test('a reflector follows, survives a restart of the server, and is shared', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'mw-reflect-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const start = (port: number, historyEvents?: number) =>
    startApiServer({
      stateDir: join(folder, 'state'),
      kinds,
      clock: systemClock,
      log: quiet,
      port,
      ...(historyEvents ? { historyEvents } : {}),
    });
  let server = await start(0);
  writePrivateFile(join(folder, 'kubeconfig'), server.kubeconfig());
  server.store.create(configMap('before'));
  const client = createKubeClient(loadKubeconfig([join(folder, 'kubeconfig')]));
  const stopping = new AbortController();
  const reflectors = createReflectors({ client, clock: hasty, log: quiet });
  const running = reflectors.run(stopping.signal);
  const reflector = reflectors.of(configMaps);
  assert.equal(reflectors.of(configMaps), reflector);
  const next = follow(reflector);
  await new Promise<void>((resolve) => reflector.subscribe(() => {}, resolve));
  assert.ok(reflector.isSynced());
  assert.equal(await next(), 'ADDED before');
  server.store.create(configMap('during'));
  assert.equal(await next(), 'ADDED during');
  const { port } = server;
  await server.close();
  server = await start(port);
  server.store.update(configMap('during', { a: 'b' }));
  assert.equal(await next(), 'MODIFIED during');
  await server.close();
  // Changes before the reflector is back, in a server that remembers only the last: it must list anew, and tell the difference.
  server = await start(port, 1);
  server.store.delete({ group: '', kind: 'ConfigMap', namespace: 'default', name: 'before' });
  server.store.create(configMap('after'));
  assert.deepEqual([await next(), await next()].sort(), ['ADDED after', 'DELETED before']);
  assert.deepEqual(
    reflector
      .list()
      .map((object) => object.metadata.name)
      .sort(),
    ['after', 'during'],
  );
  assert.equal(reflector.get('default', 'during')?.metadata.name, 'during');
  stopping.abort();
  await running;
  client.close();
  await server.close();
});

/** Events as `TYPE name`, one by one. */
function follow(reflector: Omit<Reflector, 'run'>): () => Promise<string> {
  const events: string[] = [];
  let wake = () => {};
  reflector.subscribe((event) => {
    events.push(`${event.type} ${event.object.metadata.name}`);
    wake();
  });
  return async () => {
    while (events.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return events.shift() ?? '';
  };
}

test('a reflector against a server as Kubernetes behaves: bookmarks, errors inside a watch, items without kind', async (t: TestContext) => {
  const asked: string[] = [];
  const object = (name: string, resourceVersion: string) => ({
    metadata: { name, namespace: 'default', uid: name, resourceVersion, managedFields: [{ manager: 'x' }] },
  });
  const line = (value: object) => `${JSON.stringify(value)}\n`;
  const answers: ((response: ServerResponse) => void)[] = [
    (response) => response.end(JSON.stringify({ metadata: { resourceVersion: '10' }, items: [object('a', '9')] })),
    (response) => {
      response.write(line({ type: 'BOOKMARK', object: { kind: 'ConfigMap', apiVersion: 'v1', metadata: { resourceVersion: '20' } } }));
      response.end(line({ type: 'ADDED', object: object('b', '21') }).slice(0, 20));
    },
    (response) => response.end(line({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' } })),
    (response) => response.end(JSON.stringify({ metadata: { resourceVersion: '30' }, items: [object('a', '9'), object('c', '25')] })),
  ];
  const server = createHttpServer((request, response) => {
    asked.push(request.url ?? '');
    const answer = answers.shift();
    if (answer) answer(response);
    else response.flushHeaders();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert.ok(address && typeof address === 'object');
  const client = createKubeClient({
    server: `http://127.0.0.1:${address.port}`,
    namespace: 'default',
    context: 'x',
    tls: () => ({ rejectUnauthorized: true }),
    headers: () => ({}),
  });
  const stopping = new AbortController();
  const reflectors = createReflectors({ client, clock: hasty, log: quiet });
  const reflector = reflectors.of(configMaps, { labelSelector: 'a=b' });
  const next = follow(reflector);
  const running = reflectors.run(stopping.signal);
  t.after(() => server.close());
  assert.deepEqual([await next(), await next()], ['ADDED a', 'ADDED c']);
  assert.deepEqual(reflector.get('default', 'a'), {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'a', namespace: 'default', uid: 'a', resourceVersion: '9' },
  });
  assert.match(asked[0] ?? '', /^\/api\/v1\/configmaps\?labelSelector=a%3Db&limit=500$/);
  assert.match(asked[1] ?? '', /watch=true&allowWatchBookmarks=true&resourceVersion=10&/);
  assert.match(asked[2] ?? '', /resourceVersion=20&/);
  assert.equal(asked[3], asked[0]);
  stopping.abort();
  await running;
  client.close();
});

test('a reflector starts anew when the server was replaced by an older one, and waits for no kind that is not served', async (t) => {
  const object = (name: string, resourceVersion: string) => ({ metadata: { name, namespace: 'default', uid: name, resourceVersion } });
  const list = (version: string, ...items: object[]) => JSON.stringify({ metadata: { resourceVersion: version }, items });
  const tooLarge = {
    kind: 'Status',
    status: 'Failure',
    message: 'Too large resource version: 90, current: 7',
    reason: 'Timeout',
    details: { causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }] },
    code: 504,
  };
  const answers: ((response: ServerResponse) => void)[] = [
    // As a real server answers for a group that it does not know.
    (response) => response.writeHead(404, { 'content-type': 'text/plain' }).end('404 page not found\n'),
    (response) => response.end(list('90', object('old', '80'))),
    (response) => response.writeHead(504).end(JSON.stringify(tooLarge)),
    (response) => response.end(list('7', object('restored', '5'))),
  ];
  const server = createHttpServer((_request, response) => {
    const answer = answers.shift();
    if (answer) answer(response);
    else response.flushHeaders();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert.ok(address && typeof address === 'object');
  const client = createKubeClient({
    server: `http://127.0.0.1:${address.port}`,
    namespace: 'default',
    context: 'x',
    tls: () => ({ rejectUnauthorized: true }),
    headers: () => ({}),
  });
  const stopping = new AbortController();
  const reflectors = createReflectors({ client, clock: hasty, log: quiet });
  const reflector = reflectors.of(configMaps);
  const next = follow(reflector);
  let syncedWith = -1;
  const synced = new Promise<void>((resolve) =>
    reflector.subscribe(
      () => {},
      () => {
        syncedWith = reflector.list().length;
        resolve();
      },
    ),
  );
  const running = reflectors.run(stopping.signal);
  t.after(() => server.close());
  await synced;
  assert.equal(syncedWith, 0);
  assert.deepEqual([await next(), await next(), await next()], ['ADDED old', 'DELETED old', 'ADDED restored']);
  stopping.abort();
  await running;
  client.close();
});

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startApiServer } from '#apiserver/server.ts';
import { createKubeClient, type KubeResource } from '#kube/client.ts';
import { loadKubeconfig } from '#kube/kubeconfig.ts';
import { systemClock } from '#process/clock.ts';
import { kinds } from '#resources/kinds.ts';
import { ask, configMap, quiet, startServer, virtualService } from '../../server/apiserver/fixture.ts';

const configMaps: KubeResource = { group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap', namespaced: true };
const cm = '/api/v1/namespaces/default/configmaps';

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'mw-fault-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts `serve.ts`; resolves with its first line. */
async function spawnServer(folder: string): Promise<{ child: ChildProcess; line: string; closed: Promise<number | null> }> {
  const child = spawn(
    process.execPath,
    ['-C', 'source', fileURLToPath(new URL('serve.ts', import.meta.url)), join(folder, 'state'), join(folder, 'kubeconfig')],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
  const line = await new Promise<string>((resolve) => child.stdout?.once('data', (chunk: Buffer) => resolve(String(chunk).trim())));
  return { child, line, closed };
}

function start(stateDir: string, options: { port?: number; bind?: string } = {}) {
  return startApiServer({ stateDir, kinds, clock: systemClock, log: quiet, ...options });
}

test('kill -9 in the middle of writes loses no acknowledged write', async (t) => {
  const folder = temporaryFolder(t);
  for (const round of [1, 2]) {
    const { child, closed } = await spawnServer(folder);
    const client = createKubeClient(loadKubeconfig([join(folder, 'kubeconfig')]));
    const acknowledged = new Map<string, string>();
    const writer = async (number: number) => {
      for (let count = 0; ; count += 1) {
        const name = `round-${round}-${number}-${count % 10}`;
        const object = configMap(name, { count: String(count) });
        await (count < 10 ? client.create(configMaps, object) : client.update(configMaps, object));
        acknowledged.set(name, String(count));
        if (acknowledged.size >= 40 && count > 20 + 17 * round) child.kill('SIGKILL');
      }
    };
    const ends = await Promise.allSettled([0, 1, 2, 3].map(writer));
    assert.ok(ends.every((end) => end.status === 'rejected'));
    await closed;
    client.close();
    assert.ok(acknowledged.size >= 40);
    // The lock of the killed process is there, and must not stop this one.
    assert.ok(readdirSync(join(folder, 'state')).includes('lock'));
    const server = await start(join(folder, 'state'));
    for (const [name, count] of acknowledged) {
      const found = server.store.get({ group: '', kind: 'ConfigMap', namespace: 'default', name });
      // A write may have been kept whose answer was lost; never the other way round.
      assert.ok(found, name);
      assert.ok(Number((found.data as { count: string }).count) >= Number(count), name);
    }
    await server.close();
  }
});

test('a second server on one state folder is refused, by name of the first', async (t) => {
  const folder = temporaryFolder(t);
  const { child, line, closed } = await spawnServer(folder);
  assert.match(line, /^https:/);
  await assert.rejects(start(join(folder, 'state')), { code: 'STATE_IN_USE', message: new RegExp(`in use by process ${child.pid}`) });
  const second = await spawnServer(folder);
  assert.match(second.line, /in use by process \d+\. Stop that process/);
  assert.equal(await second.closed, 3);
  child.kill('SIGKILL');
  await closed;
  await (await start(join(folder, 'state'))).close();
});

test('a full disk is answered with 507, the path and the remedy; the server lives on', async (t) => {
  const running = await startServer({ maxBytes: 40 * 4096 });
  t.after(() => running.stop());
  const versionBefore: number[] = [];
  let refused: Awaited<ReturnType<typeof ask>> | undefined;
  let made = 0;
  for (; !refused && made < 100; made += 1) {
    versionBefore[0] = running.server.store.version();
    const answer = await ask(running, 'POST', cm, { body: configMap(`big-${made}`, { filler: 'x'.repeat(20_000) }) });
    if (answer.code !== 201) refused = answer;
  }
  assert.ok(refused, 'the limit was never reached');
  assert.equal(refused.code, 507);
  assert.equal(refused.json.kind, 'Status');
  assert.match(refused.json.message, /no space is left to write .*apiserver\.db\. Free space/);
  assert.equal(running.server.store.version(), versionBefore[0]);
  const absent = await ask(running, 'GET', `${cm}/big-${made - 1}`);
  assert.equal(absent.code, 404);
  assert.equal((await ask(running, 'GET', `${cm}/big-0`)).code, 200);
  for (const name of ['big-0', 'big-1']) assert.equal((await ask(running, 'DELETE', `${cm}/${name}`)).code, 200);
  assert.equal((await ask(running, 'POST', cm, { body: configMap('after', { filler: 'x'.repeat(10_000) }) })).code, 201);
});

test('a port in use is named with what to do, and the state folder is free again', async (t) => {
  const folder = temporaryFolder(t);
  const blocker = createServer();
  await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
  t.after(() => blocker.close());
  const address = blocker.address();
  assert.ok(address && typeof address === 'object');
  await assert.rejects(start(join(folder, 'state'), { port: address.port }), (error: { code: string; message: string; fix: string }) => {
    assert.equal(error.code, 'PORT_IN_USE');
    assert.match(error.message, new RegExp(`127.0.0.1:${address.port}`));
    assert.match(error.fix, /another port/);
    return true;
  });
  await (await start(join(folder, 'state'))).close();
});

test('what cannot be opened says why', async (t) => {
  const folder = temporaryFolder(t);
  const cases: readonly [string, string, (state: string) => void, object][] = [
    ['garbage', 'STORE_FAILED', (state) => writeFileSync(join(state, 'apiserver.db'), 'no database '.repeat(1000)), {}],
    [
      'newer',
      'STORE_NEWER',
      (state) => {
        const database = new DatabaseSync(join(state, 'apiserver.db'));
        database.exec('PRAGMA user_version = 99');
        database.close();
      },
      {},
    ],
    ['remote', 'BIND_REFUSED', () => {}, { bind: '0.0.0.0' }],
    [
      'key',
      'PKI_UNREADABLE',
      (state) => {
        mkdirSync(join(state, 'pki'));
        for (const name of ['ca.crt', 'ca.key']) writeFileSync(join(state, 'pki', name), 'x');
      },
      {},
    ],
    [
      'file',
      'STATE_UNUSABLE',
      (state) => {
        rmSync(state, { recursive: true });
        writeFileSync(state, '');
      },
      {},
    ],
  ];
  for (const [name, code, prepare, options] of cases) {
    const state = join(folder, name);
    mkdirSync(state);
    prepare(state);
    await assert.rejects(start(state, options), (error: { code: string; fix: string }) => {
      assert.equal(error.code, code, name);
      assert.notEqual(error.fix, '');
      return true;
    });
  }
});

test('everything outlives a restart: objects, versions, applied sets, credentials', async (t) => {
  const folder = temporaryFolder(t);
  const state = join(folder, 'state');
  const first = await start(state);
  const made = first.store.create(configMap('kept', { a: 'b' }));
  first.store.apply(configMap('applied', { one: '1', two: '2' }), 'me');
  const { port } = first;
  const kubeconfig = first.kubeconfig();
  const version = first.store.version();
  await first.close();
  const second = await start(state, { port });
  t.after(() => second.close());
  assert.equal(second.kubeconfig(), kubeconfig);
  assert.equal(second.store.version(), version);
  assert.deepEqual(second.store.get({ group: '', kind: 'ConfigMap', namespace: 'default', name: 'kept' }), made);
  assert.deepEqual(second.store.apply(configMap('applied', { one: '1' }), 'me').data, { one: '1' });
  // A watcher that saw everything before the restart goes on without listing anew.
  second.store.subscribe(() => {}, { fromVersion: version });
  assert.throws(() => second.store.subscribe(() => {}, { fromVersion: version - 1 }), { code: 'KUBE_EXPIRED' });
  for (const [path, mode] of [
    ['', 0o700],
    ['pki', 0o700],
    ['apiserver.db', 0o600],
    ['apiserver.db-wal', 0o600],
    ['pki/token', 0o600],
    ['pki/ca.key', 0o600],
    ['pki/apiserver.key', 0o600],
  ] as const) {
    assert.equal(statSync(join(state, path)).mode & 0o777, mode, path);
  }
});

test('objects kept in an older version of their kind are read in the present one', async (t) => {
  const state = join(temporaryFolder(t), 'state');
  const first = await start(state);
  first.store.create(virtualService('aged'));
  await first.close();
  const database = new DatabaseSync(join(state, 'apiserver.db'));
  database.exec(
    `UPDATE object SET json = replace(json, 'networking.istio.io/v1"', 'networking.istio.io/v1alpha3"') WHERE kind = 'VirtualService'`,
  );
  database.close();
  const running = await startServer({ stateDir: state });
  t.after(() => running.stop());
  for (const version of ['v1', 'v1alpha3']) {
    const { json } = await ask(running, 'GET', `/apis/networking.istio.io/${version}/namespaces/default/virtualservices/aged`);
    assert.deepEqual([json.apiVersion, json.metadata.name], [`networking.istio.io/${version}`, 'aged']);
  }
});

test('a watcher that does not read is cut off, so that it cannot fill the memory', async (t) => {
  const running = await startServer();
  t.after(() => running.stop());
  const path = `${cm}?watch=true&resourceVersion=${running.server.store.version()}`;
  const slow = request(
    `${running.server.url}${path}`,
    { headers: running.access.headers(), ...running.access.tls(), agent: false },
    (answer) => answer.pause(),
  );
  slow.on('error', () => {});
  slow.end();
  const session = connect(running.server.url, running.access.tls());
  session.on('error', () => {});
  const stream = session.request({ ':path': path, ...running.access.headers() });
  stream.on('error', () => {});
  stream.pause();
  t.after(() => {
    slow.destroy();
    session.destroy();
  });
  while (running.server.watchCount() < 2) await new Promise((resolve) => setImmediate(resolve));
  running.server.store.create(configMap('big'));
  let writes = 0;
  for (; running.server.watchCount() > 0 && writes < 200; writes += 1) {
    running.server.store.update(configMap('big', { filler: 'x'.repeat(500_000), count: String(writes) }));
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(running.server.watchCount(), 0);
  assert.ok(writes < 100, `${writes} writes of 0.5 MB until both were cut off`);
});

import assert from 'node:assert/strict';
import { connect } from 'node:http2';
import { test } from 'node:test';
import { ask, configMap, startServer } from './fixture.ts';

const cm = '/api/v1/namespaces/default/configmaps';

test('a watcher that reads slowly gets all that was there and all that it missed, however much, and then what is new', async (t) => {
  const running = await startServer();
  t.after(() => running.stop());
  const { store } = running.server;
  const from = store.version();
  // 15 MB: more than a watcher may leave unread of what is new.
  const big = Array.from({ length: 30 }, (_, index) => `big-${index + 10}`);
  for (const name of big) store.create(configMap(name, { filler: 'x'.repeat(500_000) }));
  for (const begin of ['resourceVersion=0', `resourceVersion=${from}`]) {
    const late = `late-${begin.length}`;
    const session = connect(running.server.url, running.access.tls());
    const stream = session.request({ ':path': `${cm}?watch=true&${begin}`, ...running.access.headers() });
    const names: string[] = [];
    let rest = '';
    let isLate = false;
    for await (const chunk of stream.setEncoding('utf8')) {
      const lines = `${rest}${chunk}`.split('\n');
      rest = lines.pop() ?? '';
      names.push(...lines.map((line) => JSON.parse(line).object.metadata.name));
      if (names.length > 0 && !isLate) {
        isLate = true;
        store.create(configMap(late));
      }
      if (names.includes(late)) break;
    }
    session.destroy();
    assert.deepEqual(
      names.filter((name) => !name.startsWith('late-')),
      big,
      begin,
    );
    assert.equal(names.at(-1), late, begin);
    store.delete({ group: '', kind: 'ConfigMap', namespace: 'default', name: late });
  }
});

test('a watch that asks for years lives', async (t) => {
  const running = await startServer();
  t.after(() => running.stop());
  const session = connect(running.server.url, running.access.tls());
  t.after(() => session.destroy());
  const stream = session.request({ ':path': `${cm}?watch=true&timeoutSeconds=99999999`, ...running.access.headers() });
  await new Promise((resolve) => stream.once('response', resolve));
  await new Promise((resolve) => setTimeout(resolve, 20));
  running.server.store.create(configMap('alive'));
  const line = await new Promise<string>((resolve) => stream.once('data', (chunk) => resolve(String(chunk))));
  assert.equal(JSON.parse(line).object.metadata.name, 'alive');
});

test('patches cannot make an object grow or nest without end', async (t) => {
  const running = await startServer();
  t.after(() => running.stop());
  running.server.store.create(configMap('grown'));
  const half = 'x'.repeat(1_600_000);
  const merge = (data: object) => ask(running, 'PATCH', `${cm}/grown`, { type: 'application/merge-patch+json', body: { data } });
  assert.equal((await merge({ a: half })).code, 200);
  const refused = await merge({ b: half });
  assert.deepEqual([refused.code, refused.json.reason], [413, 'RequestEntityTooLarge']);
  assert.equal((await merge({ a: 'small' })).code, 200);
  const nested: unknown = JSON.parse(`${'{"a":'.repeat(200)}1${'}'.repeat(200)}`);
  const body = ['/data/n', `/data/n${'/a'.repeat(200)}`].map((path) => ({ op: 'add', path, value: nested }));
  const deep = await ask(running, 'PATCH', `${cm}/grown`, { type: 'application/json-patch+json', body });
  assert.deepEqual([deep.code, deep.json.reason], [400, 'BadRequest']);
});

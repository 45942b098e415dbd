import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ask, type Backend, clusterInit, exchange, namedBackend, parseReply, prefix, type Rig, rig, toCluster } from './proxy-support.ts';

describe('a request through the embedded proxy', () => {
  let backend: Backend;
  let proxy: Rig;
  before(async () => {
    backend = await namedBackend('a');
    proxy = await rig({
      clusters: [clusterInit('a', [backend.port])],
      routes: [{ name: 'r', match: prefix('/'), action: toCluster('a') }],
    });
  });
  after(async () => {
    await proxy.close();
    await backend.close();
  });

  test("reaches the backend and comes back with the proxy's headers", async () => {
    const reply = await ask(proxy.port, '/x?y=1', { 'x-own': 'kept' });
    assert.equal(reply.status, 200);
    assert.equal(reply.body, 'a');
    assert.equal(reply.headers.server, 'envoy');
    assert.match(reply.headers['x-envoy-upstream-service-time'] ?? '', /^\d+$/);
    const head = backend.heads.at(-1) ?? '';
    assert.match(head, /^GET \/x\?y=1 HTTP\/1\.1\r\n/);
    assert.match(head, /x-own: kept\r\n/);
    assert.match(head, /x-forwarded-proto: http\r\n/);
    assert.match(head, /x-request-id: [0-9a-f-]{36}\r\n/);
    assert.match(head, /x-envoy-expected-rq-timeout-ms: 15000\r\n/);
    assert.doesNotMatch(head, /connection:/i);
  });

  test('serves pipelined requests in order on one connection', async () => {
    const one = (path: string) => `GET ${path} HTTP/1.1\r\nhost: svc\r\n\r\n`;
    const text = await exchange(
      proxy.port,
      one('/1') + one('/2') + one('/3'),
      (all) => all.split('HTTP/1.1 200').length === 4 && all.endsWith('a'),
    );
    assert.equal(text.split('HTTP/1.1 200').length, 4);
    assert.deepEqual(
      backend.heads.slice(-3).map((head) => head.split(' ')[1]),
      ['/1', '/2', '/3'],
    );
  });

  test('works when the head arrives byte by byte', async () => {
    const text = await exchange(proxy.port, [...'GET /slow HTTP/1.1\r\nhost: svc\r\nconnection: close\r\n\r\n']);
    assert.equal(parseReply(text).status, 200);
  });
});

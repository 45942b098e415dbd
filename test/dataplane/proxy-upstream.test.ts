import assert from 'node:assert/strict';
import net from 'node:net';
import { describe, test } from 'node:test';
import { ClusterSchema } from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import { RouteConfigurationSchema } from '#proto/gen/envoy/config/route/v3/route_pb.js';
import {
  ask,
  type Backend,
  type ClusterInit,
  clusterInit,
  exchange,
  namedBackend,
  parseReply,
  prefix,
  type Rig,
  rawBackend,
  rig,
  seconds,
  toCluster,
  types,
} from './proxy-support.ts';

/** A proxy in front of one backend, both gone after the test. */
async function withProxy(
  backend: Backend,
  work: (proxy: Rig) => Promise<void>,
  action: object = {},
  cluster: ClusterInit = {},
): Promise<void> {
  const proxy = await rig({
    clusters: [clusterInit('a', [backend.port], cluster)],
    routes: [{ match: prefix('/'), action: toCluster('a', action) }],
  });
  try {
    await work(proxy);
  } finally {
    await proxy.close();
    await backend.close();
  }
}

const closedPort = async (): Promise<number> => {
  const backend = await rawBackend(() => {});
  await backend.close();
  return backend.port;
};

describe('failures of the upstream', () => {
  test('a refused connection is 503 with UF and says why', async () => {
    const proxy = await rig({
      clusters: [clusterInit('a', [await closedPort()])],
      routes: [{ match: prefix('/'), action: toCluster('a') }],
    });
    const reply = await ask(proxy.port, '/');
    assert.equal(reply.status, 503);
    assert.match(
      reply.body,
      /^upstream connect error or disconnect\/reset before headers\. reset reason: remote connection failure, transport failure reason: delayed connect error: /,
    );
    const row = (await proxy.proxy.metrics()).find((entry) => entry.responseCode === 503);
    assert.equal(row?.responseFlags, 'UF');
    await proxy.close();
  });

  const failures: readonly { name: string; serve: (socket: net.Socket) => void; status: number; flags: string; body: RegExp }[] = [
    { name: 'closes before any byte', serve: (socket) => socket.destroy(), status: 503, flags: 'UC', body: /connection termination$/ },
    {
      name: 'closes in the head',
      serve: (socket) => socket.end('HTTP/1.1 200 OK\r\nx: y'),
      status: 503,
      flags: 'UC',
      body: /connection termination$/,
    },
    { name: 'talks nonsense', serve: (socket) => socket.write('hello\r\n\r\n'), status: 502, flags: 'UPE', body: /protocol error$/ },
    {
      name: 'sends length and chunked',
      serve: (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n'),
      status: 502,
      flags: 'UPE',
      body: /protocol error$/,
    },
  ];
  for (const { name, serve, status, flags, body } of failures) {
    test(`one that ${name} is ${status} with ${flags}`, async () => {
      await withProxy(await rawBackend((_text, socket) => serve(socket)), async (proxy) => {
        const reply = await ask(proxy.port, '/');
        assert.equal(reply.status, status);
        assert.match(reply.body, body);
        assert.equal((await proxy.proxy.metrics()).find((row) => row.responseCode === status)?.responseFlags, flags);
      });
    });
  }

  test('one that closes in the body breaks the response so that the client sees it', async () => {
    await withProxy(await rawBackend((_text, socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf')), async (proxy) => {
      const text = await exchange(proxy.port, 'GET / HTTP/1.1\r\nhost: svc\r\n\r\n');
      assert.doesNotMatch(text, /half.{6}/);
      assert.equal((await proxy.proxy.metrics()).find((row) => row.responseCode === 200)?.responseFlags, 'UC');
    });
  });

  test('one that never answers is 504 with UT at the route timeout', async () => {
    await withProxy(
      await rawBackend(() => {}),
      async (proxy) => {
        const reply = await ask(proxy.port, '/');
        assert.equal(reply.status, 504);
        assert.equal(reply.body, 'upstream request timeout');
        assert.equal((await proxy.proxy.metrics()).find((row) => row.responseCode === 504)?.responseFlags, 'UT');
      },
      { timeout: seconds(0.1) },
    );
  });

  test('no endpoint is 503 with UH, an unknown cluster 503 with NC', async () => {
    const proxy = await rig({
      clusters: [clusterInit('empty', [])],
      routes: [
        { match: prefix('/empty'), action: toCluster('empty') },
        { match: prefix('/'), action: toCluster('nowhere') },
      ],
    });
    assert.equal((await ask(proxy.port, '/empty')).body, 'no healthy upstream');
    assert.equal((await ask(proxy.port, '/')).status, 503);
    assert.deepEqual((await proxy.proxy.metrics()).map((row) => row.responseFlags).sort(), ['NC', 'UH']);
    await proxy.close();
  });
});

describe('retries', () => {
  const retry = (more: object) => ({
    retryPolicy: { retryOn: '5xx', numRetries: 2, retryBackOff: { baseInterval: seconds(0.005) }, ...more },
  });

  test('a failing answer is tried again with its body, and counted', async () => {
    let left = 2;
    const backend = await namedBackend('a', () => (left-- > 0 ? 503 : 200));
    await withProxy(
      backend,
      async (proxy) => {
        const reply = await ask(proxy.port, '/', {}, 'POST', 'the body');
        assert.equal(reply.status, 200);
        assert.equal(backend.heads.length, 3);
      },
      retry({}),
    );
  });

  test('when tries run out the last answer goes to the client with URX', async () => {
    const backend = await namedBackend('a', () => 503);
    await withProxy(
      backend,
      async (proxy) => {
        assert.equal((await ask(proxy.port, '/')).status, 503);
        assert.equal(backend.heads.length, 3);
        assert.equal((await proxy.proxy.metrics()).find((row) => row.responseCode === 503)?.responseFlags, 'URX');
      },
      retry({}),
    );
  });

  test('a connect failure goes to another endpoint', async () => {
    const backend = await namedBackend('a');
    const dead = await closedPort();
    const proxy = await rig({
      clusters: [clusterInit('a', [dead, backend.port], { lbPolicy: 0 })],
      routes: [
        {
          match: prefix('/'),
          action: toCluster(
            'a',
            retry({
              retryOn: 'connect-failure',
              retryHostPredicate: [{ name: 'envoy.retry_host_predicates.previous_hosts' }],
              hostSelectionRetryMaxAttempts: 5n,
            }),
          ),
        },
      ],
    });
    for (let i = 0; i < 6; i++) assert.equal((await ask(proxy.port, '/')).status, 200);
    await proxy.close();
    await backend.close();
  });

  test('a try that takes too long is given up for another', async () => {
    let calls = 0;
    const backend = await rawBackend((_text, socket) => {
      if (++calls > 1) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
    });
    await withProxy(
      backend,
      async (proxy) => {
        assert.equal((await ask(proxy.port, '/')).body, 'ok');
        assert.equal(calls, 2);
      },
      retry({ perTryTimeout: seconds(0.05) }),
    );
  });
});

describe('limits', () => {
  test('requests beyond max_requests are refused with UO', async () => {
    const waiting: net.Socket[] = [];
    const backend = await rawBackend((_text, socket) => waiting.push(socket));
    await withProxy(
      backend,
      async (proxy) => {
        const first = ask(proxy.port, '/');
        while (waiting.length === 0) await new Promise(setImmediate);
        const second = await ask(proxy.port, '/');
        assert.equal(second.status, 503);
        assert.equal(second.headers['x-envoy-overloaded'], 'true');
        assert.match(second.body, /overflow$/);
        waiting[0]?.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
        assert.equal((await first).status, 200);
      },
      {},
      { circuitBreakers: { thresholds: [{ maxRequests: 1 }] } },
    );
  });

  test('with one connection allowed a second request waits for the first', async () => {
    const backend = await namedBackend('a');
    await withProxy(
      backend,
      async (proxy) => {
        const replies = await Promise.all(Array.from({ length: 8 }, () => ask(proxy.port, '/')));
        assert.ok(replies.every((reply) => reply.status === 200));
        assert.equal(backend.connections, 1);
      },
      {},
      { circuitBreakers: { thresholds: [{ maxConnections: 1 }] } },
    );
  });

  test('an endpoint that keeps failing is ejected and its traffic goes to the others', async () => {
    const good = await namedBackend('good');
    const bad = await namedBackend('bad', () => 500);
    const proxy = await rig({
      clusters: [
        clusterInit('a', [good.port, bad.port], {
          lbPolicy: 0,
          outlierDetection: { consecutive5xx: 2, maxEjectionPercent: 100, interval: seconds(60) },
        }),
      ],
      routes: [{ match: prefix('/'), action: toCluster('a') }],
    });
    for (let i = 0; i < 6; i++) await ask(proxy.port, '/');
    const after = await Promise.all(Array.from({ length: 6 }, () => ask(proxy.port, '/')));
    assert.ok(after.every((reply) => reply.body === 'good'));
    await proxy.close();
    await Promise.all([good.close(), bad.close()]);
  });
});

describe('bodies and connections', () => {
  const cases: readonly { name: string; answer: string; close?: boolean; request?: string; expect: RegExp }[] = [
    {
      name: 'a body until the end of the connection becomes chunked',
      answer: 'HTTP/1.1 200 OK\r\n\r\nall of it',
      close: true,
      expect: /transfer-encoding: chunked[\s\S]*\r\n\r\n9\r\nall of it\r\n0\r\n\r\n$/,
    },
    { name: '204 has no body', answer: 'HTTP/1.1 204 No Content\r\n\r\n', expect: /^HTTP\/1\.1 204 No Content\r\n[\s\S]*\r\n\r\n$/ },
    {
      name: 'an answer to HEAD has none either',
      answer: 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n',
      request: 'HEAD / HTTP/1.1\r\nhost: svc\r\nconnection: close\r\n\r\n',
      expect: /content-length: 5\r\n[\s\S]*\r\n\r\n$/,
    },
    {
      name: 'interim answers pass before the final one',
      answer: 'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
      expect: /^HTTP\/1\.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP\/1\.1 200 OK\r\n[\s\S]*ok$/,
    },
  ];
  for (const { name, answer, close, request, expect } of cases) {
    test(name, async () => {
      const backend = await rawBackend((_text, socket) => (close ? socket.end(answer) : socket.write(answer)));
      await withProxy(backend, async (proxy) => {
        assert.match(await exchange(proxy.port, request ?? 'GET / HTTP/1.1\r\nhost: svc\r\nconnection: close\r\n\r\n'), expect);
      });
    });
  }

  test('100-continue is asked of the backend and given to the client', async () => {
    const backend = await rawBackend((text, socket) => {
      if (/expect: 100-continue/i.test(text)) socket.write('HTTP/1.1 100 Continue\r\n\r\n');
      else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
    });
    await withProxy(backend, async (proxy) => {
      const socket = net.connect(proxy.port, '127.0.0.1');
      socket.write('POST / HTTP/1.1\r\nhost: svc\r\ncontent-length: 3\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n');
      let text = '';
      for await (const chunk of socket) {
        text += chunk;
        if (text === 'HTTP/1.1 100 Continue\r\n\r\n') socket.write('abc');
      }
      assert.match(text, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK[\s\S]*ok$/);
    });
  });

  test('an answer before the end of the request reaches the client, and the connection ends', async () => {
    const backend = await rawBackend((_text, socket) => socket.write('HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno'));
    await withProxy(backend, async (proxy) => {
      const text = await exchange(proxy.port, `POST / HTTP/1.1\r\nhost: svc\r\ncontent-length: 1000000\r\n\r\n${'x'.repeat(1000)}`);
      const reply = parseReply(text);
      assert.equal(reply.status, 413);
      assert.equal(reply.headers.connection, 'close');
    });
  });

  test('an upgrade becomes a tunnel in both directions; bytes sent early are not lost', async () => {
    const backend = await rawBackend((text, socket) => {
      if (text.startsWith('GET'))
        socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nhello');
      else socket.write(`echo:${text}`);
    });
    const proxy = await rig({
      clusters: [clusterInit('a', [backend.port])],
      routes: [{ match: prefix('/'), action: toCluster('a') }],
      manager: { upgradeConfigs: [{ upgradeType: 'websocket' }] },
    });
    const socket = net.connect(proxy.port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nhost: svc\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n');
    let text = '';
    for await (const chunk of socket) {
      text += chunk;
      if (text.endsWith('hello')) socket.write('ping');
      if (text.endsWith('echo:ping')) socket.end();
    }
    assert.match(text, /^HTTP\/1\.1 101 [\s\S]*upgrade: websocket\r\n[\s\S]*hello(?:echo:ping)$/i);
    await proxy.close();
    await backend.close();
  });

  test('an upgrade that is not allowed is 403', async () => {
    await withProxy(await namedBackend('a'), async (proxy) => {
      const reply = await ask(proxy.port, '/', { connection: 'upgrade, close', upgrade: 'websocket' });
      assert.equal(reply.status, 403);
    });
  });

  test('a slow reader slows the backend and holds little memory', async () => {
    const size = 64 * 1024 * 1024;
    let written = 0;
    const backend = await rawBackend((_text, socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`);
      const block = Buffer.alloc(64 * 1024, 120);
      const pump = () => {
        while (written < size) {
          written += block.length;
          if (!socket.write(block)) {
            socket.once('drain', pump);
            return;
          }
        }
      };
      pump();
    });
    await withProxy(backend, async (proxy) => {
      const socket = net.connect({ port: proxy.port, host: '127.0.0.1' });
      socket.write('GET / HTTP/1.1\r\nhost: svc\r\n\r\n');
      await new Promise<void>((resolve) => socket.once('readable', resolve));
      let before = -1;
      while (before !== written) {
        before = written;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      assert.ok(written < size / 2, `the backend could write ${written} bytes to a client that does not read`);
      let received = 0;
      for await (const chunk of socket) {
        received += chunk.length;
        if (received > size) break;
      }
      assert.ok(received > size);
    });
  });
});

describe('changes', () => {
  test('swapping routes under load loses no request', async () => {
    const a = await namedBackend('a');
    const b = await namedBackend('b');
    const proxy = await rig({
      clusters: [clusterInit('a', [a.port]), clusterInit('b', [b.port])],
      routes: [{ match: prefix('/'), action: toCluster('a') }],
    });
    const bodies: string[] = [];
    let stop = false;
    const client = (async () => {
      while (!stop) {
        const reply = await ask(proxy.port, '/');
        assert.equal(reply.status, 200);
        bodies.push(reply.body);
      }
    })();
    for (let i = 0; i < 20; i++) {
      const cluster = i % 2 ? 'a' : 'b';
      await proxy.take(types.route, RouteConfigurationSchema, 'main', {
        name: 'main',
        virtualHosts: [{ name: 'v', domains: ['*'], routes: [{ match: prefix('/'), action: toCluster(cluster) }] }],
      });
    }
    stop = true;
    await client;
    assert.ok(bodies.length > 0);
    await proxy.close();
    await Promise.all([a.close(), b.close()]);
  });

  test('a resource with a field that is not known is refused by that field, and its neighbours are taken', async () => {
    const backend = await namedBackend('a');
    await withProxy(backend, async (proxy) => {
      const verdict = await proxy.take(types.cluster, ClusterSchema, 'bad', { ...clusterInit('bad', [1]), healthChecks: [{}] });
      assert.match(verdict ?? '', /^bad: envoy\.config\.cluster\.v3\.Cluster\.health_checks: /);
      assert.equal((await ask(proxy.port, '/')).status, 200);
    });
  });

  test('a data-plane thread that dies is replaced and serves the same configuration', async () => {
    const backend = await namedBackend('a');
    const fixed = await rawBackend(() => {});
    await fixed.close();
    const proxy = await rig({
      clusters: [clusterInit('a', [backend.port])],
      routes: [{ match: prefix('/'), action: toCluster('a') }],
      listener: undefined,
    });
    await proxy.proxy.killThread(0);
    let port = 0;
    while (port === 0) {
      const { listeners } = await proxy.proxy.stats();
      port = Number(/:(\d+)$/.exec(listeners[0]?.addresses[0] ?? '')?.[1] ?? '0');
      if (port === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.equal((await ask(port, '/')).status, 200);
    assert.equal(proxy.proxy.restarts, 1);
    await proxy.close();
    await backend.close();
  });
});

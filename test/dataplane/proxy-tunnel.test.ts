import assert from 'node:assert/strict';
import type net from 'node:net';
import { describe, test } from 'node:test';
import { ListenerSchema } from '#proto/gen/envoy/config/listener/v3/listener_pb.js';
import { TcpProxySchema } from '#proto/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { clusterInit, exchange, packed, type Rig, rawBackend, rig, socket, types } from './proxy-support.ts';

const tunnelling = (usePost = false, hostname = 'inner.example:443', maxConnectAttempts = 1) => ({
  name: 'envoy.filters.network.tcp_proxy',
  configType: {
    case: 'typedConfig' as const,
    value: packed(TcpProxySchema, {
      statPrefix: 'tcp',
      clusterSpecifier: { case: 'cluster', value: 'far' },
      tunnelingConfig: { hostname, usePost },
      maxConnectAttempts,
    }),
  },
});

const request = 'CONNECT inner.example:443 HTTP/1.1\r\nhost: inner.example:443\r\n\r\n';

/** A proxy whose TCP connections go through a far proxy that answers CONNECT as `answer` says and echoes what follows. */
async function through(
  answer: (far: net.Socket, attempt: number) => void,
  work: (proxy: Rig, heads: string[]) => Promise<void>,
  attempts = 1,
) {
  const heads: string[] = [];
  const asked = new WeakSet<net.Socket>();
  const far = await rawBackend((text, connection) => {
    if (asked.has(connection)) {
      connection.write(text.toUpperCase());
      return;
    }
    asked.add(connection);
    heads.push(text);
    answer(connection, heads.length);
  });
  const proxy = await rig({
    clusters: [clusterInit('far', [far.port])],
    listener: { filterChains: [{ filters: [tunnelling(false, 'inner.example:443', attempts)] }] },
  });
  try {
    await work(proxy, heads);
  } finally {
    await proxy.close();
    await far.close();
  }
}

describe('TCP through a CONNECT tunnel', () => {
  const opened: readonly { name: string; answer: (far: net.Socket) => void }[] = [
    { name: 'a plain 200', answer: (far) => far.write('HTTP/1.1 200 OK\r\n\r\n') },
    { name: 'any 2xx, whatever length it claims', answer: (far) => far.write('HTTP/1.1 204 Fine\r\ncontent-length: 9\r\n\r\n') },
    { name: 'an interim answer first', answer: (far) => far.write('HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n') },
    {
      name: 'an answer in pieces',
      answer: (far) => {
        far.write('HTTP/1.1 2');
        setImmediate(() => far.write('00 OK\r\n\r'));
        setImmediate(() => setImmediate(() => far.write('\n')));
      },
    },
  ];
  for (const { name, answer } of opened) {
    test(`${name} opens it, and what was sent before follows`, async () => {
      await through(answer, async (proxy, heads) => {
        assert.equal(await exchange(proxy.port, 'hello', (text) => text.length >= 5), 'HELLO');
        assert.deepEqual(heads, [request], 'nothing goes before the answer');
      });
    });
  }

  test('bytes right behind the answer reach the client', async () => {
    await through(
      (far) => far.write('HTTP/1.1 200 OK\r\n\r\nwelcome'),
      async (proxy) => assert.equal(await exchange(proxy.port, '', (text) => text.length >= 7), 'welcome'),
    );
  });

  const refused: readonly { name: string; answer: (far: net.Socket) => void }[] = [
    { name: 'a refusal', answer: (far) => far.write('HTTP/1.1 407 Who\r\ncontent-length: 0\r\n\r\n') },
    { name: 'nonsense', answer: (far) => far.write('SSH-2.0-far\r\n\r\n') },
    { name: 'an end without answer', answer: (far) => far.end() },
    { name: 'a reset', answer: (far) => far.resetAndDestroy() },
  ];
  for (const { name, answer } of refused) {
    test(`${name} closes the connection with UF`, async () => {
      await through(answer, async (proxy) => {
        assert.equal(await exchange(proxy.port, 'hello'), '');
        assert.equal((await proxy.proxy.metrics()).find((row) => row.kind === 'tcp')?.responseFlags, 'UF');
      });
    });
  }

  test('another attempt is made where the listener allows it', async () => {
    const answer = (far: net.Socket, attempt: number) => far.write(`HTTP/1.1 ${attempt === 1 ? 503 : 200} X\r\n\r\n`);
    await through(
      answer,
      async (proxy, heads) => {
        assert.equal(await exchange(proxy.port, 'hello', (text) => text.length >= 5), 'HELLO');
        assert.equal(heads.length, 2);
      },
      2,
    );
  });

  test('a tunnel by POST and a computed host are refused by name', async () => {
    await through(
      () => {},
      async (proxy) => {
        const take = (filter: ReturnType<typeof tunnelling>) =>
          proxy.take(types.listener, ListenerSchema, 'main', {
            name: 'main',
            address: socket('127.0.0.1', proxy.port),
            filterChains: [{ filters: [filter] }],
          });
        assert.match((await take(tunnelling(true))) ?? '', /TunnelingConfig\.use_post: /);
        assert.match((await take(tunnelling(false, '%REQUESTED_SERVER_NAME%:443'))) ?? '', /TunnelingConfig\.hostname: /);
      },
    );
  });
});

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { describe, test } from 'node:test';
import {
  Cluster_DiscoveryType,
  ClusterSchema,
  Cluster_DnsLookupFamily as Family,
  Cluster_LbPolicy as Policy,
} from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import { TcpProxySchema } from '#proto/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import {
  ask,
  type Backend,
  type ClusterInit,
  clusterInit,
  endpointsInit,
  exchange,
  namedBackend,
  packed,
  parseReply,
  portOf,
  prefix,
  type Rig,
  rawBackend,
  rig,
  socket,
  toCluster,
  types,
} from './proxy-support.ts';

/** Three backends `b0`..`b2` behind one cluster `a`. */
async function withThree(cluster: ClusterInit, action: object, work: (proxy: Rig, backends: readonly Backend[]) => Promise<void>) {
  const backends = await Promise.all([0, 1, 2].map((i) => namedBackend(`b${i}`)));
  const ports = backends.map((backend) => backend.port);
  const proxy = await rig({
    clusters: [clusterInit('a', ports, cluster)],
    routes: [{ match: prefix('/'), action: toCluster('a', action) }],
  });
  try {
    await work(proxy, backends);
  } finally {
    await proxy.close();
    await Promise.all(backends.map((backend) => backend.close()));
  }
}

const hashPolicy = (policySpecifier: object) => ({ hashPolicy: [{ policySpecifier }] });

describe('consistent hashing', () => {
  const byHeader = hashPolicy({ case: 'header', value: { headerName: 'x-user' } });
  for (const [name, lbPolicy] of [
    ['ring hash', Policy.RING_HASH],
    ['maglev', Policy.MAGLEV],
  ] as const) {
    test(`${name}: a header's value has one host, values spread, and only a removed host's values move`, async () => {
      await withThree({ lbPolicy }, byHeader, async (proxy, backends) => {
        const users = Array.from({ length: 60 }, (_, i) => `user-${i}`);
        const hosts = async () => Promise.all(users.map(async (user) => (await ask(proxy.port, '/', { 'x-user': user })).body));
        const before = await hosts();
        assert.deepEqual(await hosts(), before);
        assert.deepEqual([...new Set(before)].sort(), ['b0', 'b1', 'b2']);
        const ports = backends.slice(0, 2).map((backend) => backend.port);
        await proxy.take(types.cluster, ClusterSchema, 'a', clusterInit('a', ports, { lbPolicy }));
        const after = await hosts();
        const moved = users.filter((_, i) => before[i] !== 'b2' && before[i] !== after[i]);
        assert.ok(moved.length <= 15, `${moved.length} moved`);
        assert.ok(!after.includes('b2'));
      });
    });
  }

  test('a query parameter is a key', async () => {
    await withThree({ lbPolicy: Policy.RING_HASH }, hashPolicy({ case: 'queryParameter', value: { name: 'u' } }), async (proxy) => {
      const seen = new Set<string>();
      for (let i = 0; i < 20; i++) {
        const once = await ask(proxy.port, `/p?x=${i}&u=v${i}`);
        assert.equal((await ask(proxy.port, `/other?u=v${i}`)).body, once.body);
        seen.add(once.body);
      }
      assert.ok(seen.size > 1);
    });
  });

  test('the source address is a key', async () => {
    const bySource = hashPolicy({ case: 'connectionProperties', value: { sourceIp: true } });
    await withThree({ lbPolicy: Policy.MAGLEV }, bySource, async (proxy) => {
      const from = async (localAddress: string) => {
        const client = net.connect({ host: '127.0.0.1', port: proxy.port, localAddress });
        client.write('GET / HTTP/1.1\r\nhost: svc\r\nconnection: close\r\n\r\n');
        let text = '';
        for await (const chunk of client) text += chunk;
        return parseReply(text).body;
      };
      const seen = new Set<string>();
      for (let i = 2; i < 22; i++) {
        const once = await from(`127.0.0.${i}`);
        assert.equal(await from(`127.0.0.${i}`), once);
        seen.add(once);
      }
      assert.ok(seen.size > 1);
    });
  });

  test('a client without the cookie gets one that leads back to its host; one with it gets none', async () => {
    const byCookie = hashPolicy({ case: 'cookie', value: { name: 'stick', path: '/shop', ttl: { seconds: 60n, nanos: 0 } } });
    await withThree({ lbPolicy: Policy.RING_HASH }, byCookie, async (proxy) => {
      for (let i = 0; i < 6; i++) {
        const first = await ask(proxy.port, '/shop');
        const cookie = first.headers['set-cookie'] ?? '';
        assert.match(cookie, /^stick="[0-9a-f]+"; Max-Age=60; Path=\/shop; HttpOnly$/);
        const again = await ask(proxy.port, '/shop', { cookie: `other=1; ${cookie.split(';')[0]}` });
        assert.equal(again.body, first.body);
        assert.equal(again.headers['set-cookie'], undefined);
      }
    });
  });

  test('a cookie without a time is read and never given', async () => {
    await withThree({ lbPolicy: Policy.RING_HASH }, hashPolicy({ case: 'cookie', value: { name: 'stick' } }), async (proxy) => {
      assert.equal((await ask(proxy.port, '/')).headers['set-cookie'], undefined);
      const bodies = await Promise.all(Array.from({ length: 6 }, async () => (await ask(proxy.port, '/', { cookie: 'stick=7' })).body));
      assert.equal(new Set(bodies).size, 1);
    });
  });
});

describe('endpoints by name', () => {
  for (const type of ['STRICT_DNS', 'LOGICAL_DNS'] as const) {
    const named = (port: number, host: string): ClusterInit => ({
      ...clusterInit('a', []),
      clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType[type] },
      dnsLookupFamily: Family.V4_ONLY,
      loadAssignment: endpointsInit('a', [port], host),
    });
    test(`${type}: a name is resolved and its host name kept for the host header`, async () => {
      const backend = await namedBackend('named');
      const action = toCluster('a', { hostRewriteSpecifier: { case: 'autoHostRewrite', value: { value: true } } });
      const proxy = await rig({ clusters: [named(backend.port, 'localhost')], routes: [{ match: prefix('/'), action }] });
      assert.equal((await ask(proxy.port, '/')).body, 'named');
      assert.match(backend.heads[0] ?? '', /\r\nhost: localhost\r\n/i);
      await proxy.close();
      await backend.close();
    });
  }
});

test('HTTP/1.0 is served where it is allowed: default host, no chunks, closed unless asked to stay', async () => {
  const chunked = await rawBackend((_text, client) =>
    client.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n0\r\n\r\n'),
  );
  const heads: string[] = [];
  const sized = await rawBackend((text, client) => {
    heads.push(text);
    client.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
  });
  const proxy = await rig({
    clusters: [clusterInit('a', [chunked.port]), clusterInit('b', [sized.port])],
    virtualHosts: [
      {
        name: 'old',
        domains: ['old.test'],
        routes: [
          { match: prefix('/chunked'), action: toCluster('a') },
          { match: prefix('/'), action: toCluster('b') },
        ],
      },
    ],
    manager: { httpProtocolOptions: { acceptHttp10: true, defaultHostForHttp10: 'old.test' } },
  });
  try {
    const unsized = await exchange(proxy.port, 'GET /chunked HTTP/1.0\r\n\r\n');
    assert.match(unsized, /^HTTP\/1\.[01] 200 OK\r\n/);
    assert.doesNotMatch(unsized, /transfer-encoding/i);
    assert.equal(parseReply(unsized).body, 'part', 'the end of the connection ends the body');
    const once = await exchange(proxy.port, 'GET / HTTP/1.0\r\n\r\n');
    assert.equal(parseReply(once).body, 'ok');
    assert.match(heads[0] ?? '', /^GET \/ HTTP\/1\.1\r\n(?:.*\r\n)*host: old\.test\r\n/i);
    const request = 'GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n';
    const kept = await exchange(proxy.port, [request, request], (text) => text.split('ok').length > 2);
    assert.equal(kept.split('HTTP/1.').length, 3, 'two answers on one connection');
    assert.match(kept, /connection: keep-alive/i);
  } finally {
    await proxy.close();
    await chunked.close();
    await sized.close();
  }
});

describe('a client that closes its half is gone, as for Envoy 1.40', () => {
  const requests: readonly { name: string; request: string }[] = [
    { name: 'after a request', request: 'GET / HTTP/1.1\r\nhost: svc\r\n\r\n' },
    { name: 'after one that says close', request: 'GET / HTTP/1.1\r\nhost: svc\r\nconnection: close\r\n\r\n' },
    { name: 'after a body', request: 'POST / HTTP/1.1\r\nhost: svc\r\ncontent-length: 2\r\n\r\nhi' },
  ];
  for (const { name, request } of requests) {
    test(name, async () => {
      let answer: (() => void) | undefined;
      const closed = Promise.withResolvers<void>();
      const backend = await rawBackend((_text, upstream) => {
        upstream.once('close', () => closed.resolve());
        answer = () => upstream.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
      });
      const proxy = await rig({ clusters: [clusterInit('a', [backend.port])], routes: [{ match: prefix('/'), action: toCluster('a') }] });
      const client = net.connect({ host: '127.0.0.1', port: proxy.port, allowHalfOpen: true });
      let text = '';
      client.on('data', (chunk) => {
        text += chunk;
      });
      const ended = new Promise<void>((resolve) => client.once('end', resolve));
      client.write(request);
      while (answer === undefined) await new Promise((resolve) => setImmediate(resolve));
      client.end();
      await ended;
      await closed.promise;
      assert.equal(text, '');
      assert.equal((await proxy.proxy.metrics()).find((row) => row.responseCode === 0)?.responseFlags, 'DC');
      client.destroy();
      await proxy.close();
      await backend.close();
    });
  }
});

const tcpProxy = (cluster: string) => ({
  name: 'envoy.filters.network.tcp_proxy',
  configType: {
    case: 'typedConfig' as const,
    value: packed(TcpProxySchema, { statPrefix: 'tcp', clusterSpecifier: { case: 'cluster', value: cluster } }),
  },
});

test('TCP to an ORIGINAL_DST cluster is closed: without redirection its destination would be this proxy', async () => {
  const original: ClusterInit = {
    name: 'original',
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST },
    lbPolicy: Policy.CLUSTER_PROVIDED,
  };
  const proxy = await rig({ clusters: [original], listener: { filterChains: [{ filters: [tcpProxy('original')] }] } });
  try {
    assert.equal(await exchange(proxy.port, 'hello'), '');
    const row = (await proxy.proxy.metrics()).find((entry) => entry.kind === 'tcp');
    assert.equal(row?.responseFlags, 'UH');
  } finally {
    await proxy.close();
  }
});

describe('TCP keepalive', { skip: process.platform !== 'linux' && 'reads /proc' }, () => {
  const probing = { upstreamConnectionOptions: { tcpKeepalive: { keepaliveTime: 33, keepaliveInterval: 5, keepaliveProbes: 3 } } };
  for (const { name, more, seconds } of [
    { name: 'is on when the cluster says so', more: probing, seconds: 33 },
    { name: 'is off otherwise', more: {}, seconds: 0 },
  ]) {
    test(name, async () => {
      await withThree({}, {}, async (proxy, [backend]) => {
        const port = backend?.port ?? 0;
        await proxy.take(types.cluster, ClusterSchema, 'a', clusterInit('a', [port], more));
        assert.equal((await ask(proxy.port, '/')).status, 200);
        assert.deepEqual(keepaliveSeconds(port), [seconds]);
      });
    });
  }
});

/** For each connection to the port: when its next keepalive probe is due by the kernel's table (`tr` is 02), 0 for never. */
function keepaliveSeconds(port: number): number[] {
  const remote = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((parts) => parts[2]?.endsWith(remote) && parts[3] === '01')
    .map((parts) => (parts[5]?.startsWith('02:') ? Math.round(Number.parseInt(parts[5].slice(3), 16) / 100) : 0));
}

async function freePort(): Promise<number> {
  const backend = await rawBackend(() => {});
  await backend.close();
  return backend.port;
}

describe('several data-plane threads', () => {
  test('share one address, and their counts are added up', async () => {
    const backend = await namedBackend('a');
    const port = await freePort();
    const proxy = await rig({
      clusters: [clusterInit('a', [backend.port])],
      routes: [{ match: prefix('/'), action: toCluster('a') }],
      listener: { address: socket('127.0.0.1', port) },
      proxy: { workers: 2 },
    });
    try {
      assert.equal(proxy.port, port);
      const replies = await Promise.all(Array.from({ length: 60 }, () => ask(port, '/')));
      assert.ok(replies.every((reply) => reply.body === 'a'));
      const stats = await proxy.proxy.stats();
      assert.equal(stats.downstream.connections, 60);
      assert.equal(stats.clusters.find((cluster) => cluster.name === 'a')?.counters.upstream_rq_total, 60);
      assert.equal(stats.listeners.find((listener) => listener.name === 'main')?.accepted, 60);
      const rows = (await proxy.proxy.metrics()).filter((row) => row.responseCode === 200);
      assert.equal(rows.length, 1, 'one row, not one per thread');
      assert.equal(rows[0]?.count, 60);
      // Both threads dialled: the kernel spread the connections over them.
      assert.ok(backend.connections >= 2);
    } finally {
      await proxy.close();
      await backend.close();
    }
  });

  test('a thread that dies leaves the address to the other and is replaced', async () => {
    const backend = await namedBackend('a');
    const port = await freePort();
    const proxy = await rig({
      clusters: [clusterInit('a', [backend.port])],
      routes: [{ match: prefix('/'), action: toCluster('a') }],
      listener: { address: socket('127.0.0.1', port) },
      proxy: { workers: 2 },
    });
    try {
      await proxy.proxy.killThread(0);
      for (let i = 0; i < 20; i++) assert.equal((await ask(port, '/')).body, 'a');
      while (proxy.proxy.restarts === 0) await new Promise((resolve) => setImmediate(resolve));
      assert.equal(proxy.proxy.restarts, 1);
      assert.equal(await portOf(proxy.proxy, 'main'), port);
    } finally {
      await proxy.close();
      await backend.close();
    }
  });
});

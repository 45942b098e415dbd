import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import type { ProxyBootstrap } from './bootstrap.ts';
import { envoyBootstrap } from './envoy-bootstrap.ts';
import { claimBlock, freePort, portIsTaken } from './loopback-block.ts';
import { type EnvironmentFacts, programEnvironment } from './program-environment.ts';
import { decodeTapFilter } from './tap.ts';

test('a block belongs to one owner and is free again when its lock closes', async () => {
  const first = await claimBlock('place-test', false);
  const second = await claimBlock('place-test', false);
  assert.notEqual(first.address, second.address);
  assert.match(first.address, /^127\.(6[4-9]|[789]\d|1[01]\d|12[0-7])\.\d+\.1$/);
  assert.deepEqual(first.outbound, { block: `${first.address.replace(/1$/, '0')}/20` });
  first.lock.close();
  await once(first.lock, 'close');
  const third = await claimBlock('place-test', false);
  assert.equal(third.address, first.address);
  for (const block of [second, third]) block.lock.close();
});

test('a block where something still listens is left alone', async () => {
  const first = await claimBlock('outlived', false);
  const left = createServer().listen(9080, first.address.replace(/1$/, '77'));
  await once(left, 'listening');
  first.lock.close();
  await once(first.lock, 'close');
  const second = await claimBlock('outlived', false);
  assert.notEqual(second.address, first.address);
  second.lock.close();
  left.close();
});

test('where there is one address, workloads differ by ports', async () => {
  const [first, second] = [await claimBlock('one', true), await claimBlock('one', true)];
  assert.equal(first.address, '127.0.0.1');
  assert.notDeepEqual(first.outbound, second.outbound);
  for (const block of [first, second]) block.lock.close();
});

test('a taken port is noticed, also when it is taken on all addresses', async () => {
  const server = createServer().listen(0, '0.0.0.0');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address);
  assert.equal(await portIsTaken('127.77.0.1', address.port), true);
  assert.notEqual(await freePort('127.77.0.1', address.port), address.port);
  server.close();
  await once(server, 'close');
  assert.equal(await freePort('127.77.0.1', address.port), address.port);
});

const facts: EnvironmentFacts = {
  base: { PATH: '/bin', NO_PROXY: 'corp.example' },
  namespace: 'default',
  workload: 'w',
  service: 's',
  version: 'v1',
  clusterId: 'c',
  port: 8080,
  address: '127.64.16.1',
  outbound: { block: '127.64.16.0/20' },
  httpProxy: { bind: '127.64.16.1', port: 15080 },
  services: [
    { name: 'my-api', namespace: 'other', clusterIp: '10.96.0.99', ports: [{ name: 'http', number: 1 }] },
    {
      name: 'my-api',
      namespace: 'default',
      clusterIp: '10.96.0.12',
      ports: [
        { name: 'http-web', number: 80 },
        { name: 'grpc', number: 90 },
      ],
    },
    { name: 'headless', namespace: 'default', clusterIp: 'None', ports: [{ name: 'http', number: 80 }] },
    { name: 'far', namespace: 'other', clusterIp: '10.96.1.1', ports: [{ name: '', number: 7 }] },
  ],
};

test('a program is told where services are, its own namespace first', () => {
  const env = programEnvironment(facts);
  assert.equal(env.MY_API_SERVICE_HOST, '127.64.16.12');
  assert.equal(env.MY_API_SERVICE_PORT, '80');
  assert.equal(env.MY_API_SERVICE_PORT_HTTP_WEB, '80');
  assert.equal(env.MY_API_SERVICE_PORT_GRPC, '90');
  assert.equal(env.FAR_SERVICE_HOST, '127.64.17.1');
  assert.equal(env.HEADLESS_SERVICE_HOST, undefined);
  assert.equal(env.http_proxy, 'http://127.64.16.1:15080');
  assert.equal(env.PATH, '/bin');
  assert.equal(env.PORT, '8080');
  assert.deepEqual(env.NO_PROXY?.split(','), [
    'corp.example',
    'localhost',
    '127.0.0.1',
    '::1',
    '127.64.16.1',
    '127.64.16.12',
    '127.64.16.99',
    '127.64.17.1',
  ]);
  assert.equal(env.no_proxy, env.NO_PROXY);
});

test("Envoy's bootstrap names node, own source address and the two static clusters", () => {
  const bootstrap: ProxyBootstrap = {
    engine: 'envoy',
    instance: 'my-api-v1-2',
    identity: { workload: 'my-api-v1', namespace: 'shop', app: 'my-api', version: 'v1', cluster: 'c' },
    serviceHost: 'my-api.shop.svc.cluster.local',
    labels: { app: 'my-api' },
    address: '127.64.16.1',
    inbound: [{ targetPort: 8080, bind: '127.64.16.1', port: 15006, defaultEndpoint: '[::1]' }],
    outbound: { block: '127.64.16.0/20' },
    httpProxy: { bind: '127.64.16.1', port: 15080 },
    adminPort: 15000,
    xds: { host: '127.0.0.1', port: 15010 },
    alsSocket: '/run/als',
  };
  const json = envoyBootstrap(bootstrap) as Record<string, Record<string, unknown>>;
  assert.equal(json.node?.id, 'sidecar~127.64.16.1~my-api-v1-2.shop~shop.svc.cluster.local');
  const metadata = json.node?.metadata as Record<string, unknown>;
  assert.equal(metadata.WORKLOAD_NAME, 'my-api-v1');
  assert.deepEqual(metadata.MESHWRIGHT_INBOUND, [{ targetPort: 8080, bind: '127.64.16.1', port: 15006, defaultEndpoint: '[::1]' }]);
  assert.equal(metadata.MESHWRIGHT_ALS, 'true');
  const clusters = json.static_resources?.clusters as { name: string }[];
  assert.deepEqual(
    clusters.map(({ name }) => name),
    ['xds-grpc', 'meshwright-als'],
  );
});

const filters = [
  { query: '', want: {} },
  { query: 'status=5xx&path=/a&reporter=source', want: { status: '5xx', path: '/a', reporter: 'source' } },
  { query: 'status=', want: {} },
  { query: 'status=9xx', want: 'status 9xx' },
  { query: 'colour=red', want: 'unknown filter colour' },
];
for (const { query, want } of filters) {
  test(`tap filter ${query || '(none)'}`, () => {
    const filter = decodeTapFilter(new URLSearchParams(query));
    if (typeof want === 'string') assert.ok('error' in filter && filter.error.includes(want));
    else assert.deepEqual(filter, want);
  });
}

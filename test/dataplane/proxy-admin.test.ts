import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ClusterSchema } from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ask, type Backend, clusterInit, namedBackend, prefix, type Rig, rig, toCluster, types } from './proxy-support.ts';

describe("the admin port in Envoy's shapes", () => {
  let backend: Backend;
  let proxy: Rig;
  const get = async (path: string) => {
    const answer = await fetch(proxy.proxy.adminAddress + path);
    return { status: answer.status, body: await answer.text() };
  };
  before(async () => {
    backend = await namedBackend('a');
    proxy = await rig({
      clusters: [clusterInit('a', [backend.port])],
      routes: [{ name: 'r', match: prefix('/'), action: toCluster('a') }],
    });
    await ask(proxy.port, '/');
  });
  after(async () => {
    await proxy.close();
    await backend.close();
  });

  test('/ready, /server_info', async () => {
    assert.deepEqual(await get('/ready'), { status: 200, body: 'LIVE\n' });
    assert.equal(JSON.parse((await get('/server_info')).body).state, 'LIVE');
  });
  test('/clusters as text and JSON', async () => {
    assert.match((await get('/clusters')).body, new RegExp(`^a::127\\.0\\.0\\.1:${backend.port}::rq_total::1$`, 'm'));
    const json = JSON.parse((await get('/clusters?format=json')).body);
    assert.equal(json.cluster_statuses[0].host_statuses[0].address.socket_address.port_value, backend.port);
  });
  test('/listeners', async () => {
    assert.equal((await get('/listeners')).body, `main::127.0.0.1:${proxy.port}\n`);
  });
  test('/stats and /stats/prometheus', async () => {
    assert.match((await get('/stats?filter=cluster.a')).body, /^cluster\.a\.upstream_rq_2xx: 1$/m);
    assert.match((await get('/stats/prometheus')).body, /^envoy_cluster_upstream_rq_2xx\{envoy_cluster_name="a"\} 1$/m);
  });
  test('/config_dump shows what is in force and what was refused', async () => {
    await proxy.take(types.cluster, ClusterSchema, 'bad', { ...clusterInit('bad', [1]), healthChecks: [{}] });
    const { configs } = JSON.parse((await get('/config_dump')).body);
    assert.deepEqual(
      configs.map((section: { '@type': string }) => section['@type'].split('.').at(-1)),
      ['ClustersConfigDump', 'ListenersConfigDump', 'RoutesConfigDump'],
    );
    assert.equal(configs[0].dynamic_active_clusters[0].cluster.name, 'a');
    assert.match(configs[0].dynamic_warming_clusters[0].error_state.details, /health_checks/);
    assert.equal(configs[2].dynamic_route_configs[0].route_config.virtual_hosts[0].routes[0].name, 'r');
  });
  test('what changes something must be posted', async () => {
    assert.equal((await get('/drain_listeners?graceful')).status, 405);
    await fetch(`${proxy.proxy.adminAddress}/drain_listeners?graceful`, { method: 'POST' });
    const reply = await ask(proxy.port, '/', { connection: 'keep-alive' });
    assert.equal(reply.headers.connection, 'close');
    assert.equal((await get('/ready')).status, 503);
  });
});

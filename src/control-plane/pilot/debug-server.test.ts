import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { formatGrpcAddress } from '#grpc/address.ts';
import { defaultMeshConfig } from '#mesh/mesh-config.ts';
import type { MeshSnapshot } from '#mesh/snapshot.ts';
import { systemClock } from '#process/clock.ts';
import { logger, setLogLevel } from '#process/log.ts';
import { NodeSchema } from '#proto/gen/envoy/config/core/v3/base_pb.js';
import { typeUrls } from '#proto/type-url.ts';
import { type XdsClient, xdsClient } from '#xds/client.ts';
import { debugPages } from './debug-pages.ts';
import { type DebugServer, serveDebugPages } from './debug-server.ts';
import { createPilot, type Pilot } from './pilot.ts';
import { meshTranslator } from './translator.ts';

setLogLevel('silent');
const log = logger('debug-test');
const proxyID = 'sidecar~10.0.0.1~shop.default~default.svc.cluster.local';

const snapshot: MeshSnapshot = {
  epoch: 1,
  mesh: defaultMeshConfig,
  services: [],
  endpoints: new Map(),
  virtualServices: [],
  destinationRules: [],
  namespaces: new Map(),
};

let pilot: Pilot;
let debug: DebugServer;
let client: XdsClient;
let ready = true;

before(async () => {
  pilot = createPilot({
    meshState: { current: () => snapshot, subscribe: () => () => {} },
    translator: meshTranslator,
    clock: systemClock,
    log,
    version: '9.8.7',
  });
  const address = await pilot.listen({ host: '127.0.0.1', port: 0 });
  debug = await serveDebugPages(pilot, { host: '127.0.0.1', port: 0, log, ready: () => ready });
  client = xdsClient({
    target: formatGrpcAddress(address),
    node: toBinary(NodeSchema, create(NodeSchema, { id: proxyID, metadata: { LABELS: { app: 'shop' } } })),
    subscriptions: { [typeUrls.cluster]: '*', [typeUrls.listener]: '*', [typeUrls.endpoint]: ['outbound|80||a.b'] },
    onUpdate: (_typeUrl, added) => (added.some(({ name }) => name === 'virtualInbound') ? 'virtualInbound: I do not like it' : undefined),
    clock: systemClock,
    log,
  });
  while (!['SYNCED', 'NACKED'].includes(pilot.proxies()[0]?.types.find(({ type }) => type === 'lds')?.state ?? '')) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  await pilot.waitForEpoch(1, 2000);
});
after(async () => {
  client.close();
  await debug.close();
  await pilot.close();
});

function ask(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<{ status: number; type: string; body: string }> {
  return new Promise((resolve, reject) => {
    request({ ...debug.address, path, headers, method, agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', body }));
    })
      .on('error', reject)
      .end();
  });
}

const askJson = async (path: string) => JSON.parse((await ask(path)).body);

describe('debug pages', () => {
  it('serves every page that the index names', async () => {
    const index = await ask('/debug');
    assert.match(index.type, /^text\/html/);
    const list: { path: string }[] = await askJson('/debug/list');
    assert.deepEqual(
      list.map(({ path }) => path),
      debugPages.map(({ path }) => `/debug/${path}`),
    );
    for (const { path } of list) {
      assert.ok(index.body.includes(`href="${path}"`), path);
      const page = await ask(`${path}?proxyID=${encodeURIComponent(proxyID)}`);
      assert.deepEqual([page.status, page.type], [200, 'application/json'], path);
      JSON.parse(page.body);
    }
  });

  it("tells each proxy's state in istiod's words, and what it refused", async () => {
    const [proxy] = await askJson('/debug/syncz');
    assert.equal(proxy.proxy, proxyID);
    assert.deepEqual(
      [proxy.cluster_status, proxy.listener_status, proxy.route_status, proxy.status],
      ['SYNCED', 'NACKED', 'NOT SENT', 'NACKED'],
    );
    assert.equal(proxy.cluster_sent, proxy.cluster_acked);
    const status = await askJson('/debug/push_status');
    assert.deepEqual(
      status.rejections.map(({ type, error, heldBack }: { type: string; error: string; heldBack: string[] }) => [type, error, heldBack]),
      [['lds', 'virtualInbound: I do not like it', ['virtualInbound']]],
    );
    const adsz = await askJson('/debug/adsz');
    assert.deepEqual(
      [adsz.totalClients, adsz.clients[0].labels, adsz.clients[0].watches[typeUrls.endpoint]],
      [1, { app: 'shop' }, ['outbound|80||a.b']],
    );
  });

  it("dumps what a proxy has in the shape of Envoy's own page", async () => {
    const { configs } = await askJson(`/debug/config_dump?proxyID=${encodeURIComponent(proxyID)}`);
    const clusters = configs.find((config: { '@type': string }) => config['@type'].endsWith('ClustersConfigDump'));
    const names = clusters.dynamic_active_clusters.map(({ cluster }: { cluster: { name: string } }) => cluster.name);
    assert.ok(names.includes('BlackHoleCluster') && names.includes('PassthroughCluster'), names.join());
    const [entry] = clusters.dynamic_active_clusters;
    assert.equal(entry.cluster['@type'], typeUrls.cluster);
    assert.ok(entry.version_info.length > 0);
    const unknown = await ask('/debug/config_dump?proxyID=nobody');
    assert.equal(unknown.status, 404);
    assert.ok(unknown.body.includes(proxyID), 'an unknown proxy is answered with those that there are');
  });

  it('counts with the names that dashboards know', async () => {
    const { body, type } = await ask('/metrics');
    assert.match(type, /^text\/plain; version=0\.0\.4/);
    for (const line of [
      /^pilot_xds 1$/m,
      /^pilot_xds_pushes\{type="cds"\} 1$/m,
      /^pilot_total_xds_rejects\{type="lds",node="[^"]+",err="[A-Z_]+"\} 1$/m,
      /^pilot_xds_lds_reject 1$/m,
      /^pilot_xds_cds_reject 0$/m,
      /^pilot_info\{version="9\.8\.7"\} 1$/m,
      /^pilot_services 0$/m,
      /^xds_cache_reads\{type="miss"\} \d+$/m,
      /^process_resident_memory_bytes \d+$/m,
    ]) {
      assert.match(body, line);
    }
  });

  it('answers version and readiness, and refuses the rest', async () => {
    assert.deepEqual(await askJson('/version'), { version: '9.8.7' });
    assert.equal((await ask('/ready')).status, 200);
    ready = false;
    assert.equal((await ask('/ready')).status, 503);
    ready = true;
    assert.equal((await ask('/debug/nothing')).status, 404);
    assert.equal((await ask('/debug/syncz', {}, 'POST')).status, 405);
    assert.equal((await ask('/debug/syncz', { host: 'evil.example:15014' })).status, 403);
    await assert.rejects(serveDebugPages(pilot, { host: '127.0.0.1', port: debug.address.port, log }), {
      code: 'DEBUG_LISTEN',
      message: /in use/,
    });
  });
});

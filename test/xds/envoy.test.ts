/** The real Envoy configured by our discovery server, in both variants of aggregated xDS. */
import assert from 'node:assert/strict';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, it } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { createPilot, type Pilot, type RejectedResources } from '#pilot/pilot.ts';
import { meshTranslator } from '#pilot/translator.ts';
import { systemClock } from '#process/clock.ts';
import { logger, setLogLevel } from '#process/log.ts';
import { ClusterSchema } from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import { typeUrls } from '#proto/type-url.ts';
import { type Built, plan, type ResourcePlan } from '#translate/plan.ts';
import { needPeer } from '../support/peers.ts';
import { type EnvoyProcess, startEnvoy } from './envoy-process.ts';
import { shopYaml, YamlMesh } from './yaml-mesh.ts';

setLogLevel('silent');
const log = logger('envoy-test');

/** Last octets so that the variants may run beside each other. */
const blocks = { delta: '127.83.16.0/20', sotw: '127.83.32.0/20' } as const;

async function backend(answer: string): Promise<{ port: number; close(): void }> {
  const server = createServer((_request, response) => response.end(answer));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, close: () => server.closeAllConnections() ?? server.close() };
}

function fetchText(host: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    const request = get({ host, port, path: '/', headers: { host: 'reviews:9080' }, agent: false, timeout: 2000 }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk;
      });
      response.on('end', () => resolve(`${response.statusCode} ${text}`));
    });
    request.on('error', (error) => resolve(`error ${error.message}`));
    request.on('timeout', () => request.destroy(new Error('timeout')));
  });
}

/** Asks until the answer is right, for at most five seconds: less than the time after which Envoy gives up waiting for endpoints. */
async function eventually(what: string, check: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 5000;
  while (performance.now() < deadline) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail(`not within 5 s: ${what}`);
}

/** One more cluster than the mesh has, which Envoy refuses while `broken` is set. */
function withBadCluster(state: { broken: boolean }): typeof meshTranslator {
  const build = (broken: boolean): Built => {
    const message = create(ClusterSchema, {
      name: 'outbound|1||bad.default.svc.cluster.local',
      clusterDiscoveryType: { case: 'clusterType', value: { name: broken ? 'no.such.type' : 'envoy.cluster.static' } },
    });
    return { name: message.name, typeUrl: typeUrls.cluster, message: () => message, encode: () => encode(broken), origins: [] };
  };
  // Written by hand: name, then either an unknown cluster type or STATIC (0, left out) with a connect timeout.
  const encode = (broken: boolean): Uint8Array => {
    const name = Buffer.from('outbound|1||bad.default.svc.cluster.local');
    const type = Buffer.from('no.such.type');
    const custom = Buffer.concat([Buffer.of(((38 << 3) & 127) | 2 | 128, (38 << 3) >> 7, type.length + 2, 10, type.length), type]);
    return Buffer.concat([Buffer.of(10, name.length), name, broken ? custom : Buffer.alloc(0)]);
  };
  const plans: ResourcePlan[] = [true, false].map((broken) =>
    plan('outbound|1||bad.default.svc.cluster.local', typeUrls.cluster, build, broken),
  );
  return {
    ...meshTranslator,
    planClusters: (scope) => [...meshTranslator.planClusters(scope), ...plans.slice(state.broken ? 0 : 1, state.broken ? 1 : 2)],
  };
}

for (const protocol of ['delta', 'sotw'] as const) {
  describe(`Envoy over ${protocol === 'delta' ? 'delta' : 'state-of-the-world'} xDS`, () => {
    const closers: (() => unknown)[] = [];
    after(async () => {
      for (const close of closers.reverse()) await close();
    });

    it('takes what we send, follows changes, survives a restart and keeps the last good of what it refuses', async (t) => {
      const binary = needPeer(t, 'envoy');
      if (!binary) return;
      const [v1, v2] = [await backend('v1'), await backend('v2')];
      closers.push(v1.close, v2.close);
      const backends = { v1: v1.port, v2: v2.port };
      const mesh = new YamlMesh(shopYaml({ backends, v1: 100 }));
      const bad = { broken: false };
      const rejected: RejectedResources[] = [];
      const open = () =>
        createPilot({
          meshState: mesh,
          translator: withBadCluster(bad),
          clock: systemClock,
          log,
          version: 't',
          onReject: (found) => rejected.push(found),
        });
      let pilot: Pilot = open();
      const address = await pilot.listen({ host: '127.0.0.1', port: 0 });
      assert.ok('port' in address);
      const block = blocks[protocol];
      const service = `${block.slice(0, block.lastIndexOf('.'))}.77`;
      const metadata = { NAMESPACE: 'default', INTERCEPTION_MODE: 'NONE', INSTANCE_IPS: '127.0.0.1', MESHWRIGHT_OUTBOUND: { block } };
      const envoy: EnvoyProcess = await startEnvoy({ binary, xdsPort: address.port, protocol, metadata, name: `caller-${protocol}` });
      closers.push(() => pilot.close(), envoy.stop);

      // What stands in NONE mode: traffic of the service's own address.
      const answers = async (count: number) => await Promise.all(Array.from({ length: count }, () => fetchText(service, 9080)));
      const all = (want: string) => async () => (await answers(8)).every((answer) => answer === want);
      await eventually('all traffic to v1', all('200 v1'));
      assert.deepEqual(
        pilot.proxies().map(({ state }) => state),
        ['SYNCED'],
      );

      await t.test('a weight moves', async () => {
        mesh.set(shopYaml({ backends, v1: 0 }));
        await eventually('all traffic to v2', all('200 v2'));
      });
      await t.test('a changed cluster warms at once, since its endpoints are sent again', async () => {
        const epoch = mesh.set(shopYaml({ backends, v1: 0, maxConnections: 7 }));
        await pilot.waitForEpoch(epoch, 5000);
        await eventually('the new limit', async () =>
          (await envoy.admin('/clusters')).includes(
            'outbound|9080|v2|reviews.default.svc.cluster.local::default_priority::max_connections::7',
          ),
        );
        assert.ok((await answers(8)).every((answer) => answer === '200 v2'));
      });
      await t.test('endpoints go and come', async () => {
        mesh.set(shopYaml({ backends, v1: 0, maxConnections: 7, withoutV2: true }));
        await eventually('no endpoint', async () => (await fetchText(service, 9080)).startsWith('503'));
        mesh.set(shopYaml({ backends, v1: 0, maxConnections: 7 }));
        await eventually('v2 is back', all('200 v2'));
      });
      assert.deepEqual(rejected, []);

      await t.test('a rejected cluster is held back, and its neighbours go on', async () => {
        bad.broken = true;
        let epoch = mesh.set(shopYaml({ backends, v1: 100, maxConnections: 8 }));
        await eventually('all traffic to v1', all('200 v1'));
        const mark = await pilot.waitForEpoch(epoch, 5000);
        assert.deepEqual(mark, { epoch, proxies: 1, reached: 0, rejected: 1 });
        assert.deepEqual(
          rejected.map(({ names }) => names),
          [['outbound|1||bad.default.svc.cluster.local']],
        );
        const before = pilot.proxies()[0]?.types.find(({ type }) => type === 'cds');
        assert.match(before?.error ?? '', /no\.such\.type/);
        epoch = mesh.set(shopYaml({ backends, v1: 100, maxConnections: 9 }));
        await pilot.waitForEpoch(epoch, 5000);
        await eventually('the newer limit', async () =>
          (await envoy.admin('/clusters')).includes(
            'outbound|9080|v1|reviews.default.svc.cluster.local::default_priority::max_connections::9',
          ),
        );
        assert.equal(rejected.length, 1);
        bad.broken = false;
        epoch = mesh.set(shopYaml({ backends, v1: 100, maxConnections: 9 }));
        assert.deepEqual(await pilot.waitForEpoch(epoch, 5000), { epoch, proxies: 1, reached: 1, rejected: 0 });
      });
      await t.test('no request is lost when a subset comes and goes together with its route', async () => {
        const seen = new Set<string>();
        const watch = async () => {
          for (let i = 0; i < 6; i++) for (const answer of await answers(8)) seen.add(answer);
        };
        for (let round = 0; round < 5; round++) {
          await pilot.waitForEpoch(mesh.set(shopYaml({ backends, v1: 100, maxConnections: 9, onlyV1: true })), 5000);
          await watch();
          await eventually('the cluster is gone', async () => !(await envoy.admin('/clusters')).includes('|v2|'));
          mesh.set(shopYaml({ backends, v1: 0, maxConnections: 9 }));
          await watch();
          await eventually('all traffic to v2', all('200 v2'));
        }
        assert.deepEqual(
          [...seen].filter((answer) => !answer.startsWith('200')),
          [],
        );
        mesh.set(shopYaml({ backends, v1: 100, maxConnections: 9 }));
        await eventually('all traffic to v1', all('200 v1'));
      });
      await t.test('a new server process takes over without an interruption', async () => {
        await pilot.close();
        assert.ok((await answers(8)).every((answer) => answer === '200 v1'));
        mesh.set(shopYaml({ backends, v1: 0, maxConnections: 9 }));
        pilot = open();
        await pilot.listen(address);
        await eventually('all traffic to v2', all('200 v2'));
        await eventually('in step', async () => pilot.proxies()[0]?.state === 'SYNCED');
        assert.equal(rejected.length, 1);
      });
      await t.test('its configuration and ours are the same', async () => {
        const dump = JSON.stringify(await pilot.connection(pilot.proxies()[0]?.id ?? '')?.configDump());
        for (const name of ['outbound|9080|v1|reviews.default.svc.cluster.local', `${service}_9080`, 'BlackHoleCluster'])
          assert.ok(dump.includes(name), name);
        const theirs = await envoy.admin('/config_dump?resource=dynamic_active_clusters&mask=cluster.name');
        const names = [...theirs.matchAll(/"name": "([^"]+)"/g)].map(([, name]) => name).sort();
        const ours = [...dump.matchAll(/"@type":"[^"]+v3\.Cluster","name":"([^"]+)"/g)].map(([, name]) => name).sort();
        assert.deepEqual(ours, names);
      });
    });
  });
}

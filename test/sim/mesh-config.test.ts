/** From a mesh configuration, as its users write it, to what proxies get. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { configFor, type ProxyConfig } from '#analyze/proxy-config.ts';
import { openStore } from '#apiserver/open-store.ts';
import type { ObjectStore } from '#apiserver/store.ts';
import { type Config, createConfig } from '#config/config.ts';
import { fileSource } from '#config/file-source.ts';
import { meshConfigSource } from '#config/mesh-config-source.ts';
import { storeSource } from '#config/store-source.ts';
import { formatGrpcAddress } from '#grpc/address.ts';
import { defaultMeshConfig } from '#mesh/mesh-config.ts';
import { createPilot } from '#pilot/pilot.ts';
import { meshTranslator } from '#pilot/translator.ts';
import { systemClock } from '#process/clock.ts';
import { ClusterSchema } from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import { NodeSchema } from '#proto/gen/envoy/config/core/v3/base_pb.js';
import { FileAccessLogSchema } from '#proto/gen/envoy/extensions/access_loggers/file/v3/file_pb.js';
import { StdoutAccessLogSchema } from '#proto/gen/envoy/extensions/access_loggers/stream/v3/stream_pb.js';
import { TcpProxySchema } from '#proto/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { typeUrls } from '#proto/type-url.ts';
import { createMeshState, type MeshState } from '#registry/mesh-state.ts';
import { meshInputs } from '#registry/snapshot-of.ts';
import { configMapKind } from '#resources/core/config-map.ts';
import { kinds } from '#resources/kinds.ts';
import { xdsClient } from '#xds/client.ts';
import { describedProxy } from './described-proxy.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };

interface Plane {
  readonly store: ObjectStore;
  readonly config: Config;
  readonly meshState: MeshState;
  /** Folder of configuration files, read besides the store. */
  readonly folder: string;
  readonly file: string;
  /** Configuration of a proxy in the namespace `shop` now. */
  proxy(): ProxyConfig;
  /** Writes the ConfigMap `istio`, as `kubectl apply` does. */
  apply(mesh: string): void;
  /** Waits until problems have changed so that `isTrue`. */
  until(isTrue: () => boolean): Promise<void>;
}

const service = (name: string, namespace: string, clusterIP: string) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace },
  spec: { clusterIP, ports: [{ name: 'http', port: 80, protocol: 'TCP' }], selector: { app: name } },
});

/** Store, configuration and registry wired as in a control plane; with `file`, its text is there from the start. */
async function start(t: TestContext, file?: string): Promise<Plane> {
  const root = mkdtempSync(join(tmpdir(), 'mw-mesh-config-'));
  const folder = join(root, 'objects');
  mkdirSync(folder);
  const path = join(root, 'mesh.yaml');
  if (file !== undefined) writeFileSync(path, file);
  const opened = openStore({ stateDir: join(root, 'state'), kinds, clock: systemClock, log });
  const store = opened.objects;
  for (const name of ['shop', 'lab']) store.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  store.create(service('cart', 'shop', '10.96.0.20'));
  store.create(service('trial', 'lab', '10.96.0.21'));

  const source = meshConfigSource({ ...(file === undefined ? {} : { file: path }), clock: systemClock, log });
  const sources = [storeSource(store, kinds), fileSource({ dir: folder, clock: systemClock, log }), ...source.sources];
  const config = createConfig({ sources, clock: systemClock, log });
  const meshState = createMeshState({
    graph: config.graph,
    inputs: meshInputs((kind) => config.collection(kind)),
    mesh: defaultMeshConfig,
  });
  source.follow(config.collection(configMapKind), (mesh) => meshState.setMesh(mesh));
  const stop = new AbortController();
  const running = config.run(stop.signal);
  t.after(async () => {
    stop.abort();
    await running;
    opened.close();
    rmSync(root, { recursive: true });
  });
  await config.synced;

  const events = new EventTarget();
  const tell = () => events.dispatchEvent(new Event('change'));
  config.onProblems(tell);
  meshState.subscribe(tell);
  return {
    store,
    config,
    meshState,
    folder,
    file: path,
    proxy: () => configFor(meshState.current(), describedProxy({ namespace: 'shop' })),
    apply: (mesh) =>
      void store.apply(
        { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'istio', namespace: 'istio-system' }, data: { mesh } },
        'kubectl',
      ),
    async until(isTrue) {
      const signal = AbortSignal.timeout(8000);
      while (!isTrue()) await once(events, 'change', { signal });
    },
  };
}

const cart = 'outbound|80||cart.shop.svc.cluster.local';

function connectSeconds({ clusters }: ProxyConfig): number {
  return Number(clusters.get(cart)?.connectTimeout?.seconds ?? -1n);
}

/** The TCP proxy at the end of virtualOutbound: where connections to unknown addresses go, and how they are logged. */
function fallback({ listeners }: ProxyConfig) {
  const outbound = listeners.find(({ name }) => name === 'virtualOutbound');
  const filter = outbound?.filterChains.at(-1)?.filters.at(-1) ?? outbound?.defaultFilterChain?.filters.at(-1);
  const tcp = filter?.configType.case === 'typedConfig' ? anyUnpack(filter.configType.value, TcpProxySchema) : undefined;
  assert.ok(tcp);
  return tcp;
}

test('outboundTrafficPolicy: REGISTRY_ONLY sends what is unknown nowhere', async (t) => {
  const plane = await start(t);
  const names = () =>
    plane
      .proxy()
      .routes.get('80')
      ?.virtualHosts.map(({ name }) => name) ?? [];
  assert.equal(fallback(plane.proxy()).clusterSpecifier.value, 'PassthroughCluster');
  assert.ok(names().includes('allow_any'));
  plane.apply('outboundTrafficPolicy:\n  mode: REGISTRY_ONLY\n');
  assert.equal(fallback(plane.proxy()).clusterSpecifier.value, 'BlackHoleCluster');
  assert.ok(names().includes('block_all') && !names().includes('allow_any'));
});

test('accessLogFile, accessLogEncoding and accessLogFormat make the access log of proxies', async (t) => {
  const plane = await start(t);
  const logs = () =>
    fallback(plane.proxy()).accessLog.map(({ name, configType }) => {
      const packed = configType.case === 'typedConfig' ? configType.value : undefined;
      const file = packed && (anyUnpack(packed, FileAccessLogSchema) ?? anyUnpack(packed, StdoutAccessLogSchema));
      const format = file?.accessLogFormat.case === 'logFormat' ? file.accessLogFormat.value.format : undefined;
      const text = format?.case === 'textFormatSource' ? format.value.specifier.value : format?.value;
      return { name, path: file && 'path' in file ? file.path : undefined, form: format?.case, text };
    });
  assert.deepEqual(logs(), []);
  plane.apply('accessLogFile: /dev/stdout\n');
  assert.deepEqual([logs()[0]?.name, logs()[0]?.form], ['envoy.access_loggers.stdout', 'textFormatSource']);
  assert.match(String(logs()[0]?.text), /^\[%START_TIME%\] .*%ROUTE_NAME%\n$/);
  plane.apply('accessLogFile: /var/log/mesh.log\naccessLogFormat: "%PROTOCOL% %DURATION%"\n');
  assert.deepEqual(logs(), [
    { name: 'envoy.access_loggers.file', path: '/var/log/mesh.log', form: 'textFormatSource', text: '%PROTOCOL% %DURATION%\n' },
  ]);
  plane.apply('accessLogFile: /var/log/mesh.log\naccessLogEncoding: JSON\naccessLogFormat: \'{"took": "%DURATION%"}\'\n');
  assert.deepEqual(logs(), [
    { name: 'envoy.access_loggers.file', path: '/var/log/mesh.log', form: 'jsonFormat', text: { took: '%DURATION%' } },
  ]);
});

test('defaultHttpRetryPolicy counts for routes that name none', async (t) => {
  const plane = await start(t);
  const retries = () =>
    plane
      .proxy()
      .routes.get('80')
      ?.virtualHosts.find(({ name }) => name.startsWith('cart.'))
      ?.routes.map(({ action }) => (action.case === 'route' ? action.value.retryPolicy?.numRetries : -1));
  assert.deepEqual(retries(), [2]);
  plane.apply('defaultHttpRetryPolicy: {attempts: 7, retryOn: "503"}\n');
  assert.deepEqual(retries(), [7]);
  plane.apply('defaultHttpRetryPolicy: {attempts: 0}\n');
  assert.deepEqual(retries(), [undefined]);
});

test('connectTimeout is that of every cluster', async (t) => {
  const plane = await start(t);
  assert.equal(connectSeconds(plane.proxy()), 10);
  plane.apply('connectTimeout: 3s\n');
  assert.equal(connectSeconds(plane.proxy()), 3);
});

test('defaultServiceExportTo hides services of other namespaces', async (t) => {
  const plane = await start(t);
  const trial = 'outbound|80||trial.lab.svc.cluster.local';
  assert.ok(plane.proxy().clusters.has(trial));
  plane.apply('defaultServiceExportTo: ["."]\n');
  assert.ok(!plane.proxy().clusters.has(trial));
  assert.ok(plane.proxy().clusters.has(cart));
});

test('the ConfigMap counts before the file, the file before the defaults; invalid ones change nothing', async (t) => {
  const plane = await start(t, 'connectTimeout: 4s\nenableTracing: false\n');
  const problems = () => plane.config.problems().map(({ code, path, origin, line }) => [code, path, origin?.file ?? origin?.name, line]);
  assert.equal(connectSeconds(plane.proxy()), 4);
  assert.deepEqual(problems(), [['MW0119', 'enableTracing', plane.file, 2]]);

  plane.apply('connectTimeout: 3s\n');
  assert.equal(connectSeconds(plane.proxy()), 3);
  // The embedded API server refuses what is invalid, with the reason.
  assert.throws(() => plane.apply('conectTimeout: 2s\n'), /did you mean `connectTimeout`/);
  assert.equal(connectSeconds(plane.proxy()), 3);

  // As editors do: written beside, then put in place.
  writeFileSync(`${plane.file}.tmp`, 'connectTimeout: 5 s\n');
  renameSync(`${plane.file}.tmp`, plane.file);
  await plane.until(() => problems().some(([code]) => code === 'MW0115'));
  plane.store.delete({ group: '', kind: 'ConfigMap', namespace: 'istio-system', name: 'istio' });
  assert.equal(connectSeconds(plane.proxy()), 4, 'the last valid content of the file');
  writeFileSync(plane.file, 'connectTimeout: 6s\n');
  await plane.until(() => connectSeconds(plane.proxy()) === 6);
  assert.deepEqual(problems(), []);
  rmSync(plane.file);
  await plane.until(() => problems().some(([code]) => code === 'MW0118'));
  assert.equal(connectSeconds(plane.proxy()), 6);
});

test('a ConfigMap in the folder of files counts; while it is invalid its last valid state does', async (t) => {
  const plane = await start(t);
  const write = (mesh: string) =>
    writeFileSync(
      join(plane.folder, 'istio.yaml'),
      `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: |-\n    ${mesh}\n`,
    );
  write('connectTimeout: 3s');
  await plane.until(() => connectSeconds(plane.proxy()) === 3);
  write('connectTimeouts: 2s');
  await plane.until(() => plane.config.problems().length > 0);
  const [problem] = plane.config.problems();
  assert.deepEqual([problem?.code, problem?.path, problem?.origin?.name], ['MW0110', 'data.mesh.connectTimeouts', 'istio']);
  assert.equal(connectSeconds(plane.proxy()), 3);
  rmSync(join(plane.folder, 'istio.yaml'));
  await plane.until(() => connectSeconds(plane.proxy()) === 10);
});

test('a connected proxy is sent what a new ConfigMap changes', async (t) => {
  const plane = await start(t);
  const pilot = createPilot({ meshState: plane.meshState, translator: meshTranslator, clock: systemClock, log, version: '1.0' });
  const address = await pilot.listen({ host: '127.0.0.1', port: 0 });
  const node = create(NodeSchema, { id: 'sidecar~10.0.0.1~app.shop~shop.svc.cluster.local', metadata: { NAMESPACE: 'shop' } });
  const events = new EventTarget();
  const seconds: number[] = [];
  const client = xdsClient({
    target: formatGrpcAddress(address),
    node: toBinary(NodeSchema, node),
    subscriptions: { [typeUrls.cluster]: '*' },
    onUpdate(_type, added) {
      for (const { name, bytes } of added)
        if (name === cart) seconds.push(Number(fromBinary(ClusterSchema, bytes).connectTimeout?.seconds ?? 0n));
      queueMicrotask(() => events.dispatchEvent(new Event('update')));
      return undefined;
    },
    clock: systemClock,
    log,
  });
  t.after(async () => {
    client.close();
    await pilot.close();
  });
  const signal = AbortSignal.timeout(8000);
  while (seconds.length < 1) await once(events, 'update', { signal });
  plane.apply('connectTimeout: 3s\n');
  while (seconds.length < 2) await once(events, 'update', { signal });
  assert.deepEqual(seconds, [10, 3]);
});

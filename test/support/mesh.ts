/** A mesh in this process: API server, configuration, pilot; workloads with either engine join it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { envoyLauncher } from '#agent/envoy-launcher.ts';
import { type JoinedWorkload, type JoinOptions, joinMesh, type WorkloadWish } from '#agent/join.ts';
import { type MeshObjects, meshObjects, servicePath, workloadEntryPath } from '#agent/mesh-objects.ts';
import { plainKinds } from '#apiserver/plain-kinds.ts';
import { type ApiServer, startApiServer } from '#apiserver/server.ts';
import { embeddedLauncher } from '#apps/embedded-launcher.ts';
import { outboundAddress } from '#base/loopback.ts';
import { createConfig } from '#config/config.ts';
import { storeSource } from '#config/store-source.ts';
import { createKubeClient, type KubeResource } from '#kube/client.ts';
import { loadKubeconfig } from '#kube/kubeconfig.ts';
import { isJsonObject, type KubeObject, splitApiVersion } from '#kube/object.ts';
import { defaultMeshConfig, type MeshConfig } from '#mesh/mesh-config.ts';
import { createPilot, type Pilot, type RejectedResources } from '#pilot/pilot.ts';
import { meshTranslator } from '#pilot/translator.ts';
import { systemClock } from '#process/clock.ts';
import { logger } from '#process/log.ts';
import { createMeshState } from '#registry/mesh-state.ts';
import { meshInputs } from '#registry/snapshot-of.ts';
import { kinds } from '#resources/kinds.ts';
import { parseYaml } from '#yaml/document.ts';
import { peerPath } from './peers.ts';

export type Engine = 'embedded' | 'envoy';

/** The engines that this machine has. */
export function engines(): Engine[] {
  return peerPath('envoy') ? ['embedded', 'envoy'] : ['embedded'];
}

export interface TestMesh {
  readonly pilot: Pilot;
  readonly objects: MeshObjects;
  readonly runtimeDir: string;
  readonly xdsPort: number;
  /** What proxies refused; empty in every good test. */
  readonly rejected: readonly RejectedResources[];
  forgetRejections(): void;
  /** Creates or replaces every object of a YAML text. */
  apply(yaml: string): Promise<KubeObject[]>;
  remove(objects: readonly KubeObject[]): Promise<void>;
  /** Resolves when every connected proxy acknowledged the present state. */
  converged(): Promise<void>;
  /** Resolves when every program of the workloads that joined has been found serving. */
  allHealthy(): Promise<void>;
  setMesh(config: Partial<MeshConfig>): void;
  /** A workload whose program (if it has a port) runs already. */
  join(engine: Engine, wish: Partial<WorkloadWish> & { readonly service: string }): Promise<TestWorkload>;
  close(): Promise<void>;
}

export interface TestWorkload extends JoinedWorkload {
  /** Where this workload reaches a service's port. */
  reach(service: string, port: number): Promise<{ readonly host: string; readonly port: number }>;
}

const log = logger('test-mesh');

export async function startTestMesh(): Promise<TestMesh> {
  const folder = mkdtempSync(join(tmpdir(), 'mwm-'));
  const api = await startApiServer({ stateDir: folder, kinds: [...kinds, ...plainKinds], clock: systemClock, log, port: 0 });
  const kubeconfig = join(folder, 'kubeconfig');
  writeFileSync(kubeconfig, api.kubeconfig(), { mode: 0o600 });
  const client = createKubeClient(loadKubeconfig([kubeconfig]));
  const objects = meshObjects(client);
  const config = createConfig({ sources: [storeSource(api.store, kinds)], clock: systemClock, log });
  const stopping = new AbortController();
  const configRuns = config.run(stopping.signal);
  await config.synced;
  const state = createMeshState({
    graph: config.graph,
    mesh: defaultMeshConfig,
    inputs: meshInputs((kind) => config.collection(kind)),
  });
  const rejected: RejectedResources[] = [];
  const pilot = createPilot({
    meshState: state,
    translator: meshTranslator,
    clock: systemClock,
    log,
    version: 'test',
    onReject: (found) => rejected.push(found),
  });
  const xds = await pilot.listen({ host: '127.0.0.1', port: 0 });
  assert.ok('port' in xds);
  const workloads: JoinedWorkload[] = [];
  const healthy: Promise<void>[] = [];

  return {
    pilot,
    objects,
    runtimeDir: folder,
    xdsPort: xds.port,
    rejected,
    forgetRejections: () => void rejected.splice(0),
    apply: (yaml) => apply(api, objects, yaml),
    async remove(all) {
      for (const object of all) await objects.remove(resourceOf(object), object.metadata.namespace ?? '', object.metadata.name);
    },
    async converged() {
      // What the API server has answered is in the snapshot already; its push may still be gathering.
      const mark = await pilot.waitForEpoch(state.current().epoch, 5_000);
      assert.equal(
        mark.reached,
        mark.proxies,
        `only ${mark.reached} of ${mark.proxies} proxies took epoch ${mark.epoch}: ${JSON.stringify(rejected)}`,
      );
    },
    setMesh: (changes) => state.setMesh({ ...defaultMeshConfig, ...changes }),
    async allHealthy() {
      await Promise.all(healthy);
    },
    async join(engine, wish) {
      const served = Promise.withResolvers<void>();
      const onHealth = (now: boolean) => (now ? served.resolve() : undefined);
      const joined = await joinMesh({ ...joinOptions(engine, folder, objects, xds.port, wish), onHealth });
      workloads.push(joined);
      if (joined.ports.length > 0) healthy.push(served.promise.then(() => isHealthyIn(objects, joined.name)));
      return { ...joined, reach: (service, port) => reach(objects, joined, service, port) };
    },
    async close() {
      await Promise.all(workloads.map((workload) => workload.stop()));
      await pilot.close();
      stopping.abort();
      await configRuns;
      client.close();
      await api.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The agent has written what it found. */
async function isHealthyIn(objects: MeshObjects, name: string): Promise<void> {
  for (let n = 0; n < 500; n++) {
    const entry = await objects.get(workloadEntryPath, 'default', name);
    if (JSON.stringify(entry?.status ?? null).includes('"status":"True"')) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`${name} is not healthy`);
}

function joinOptions(
  engine: Engine,
  runtimeDir: string,
  objects: MeshObjects,
  xdsPort: number,
  wish: Partial<WorkloadWish> & { readonly service: string },
): JoinOptions {
  const path = peerPath('envoy') ?? '';
  const proxyLog = logger('test-proxy');
  return {
    workload: { version: 'v1', namespace: 'default', labels: {}, ports: [], protocol: 'http', ...wish },
    objects,
    xds: { host: '127.0.0.1', port: xdsPort },
    clusterId: 'Kubernetes',
    engine,
    launcher:
      engine === 'envoy'
        ? envoyLauncher({
            path,
            bootstrapFile: ({ alsSocket }) => `${alsSocket}.json`,
            metricSeries: 1_000,
            clock: systemClock,
            log: proxyLog,
          })
        : embeddedLauncher({ clock: systemClock, log: proxyLog }),
    runtimeDir,
    oneAddress: false,
    firstUnprivilegedPort: 1_024,
    graceMs: 1_000,
    drainMs: 0,
    version: 'test',
    clock: systemClock,
    log,
  };
}

async function reach(objects: MeshObjects, joined: JoinedWorkload, name: string, port: number): Promise<{ host: string; port: number }> {
  // A service, or the virtual address of a service entry.
  const [service, namespace = 'default'] = name.split('.');
  const found = await objects.get(servicePath, namespace, service ?? '');
  const clusterIp = isJsonObject(found?.spec) ? String(found.spec.clusterIP) : name;
  const block = `${joined.address.replace(/\.1$/, '.0')}/20`;
  const place = outboundAddress({ block }, clusterIp, port, 0);
  assert.ok(place, `${name} has no address of its own`);
  return { host: place.address, port: place.port };
}

async function apply(api: ApiServer, objects: MeshObjects, yaml: string): Promise<KubeObject[]> {
  const applied: KubeObject[] = [];
  for (const document of parseYaml(yaml)) {
    assert.deepEqual(document.problems, []);
    const object = withNamespace(document.value as KubeObject);
    const kind = resourceOf(object);
    const created = await objects.create(kind, object);
    if (created === 'exists') {
      const { name, namespace = '' } = object.metadata;
      const before = await objects.get(kind, namespace, name);
      const { resourceVersion } = before?.metadata ?? {};
      assert.notEqual(
        await objects.replace(kind, { ...object, metadata: { ...object.metadata, ...(resourceVersion ? { resourceVersion } : {}) } }),
        'conflict',
      );
    }
    applied.push(object);
  }
  assert.ok(api.port > 0);
  return applied;
}

function withNamespace(object: KubeObject): KubeObject {
  return object.kind === 'Namespace' ? object : { ...object, metadata: { namespace: 'default', ...object.metadata } };
}

function resourceOf(object: KubeObject): KubeResource {
  const kind = kinds.find((candidate) => candidate.kind === object.kind);
  assert.ok(kind, `no kind ${object.kind}`);
  return { ...splitApiVersion(object.apiVersion), plural: kind.plural, kind: kind.kind, namespaced: kind.namespaced };
}

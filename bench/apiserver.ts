/**
 * The embedded API server in a process of its own, driven over TLS from this one: writes, lists, watches, start, memory.
 * The peer's figures (etcd and kube-apiserver 1.34 with fsync, two cores of the same kind) were measured in another run.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { type ClientHttp2Session, connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startApiServer } from '#apiserver/server.ts';
import { createKubeClient, type KubeClient, type KubeResource } from '#kube/client.ts';
import { type KubeAccess, loadKubeconfig } from '#kube/kubeconfig.ts';
import type { KubeObject } from '#kube/object.ts';
import { writePrivateFile } from '#pki/private-file.ts';
import { systemClock } from '#process/clock.ts';
import { logger, setLogLevel } from '#process/log.ts';
import { kinds } from '#resources/kinds.ts';
import { type BenchOptions, type BenchRow, cpuTimeMs, median, pssMb, quantile, spreadOf } from './bench.ts';

export const name = 'apiserver';

const peerName = 'etcd + kube-apiserver with fsync, another run';
const configMaps: KubeResource = { group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap', namespaced: true };
const virtualServices: KubeResource = {
  group: 'networking.istio.io',
  version: 'v1',
  plural: 'virtualservices',
  kind: 'VirtualService',
  namespaced: true,
};

export async function run(options: BenchOptions): Promise<readonly BenchRow[]> {
  const scale = options.quick ? 0.05 : 1;
  const rows: BenchRow[] = [];
  for (const durability of ['process', 'power'] as const) {
    const server = await startChild(durability);
    try {
      if (durability === 'process') rows.push({ what: 'start to first answer', ours: server.startMs, peer: 3500, peerName, unit: 'ms' });
      const label = durability === 'process' ? 'survives kill -9' : 'survives a power cut (fsync)';
      rows.push(...(await writes(server, label, scale, options)));
      if (durability === 'process') rows.push(...(await reads(server, scale, options)), ...(await watches(server, scale, options)));
    } finally {
      await server.stop();
    }
  }
  return rows;
}

interface Child {
  readonly pid: number;
  readonly startMs: number;
  readonly access: KubeAccess;
  readonly client: KubeClient;
  stop(): Promise<void>;
}

async function startChild(durability: string): Promise<Child> {
  const folder = mkdtempSync(join(tmpdir(), 'mw-bench-'));
  const kubeconfig = join(folder, 'kubeconfig');
  const startedAt = performance.now();
  const child = spawn(
    process.execPath,
    ['-C', 'source', fileURLToPath(import.meta.url), 'serve', join(folder, 'state'), kubeconfig, durability],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const closed = new Promise<void>((resolve) => child.on('close', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('close', () => reject(new Error('the API server did not start')));
  });
  const access = loadKubeconfig([kubeconfig]);
  const client = createKubeClient(access);
  await client.list(configMaps);
  return {
    pid: child.pid ?? 0,
    startMs: performance.now() - startedAt,
    access,
    client,
    async stop() {
      client.close();
      child.kill('SIGKILL');
      await closed;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The child's side of `startChild`. */
async function serve([stateDir = '', kubeconfig = '', durability = '']: readonly string[]): Promise<void> {
  setLogLevel('silent');
  const server = await startApiServer({
    stateDir,
    kinds,
    clock: systemClock,
    log: logger('apiserver'),
    durability: durability === 'power' ? 'power' : 'process',
  });
  writePrivateFile(kubeconfig, server.kubeconfig());
  console.log(server.url);
}

async function writes(server: Child, label: string, scale: number, options: BenchOptions): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  const cases = [
    { resource: configMaps, make: configMap, writers: 1, count: 2000, peer: 370 },
    { resource: configMaps, make: configMap, writers: 16, count: 4000, peer: 1375 },
    { resource: virtualServices, make: virtualService, writers: 1, count: 1000, peer: 206 },
    { resource: virtualServices, make: virtualService, writers: 16, count: 2000, peer: 450 },
  ];
  for (const { resource, make, writers, count, peer } of cases) {
    const total = Math.max(writers, Math.round(count * scale));
    let next = 0;
    const prefix = `w${writers}-`;
    const cpu = cpuTimeMs(server.pid);
    const startedAt = performance.now();
    await Promise.all(
      Array.from({ length: writers }, async () => {
        while (next < total) await server.client.create(resource, make(`${prefix}${next++}`));
      }),
    );
    const perSecond = total / ((performance.now() - startedAt) / 1000);
    const cpuUs = ((cpuTimeMs(server.pid) - cpu) * 1000) / total;
    const what = `create ${resource.kind}, ${writers} ${writers === 1 ? 'writer' : 'writers'}, ${label}`;
    options.log(`${what}: ${Math.round(perSecond)}/s`);
    rows.push({
      what,
      ours: perSecond,
      peer,
      peerName,
      unit: 'creates/s',
      ratio: perSecond / peer,
      note: `server ${Math.round(cpuUs)} us CPU each; client on the same cores`,
    });
  }
  return rows;
}

async function reads(server: Child, scale: number, options: BenchOptions): Promise<BenchRow[]> {
  const before = (await server.client.list(configMaps)).items.length;
  const wanted = Math.max(before, Math.round(10_000 * scale));
  let next = before;
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      while (next < wanted) await server.client.create(configMaps, configMap(`list-${next++}`));
    }),
  );
  const session = connect(server.access.server, server.access.tls());
  const times: number[] = [];
  for (let round = 0; round < 7; round += 1) {
    const startedAt = performance.now();
    await readAll(session, server, '/api/v1/configmaps');
    times.push(performance.now() - startedAt);
  }
  session.close();
  options.log(`list of ${wanted}: ${median(times).toFixed(1)} ms`);
  return [
    {
      what: `list of ${wanted} ConfigMaps in one answer`,
      ours: median(times),
      peer: 199,
      peerName,
      unit: 'ms',
      ratio: median(times) / 199,
      spread: spreadOf(times),
    },
    {
      what: `memory with ${wanted} ConfigMaps and ${Math.round(3000 * scale)} VirtualServices`,
      ours: pssMb(server.pid),
      unit: 'MB PSS',
      note: `${peerName}: 403 MB empty, 1.1 GB with 20,000 objects`,
    },
  ];
}

function readAll(session: ClientHttp2Session, server: Child, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    let size = 0;
    const stream = session.request({ ':path': path, ...server.access.headers() });
    stream.on('data', (chunk: Buffer) => {
      size += chunk.length;
    });
    stream.on('end', () => resolve(size));
    stream.on('error', reject);
  });
}

/** From the start of a write to each watcher's receipt of its event; a session holds 100 streams, as clients' do. */
async function watches(server: Child, scale: number, options: BenchOptions): Promise<BenchRow[]> {
  const count = Math.max(10, Math.round(1000 * scale));
  const made = await server.client.create(configMaps, configMap('observed'));
  const sessions = Array.from({ length: Math.ceil(count / 100) }, () => connect(server.access.server, server.access.tls()));
  let onEvent = () => {};
  await Promise.all(
    Array.from({ length: count }, (_, index) => {
      const session = sessions[Math.floor(index / 100)];
      return new Promise<void>((resolve, reject) => {
        if (!session) return reject(new Error('no session'));
        const path = `/api/v1/namespaces/default/configmaps?watch=true&fieldSelector=metadata.name%3Dobserved&resourceVersion=${made.metadata.resourceVersion}`;
        const stream = session.request({ ':path': path, ...server.access.headers() });
        stream.on('response', () => resolve());
        stream.on('error', reject);
        stream.on('data', () => onEvent());
      });
    }),
  );
  const latencies: number[] = [];
  const worst: number[] = [];
  for (let round = 0; round < (options.quick ? 3 : 30); round += 1) {
    await new Promise<void>((resolve, reject) => {
      const startedAt = performance.now();
      let seen = 0;
      onEvent = () => {
        latencies.push(performance.now() - startedAt);
        seen += 1;
        if (seen === count) {
          worst.push(performance.now() - startedAt);
          resolve();
        }
      };
      server.client
        .patch(configMaps, { namespace: 'default', name: 'observed' }, 'merge', { data: { round: String(round) } })
        .catch(reject);
    });
  }
  for (const session of sessions) session.destroy();
  options.log(`write to ${count} watchers: p50 ${quantile(latencies, 0.5).toFixed(1)} ms, p99 ${quantile(latencies, 0.99).toFixed(1)} ms`);
  const what = `one write to ${count} watchers`;
  return [
    { what: `${what}, p50`, ours: quantile(latencies, 0.5), peer: 32, peerName, unit: 'ms', ratio: quantile(latencies, 0.5) / 32 },
    {
      what: `${what}, p99`,
      ours: quantile(latencies, 0.99),
      peer: 53,
      peerName,
      unit: 'ms',
      ratio: quantile(latencies, 0.99) / 53,
      spread: spreadOf(worst),
      note: "the peer's is its worst; spread is of each write's last watcher",
    },
  ];
}

function configMap(objectName: string): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: objectName, namespace: 'default', labels: { app: 'bench' } },
    data: { text: 'x'.repeat(1000) },
  };
}

function virtualService(objectName: string): KubeObject {
  const route = (subset: string, weight: number) => ({ destination: { host: objectName, subset }, weight });
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: objectName, namespace: 'default' },
    spec: {
      hosts: [objectName],
      http: [
        { match: [{ headers: { 'end-user': { exact: 'jason' } } }], route: [route('v2', 100)] },
        { route: [route('v1', 50), route('v3', 50)] },
      ],
    },
  };
}

if (import.meta.main && process.argv[2] === 'serve') await serve(process.argv.slice(3));

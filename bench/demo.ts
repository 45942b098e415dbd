/**
 * The demo as a user starts it: `npm start` in a copy of this checkout whose page is not built, until the first request of
 * the split shows on the page; memory of all its processes; how long an applied change takes to reach every proxy.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { createKubeClient } from '#kube/client.ts';
import { loadKubeconfig } from '#kube/kubeconfig.ts';
import { type BenchOptions, type BenchRow, limitRow, median, processTree, pssMb, quantile, spreadOf } from './bench.ts';

export const name = 'demo';

const startLimitSeconds = 20;
const memoryLimitMb = 800;
const ackLimitMs = 100;
/** Traffic flows so long before memory is read: buffers and compiled code have grown to their usual size. */
const settleMs = 15_000;
const patienceMs = 120_000;

export async function run({ quick, log }: BenchOptions): Promise<BenchRow[]> {
  const copy = copyOfCheckout();
  const ports = await freePorts(5);
  let child: ChildProcess | undefined;
  try {
    const startedAt = performance.now();
    child = startDemo(copy, ports);
    const page = `http://127.0.0.1:${ports[1]}`;
    await until('the page shows a request of the split', child, () => showsSplit(page));
    const seconds = (performance.now() - startedAt) / 1_000;
    log(`npm start to the first split request on the page: ${seconds.toFixed(1)} s`);
    await pause(quick ? 3_000 : settleMs);
    const memory = memoryOf(child);
    log(`${memory.count} processes, ${memory.total.toFixed(0)} MB PSS, of which npm ${memory.npm.toFixed(0)} MB`);
    const acks = await applyAndWait(copy, `http://127.0.0.1:${ports[3]}`, quick ? 5 : 50);
    log(`apply to last ACK: median ${median(acks).toFixed(1)} ms, p99 ${quantile(acks, 0.99).toFixed(1)} ms`);
    return [
      limitRow(
        'npm start, page not yet built, to the first split request on the page',
        's',
        [seconds],
        startLimitSeconds,
        'node_modules present',
      ),
      limitRow(
        'demo with embedded proxies, all processes, PSS',
        'MB',
        [memory.total],
        memoryLimitMb,
        `${memory.count} processes, npm itself ${memory.npm.toFixed(0)} MB`,
      ),
      ackRow(acks),
    ];
  } finally {
    if (child) await end(child);
    rmSync(copy, { recursive: true, force: true });
  }
}

function ackRow(acks: readonly number[]): BenchRow {
  const p99 = quantile(acks, 0.99);
  return {
    what: "API server's answer to an apply, to the last proxy's ACK in the demo, p99",
    ours: p99,
    unit: 'ms',
    target: `<= ${ackLimitMs} ms`,
    met: p99 <= ackLimitMs,
    spread: spreadOf(acks),
    note: `${acks.length} applies, median ${median(acks).toFixed(1)} ms`,
  };
}

/** Everything but what is built or kept; the packages are linked, their cache (with the stamp of the page) is not. */
function copyOfCheckout(): string {
  const root = resolve(import.meta.dirname, '..');
  const copy = mkdtempSync(join(tmpdir(), 'meshwright-bench-'));
  const left = new Set(['node_modules', '.git', 'dist', '.meshwright']);
  cpSync(root, copy, { recursive: true, filter: (path) => path === root || !left.has(basename(path)) });
  for (const folder of ['node_modules', 'web/node_modules']) {
    if (!existsSync(join(root, folder))) continue;
    mkdirSync(join(copy, folder));
    for (const entry of readdirSync(join(root, folder)))
      if (!['.cache', '.vite'].includes(entry)) symlinkSync(join(root, folder, entry), join(copy, folder, entry));
  }
  return copy;
}

function startDemo(folder: string, ports: readonly number[]): ChildProcess {
  const names = ['API', 'PAGE', 'XDS', 'DEBUG', 'DEMO'];
  const settings = Object.fromEntries(names.map((port, i) => [`MESHWRIGHT_${port}_PORT`, String(ports[i])]));
  const env = { ...process.env, ...settings, MESHWRIGHT_STATE_DIR: join(folder, '.meshwright') };
  // A group of its own: it is ended as Ctrl-C in a terminal does it.
  return spawn('npm', ['start'], { cwd: folder, env, stdio: ['ignore', 'ignore', 'inherit'], detached: true });
}

interface Numbers {
  readonly rps: number;
}

/** The built page is served, and its graph has traffic at a version of reviews. */
async function showsSplit(page: string): Promise<boolean> {
  const html = await textAt(page);
  if (!html?.includes('<script')) return false;
  const graph = await textAt(`${page}/api/v1/graph`);
  if (!graph) return false;
  const { nodes } = JSON.parse(graph) as { nodes: readonly { readonly id: string; readonly numbers: Numbers }[] };
  return nodes.some(({ id, numbers }) => id.startsWith('workload/default/reviews-') && numbers.rps > 0);
}

async function textAt(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    return response.ok ? await response.text() : undefined;
  } catch {
    return undefined;
  }
}

function memoryOf(child: ChildProcess): { readonly total: number; readonly npm: number; readonly count: number } {
  const pids = processTree(child.pid ?? 0);
  const [npm = 0, ...others] = pids.map(pssMb);
  return { total: others.reduce((sum, mb) => sum + mb, npm), npm, count: pids.length };
}

interface Push {
  readonly epoch: number;
  readonly at: number;
  readonly objects: readonly string[];
  readonly queuedMs: number;
  readonly responses: number;
  readonly acked: number;
  readonly rejected: number;
  readonly lastAnswerMs: number;
}

/** Changes the split; the pilot's own record of the push tells when the last proxy acknowledged it. Milliseconds after the answer. */
async function applyAndWait(folder: string, debugUrl: string, count: number): Promise<number[]> {
  const client = createKubeClient(loadKubeconfig([join(folder, '.meshwright', 'kubeconfig')]));
  const resource = { group: 'networking.istio.io', version: 'v1', plural: 'virtualservices', kind: 'VirtualService', namespaced: true };
  const found: number[] = [];
  try {
    for (let n = 0; n < count; n++) {
      const before = (await pushes(debugUrl))[0]?.epoch ?? 0;
      const weight = 10 + (n % 80);
      const route = [
        { destination: { host: 'reviews', subset: 'v1' }, weight },
        { destination: { host: 'reviews', subset: 'v3' }, weight: 100 - weight },
      ];
      const metadata = { name: 'reviews', namespace: 'default' };
      const spec = { hosts: ['reviews'], http: [{ route }] };
      await client.apply(resource, { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata, spec }, 'bench');
      const answeredAt = Date.now();
      const push = await until('the push is acknowledged', undefined, async () => {
        const all = await pushes(debugUrl);
        const record = all.find(({ epoch, objects }) => epoch > before && objects.includes('VirtualService default/reviews'));
        return record && record.responses > 0 && record.acked + record.rejected >= record.responses ? record : undefined;
      });
      if (push.rejected > 0) throw new Error('a proxy rejected the change');
      found.push(Math.max(0, push.at - push.queuedMs + push.lastAnswerMs - answeredAt));
      await pause(100);
    }
  } finally {
    client.close();
  }
  return found;
}

/** Newest first. */
async function pushes(debugUrl: string): Promise<readonly Push[]> {
  return JSON.parse((await textAt(`${debugUrl}/debug/pushes`)) ?? '[]') as Push[];
}

async function until<T>(what: string, child: ChildProcess | undefined, ask: () => Promise<T | undefined | false>): Promise<T> {
  const deadline = performance.now() + patienceMs;
  while (performance.now() < deadline) {
    if (child && child.exitCode !== null) throw new Error(`npm start ended with ${child.exitCode} before ${what}`);
    const found = await ask();
    if (found) return found;
    await pause(50);
  }
  throw new Error(`not within ${patienceMs / 1_000} s: ${what}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.pid === undefined) return;
  const ended = new Promise((done) => child.once('exit', done));
  const tree = processTree(child.pid);
  process.kill(-child.pid, 'SIGINT');
  await Promise.race([ended, pause(20_000)]);
  for (let n = 0; n < 100 && tree.some((pid) => existsSync(`/proc/${pid}`)); n++) await pause(100);
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => new Promise((done) => server.once('listening', done))));
  const numbers = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' && address ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return numbers;
}

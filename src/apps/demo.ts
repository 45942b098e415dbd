import { createWriteStream, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endOrphans } from '#agent/instance-claim.ts';
import { type MeshObjects, servicePath, workloadEntryPath } from '#agent/mesh-objects.ts';
import { createBackoff } from '#base/backoff.ts';
import { Fault, messageOf } from '#base/fault.ts';
import { detach, sleep } from '#base/task.ts';
import type { KubeResource } from '#kube/client.ts';
import { isJsonObject, type KubeObject } from '#kube/object.ts';
import { type Child, startChild } from '#process/child-process.ts';
import { systemClock } from '#process/clock.ts';
import { logger } from '#process/log.ts';
import type { Settings } from '#process/settings.ts';
import { parseYaml } from '#yaml/document.ts';
import { findEnvoy } from './envoy-binary.ts';
import { startTraffic, type Traffic } from './traffic.ts';

export interface DemoOptions {
  /** Absolute; of the control plane that runs already. */
  readonly stateDir: string;
  readonly runtimeDir: string;
  readonly objects: MeshObjects;
  readonly settings: Settings;
  readonly engine: 'embedded' | 'envoy';
  /** Program and first arguments that run the command line of Meshwright. */
  readonly meshwright: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly rps: number;
  /** A step is done: one line for the person. */
  readonly onStep: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface Demo {
  /** Where a browser enters: productpage's inbound address. */
  readonly url: string;
  readonly traffic: Traffic;
  /** Ends traffic and workloads; resolves when all their processes are gone. */
  stop(): Promise<void>;
}

/** Two levels up both from src/apps and from dist/apps. */
const root = fileURLToPath(new URL('../..', import.meta.url));

const workloads = [
  { service: 'details', version: 'v1' },
  { service: 'ratings', version: 'v1' },
  { service: 'reviews', version: 'v1' },
  { service: 'reviews', version: 'v2' },
  { service: 'reviews', version: 'v3' },
  { service: 'productpage', version: 'v1' },
] as const;

const servicePortNumber = 9080;
const flowsWithinMs = 30_000;
const pollMs = 50;
const workloadGraceMs = 8_000;

/** For small programs: a small young generation and code without the largest optimisations' memory. */
const programFlags = ['--max-semi-space-size=1', '--max-old-space-size=64', '--optimize-for-size', '--disable-warning=ExperimentalWarning'];

/** Six agents at five requests a second need no large young generation: saves about 18 MB each. */
const agentFlags = ['--max-semi-space-size=1'];

/** glibc: every thread of a process takes its own arena and keeps it; Node has a dozen threads that allocate little. */
const oneArena = { MALLOC_ARENA_MAX: '1' };

/** Starts Bookinfo in a running mesh, with constant light traffic; resolves when the page answers through the mesh. */
export async function startDemo(options: DemoOptions): Promise<Demo> {
  if (options.engine === 'envoy') findEnvoy(options.settings, options.environment);
  const orphans = await endOrphans(options.runtimeDir, systemClock);
  if (orphans > 0) options.onStep(`ended what ${orphans} killed workloads of an earlier run had left behind`);
  await applyDemoFiles(options);
  const stopping = new AbortController();
  const signal = AbortSignal.any([stopping.signal, options.signal]);
  const [first, ...others] = workloads;
  const running = [superviseWorkload(options, first, signal)];
  let traffic: Traffic | undefined;
  const stop = async () => {
    traffic?.stop();
    stopping.abort();
    await Promise.all(running);
  };
  try {
    // The first one leaves its compiled code for the others, which then need half the time and memory to start.
    await hasJoined(options, running, `${first.service}-${first.version}`, (status) => status !== undefined);
    running.push(...others.map((workload) => superviseWorkload(options, workload, signal)));
    // Asked earlier, the page would fail for want of its services and begin its statistics with that.
    for (const { service, version } of workloads) await hasJoined(options, running, `${service}-${version}`, isHealthy);
    const entrance = await pageAnswers(options, running);
    options.onStep(`six workloads of Bookinfo joined (${options.engine} proxy); the page answers through the mesh`);
    let target: Entrance | undefined = entrance;
    traffic = startTraffic({ target: () => target, rps: options.rps, clock: systemClock });
    detach(
      followEntrance(options.objects, stopping.signal, (found) => {
        target = found;
      }),
      (message) => logger('demo').warn('the entrance of the demo is not followed', { error: message }),
    );
    options.onStep(`${options.rps} requests a second flow to productpage`);
    return { url: `http://${entrance.host}:${entrance.port}${entrance.path}`, traffic, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Services, subsets and the first split. What is there already stays: it may be what the user tried last time. */
async function applyDemoFiles(options: DemoOptions): Promise<void> {
  const folder = join(root, 'fixtures', 'demo');
  let made = 0;
  for (const file of ['services.yaml', 'destination-rules.yaml', 'reviews-split.yaml']) {
    const path = join(folder, file);
    for (const document of parseYaml(readFileSync(path, 'utf8'), path)) {
      const object = toObject(document.value, path);
      const kind = kindPaths[object.kind];
      if (!kind) throw new Fault('demo-file', `${path} holds a ${object.kind}, which the demo does not apply`);
      if ((await options.objects.create(kind, object)) !== 'exists') made++;
    }
  }
  options.onStep(made > 0 ? `${made} Services, DestinationRules and VirtualServices applied` : 'configuration of the last run is kept');
}

const kindPaths: Readonly<Record<string, KubeResource>> = {
  Service: servicePath,
  DestinationRule: { ...workloadEntryPath, plural: 'destinationrules', kind: 'DestinationRule' },
  VirtualService: { ...workloadEntryPath, plural: 'virtualservices', kind: 'VirtualService' },
};

function toObject(value: unknown, path: string): KubeObject {
  if (!isJsonObject(value) || !isJsonObject(value.metadata) || typeof value.metadata.name !== 'string') {
    throw new Fault('demo-file', `${path} holds something that is no object`);
  }
  const { apiVersion, kind, metadata } = value;
  const object = {
    ...value,
    apiVersion: String(apiVersion),
    kind: String(kind),
    metadata: { ...metadata, name: String(metadata.name), namespace: 'default' },
  };
  // As kubectl would have left it: `kubectl apply` of a changed file then needs no warning.
  const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': `${JSON.stringify(object)}\n` };
  return { ...object, metadata: { ...object.metadata, annotations } };
}

/** Keeps one workload running until `signal` aborts: a killed one is started again. Resolves when it is gone. */
async function superviseWorkload(options: DemoOptions, workload: (typeof workloads)[number], signal: AbortSignal): Promise<void> {
  const backoff = createBackoff(500, 10_000, () => systemClock.random());
  const name = `${workload.service}-${workload.version}`;
  while (!signal.aborted) {
    const child = await startWorkload(options, workload, name);
    const stop = () => void child.stop();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const exit = await child.exited;
    signal.removeEventListener('abort', stop);
    if (signal.aborted) return;
    logger('demo').warn('a workload ended and is started again', { workload: name, code: exit.code, log: logPath(options, name) });
    await sleep(backoff.next(), signal);
  }
}

async function startWorkload(options: DemoOptions, workload: (typeof workloads)[number], name: string): Promise<Child> {
  const [command = process.execPath, ...first] = [options.meshwright[0], ...agentFlags, ...options.meshwright.slice(1)];
  const program = [process.execPath, ...programFlags, join(root, 'demo', 'bookinfo', `${workload.service}.js`)];
  const asked = ['--service', workload.service, '--version', workload.version, '--port', `${servicePortNumber}:0`, '--name', name];
  const child = await startChild({
    command,
    args: [
      ...first,
      'run',
      '--state-dir',
      options.stateDir,
      '--proxy',
      options.engine,
      '--health-path',
      '/health',
      ...asked,
      '--',
      ...program,
    ],
    env: { ...oneArena, ...options.environment, SERVICE_VERSION: workload.version },
    output: 'pipe',
    graceMs: workloadGraceMs,
    clock: systemClock,
  });
  mkdirSync(join(options.stateDir, 'logs'), { recursive: true, mode: 0o700 });
  const file = createWriteStream(logPath(options, name), { mode: 0o600 });
  // A full disk may not end the demo.
  file.on('error', (error) => logger('demo').warn('the log of a workload cannot be written', { workload: name, error: messageOf(error) }));
  child.stdout?.pipe(file, { end: false });
  child.stderr?.pipe(file, { end: false });
  detach(
    child.exited.then(() => file.end()),
    () => {},
  );
  return child;
}

function logPath(options: DemoOptions, name: string): string {
  return join(options.stateDir, 'logs', `${name}.log`);
}

interface Entrance {
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

const entrancePath = '/productpage';

async function findEntrance(objects: MeshObjects): Promise<Entrance | undefined> {
  const entry = await objects.get(workloadEntryPath, 'default', 'productpage-v1');
  const spec = isJsonObject(entry?.spec) ? entry.spec : {};
  const port = isJsonObject(spec.ports) ? spec.ports.http : undefined;
  return typeof spec.address === 'string' && typeof port === 'number' ? { host: spec.address, port, path: entrancePath } : undefined;
}

/** Resolves when the page shows reviews that came through the mesh. */
function pageAnswers(options: DemoOptions, running: readonly Promise<void>[]): Promise<Entrance> {
  return until(options, running, "the demo's page did not answer", async () => {
    const entrance = await findEntrance(options.objects);
    return entrance && (await showsReviews(entrance)) ? entrance : undefined;
  });
}

/** Resolves when the status of a workload's entry is as wanted. */
async function hasJoined(
  options: DemoOptions,
  running: readonly Promise<void>[],
  name: string,
  isWanted: (status: unknown) => boolean,
): Promise<void> {
  await until(options, running, `${name} did not join`, async () => {
    const entry = await options.objects.get(workloadEntryPath, 'default', name);
    return entry && isWanted(entry.status) ? entry : undefined;
  });
}

function isHealthy(status: unknown): boolean {
  const conditions = isJsonObject(status) && Array.isArray(status.conditions) ? status.conditions : [];
  return conditions.some((condition) => isJsonObject(condition) && condition.type === 'Healthy' && condition.status === 'True');
}

/** Asks again and again; a Fault with the failure of a workload, or where the logs are. */
async function until<T>(
  options: DemoOptions,
  running: readonly Promise<void>[],
  failure: string,
  ask: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = systemClock.monotonic() + flowsWithinMs;
  let broken: unknown;
  for (const one of running) {
    one.catch((error: unknown) => {
      broken = error;
    });
  }
  while (systemClock.monotonic() < deadline && !options.signal.aborted) {
    if (broken) throw broken;
    const found = await ask();
    if (found !== undefined) return found;
    await sleep(pollMs, options.signal);
  }
  if (options.signal.aborted) throw new Fault('demo-ended', 'the demo was ended before it was up');
  const logs = join(options.stateDir, 'logs');
  throw new Fault('demo-silent', `${failure} within ${flowsWithinMs / 1_000} s`, {
    fix: `The workloads' logs are in ${logs}: ${readLogNames(logs)}`,
  });
}

function readLogNames(folder: string): string {
  try {
    return readdirSync(folder).join(', ');
  } catch {
    return 'none was written';
  }
}

function showsReviews(entrance: Entrance): Promise<boolean> {
  return new Promise((resolve) => {
    const call = get({ ...entrance, agent: false, signal: AbortSignal.timeout(8_000) }, (answer) => {
      let page = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        page += part;
      });
      answer.once('close', () => resolve(answer.statusCode === 200 && page.includes('id="reviews-by"') && !page.includes('class="error"')));
    });
    call.once('error', () => resolve(false));
  });
}

/** The entrance moves when its workload is started again. */
async function followEntrance(objects: MeshObjects, signal: AbortSignal, onFound: (entrance: Entrance) => void): Promise<void> {
  while (!signal.aborted) {
    await sleep(2_000, signal);
    try {
      const found = await findEntrance(objects);
      if (found) onFound(found);
    } catch {
      // The API server is away; the last entrance stays.
    }
  }
}

import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { reapWorkloadEntries } from '#agent/reaper.ts';
import { analyzeSnapshot, objectKey } from '#analyze/analyze.ts';
import { type ApiServer, startApiServer } from '#apiserver/server.ts';
import { Fault, messageOf } from '#base/fault.ts';
import type { Problem } from '#base/problem.ts';
import { detach, sleep } from '#base/task.ts';
import { type Config, createConfig } from '#config/config.ts';
import { fileSource } from '#config/file-source.ts';
import { kubeSource } from '#config/kube-source.ts';
import { isAboutMeshConfig, meshConfigSource } from '#config/mesh-config-source.ts';
import type { Source } from '#config/source.ts';
import { storeSource } from '#config/store-source.ts';
import { formatGrpcAddress } from '#grpc/address.ts';
import { createKubeClient } from '#kube/client.ts';
import { loadKubeconfig } from '#kube/kubeconfig.ts';
import { createReflectors } from '#kube/reflector.ts';
import { defaultMeshConfig } from '#mesh/mesh-config.ts';
import { serveDebugPages } from '#pilot/debug-server.ts';
import { createPilot, type Pilot, type RejectedResources } from '#pilot/pilot.ts';
import { meshTranslator } from '#pilot/translator.ts';
import { writePrivateFile } from '#pki/private-file.ts';
import { systemClock } from '#process/clock.ts';
import { logger, setLogLevel } from '#process/log.ts';
import { trimHeap } from '#process/memory.ts';
import { identifyProcess } from '#process/process-identity.ts';
import { ensureRuntimeDir, leaveRuntimeDir } from '#process/runtime-dir.ts';
import { type RuntimeFile, removeRuntimeFile, runningControlPlane, writeRuntimeFile } from '#process/runtime-file.ts';
import type { Settings } from '#process/settings.ts';
import { createMeshState, type MeshState } from '#registry/mesh-state.ts';
import { meshInputs } from '#registry/snapshot-of.ts';
import { configMapKind } from '#resources/core/config-map.ts';
import { kinds } from '#resources/kinds.ts';
import { problemTable } from '#resources/problems.ts';
import { createAgentClient } from '#server/agent-client.ts';
import { createServer, type Server } from '#server/server.ts';
import type { Installation } from '#server/sources.ts';
import { meshObjects } from './mesh-objects.ts';
import { pageExplain } from './page-explain.ts';
import { pageProxies } from './page-proxies.ts';
import { storeResources } from './store-resources.ts';
import { version } from './version.ts';

export interface ControlPlaneOptions {
  /** `stateDir` must be absolute. */
  readonly settings: Settings;
  /** A step is done: one line for the person. */
  readonly onStep: (line: string) => void;
  /** A problem of the mesh configuration that is there at the start, on which everything else is built. */
  readonly onProblem?: (problem: Problem) => void;
  /** Ends a start that is under way. */
  readonly signal?: AbortSignal;
  /** `$XDG_RUNTIME_DIR`, when there is one. */
  readonly xdgRuntimeDir?: string;
}

/** A running control plane: API server, configuration, discovery, page. */
export interface ControlPlane {
  /** How others reach it; also in `runtime.json` of the state folder. */
  readonly runtime: RuntimeFile;
  readonly store: ApiServer['store'];
  readonly config: Config;
  readonly meshState: MeshState;
  readonly pilot: Pilot;
  /** Link that opens the page for writing: good once, for ten minutes. */
  pageLink(): string;
  /** Tells the page where a browser enters the demo. */
  setDemoUrl(url: string): void;
  /** Stops all parts in reverse order. Safe to call twice. */
  close(): Promise<void>;
}

const reapEveryMs = 5_000;
/** Between a change and the look at all objects together; changes in that time are looked at once. */
const analysisDelayMs = 100;

/** Two levels up both from src/apps and from dist/apps. */
const root = fileURLToPath(new URL('../..', import.meta.url));

/** Starts every part of the control plane on this machine. What started is stopped again when a later part cannot start. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const stateDir = resolve(options.settings.stateDir);
  refuseSecond(stateDir);
  const stack = new AsyncDisposableStack();
  try {
    return await compose(options, stateDir, stack);
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

function refuseSecond(stateDir: string): void {
  const running = runningControlPlane(stateDir);
  if (!running) return;
  throw new Fault(
    'already-running',
    `a control plane runs already on ${stateDir} (process ${running.process.pid}), its page is ${running.pageUrl}`,
    {
      fix: `Use it, or end it with: kill ${running.process.pid}. For a second mesh set MESHWRIGHT_STATE_DIR and the port settings.`,
    },
  );
}

async function compose(options: ControlPlaneOptions, stateDir: string, stack: AsyncDisposableStack): Promise<ControlPlane> {
  const { settings, onStep } = options;
  setLogLevel(settings.logLevel);
  const { signal } = stoppable(stack);
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const runtimeDir = ensureRuntimeDir(stateDir, { override: settings.runtimeDir, xdgRuntimeDir: options.xdgRuntimeDir });
  stack.defer(() => leaveRuntimeDir(runtimeDir));

  const api = await startApiServer({ stateDir, kinds, clock: systemClock, log: logger('apiserver'), port: settings.apiPort, version });
  stack.defer(() => api.close());
  const kubeconfig = join(stateDir, 'kubeconfig');
  writePrivateFile(kubeconfig, api.kubeconfig());
  onStep(`API server on ${api.url}`);

  const { config, meshState } = await startConfig(settings, api, signal, options.signal);
  onStep(`configuration read: ${meshState.current().services.length} services, ${config.problems().length} problems`);

  for (const problem of config.problems()) if (isAboutMeshConfig(problem)) options.onProblem?.(problem);

  const pilot = await startPilot(settings, config, meshState, stack);
  onStep(`discovery (xDS) on ${pilot.xdsAddress}`);

  // The demo starts when the page runs already: its address follows.
  const installation: { -readonly [Name in keyof Installation]: Installation[Name] } = { version, kubeconfig };
  const page = await startPage(
    { settings, stateDir, installation, api, config, meshState, pilot: pilot.pilot, onProxies: pilot.onChange },
    stack,
  );
  onStep(`page on ${page.url}`);

  detach(reap(kubeconfig, signal), (message) =>
    logger('registry').warn('entries of dead workloads are not looked for', { error: message }),
  );
  const runtime: RuntimeFile = {
    version,
    process: identifyProcess(process.pid),
    startedAt: systemClock.now(),
    kubeconfig,
    apiUrl: api.url,
    xdsAddress: pilot.xdsAddress,
    pageUrl: page.url,
    debugUrl: pilot.debugUrl,
    runtimeDir,
  };
  writeRuntimeFile(stateDir, runtime);
  stack.defer(() => removeRuntimeFile(stateDir, process.pid));
  trimHeap();

  let closing: Promise<void> | undefined;
  return {
    runtime,
    store: api.store,
    config,
    meshState,
    pilot: pilot.pilot,
    pageLink: () => page.openLink(),
    setDemoUrl(url) {
      installation.demoUrl = url;
    },
    close: () => (closing ??= stack.disposeAsync()),
  };
}

/** A signal that aborts first of all when the stack is disposed of last-in first-out: parts below still run then. */
function stoppable(stack: AsyncDisposableStack): { readonly signal: AbortSignal } {
  const controller = new AbortController();
  stack.defer(() => controller.abort());
  return controller;
}

async function startConfig(
  settings: Settings,
  api: ApiServer,
  signal: AbortSignal,
  interrupted?: AbortSignal,
): Promise<{ readonly config: Config; readonly meshState: MeshState }> {
  const log = logger('config');
  const sources: Source[] = [storeSource(api.store, kinds)];
  if (settings.configDir) sources.push(fileSource({ dir: resolve(settings.configDir), clock: systemClock, log }));
  if (settings.sourceKubeconfig) sources.push(otherApiServer(resolve(settings.sourceKubeconfig), signal));
  const meshConfig = meshConfigSource({ ...(settings.meshConfig ? { file: resolve(settings.meshConfig) } : {}), clock: systemClock, log });
  const config = createConfig({ sources: [...sources, ...meshConfig.sources], clock: systemClock, log });
  const meshState = createMeshState({
    graph: config.graph,
    inputs: meshInputs((kind) => config.collection(kind)),
    mesh: defaultMeshConfig,
    clusterId: settings.clusterId,
  });
  meshConfig.follow(config.collection(configMapKind), (mesh) => meshState.setMesh(mesh));
  const failed = config.run(signal);
  // An API server elsewhere may be away for as long as it likes: then the wait ends by Ctrl-C.
  await Promise.race([config.synced, failed, ...(interrupted ? [abortOf(interrupted)] : [])]);
  interrupted?.throwIfAborted();
  detach(failed, (message) => log.error('a configuration source has ended', { error: message }));
  return { config, meshState };
}

function abortOf(signal: AbortSignal): Promise<void> {
  return new Promise((done) => (signal.aborted ? done() : signal.addEventListener('abort', () => done(), { once: true })));
}

/** The objects of an API server that runs elsewhere. Its kinds are listed and watched until the signal aborts. */
function otherApiServer(kubeconfig: string, signal: AbortSignal): Source {
  const client = createKubeClient(loadKubeconfig([kubeconfig]));
  const reflectors = createReflectors({ client, clock: systemClock, log: logger('kube') });
  detach(reflectors.run(signal), (message) => logger('kube').error('the other API server is not followed any more', { error: message }));
  return kubeSource({ client, reflectors, kinds });
}

interface RunningPilot {
  readonly pilot: Pilot;
  /** `host:port`, as bound. */
  readonly xdsAddress: string;
  readonly debugUrl: string;
  /** Registers who wants to know that a proxy's state changed. */
  onChange(listener: () => void): void;
}

async function startPilot(settings: Settings, config: Config, meshState: MeshState, stack: AsyncDisposableStack): Promise<RunningPilot> {
  const listeners = new Set<() => void>();
  const pilot = createPilot({
    meshState,
    translator: meshTranslator,
    clock: systemClock,
    log: logger('pilot'),
    version,
    timing: { debounceAfterMs: settings.debounceAfterMs, maxGapMs: settings.debounceMaxMs },
    onReject: (rejected) => reportRejection(config, rejected),
    onChange() {
      for (const listener of listeners) listener();
    },
  });
  stack.defer(() => pilot.close());
  const xds = await pilot.listen({ host: '127.0.0.1', port: settings.xdsPort });
  const debug = await serveDebugPages(pilot, { host: '127.0.0.1', port: settings.debugPort, log: logger('pilot') });
  stack.defer(() => debug.close());
  stack.defer(followAnalysis(config, meshState));
  const { host, port } = debug.address;
  return {
    pilot,
    xdsAddress: formatGrpcAddress(xds),
    debugUrl: `http://${host}:${port}`,
    onChange: (listener) => void listeners.add(listener),
  };
}

/** Tells the authors of the objects behind rejected resources what a proxy said of them. */
function reportRejection(config: Config, { origins, error, proxyId, names }: RejectedResources): void {
  const { severity, fix } = problemTable.MW0301;
  const message = `proxy ${proxyId} rejected ${names.slice(0, 3).join(', ')}: ${error}`;
  const problem: Problem = { code: 'MW0301', severity, path: '', message, fix };
  for (const origin of origins) {
    const kind = origin.kind?.split('/').at(-1);
    if (kind && origin.name)
      config.report('proxy', objectKey({ kind, namespace: origin.namespace ?? '', name: origin.name }), [{ ...problem, origin }]);
  }
}

/** Keeps the problems between objects up to date: looked for once changes have paused. Returns the end. */
function followAnalysis(config: Config, meshState: MeshState): () => void {
  let reported: ReadonlySet<string> = new Set();
  let cancel: (() => void) | undefined;
  const analyze = () => {
    cancel = undefined;
    const found = analyzeSnapshot(meshState.current());
    for (const [key, problems] of found) config.report('analyze', key, problems);
    for (const key of reported) if (!found.has(key)) config.report('analyze', key, []);
    reported = new Set(found.keys());
  };
  analyze();
  const unsubscribe = meshState.subscribe(() => {
    cancel ??= systemClock.after(analysisDelayMs, analyze);
  });
  return () => {
    unsubscribe();
    cancel?.();
  };
}

interface PageParts {
  readonly settings: Settings;
  readonly stateDir: string;
  readonly installation: Installation;
  readonly api: ApiServer;
  readonly config: Config;
  readonly meshState: MeshState;
  readonly pilot: Pilot;
  onProxies(listener: () => void): void;
}

async function startPage(parts: PageParts, stack: AsyncDisposableStack): Promise<Server> {
  const { config, settings } = parts;
  const proxies = pageProxies(parts.pilot);
  parts.onProxies(() => proxies.changed());
  const server = createServer({
    sources: {
      installation: parts.installation,
      resources: storeResources(parts.api.store),
      problems: { list: () => config.problems(), subscribe: (listener) => config.onProblems(listener) },
      mesh: parts.meshState,
      proxies,
      explain: pageExplain(parts.pilot),
      agents: createAgentClient(),
    },
    token: pageToken(parts.stateDir),
    port: settings.pagePort,
    webRoot: join(root, 'web', 'dist'),
    clock: systemClock,
    log: logger('server'),
  });
  await server.listen();
  stack.defer(() => server.close());
  return server;
}

/** The page's writing token: made once per state folder, mode 0600. */
function pageToken(stateDir: string): string {
  const path = join(stateDir, 'page-token');
  if (existsSync(path)) {
    const kept = readFileSync(path, 'utf8').trim();
    if (kept.length >= 16) return kept;
  }
  const token = randomBytes(24).toString('base64url');
  writePrivateFile(path, token);
  return token;
}

/** Removes the WorkloadEntries of workloads that were killed, now and then. */
async function reap(kubeconfig: string, signal: AbortSignal): Promise<void> {
  const objects = await meshObjects({ kubeconfig });
  while (!signal.aborted) {
    try {
      const dead = await reapWorkloadEntries(objects);
      for (const name of dead) logger('registry').info('the WorkloadEntry of a killed workload is removed', { entry: name });
    } catch (error) {
      logger('registry').warn('workloads could not be looked through', { error: messageOf(error) });
    }
    await sleep(reapEveryMs, signal);
  }
}

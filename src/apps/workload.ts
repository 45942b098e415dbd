import { readFileSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { resolve } from 'node:path';
import { envoyLauncher } from '#agent/envoy-launcher.ts';
import { type JoinedWorkload, joinMesh } from '#agent/join.ts';
import type { ProxyLauncher } from '#agent/proxy-launcher.ts';
import type { ProgramPort } from '#agent/service-port.ts';
import { Fault } from '#base/fault.ts';
import { detach, sleep } from '#base/task.ts';
import { parseGrpcAddress } from '#grpc/address.ts';
import { systemClock } from '#process/clock.ts';
import { type LogLevel, logger, setLogLevel } from '#process/log.ts';
import { trimHeap } from '#process/memory.ts';
import { ensureRuntimeDir } from '#process/runtime-dir.ts';
import { type RuntimeFile, runningControlPlane } from '#process/runtime-file.ts';
import { readSettings, type Settings } from '#process/settings.ts';
import { onStopSignals } from '#process/stop-signals.ts';
import { embeddedLauncher } from './embedded-launcher.ts';
import { findEnvoy } from './envoy-binary.ts';
import { meshObjects } from './mesh-objects.ts';
import { version } from './version.ts';

/** `meshwright run` as the command line asks for it; what is absent comes from the settings. */
export interface RunOptions {
  readonly service: string;
  readonly version: string;
  readonly namespace: string;
  readonly name?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly ProgramPort[];
  readonly protocol: string;
  readonly healthPath?: string;
  readonly metricsPath?: string;
  /** Program and arguments; empty: the program runs already and only its proxy is started. */
  readonly command: readonly string[];
  /** Variables for the program on top of our own environment. */
  readonly variables: Readonly<Record<string, string>>;
  readonly engine?: 'embedded' | 'envoy';
  readonly stateDir?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  /** Milliseconds to wait for a control plane that does not run yet; 0: say so at once. */
  readonly waitMs: number;
  readonly graceMs?: number;
  readonly logLevel?: LogLevel;
  /** One line for the person at the terminal. */
  readonly onLine: (line: string) => void;
}

/** Signals that end the workload; the others are handed to the program. */
const endingSignals = ['SIGTERM', 'SIGINT'] as const;
const handedOnSignals = ['SIGHUP', 'SIGQUIT', 'SIGUSR2', 'SIGWINCH'] as const;

/**
 * Runs a program joined to the mesh until it ends or we are told to end; resolves with its exit code. Faults: no control
 * plane, a port in use, no such program.
 */
export async function runWorkload(options: RunOptions): Promise<number> {
  const { settings, problems } = readSettings(process.env);
  for (const problem of problems) options.onLine(`${problem.message}. ${problem.fix}`);
  setLogLevel(options.logLevel ?? (settings.logLevel === 'info' ? 'warn' : settings.logLevel));
  const early = new AbortController();
  let joined: JoinedWorkload | undefined;
  const deaf = onStopSignals(process, endingSignals, systemClock, (signal) => {
    early.abort();
    if (joined) detach(joined.stop(signal), () => {});
  });
  try {
    joined = await join(options, settings, early.signal);
    if (early.signal.aborted) return await joined.stop();
    options.onLine(describe(options, joined));
    // The next workload of this machine starts in half the time and memory when it need not compile again.
    flushCompileCache();
    trimHeap();
    return await untilEnd(joined);
  } finally {
    deaf();
  }
}

async function join(options: RunOptions, settings: Settings, signal: AbortSignal): Promise<JoinedWorkload> {
  const stateDir = resolve(options.stateDir ?? settings.stateDir);
  const controlPlane = await findControlPlane(stateDir, options, signal);
  const runtimeDir = ensureRuntimeDir(stateDir, { override: settings.runtimeDir, xdgRuntimeDir: process.env.XDG_RUNTIME_DIR });
  const address = parseGrpcAddress(controlPlane?.xdsAddress ?? `127.0.0.1:${settings.xdsPort}`);
  if (!('port' in address)) throw new Fault('xds-address', `xDS is at ${address.path}: a host and port are needed`);
  const engine = options.engine ?? settings.proxy;
  const [command, ...args] = options.command;
  const { service, version: label, namespace, name, labels, ports, protocol, healthPath, metricsPath } = options;
  return joinMesh({
    workload: { service, version: label, namespace, labels, ports, protocol, ...optional({ name, healthPath, metricsPath }) },
    ...(command === undefined ? {} : { program: { command, args, env: { ...ownEnvironment(), ...options.variables }, output: 'inherit' } }),
    objects: await meshObjects({
      kubeconfig: options.kubeconfig ?? controlPlane?.kubeconfig ?? '',
      ...optional({ context: options.context }),
    }),
    xds: address,
    clusterId: settings.clusterId,
    engine,
    launcher: launcherFor(engine, settings),
    runtimeDir,
    oneAddress: process.platform !== 'linux',
    firstUnprivilegedPort: firstUnprivilegedPort(),
    graceMs: options.graceMs ?? settings.graceMs,
    drainMs: settings.drainMs,
    version,
    clock: systemClock,
    log: logger('agent'),
  });
}

async function findControlPlane(stateDir: string, options: RunOptions, signal: AbortSignal): Promise<RuntimeFile | undefined> {
  const deadline = systemClock.monotonic() + options.waitMs;
  for (;;) {
    const running = runningControlPlane(stateDir);
    if (running || options.kubeconfig) return running;
    if (signal.aborted || systemClock.monotonic() >= deadline) break;
    await sleep(100, signal);
  }
  throw new Fault('no-control-plane', `no Meshwright control plane runs with the state folder ${stateDir}`, {
    retryable: true,
    fix: 'Start one with "meshwright start" (or "npm start" for the demo), wait for one with --wait, or name another with --kubeconfig.',
  });
}

function launcherFor(engine: 'embedded' | 'envoy', settings: Settings): ProxyLauncher {
  const log = logger('proxy');
  if (engine === 'embedded') return embeddedLauncher({ clock: systemClock, log, backEnd: settings.proxyBackEnd });
  return envoyLauncher({
    path: findEnvoy(settings, process.env),
    bootstrapFile: (bootstrap) => bootstrap.alsSocket.replace(/\.als$/, '.envoy.json'),
    metricSeries: settings.metricSeries,
    clock: systemClock,
    log,
  });
}

async function untilEnd(joined: JoinedWorkload): Promise<number> {
  const handOn = (signal: NodeJS.Signals) => joined.signal(signal);
  for (const signal of handedOnSignals) process.on(signal, handOn);
  // Neither a listening socket of a proxy thread nor a detached child keeps us alive on every platform: the wait does.
  const awake = setInterval(() => {}, 2 ** 30);
  try {
    return await joined.ended;
  } finally {
    clearInterval(awake);
    for (const signal of handedOnSignals) process.off(signal, handOn);
  }
}

function describe(options: RunOptions, joined: JoinedWorkload): string {
  const places = joined.ports.map((port) => {
    const number = port.servicePort === 80 ? '' : `:${port.servicePort}`;
    return `${options.service}${number} -> 127.0.0.1:${port.programPort} (inbound ${joined.address}:${port.inboundPort})`;
  });
  const made = joined.serviceCreated ? `; Service ${options.namespace}/${options.service} made` : '';
  return `${joined.name} joined the mesh${places.length > 0 ? `: ${places.join(', ')}` : ''}${made}`;
}

/** `8080`, `9080:8080` (service port : program's port) or `http:9080:8080` (with the name of the service port). */
export function parseProgramPort(text: string): ProgramPort {
  const match = /^(?:(?:([a-z0-9](?:[-a-z0-9]*[a-z0-9])?):)?(\d{1,5}):)?(\d{1,5})$/.exec(text);
  const numbers = [match?.[2], match?.[3]].filter((part) => part !== undefined).map(Number);
  if (!match || numbers.some((number) => number > 65_535)) {
    throw new Fault('bad-port', `${text} is no port; expected PORT, SERVICE-PORT:PORT or NAME:SERVICE-PORT:PORT`);
  }
  return { port: Number(match[3]), ...optional({ name: match[1], servicePort: match[2] === undefined ? undefined : Number(match[2]) }) };
}

/** Least port that this process may listen on (ip(7)); root may listen on all. */
function firstUnprivilegedPort(): number {
  if (process.getuid?.() === 0) return 0;
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8')) || 0;
  } catch {
    return process.platform === 'darwin' ? 0 : 1_024;
  }
}

function ownEnvironment(): Record<string, string> {
  return Object.fromEntries(Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

function optional<T extends Readonly<Record<string, unknown>>>(values: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as { [K in keyof T]?: NonNullable<T[K]> };
}

import { hostname } from 'node:os';
import type { Clock } from '#base/clock.ts';
import { Fault, messageOf } from '#base/fault.ts';
import { detach, sleep } from '#base/task.ts';
import { type Child, startChild } from '#process/child-process.ts';
import type { Logger } from '#process/log.ts';
import { formatIdentity, identifyProcess } from '#process/process-identity.ts';
import { type ProxyBootstrap, type ProxyEngine, reportingOf } from './bootstrap.ts';
import { checkHealth, type ProgramHost, programHosts } from './health-check.ts';
import { claimInstance, type InstanceClaim } from './instance-claim.ts';
import { claimBlock, freePort, type LoopbackBlock, portIsTaken } from './loopback-block.ts';
import type { MeshObjects } from './mesh-objects.ts';
import { programEnvironment } from './program-environment.ts';
import type { ProxyLauncher, RunningProxy } from './proxy-launcher.ts';
import { createRegistration, type Registration } from './registration.ts';
import { createReporting } from './reporting.ts';
import { type JoinedService, joinService, knownServices, newServicePort, type ProgramPort, type ServedPort } from './service-port.ts';
import { serveStatus } from './status-server.ts';

export interface WorkloadWish {
  readonly service: string;
  readonly version: string;
  readonly namespace: string;
  /** Instance name; absent: `<service>-<version>`, with a number when that runs already. */
  readonly name?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Empty for a program that only calls others. Port 0: one is chosen and told by PORT. */
  readonly ports: readonly ProgramPort[];
  /** Protocol of the ports of a Service that has to be made. */
  readonly protocol: string;
  /** HTTP path that must answer 200-399 on the first port; absent: it must accept connections. */
  readonly healthPath?: string;
  /** Path of the program's Prometheus page on its first port. */
  readonly metricsPath?: string;
}

export interface JoinOptions {
  readonly workload: WorkloadWish;
  /** Absent: the program runs already, under somebody else's care. */
  readonly program?: {
    readonly command: string;
    readonly args: readonly string[];
    readonly env: Readonly<Record<string, string>>;
    readonly cwd?: string;
    readonly output: 'inherit' | 'pipe';
  };
  readonly objects: MeshObjects;
  readonly xds: { readonly host: string; readonly port: number };
  readonly clusterId: string;
  readonly engine: ProxyEngine;
  readonly launcher: ProxyLauncher;
  readonly runtimeDir: string;
  /** The system answers on 127.0.0.1 only (macOS). */
  readonly oneAddress: boolean;
  /** Least port that this process may listen on. */
  readonly firstUnprivilegedPort: number;
  readonly graceMs: number;
  readonly drainMs: number;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Health of the program, each time it changes. */
  readonly onHealth?: (healthy: boolean) => void;
}

/** A workload in the mesh. */
export interface JoinedWorkload {
  readonly name: string;
  readonly address: string;
  readonly serviceCreated: boolean;
  readonly ports: readonly (ServedPort & { readonly inboundPort: number })[];
  readonly httpProxy: string;
  readonly adminUrl: string;
  /** Unix socket of the agent. */
  readonly socket: string;
  /** Resolves with the exit code when the program has ended and everything of the workload is gone. */
  readonly ended: Promise<number>;
  /** Leaves the mesh, drains, ends the program with `signal` (default SIGTERM), then the proxy. */
  stop(signal?: NodeJS.Signals): Promise<number>;
  /** Hands a signal to the program. */
  signal(name: NodeJS.Signals): void;
}

/** How long the first configuration may take before the program is started without it. */
const configuredWithinMs = 10_000;

/**
 * Joins a program to the mesh: an address block of its own, a proxy, a WorkloadEntry that lives as long as the program, and
 * the program itself once its proxy is configured. Rejects with a Fault, having undone everything, when a step fails.
 */
export async function joinMesh(options: JoinOptions): Promise<JoinedWorkload> {
  const cleanUp = new AsyncDisposableStack();
  try {
    return await join(options, cleanUp);
  } catch (error) {
    await cleanUp.disposeAsync();
    throw error;
  }
}

async function join(options: JoinOptions, cleanUp: AsyncDisposableStack): Promise<JoinedWorkload> {
  const place = await claimPlace(options, cleanUp);
  const { claim, block, bootstrap } = place;
  const reporting = createReporting({
    own: reportingOf(bootstrap),
    version: options.version,
    proxy: () => proxy.current(),
    ...programMetricsOf(options, bootstrap),
  });
  const socket = claim.file('sock');
  const adminUrl = `http://${block.address}:${bootstrap.adminPort}`;
  let healthy = bootstrap.inbound.length === 0;
  const proxy = createProxyHolder(options, bootstrap, () => {
    reporting.proxyChanged();
    remember();
  });
  let child: Child | undefined;
  const remember = () => claim.remember([...(proxy.current()?.processes() ?? []), ...(child ? [child.process] : [])]);

  const isReady = async () => healthy && ((await proxy.current()?.isReady()) ?? false);
  cleanUp.defer(await serveStatus({ tap: reporting.tap, stats: reporting.stats, isReady }, socket, block.lock));
  const registration = registrationFor(options, place, { socket, adminUrl });
  cleanUp.defer(() => registration.remove());
  registration.setHealthy(healthy);
  await registration.register();

  cleanUp.defer(() => proxy.stop());
  await proxy.start(programHosts[0]);
  await proxy.configured();
  child = await startProgram(options, place);
  const running = child;
  if (running) cleanUp.defer(async () => void (await running.stop('SIGKILL')));
  remember();
  const stopHealth = watchHealth(options, bootstrap, proxy, (now) => {
    healthy = now;
    registration.setHealthy(now);
    options.onHealth?.(now);
  });
  cleanUp.defer(stopHealth);

  const end = lifeOf({ options, registration, proxy, child, stopHealth, cleanUp });
  return {
    name: claim.name,
    address: block.address,
    serviceCreated: place.service.created,
    ports: place.service.ports.map((port, index) => ({ ...port, inboundPort: bootstrap.inbound[index]?.port ?? 0 })),
    httpProxy: `http://${bootstrap.httpProxy.bind}:${bootstrap.httpProxy.port}`,
    adminUrl,
    socket,
    ...end,
  };
}

interface Place {
  readonly claim: InstanceClaim;
  readonly block: LoopbackBlock;
  readonly service: JoinedService;
  readonly labels: Readonly<Record<string, string>>;
  readonly bootstrap: ProxyBootstrap;
}

/** Name, service, addresses and ports: all that must be exclusive or agreed before anything starts. */
async function claimPlace(options: JoinOptions, cleanUp: AsyncDisposableStack): Promise<Place> {
  const { workload } = options;
  const { namespace } = workload;
  const name = workload.name ?? `${workload.service}-${workload.version}`;
  const claim = await claimInstance(options.runtimeDir, namespace, name, { exact: workload.name !== undefined, clock: options.clock });
  cleanUp.defer(() => claim.release());
  const ports = await programPorts(workload.ports, options.program !== undefined);
  const service: JoinedService =
    ports.length === 0
      ? { created: false, selector: {}, ports: [] }
      : await joinService(options.objects, {
          namespace,
          service: workload.service,
          ports,
          protocol: workload.protocol,
          servicePort: (port) => newServicePort(port, options.firstUnprivilegedPort),
        });
  const labels = { ...service.selector, app: service.selector.app ?? workload.service, version: workload.version, ...workload.labels };
  const block = await claimBlock(`${namespace}/${claim.name}`, options.oneAddress);
  cleanUp.defer(() => void block.lock.close());
  const app = labels.app;
  const bootstrap: ProxyBootstrap = {
    engine: options.engine,
    instance: claim.name,
    serviceHost: `${workload.service}.${namespace}.svc.cluster.local`,
    identity: { workload: name, namespace, app, version: workload.version, cluster: options.clusterId },
    labels,
    address: block.address,
    inbound: await inboundPorts(block, service.ports),
    outbound: block.outbound,
    httpProxy: { bind: block.address, port: await freePort(block.address, usualPorts.httpProxy) },
    adminPort: await freePort(block.address, usualPorts.admin),
    xds: options.xds,
    alsSocket: claim.file('als'),
  };
  return { claim, block, service, labels, bootstrap };
}

/** Ports on the workload's own address when nothing on the machine holds them (Istio's numbers where it has one). */
const usualPorts = { admin: 15000, inbound: 15006, httpProxy: 15080 } as const;

async function inboundPorts(block: LoopbackBlock, served: readonly ServedPort[]): Promise<ProxyBootstrap['inbound']> {
  const inbound: ProxyBootstrap['inbound'][number][] = [];
  for (const [index, port] of served.entries()) {
    // A WorkloadEntry names its ports by service port; for one without a name the number itself must be the expected one.
    const wanted = port.name === '' ? port.endpointPort : usualPorts.inbound + index;
    const chosen = await freePort(block.address, wanted);
    if (port.name === '' && chosen !== wanted) {
      throw new Fault('port-in-use', `port ${wanted} is in use on all addresses, and the Service's port has no name`, {
        fix: 'Give the port of the Service a name, e.g. http.',
      });
    }
    inbound.push({ targetPort: port.programPort, bind: block.address, port: chosen, defaultEndpoint: programHosts[0] });
  }
  return inbound;
}

async function programPorts(ports: readonly ProgramPort[], startsProgram: boolean): Promise<ProgramPort[]> {
  const chosen: ProgramPort[] = [];
  for (const port of ports) {
    if (port.port === 0) chosen.push({ ...port, port: await freePort('127.0.0.1') });
    else if (startsProgram && (await portIsTaken('127.0.0.1', port.port))) {
      throw new Fault('port-in-use', `port ${port.port} on 127.0.0.1 is in use: the program could not listen there`, {
        fix: 'Stop what listens there (ss -ltnp shows it), or give another --port.',
      });
    } else chosen.push(port);
  }
  return chosen;
}

function registrationFor(options: JoinOptions, place: Place, urls: { readonly socket: string; readonly adminUrl: string }): Registration {
  const { bootstrap, service } = place;
  const named = service.ports.flatMap((port, index) =>
    port.name === '' ? [] : [[port.name, bootstrap.inbound[index]?.port ?? 0] as const],
  );
  return createRegistration(
    options.objects,
    {
      namespace: options.workload.namespace,
      name: place.claim.name,
      workload: bootstrap.identity.workload,
      address: bootstrap.address,
      ports: Object.fromEntries(named),
      labels: place.labels,
      marks: {
        process: formatIdentity(identifyProcess(process.pid)),
        host: hostname(),
        agent: `unix:${urls.socket}`,
        admin: urls.adminUrl,
        engine: options.engine,
      },
    },
    options.clock,
    options.log,
  );
}

interface ProxyHolder {
  current(): RunningProxy | undefined;
  /** Starts the proxy, or replaces it by one that knows where the program listens. */
  start(host: ProgramHost): Promise<void>;
  configured(): Promise<void>;
  stop(): Promise<void>;
}

function createProxyHolder(options: JoinOptions, bootstrap: ProxyBootstrap, onChange: () => void): ProxyHolder {
  let running: RunningProxy | undefined;
  return {
    current: () => running,
    async start(host) {
      await running?.stop();
      const inbound = bootstrap.inbound.map((port) => ({ ...port, defaultEndpoint: host }));
      running = await options.launcher({ ...bootstrap, inbound }, { onProcesses: onChange });
      onChange();
    },
    async configured() {
      try {
        await running?.ready(AbortSignal.timeout(configuredWithinMs));
      } catch (error) {
        options.log.warn('the program starts before its proxy is configured', { error: messageOf(error) });
      }
    },
    async stop() {
      const last = running;
      running = undefined;
      await last?.stop();
    },
  };
}

async function startProgram(options: JoinOptions, place: Place): Promise<Child | undefined> {
  if (!options.program) return undefined;
  const { command, args, env, cwd, output } = options.program;
  const { bootstrap } = place;
  const variables = programEnvironment({
    base: env,
    namespace: options.workload.namespace,
    workload: bootstrap.instance,
    service: options.workload.service,
    version: options.workload.version,
    clusterId: options.clusterId,
    port: bootstrap.inbound[0]?.targetPort ?? 0,
    address: bootstrap.address,
    outbound: bootstrap.outbound,
    httpProxy: bootstrap.httpProxy,
    services: await knownServices(options.objects),
  });
  return startChild({ command, args, env: variables, ...(cwd ? { cwd } : {}), output, graceMs: options.graceMs, clock: options.clock });
}

/** Probes the program's first port; a program that turns out to listen elsewhere gets a proxy that knows. */
function watchHealth(
  options: JoinOptions,
  bootstrap: ProxyBootstrap,
  proxy: ProxyHolder,
  onHealth: (healthy: boolean) => void,
): () => void {
  const [first] = bootstrap.inbound;
  if (!first) return () => {};
  let known: ProgramHost = programHosts[0];
  async function follow(healthy: boolean, host: ProgramHost | undefined): Promise<void> {
    if (host && host !== known) {
      known = host;
      options.log.info('the program listens on another address', { host });
      await proxy.start(host);
      await proxy.configured();
    }
    onHealth(healthy);
  }
  return checkHealth({
    port: first.targetPort,
    ...(options.workload.healthPath === undefined ? {} : { path: options.workload.healthPath }),
    clock: options.clock,
    onChange: (healthy, host) =>
      detach(follow(healthy, host), (message) => options.log.error('the proxy cannot follow the program', { error: message })),
  });
}

interface Life {
  readonly options: JoinOptions;
  readonly registration: Registration;
  readonly proxy: ProxyHolder;
  readonly child: Child | undefined;
  readonly stopHealth: () => void;
  readonly cleanUp: AsyncDisposableStack;
}

/** Ends the workload once, whoever asks first: the program by ending, or `stop`. */
function lifeOf(life: Life): Pick<JoinedWorkload, 'ended' | 'stop' | 'signal'> {
  const { options, registration, proxy, child, stopHealth, cleanUp } = life;
  const over = Promise.withResolvers<number>();
  let leaving: Promise<void> | undefined;

  async function leave(signal: NodeJS.Signals | undefined): Promise<void> {
    stopHealth();
    await registration.remove();
    if (signal && options.drainMs > 0) {
      await proxy.current()?.drain();
      await sleep(options.drainMs);
    }
    const exit = child ? await (signal ? child.stop(signal) : child.exited) : { code: 0 };
    await cleanUp.disposeAsync();
    over.resolve(exit.code);
  }

  function end(signal: NodeJS.Signals | undefined): void {
    if (leaving && signal) child?.signal(signal);
    leaving ??= leave(signal).catch((error: unknown) => over.reject(error));
  }

  if (child)
    detach(
      child.exited.then(() => end(undefined)),
      (message) => options.log.error('leaving the mesh failed', { error: message }),
    );
  return {
    ended: over.promise,
    signal: (name) => void child?.signal(name),
    stop(signal = 'SIGTERM') {
      end(signal);
      return over.promise;
    },
  };
}

function programMetricsOf(options: JoinOptions, bootstrap: ProxyBootstrap) {
  const [first] = bootstrap.inbound;
  const path = options.workload.metricsPath;
  return first && path ? { programMetrics: { host: '127.0.0.1', port: first.targetPort, path } } : {};
}

import { rmSync, writeFileSync } from 'node:fs';
import { createBackoff } from '#base/backoff.ts';
import type { Clock } from '#base/clock.ts';
import { Fault, messageOf } from '#base/fault.ts';
import { detach, sleep } from '#base/task.ts';
import { type Child, startChild } from '#process/child-process.ts';
import type { Logger } from '#process/log.ts';
import { completeAccess, type ProxyAccess } from './access.ts';
import { serveAccessLog } from './access-log-service.ts';
import { type ProxyBootstrap, peerText, reportingOf } from './bootstrap.ts';
import { envoyBootstrap } from './envoy-bootstrap.ts';
import { createMetricRows } from './metric-rows.ts';
import type { ProxyHooks, ProxyLauncher, RunningProxy } from './proxy-launcher.ts';

export interface EnvoyOptions {
  /** The binary. */
  readonly path: string;
  /** Where the bootstrap file of an instance is written (mode 0600). */
  readonly bootstrapFile: (bootstrap: ProxyBootstrap) => string;
  /** Most label combinations in the metrics. */
  readonly metricSeries: number;
  readonly clock: Clock;
  readonly log: Logger;
}

const readyPollMs = 50;
const adminTimeoutMs = 2_000;
/** Envoy that runs longer than this has started well: the next restart is quick again. */
const settledMs = 10_000;

/**
 * Runs the real Envoy as a child, with its access log received here, and starts it again whenever it ends by itself.
 */
export function envoyLauncher(options: EnvoyOptions): ProxyLauncher {
  return async (bootstrap, hooks) => {
    const file = options.bootstrapFile(bootstrap);
    rmSync(bootstrap.alsSocket, { force: true });
    const accesses = countAccesses(bootstrap, options.metricSeries);
    const stopAccessLog = await serveAccessLog({
      socket: bootstrap.alsSocket,
      clock: options.clock,
      log: options.log,
      onAccess: accesses.take,
    });
    try {
      writeFileSync(file, JSON.stringify(envoyBootstrap(bootstrap), null, 1), { mode: 0o600 });
      const envoy = await superviseEnvoy(options, file, bootstrap, hooks);
      return envoyProxy(bootstrap, envoy, accesses, async () => {
        await stopAccessLog();
        rmSync(file, { force: true });
        rmSync(bootstrap.alsSocket, { force: true });
      });
    } catch (error) {
      await stopAccessLog();
      throw error;
    }
  };
}

interface Accesses extends Pick<RunningProxy, 'metricRows' | 'observe'> {
  take(access: ProxyAccess): void;
}

/** Envoy itself knows nothing of Istio's metrics: they are counted from its access log. */
function countAccesses(bootstrap: ProxyBootstrap, metricSeries: number): Accesses {
  const rows = createMetricRows(metricSeries);
  const own = reportingOf(bootstrap);
  let listener: ((access: ProxyAccess) => void) | undefined;
  return {
    take(access) {
      rows.observe(completeAccess(access, own));
      listener?.(access);
    },
    metricRows: async () => rows.rows(),
    observe(next) {
      listener = next;
    },
  };
}

interface SupervisedEnvoy {
  current(): Child;
  stop(): Promise<void>;
}

async function superviseEnvoy(options: EnvoyOptions, file: string, bootstrap: ProxyBootstrap, hooks: ProxyHooks): Promise<SupervisedEnvoy> {
  const { clock, log } = options;
  const stopping = new AbortController();
  const backoff = createBackoff(100, 10_000, () => clock.random());
  let child = await startEnvoy(options, file, bootstrap, stopping.signal);

  async function keepRunning(): Promise<void> {
    while (!stopping.signal.aborted) {
      const startedAt = clock.monotonic();
      const exit = await child.exited;
      if (stopping.signal.aborted) return;
      if (clock.monotonic() - startedAt > settledMs) backoff.reset();
      log.warn('Envoy ended and is started again', { code: exit.code, signal: exit.signal });
      do {
        await sleep(backoff.next(), stopping.signal);
        if (stopping.signal.aborted) return;
      } while (!(await restart()));
    }
  }

  async function restart(): Promise<boolean> {
    try {
      child = await startEnvoy(options, file, bootstrap, stopping.signal);
      hooks.onProcesses();
      // A stop that came while it was starting has met the old child only.
      if (stopping.signal.aborted) await child.stop('SIGKILL');
      return true;
    } catch (error) {
      log.error('Envoy cannot be started again', { error: messageOf(error) });
      return false;
    }
  }

  const kept = keepRunning();
  detach(kept, (message) => log.error('supervision of Envoy ended', { error: message }));
  return {
    current: () => child,
    async stop() {
      stopping.abort();
      await child.stop();
      await kept;
    },
  };
}

async function startEnvoy(options: EnvoyOptions, file: string, bootstrap: ProxyBootstrap, stopping: AbortSignal): Promise<Child> {
  const child = await startChild({
    command: options.path,
    args: ['-c', file, '--disable-hot-restart', '--concurrency', '1', '--log-level', 'warning', '--drain-strategy', 'immediate'],
    env: { MESHWRIGHT_PEER: peerText(bootstrap) },
    output: 'pipe',
    graceMs: 2_000,
    clock: options.clock,
  });
  // Envoy writes one line per event, but a chunk may hold several or a part of one.
  let rest = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = (lines.pop() ?? '').slice(-16_384);
    // Its last words about closed connections interest nobody.
    if (stopping.aborted) return;
    for (const line of lines) if (line) options.log.warn('envoy', { line: line.slice(0, 2_000) });
  });
  child.stdout?.resume();
  return child;
}

function envoyProxy(bootstrap: ProxyBootstrap, envoy: SupervisedEnvoy, accesses: Accesses, cleanUp: () => Promise<void>): RunningProxy {
  const admin = `http://${bootstrap.address}:${bootstrap.adminPort}`;
  const ask = (path: string, method = 'GET') => fetch(`${admin}${path}`, { method, signal: AbortSignal.timeout(adminTimeoutMs) });
  const isReady = async () => {
    try {
      const answer = await ask('/ready');
      await answer.body?.cancel();
      return answer.ok;
    } catch {
      return false;
    }
  };
  return {
    isReady,
    metricRows: accesses.metricRows,
    observe: accesses.observe,
    async ready(signal) {
      while (!(await isReady())) {
        if (signal.aborted) throw new Fault('proxy-not-ready', 'Envoy got no configuration in time', { retryable: true });
        await sleep(readyPollMs, signal);
      }
    },
    async stats() {
      try {
        return await (await ask('/stats/prometheus?usedonly')).text();
      } catch {
        return '';
      }
    },
    async drain() {
      try {
        await (await ask('/drain_listeners?inboundonly&graceful', 'POST')).body?.cancel();
      } catch {
        // An Envoy that does not answer has nothing to drain.
      }
    },
    async stop() {
      await envoy.stop();
      await cleanUp();
    },
    processes: () => [envoy.current().process],
  };
}

import { get } from 'node:http';
import { connect } from 'node:net';
import type { Clock } from '#base/clock.ts';

/** Loopback addresses a program may listen on, the usual one first. The form is that of `defaultEndpoint`. */
export const programHosts = ['127.0.0.1', '[::1]'] as const;
export type ProgramHost = (typeof programHosts)[number];

export interface HealthCheckOptions {
  readonly port: number;
  /** HTTP path that must answer 200-399; absent: a TCP connection suffices. */
  readonly path?: string;
  readonly clock: Clock;
  /** Called when the answer changes, the first answer included. `host` is where it listens. */
  readonly onChange: (healthy: boolean, host: ProgramHost | undefined) => void;
}

const unhealthyEveryMs = 100;
const healthyEveryMs = 2_000;
const answerWithinMs = 1_000;
/** One lost probe of a busy program is no outage. */
const failuresToBeUnhealthy = 2;

/**
 * Probes a program until stopped: often while it is not healthy (it may listen late), seldom afterwards. Finds out by
 * itself whether the program listens on IPv4 or IPv6 loopback. The returned function stops it.
 */
export function checkHealth(options: HealthCheckOptions): () => void {
  let healthy: boolean | undefined;
  let failures = 0;
  let stopped = false;
  let cancel = () => {};

  async function round(): Promise<void> {
    const host = await findHost(options.port, options.path);
    if (stopped) return;
    failures = host ? 0 : failures + 1;
    const now = host !== undefined || (healthy === true && failures < failuresToBeUnhealthy);
    if (now !== healthy) {
      healthy = now;
      options.onChange(now, host);
    }
    cancel = options.clock.after(host && healthy ? healthyEveryMs : unhealthyEveryMs, () => void round());
  }

  void round();
  return () => {
    stopped = true;
    cancel();
  };
}

async function findHost(port: number, path: string | undefined): Promise<ProgramHost | undefined> {
  for (const host of programHosts) {
    const bare = host.replaceAll(/[[\]]/g, '');
    if (await (path === undefined ? connects(bare, port) : answers(bare, port, path))) return host;
  }
  return undefined;
}

function connects(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: answerWithinMs });
    const finish = (result: boolean) => {
      socket.destroy();
      resolve(result);
    };
    socket.once('connect', () => finish(true));
    socket.once('timeout', () => finish(false));
    socket.once('error', () => finish(false));
  });
}

function answers(host: string, port: number, path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const call = get({ host, port, path, agent: false, signal: AbortSignal.timeout(answerWithinMs) }, (answer) => {
      const status = answer.statusCode ?? 0;
      answer.destroy();
      resolve(status >= 200 && status < 400);
    });
    call.once('error', () => resolve(false));
  });
}

import { Agent, request } from 'node:http';
import type { Clock } from '#base/clock.ts';

/** Constant light traffic to one URL, as the demo's visitors. */
export interface Traffic {
  /** Since the start. */
  counts(): { readonly sent: number; readonly ok: number; readonly failed: number };
  stop(): void;
}

export interface TrafficOptions {
  /** Asked for each request: the target may move when its workload is started again. Undefined: nothing to ask now. */
  readonly target: () => { readonly host: string; readonly port: number; readonly path: string } | undefined;
  readonly rps: number;
  readonly clock: Clock;
}

/** Requests that may wait for an answer at a time; what comes due beyond is left out, so a slow page is not buried. */
const mostOpen = 64;
const timeoutMs = 15_000;
/** Every so many requests come from a signed-in visitor, so that rules about users have something to match. */
const signedInEvery = 4;
const signedInAs = 'jason';

/** Starts at once, evenly spaced. An open connection or timer of it does not keep the process alive for long: stop it. */
export function startTraffic(options: TrafficOptions): Traffic {
  const agent = new Agent({ keepAlive: true, maxSockets: mostOpen });
  const { clock } = options;
  const intervalMs = 1_000 / options.rps;
  const counts = { sent: 0, ok: 0, failed: 0 };
  let open = 0;
  let due = clock.monotonic();
  let stopped = false;
  let cancel = () => {};

  function send(): void {
    const target = options.target();
    if (!target || open >= mostOpen) return;
    counts.sent++;
    open++;
    let over = false;
    const finish = (ok: boolean) => {
      if (over) return;
      over = true;
      open--;
      counts[ok ? 'ok' : 'failed']++;
    };
    const cookie = counts.sent % signedInEvery === 0 ? { cookie: `session=${signedInAs}` } : {};
    const headers = { 'user-agent': 'meshwright-demo', ...cookie };
    const call = request({ ...target, agent, headers, timeout: timeoutMs }, (answer) => {
      answer.resume();
      answer.once('end', () => finish((answer.statusCode ?? 500) < 500));
      answer.once('error', () => finish(false));
    });
    call.once('timeout', () => call.destroy(new Error('no answer in time')));
    call.once('error', () => finish(false));
    call.end();
  }

  function tick(): void {
    if (stopped) return;
    send();
    // After a pause of the machine one request is sent, not all that were missed.
    due = Math.max(due + intervalMs, clock.monotonic());
    cancel = clock.after(Math.max(0, due - clock.monotonic()), tick);
  }

  tick();
  return {
    counts: () => ({ ...counts }),
    stop() {
      stopped = true;
      cancel();
      agent.destroy();
    },
  };
}

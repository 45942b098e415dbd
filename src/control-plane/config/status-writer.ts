import type { Clock } from '#base/clock.ts';
import { messageOf } from '#base/fault.ts';
import { detach } from '#base/task.ts';
import type { Logger } from '#process/log.ts';
import type { ObjectState } from './holder.ts';
import type { Source } from './source.ts';
import { statusFor } from './status.ts';

export interface StatusWriterOptions {
  readonly sources: readonly Source[];
  readonly clock: Clock;
  readonly log: Logger;
  /** Changes within this time become one write. */
  readonly delayMs: number;
}

export interface StatusWriter {
  /** Remembers what is to be said of an object; the newest state counts. */
  update(state: ObjectState): void;
  /** Writes nothing from now on. */
  stop(): void;
}

/** So many objects are written before other work may go first, and so long it then has. */
const chunk = { size: 10, pauseMs: 5 };

/**
 * Tells objects' authors what became of them, in the status of Istio's kinds. Only for objects of sources that keep a
 * status, only when something changed. A WorkloadEntry is left alone: its status belongs to the agent beside the workload.
 */
export function createStatusWriter({ sources, clock, log, delayMs }: StatusWriterOptions): StatusWriter {
  const waiting = new Map<string, ObjectState>();
  let cancel: (() => void) | undefined;
  let isStopped = false;

  const schedule = (ms: number) => {
    if (cancel || isStopped || waiting.size === 0) return;
    cancel = clock.after(ms, () => detach(flush(), (message) => log.error('statuses could not be written', { error: message })));
  };
  const flush = async () => {
    const states = [...waiting.values()].slice(0, chunk.size);
    for (const state of states) waiting.delete(state.key);
    for (const state of states) if (!isStopped) await write(state);
    cancel = undefined;
    schedule(chunk.pauseMs);
  };
  const write = async (state: ObjectState) => {
    try {
      const now = new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
      await sources[state.source]?.writeStatus?.(state.ref, (object) => statusFor(object, state.problems, now));
    } catch (error) {
      log.warn('the status of an object could not be written', { object: state.key, error: messageOf(error) });
    }
  };

  return {
    update(state) {
      const isOurs = state.ref.group.endsWith('istio.io') && state.ref.kind !== 'WorkloadEntry';
      if (!isOurs || !sources[state.source]?.writeStatus) {
        waiting.delete(state.key);
        return;
      }
      waiting.set(state.key, state);
      schedule(delayMs);
    },
    stop() {
      isStopped = true;
      cancel?.();
    },
  };
}

import { messageOf } from './fault.ts';

/**
 * Runs a promise nobody awaits. The only place where that is allowed: a failure goes to `onError`, never to an
 * unhandled rejection. Use it for work whose end no caller needs.
 */
export function detach(work: Promise<unknown>, onError: (message: string, error: unknown) => void): void {
  work.catch((error: unknown) => onError(messageOf(error), error));
}

/** Resolves after `delayMs`, or at once when `signal` aborts (it never rejects: callers look at the signal). */
export function sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    signal?.addEventListener('abort', done, { once: true });
  });
}

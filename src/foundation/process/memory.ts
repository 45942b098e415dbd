import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Collects what starting up has left behind and gives the pages back, for long-lived processes that are idle most of the
 * time: V8 alone would keep a third of the heap for as long as nothing presses. Stops this thread for 20-50 ms, so call it
 * once, when the start is over.
 */
export function trimHeap(): void {
  // The collector can be called only from a context made after the flag was set.
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  if (typeof collect === 'function') collect({ type: 'major', flavor: 'last-resort' });
}

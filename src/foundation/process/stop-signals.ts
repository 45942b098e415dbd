import type { Clock } from '#base/clock.ts';

/** What repeats so soon is one wish: a terminal signals every process of its group, and wrappers (npm, npx) pass theirs on. */
export const sameWishMs = 1_000;

/** Where signals come from: `process`. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
}

/**
 * Calls `onWish` for each wish to end: `insists` is true from the second on. A signal within a second of the last one that
 * counted is not a wish of its own. The returned function stops listening.
 */
export function onStopSignals(
  source: SignalSource,
  signals: readonly NodeJS.Signals[],
  clock: Pick<Clock, 'monotonic'>,
  onWish: (signal: NodeJS.Signals, insists: boolean) => void,
): () => void {
  let countedAt: number | undefined;
  const listener = (signal: NodeJS.Signals) => {
    const now = clock.monotonic();
    if (countedAt !== undefined && now - countedAt < sameWishMs) return;
    const insists = countedAt !== undefined;
    countedAt = now;
    onWish(signal, insists);
  };
  for (const signal of signals) source.on(signal, listener);
  return () => {
    for (const signal of signals) source.off(signal, listener);
  };
}

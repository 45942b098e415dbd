import type { Clock } from '#base/clock.ts';

/** A clock that stands still until it is told to go on. */
export interface SteppedClock extends Clock {
  /** Runs everything that falls due, in order, letting promises settle in between. */
  advance(ms: number): Promise<void>;
}

export function createSteppedClock(startMs = Date.UTC(2026, 0, 1)): SteppedClock {
  let now = startMs;
  let next = 0;
  const timers = new Map<number, { at: number; run: () => void }>();
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  return {
    now: () => now,
    monotonic: () => now - startMs,
    random: () => 0.5,
    after(delayMs, run) {
      const id = ++next;
      timers.set(id, { at: now + delayMs, run });
      return () => timers.delete(id);
    },
    async advance(ms) {
      const end = now + ms;
      await settle();
      for (;;) {
        const due = [...timers].filter(([, timer]) => timer.at <= end).sort(([a, x], [b, y]) => x.at - y.at || a - b)[0];
        if (!due) break;
        const [id, timer] = due;
        timers.delete(id);
        now = Math.max(now, timer.at);
        timer.run();
        await settle();
      }
      now = end;
      await settle();
    },
  };
}

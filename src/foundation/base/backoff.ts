/** Exponential delays with full jitter: `next()` gives milliseconds, `reset()` starts again at `baseMs`. */
export interface Backoff {
  next(): number;
  reset(): void;
}

/** Delays between half and the whole of baseMs * 2^n, capped at `maxMs`. */
export function createBackoff(baseMs: number, maxMs: number, random: () => number): Backoff {
  let attempt = 0;
  return {
    next() {
      const ceiling = Math.min(maxMs, baseMs * 2 ** attempt);
      attempt = Math.min(attempt + 1, 30);
      return ceiling / 2 + (random() * ceiling) / 2;
    },
    reset() {
      attempt = 0;
    },
  };
}

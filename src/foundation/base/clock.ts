/** Time, timers and randomness as one handed-in value, so that tests can run without waiting. */
export interface Clock {
  /** Wall time, epoch milliseconds. */
  now(): number;
  /** Monotonic time in milliseconds with fraction; only differences mean something. */
  monotonic(): number;
  /** Uniform in [0, 1). */
  random(): number;
  /** Calls `run` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, run: () => void): () => void;
}

import type { Clock } from '#base/clock.ts';
import { detach } from '#base/task.ts';
import type { MeshSnapshot, SnapshotChange } from '#mesh/snapshot.ts';

/** When pushes happen. All in milliseconds. */
export interface PushTiming {
  /** Wait for more before a change of anything but endpoints goes out (PILOT_DEBOUNCE_AFTER). Default 0: the first goes at once. */
  readonly debounceAfterMs: number;
  /** Least time between the end of one push and the start of the next. */
  readonly minGapMs: number;
  /** The gap is as long as the last push took, but not longer than this (PILOT_DEBOUNCE_MAX). */
  readonly maxGapMs: number;
}

export const defaultPushTiming: PushTiming = { debounceAfterMs: 0, minGapMs: 5, maxGapMs: 500 };

/** Endpoint changes never wait longer than this for a gap. */
const maxEndpointGapMs = 50;

/** Changes that go out together. */
export interface PushBatch {
  readonly snapshot: MeshSnapshot;
  readonly change: SnapshotChange;
  /** Monotonic time of the first of them. */
  readonly since: number;
  /** How many changes were joined. */
  readonly merged: number;
}

/**
 * Leading edge, then as fast as pushes can be made: the first change goes out at once, those that come while a push is
 * being made go together after it. A busy control plane so makes fewer, larger pushes, and an idle one adds no delay.
 */
export class PushSchedule {
  readonly #clock: Clock;
  readonly #timing: PushTiming;
  readonly #push: (batch: PushBatch) => Promise<void>;
  readonly #onError: (message: string, error: unknown) => void;
  #waiting: PushBatch | undefined;
  #cancelTimer: (() => void) | undefined;
  /** Changes of pushes that failed: the next one makes up for them. */
  #missed: SnapshotChange | undefined;
  #busy = false;
  #closed = false;
  #lastEnd = Number.NEGATIVE_INFINITY;
  #lastTook = 0;

  constructor(
    clock: Clock,
    timing: PushTiming,
    push: (batch: PushBatch) => Promise<void>,
    onError: (message: string, error: unknown) => void,
  ) {
    this.#clock = clock;
    this.#timing = timing;
    this.#push = push;
    this.#onError = onError;
  }

  add(snapshot: MeshSnapshot, change: SnapshotChange): void {
    const waiting = this.#waiting;
    this.#waiting = waiting
      ? { snapshot, change: joinChanges(waiting.change, change), since: waiting.since, merged: waiting.merged + 1 }
      : { snapshot, change, since: this.#clock.monotonic(), merged: 1 };
    this.#plan();
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
  }

  #plan(): void {
    const waiting = this.#waiting;
    if (!waiting || this.#busy || this.#closed) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const delay = this.#delay(waiting);
    // Timers may fire a little early: for less than a tenth of a millisecond no further one is worth it.
    if (delay < 0.1) detach(this.#run(waiting), this.#onError);
    else this.#cancelTimer = this.#clock.after(delay, () => this.#plan());
  }

  #delay(batch: PushBatch): number {
    const now = this.#clock.monotonic();
    const endpoints = onlyEndpoints(batch.change);
    const longest = endpoints ? Math.min(maxEndpointGapMs, this.#timing.maxGapMs) : this.#timing.maxGapMs;
    const gap = Math.max(this.#timing.minGapMs, Math.min(this.#lastTook, longest));
    const debounce = endpoints ? 0 : this.#timing.debounceAfterMs;
    return Math.max(this.#lastEnd + gap, batch.since + debounce) - now;
  }

  async #run(batch: PushBatch): Promise<void> {
    this.#waiting = undefined;
    this.#busy = true;
    const start = this.#clock.monotonic();
    const change = this.#missed ? joinChanges(this.#missed, batch.change) : batch.change;
    this.#missed = change;
    try {
      await this.#push({ ...batch, change });
      this.#missed = undefined;
    } finally {
      this.#busy = false;
      this.#lastEnd = this.#clock.monotonic();
      this.#lastTook = this.#lastEnd - start;
      this.#plan();
    }
  }
}

/** Whether nothing but endpoints changed. */
export function onlyEndpoints(change: SnapshotChange): boolean {
  const { mesh, services, virtualServices, destinationRules, namespaces } = change;
  return !mesh && services.size + virtualServices.size + destinationRules.size + namespaces.size === 0;
}

function joinChanges(a: SnapshotChange, b: SnapshotChange): SnapshotChange {
  return {
    mesh: a.mesh || b.mesh,
    services: union(a.services, b.services),
    endpoints: union(a.endpoints, b.endpoints),
    virtualServices: union(a.virtualServices, b.virtualServices),
    destinationRules: union(a.destinationRules, b.destinationRules),
    namespaces: union(a.namespaces, b.namespaces),
  };
}

function union(a: ReadonlySet<string>, b: ReadonlySet<string>): ReadonlySet<string> {
  return a.size === 0 ? b : b.size === 0 ? a : new Set([...a, ...b]);
}

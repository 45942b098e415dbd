import type { Clock } from '#base/clock.ts';

/** Who is told when a deadline passes. One owner may hold several deadlines and tells them apart by identity. */
export interface DeadlineOwner {
  deadlinePassed(deadline: Deadline): void;
}

/** One alarm that can be set again and again; a field of its owner, so that setting it allocates nothing. */
export class Deadline {
  readonly owner: DeadlineOwner;
  dueAt = 0;
  list: DeadlineList | undefined = undefined;
  previous: Deadline | undefined = undefined;
  next: Deadline | undefined = undefined;

  constructor(owner: DeadlineOwner) {
    this.owner = owner;
  }
}

/** All deadlines of one duration, in order of setting, which is their order of passing. */
export interface DeadlineList {
  readonly delayMs: number;
  first: Deadline | undefined;
  last: Deadline | undefined;
}

/**
 * Deadlines of a thread. Durations come from configuration and are few, so each has a list; setting and clearing are
 * constant time, and one timer of the clock serves them all. They may pass a millisecond late, never early.
 */
export class Deadlines {
  private readonly clock: Clock;
  private readonly lists = new Map<number, DeadlineList>();
  private cancelTimer: (() => void) | undefined = undefined;
  private timerAt = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** `now` is for callers who have just asked the clock. */
  set(deadline: Deadline, delayMs: number, now = this.clock.monotonic()): void {
    if (deadline.list !== undefined) this.clear(deadline);
    let list = this.lists.get(delayMs);
    if (list === undefined) {
      list = { delayMs, first: undefined, last: undefined };
      this.lists.set(delayMs, list);
    }
    deadline.list = list;
    deadline.dueAt = now + delayMs;
    deadline.previous = list.last;
    if (list.last === undefined) list.first = deadline;
    else list.last.next = deadline;
    list.last = deadline;
    if (deadline.dueAt < this.timerAt) this.arm(deadline.dueAt);
  }

  clear(deadline: Deadline): void {
    const list = deadline.list;
    if (list === undefined) return;
    if (deadline.previous === undefined) list.first = deadline.next;
    else deadline.previous.next = deadline.next;
    if (deadline.next === undefined) list.last = deadline.previous;
    else deadline.next.previous = deadline.previous;
    deadline.list = undefined;
    deadline.previous = undefined;
    deadline.next = undefined;
  }

  /** Drops the timer; deadlines that are set will not pass any more. */
  close(): void {
    this.cancelTimer?.();
    this.lists.clear();
  }

  private arm(at: number): void {
    this.cancelTimer?.();
    this.timerAt = at;
    this.cancelTimer = this.clock.after(Math.max(1, Math.ceil(at - this.clock.monotonic())), () => this.fire());
  }

  private fire(): void {
    this.cancelTimer = undefined;
    this.timerAt = Number.POSITIVE_INFINITY;
    const now = this.clock.monotonic();
    let next = Number.POSITIVE_INFINITY;
    for (const [delayMs, list] of this.lists) {
      for (let due = list.first; due !== undefined && due.dueAt <= now; due = list.first) {
        this.clear(due);
        due.owner.deadlinePassed(due);
      }
      if (list.first === undefined) this.lists.delete(delayMs);
      else if (list.first.dueAt < next) next = list.first.dueAt;
    }
    if (next < this.timerAt) this.arm(next);
  }
}

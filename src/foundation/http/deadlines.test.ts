import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '#base/clock.ts';
import { Deadline, Deadlines } from './deadlines.ts';

/** A clock that moves when told; `timers` counts how many it was asked for. */
function steppedClock() {
  let now = 0;
  let timers = 0;
  const due = new Map<number, { at: number; run: () => void }>();
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    random: () => 0.5,
    after(delayMs, run) {
      const id = ++timers;
      due.set(id, { at: now + delayMs, run });
      return () => due.delete(id);
    },
  };
  return {
    clock,
    timers: () => timers,
    advance(ms: number) {
      const end = now + ms;
      for (;;) {
        const next = [...due].filter(([, timer]) => timer.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
        if (!next) break;
        due.delete(next[0]);
        now = next[1].at;
        next[1].run();
      }
      now = end;
    },
  };
}

test('deadlines pass in order of time, once, and not when cleared', () => {
  const stepped = steppedClock();
  const deadlines = new Deadlines(stepped.clock);
  const passed: string[] = [];
  const owner = (name: string) => ({ deadlinePassed: () => passed.push(name) });
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => new Deadline(owner(name) as { deadlinePassed(): void }));
  assert.ok(a && b && c && d);
  deadlines.set(a, 100);
  deadlines.set(b, 50);
  deadlines.set(c, 100);
  deadlines.set(d, 50);
  deadlines.clear(d);
  stepped.advance(60);
  assert.deepEqual(passed, ['b']);
  deadlines.set(b, 100);
  stepped.advance(60);
  assert.deepEqual(passed, ['b', 'a', 'c']);
  stepped.advance(1000);
  assert.deepEqual(passed, ['b', 'a', 'c', 'b']);
});

test('setting a deadline again moves it, and many need few timers', () => {
  const stepped = steppedClock();
  const deadlines = new Deadlines(stepped.clock);
  let passed = 0;
  const deadline = new Deadline({ deadlinePassed: () => passed++ });
  for (let i = 0; i < 1000; i++) {
    deadlines.set(deadline, 100);
    stepped.advance(10);
  }
  assert.equal(passed, 0);
  assert.ok(stepped.timers() < 200);
  stepped.advance(200);
  assert.equal(passed, 1);
});

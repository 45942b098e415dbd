import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Clock } from '#base/clock.ts';
import { defaultMeshConfig } from '#mesh/mesh-config.ts';
import type { MeshSnapshot, SnapshotChange } from '#mesh/snapshot.ts';
import { defaultPushTiming, type PushBatch, PushSchedule, type PushTiming } from './push-schedule.ts';

/** Time that moves when the test says so. */
class FakeClock implements Clock {
  time = 1000;
  #timers: { readonly at: number; readonly run: () => void }[] = [];
  now = () => this.time;
  monotonic = () => this.time;
  random = () => 0.5;

  after(delayMs: number, run: () => void): () => void {
    const timer = { at: this.time + delayMs, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Runs what is due and lets promises settle after each. */
  async advance(ms: number): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    const end = this.time + ms;
    for (;;) {
      const next = this.#timers.sort((a, b) => a.at - b.at)[0];
      if (!next || next.at > end) break;
      this.#timers.shift();
      this.time = Math.max(this.time, next.at);
      next.run();
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.time = end;
  }
}

function snapshotAt(epoch: number): MeshSnapshot {
  return {
    epoch,
    mesh: defaultMeshConfig,
    services: [],
    endpoints: new Map(),
    virtualServices: [],
    destinationRules: [],
    namespaces: new Map(),
  };
}

const nothing: SnapshotChange = {
  mesh: false,
  services: new Set(),
  endpoints: new Set(),
  virtualServices: new Set(),
  destinationRules: new Set(),
  namespaces: new Set(),
};
const endpoint = (name: string): SnapshotChange => ({ ...nothing, endpoints: new Set([name]) });
const route = (name: string): SnapshotChange => ({ ...nothing, virtualServices: new Set([name]) });

/** A schedule whose pushes take `pushMs`, and what it pushed: `time since the start: epoch (merged)`. */
function scheduled(timing: Partial<PushTiming> = {}, pushMs = 0) {
  const clock = new FakeClock();
  const pushed: string[] = [];
  const batches: PushBatch[] = [];
  const errors: string[] = [];
  const schedule = new PushSchedule(
    clock,
    { ...defaultPushTiming, ...timing },
    async (batch) => {
      pushed.push(`${Math.round(clock.time - 1000)}: ${batch.snapshot.epoch} (${batch.merged})`);
      batches.push(batch);
      if (batch.snapshot.epoch === 99) throw new Error('a push broke');
      clock.time += pushMs;
    },
    (message) => errors.push(message),
  );
  return { clock, schedule, pushed, batches, errors };
}

describe('push schedule', () => {
  it('sends the first change at once and joins those that come within the gap', async () => {
    const { clock, schedule, pushed, batches } = scheduled({ minGapMs: 10 });
    schedule.add(snapshotAt(1), route('a'));
    assert.deepEqual(pushed, ['0: 1 (1)']);
    await clock.advance(2);
    schedule.add(snapshotAt(2), route('b'));
    await clock.advance(3);
    schedule.add(snapshotAt(3), endpoint('e'));
    await clock.advance(50);
    assert.deepEqual(pushed, ['0: 1 (1)', '10: 3 (2)']);
    assert.deepEqual([...(batches[1]?.change.virtualServices ?? []), ...(batches[1]?.change.endpoints ?? [])], ['b', 'e']);
    schedule.add(snapshotAt(4), route('c'));
    assert.deepEqual(pushed.at(-1), '55: 4 (1)');
  });

  it('leaves longer gaps when pushes are dear, but not for endpoints', async () => {
    const { clock, schedule, pushed } = scheduled({ minGapMs: 5, maxGapMs: 300 }, 200);
    schedule.add(snapshotAt(1), route('a'));
    await clock.advance(0);
    schedule.add(snapshotAt(2), route('b'));
    await clock.advance(1000);
    assert.deepEqual(pushed, ['0: 1 (1)', '400: 2 (1)']);
    const before = clock.time;
    schedule.add(snapshotAt(3), endpoint('e'));
    await clock.advance(0);
    schedule.add(snapshotAt(4), endpoint('f'));
    await clock.advance(1000);
    assert.deepEqual(pushed.slice(2), [`${before - 1000}: 3 (1)`, `${before - 1000 + 250}: 4 (1)`]);
  });

  it('waits before configuration goes out when it is told to, and lets endpoints pass', async () => {
    const { clock, schedule, pushed } = scheduled({ debounceAfterMs: 100 });
    schedule.add(snapshotAt(1), endpoint('e'));
    assert.deepEqual(pushed, ['0: 1 (1)']);
    await clock.advance(20);
    schedule.add(snapshotAt(2), route('a'));
    await clock.advance(60);
    schedule.add(snapshotAt(3), route('a'));
    await clock.advance(200);
    assert.deepEqual(pushed, ['0: 1 (1)', '120: 3 (2)']);
  });

  it('goes on after a push that failed, and stops when it is closed', async () => {
    const { clock, schedule, pushed, batches, errors } = scheduled();
    schedule.add(snapshotAt(99), route('a'));
    await clock.advance(20);
    schedule.add(snapshotAt(100), endpoint('e'));
    await clock.advance(20);
    assert.deepEqual([pushed.length, errors], [2, ['a push broke']]);
    const made = batches[1]?.change;
    assert.deepEqual(
      [...(made?.virtualServices ?? []), ...(made?.endpoints ?? [])],
      ['a', 'e'],
      'what the failed push was to bring comes along',
    );
    schedule.add(snapshotAt(101), endpoint('e'));
    await clock.advance(20);
    assert.deepEqual([...(batches[2]?.change.virtualServices ?? [])], []);
    pushed.pop();
    schedule.close();
    schedule.add(snapshotAt(101), route('a'));
    await clock.advance(1000);
    assert.equal(pushed.length, 2);
  });
});

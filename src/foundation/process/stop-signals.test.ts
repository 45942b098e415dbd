import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it } from 'node:test';
import { onStopSignals, sameWishMs } from './stop-signals.ts';

describe('signals that end a process', () => {
  const cases: readonly { what: string; at: readonly number[]; wishes: readonly boolean[] }[] = [
    { what: 'one', at: [0], wishes: [false] },
    { what: 'one that a wrapper passed on as well', at: [0, 3], wishes: [false] },
    { what: 'a second wish', at: [0, sameWishMs], wishes: [false, true] },
    { what: 'a second wish, doubled too', at: [0, 3, sameWishMs + 1, sameWishMs + 5], wishes: [false, true] },
    { what: 'a hammered key counts once a second', at: [0, 400, 800, 1_200, 1_600], wishes: [false, true] },
  ];
  for (const { what, at, wishes } of cases) {
    it(what, () => {
      let now = 0;
      const source = new EventEmitter();
      const heard: boolean[] = [];
      const end = onStopSignals(source, ['SIGINT', 'SIGTERM'], { monotonic: () => now }, (_, insists) => void heard.push(insists));
      for (const time of at) {
        now = time;
        source.emit('SIGINT', 'SIGINT');
      }
      assert.deepEqual(heard, wishes);
      end();
      assert.deepEqual(source.eventNames(), []);
    });
  }
});

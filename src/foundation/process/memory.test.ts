import assert from 'node:assert/strict';
import { test } from 'node:test';
import { trimHeap } from './memory.ts';

test('garbage is collected and its pages are given back', () => {
  let garbage: unknown[] | undefined = Array.from({ length: 300_000 }, (_, n) => ({ n, text: `value ${n}` }));
  assert.equal(garbage.length, 300_000);
  const before = process.memoryUsage();
  garbage = undefined;
  trimHeap();
  const after = process.memoryUsage();
  assert.ok(after.heapUsed < before.heapUsed - 10e6, `${before.heapUsed} to ${after.heapUsed}`);
  assert.ok(after.heapTotal < before.heapTotal, `${before.heapTotal} to ${after.heapTotal}`);
  assert.equal('gc' in globalThis, false);
});

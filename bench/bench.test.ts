import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cpuTimeMs, limitRow, median, pairedRow, pairedSlices, processTree, quantile, round3 } from './bench.ts';

describe('statistics', () => {
  it('median and quantile', () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1, 2, 3]), 2.5);
    assert.ok(Number.isNaN(median([])));
    const values = Array.from({ length: 100 }, (_, i) => i + 1);
    assert.equal(quantile(values, 0.99), 99);
    assert.equal(quantile(values, 0.5), 50);
    assert.equal(quantile([7], 0.99), 7);
  });
  it('three digits', () => {
    assert.equal(round3(1234.5), '1230');
    assert.equal(round3(0.012345), '0.0123');
    assert.equal(round3(Number.NaN), '-');
  });
});

describe('paired slices', () => {
  it('take turns, reverse each round, and give the median of ratios of the same round', async () => {
    const order: string[] = [];
    let round = 0;
    const contender = (name: string, figures: readonly number[]) => ({
      name,
      slice: async () => {
        order.push(name);
        return figures[Math.floor(round++ / 2)] ?? 0;
      },
    });
    // The machine got twice as slow in the second round: ratios do not notice.
    const result = await pairedSlices([contender('ours', [10, 20, 10]), contender('peer', [20, 40, 20])], {
      rounds: 3,
      warmUp: 0,
      quietBelow: 1000,
    });
    assert.deepEqual(order, ['ours', 'peer', 'peer', 'ours', 'ours', 'peer']);
    const row = pairedRow(result, 'ours', 'peer', { what: 'x', unit: 'us', maxRatio: 0.6 });
    assert.equal(row.ratio, 0.5);
    assert.deepEqual(row.spread, [0.5, 0.5]);
    assert.equal(row.met, true);
    assert.equal(row.target, '<= 0.6 x peer');
  });
  it('keep all rounds when too few were quiet', async () => {
    const result = await pairedSlices([{ name: 'a', slice: async () => 1 }], { rounds: 4, warmUp: 0, quietBelow: -1 });
    assert.equal(result.quietRounds, 0);
    assert.equal(result.figures.get('a')?.length, 4);
  });
  it('a limit is met by the median', () => {
    assert.deepEqual(limitRow('x', 'ms', [10, 60, 20], 50), {
      what: 'x',
      ours: 20,
      unit: 'ms',
      target: '<= 50 ms',
      met: true,
      spread: [10, 60],
    });
  });
});

describe('processes', { skip: process.platform === 'linux' ? false : 'needs /proc' }, () => {
  it('CPU time grows with work', () => {
    const before = cpuTimeMs(process.pid);
    const end = performance.now() + 30;
    while (performance.now() < end);
    assert.ok(cpuTimeMs(process.pid) > before);
    assert.equal(cpuTimeMs(2 ** 30), 0);
  });
  it('a tree holds its root and its descendants', () => {
    assert.ok(processTree(process.ppid).includes(process.pid));
  });
});

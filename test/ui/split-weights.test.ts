import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { moveBoundary, setWeight } from '../../web/src/page/split-weights.ts';
import { diffLines } from '../../web/src/ui/diff-lines.ts';

const split = (...weights: number[]) => weights.map((weight, index) => ({ host: 'a', subset: `v${index}`, weight }));
const weights = (destinations: readonly { weight: number }[]) => destinations.map(({ weight }) => weight);

/** Whole percents that add up to 100. */
const anySplit = fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 0, maxLength: 5 }).map((cuts) => {
  const edges = [0, ...cuts.sort((a, b) => a - b), 100];
  return split(...edges.slice(1).map((edge, index) => edge - (edges[index] ?? 0)));
});

for (const [what, before, index, percent, after] of [
  ['right', [80, 20, 0], 0, 90, [90, 10, 0]],
  ['left', [80, 20, 0], 0, 0, [0, 100, 0]],
  ['pushing the next along', [80, 20, 0], 0, 100, [100, 0, 0]],
  ['pushing the one before along', [80, 20, 0], 1, 50, [50, 0, 50]],
  ['out of range', [80, 20, 0], 1, -7, [0, 0, 100]],
] as const) {
  it(`moves a boundary ${what}`, () => assert.deepEqual(weights(moveBoundary(split(...before), index, percent)), after));
}

for (const [what, before, index, weight, after] of [
  ['from the others in proportion', [50, 30, 20], 0, 75, [75, 15, 10]],
  ['back to them', [100, 0, 0], 0, 40, [40, 30, 30]],
  ['rounded', [34, 33, 33], 0, 35, [35, 33, 32]],
  ['never beyond a hundred', [10, 90], 0, 400, [100, 0]],
  ['nor for one alone', [100], 0, 30, [100]],
  ['nor by nonsense', [10, 90], 0, Number.NaN, [0, 100]],
] as const) {
  it(`sets a weight ${what}`, () => assert.deepEqual(weights(setWeight(split(...before), index, weight)), after));
}

it('keeps a hundred percent whatever is done', () => {
  fc.assert(
    fc.property(anySplit, fc.nat(4), fc.integer({ min: -20, max: 120 }), (before, index, value) => {
      for (const after of [moveBoundary(before, index, value), setWeight(before, index % before.length, value)]) {
        assert.equal(
          weights(after).reduce((sum, weight) => sum + weight, 0),
          100,
        );
        assert.ok(
          weights(after).every((weight) => Number.isInteger(weight) && weight >= 0),
          weights(after).join(),
        );
      }
    }),
  );
});

it('finds the difference between any two texts', () => {
  const text = fc.array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 12 }).map((lines) => lines.map((line) => `${line}\n`).join(''));
  fc.assert(
    fc.property(text, text, (before, after) => {
      const lines = diffLines(before, after);
      const side = (sign: string) =>
        lines
          .filter((line) => line.sign === ' ' || line.sign === sign)
          .map((line) => `${line.text}\n`)
          .join('');
      assert.deepEqual([side('-'), side('+')], [before, after]);
    }),
  );
});

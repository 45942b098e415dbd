import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { internList, internRecord, memoBy } from './intern.ts';
import { internPlan } from './intern-plan.ts';
import type { Built } from './plan.ts';

describe('internList', () => {
  it('gives equal members the same array, whatever their kind', () => {
    const a = { name: 'a' };
    assert.equal(internList([a, 'x', 1, undefined, true]), internList([a, 'x', 1, undefined, true]));
  });
  it('tells members, order and kind apart', () => {
    const [a, b] = [{ name: 'a' }, { name: 'a' }];
    const lists = [[a], [b], [a, b], [b, a], ['1'], [1], [], [undefined], [null], ['undefined']];
    assert.equal(new Set(lists.map((list) => internList(list))).size, lists.length);
  });
  it('freezes what it keeps', () => assert.ok(Object.isFrozen(internList([{}]))));
});

describe('internRecord', () => {
  it('goes by content', () => {
    assert.equal(internRecord({ a: 1, b: { c: [2] } }), internRecord({ a: 1, b: { c: [2] } }));
    assert.notEqual(internRecord({ a: 1 }), internRecord({ a: 2 }));
  });
});

describe('memoBy', () => {
  it('computes once per key, also when the result is undefined', () => {
    let calls = 0;
    const memo = memoBy((_: object) => {
      calls++;
      return undefined;
    });
    const key = {};
    memo(key);
    memo(key);
    memo({});
    assert.equal(calls, 2);
  });
});

describe('internPlan', () => {
  const builder = (name: string, input: object): Built => ({
    name,
    typeUrl: 't',
    message: () => {
      throw new Error('not asked for');
    },
    encode: () => new TextEncoder().encode(JSON.stringify(input)),
    origins: [],
  });
  it('gives the same plan for the same name, builder and inputs only', () => {
    const input = { weight: 1 };
    const plan = internPlan('a', 't', builder, 'a', input);
    assert.equal(internPlan('a', 't', builder, 'a', input), plan);
    assert.notEqual(internPlan('b', 't', builder, 'a', input), plan);
    assert.notEqual(internPlan('a', 't', builder, 'a', { weight: 1 }), plan);
    const other = (name: string, value: object) => builder(name, value);
    assert.notEqual(internPlan('a', 't', other, 'a', input), plan);
  });
});

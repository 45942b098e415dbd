import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { reach } from './visibility.ts';

describe('reach', () => {
  for (const [exportTo, home, namespace, expected] of [
    [['*'], 'lab', 'shop', 'public'],
    [['.', '*'], 'lab', 'shop', 'public'],
    [['~'], 'lab', 'lab', 'hidden'],
    [['.'], 'lab', 'lab', 'private'],
    [['lab'], 'lab', 'lab', 'private'],
    [['.'], 'lab', 'shop', 'hidden'],
    [['shop'], 'lab', 'shop', 'exported'],
    [['.', 'shop'], 'lab', 'lab', 'exported'],
    [[], 'lab', 'lab', 'hidden'],
  ] as const) {
    it(`of [${exportTo.join()}] in ${home} seen from ${namespace} is ${expected}`, () =>
      assert.equal(reach(exportTo, home, namespace), expected));
  }
});

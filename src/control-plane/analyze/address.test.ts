import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseAddress, prefixCovers } from './address.ts';

describe('prefixCovers', () => {
  for (const [prefix, length, address, expected] of [
    ['10.0.0.0', 8, '10.1.2.3', true],
    ['10.0.0.0', 8, '11.1.2.3', false],
    ['1.2.3.4', 32, '1.2.3.4', true],
    ['0.0.0.0', 0, '255.255.255.255', true],
    ['1234:1f1:123::1', 16, '1234::1', true],
    ['1234:1f1::', 32, '1234:1f2::', false],
    ['::', 0, '::1', true],
    ['10.0.0.0', 8, '::1', false],
  ] as const) {
    it(`${prefix}/${length} ${expected ? 'covers' : 'does not cover'} ${address}`, () => {
      const parsed = parseAddress(address);
      assert.ok(parsed);
      assert.equal(prefixCovers(prefix, length, parsed), expected);
    });
  }
});

describe('parseAddress', () => {
  it('reads both families', () => {
    assert.deepEqual(parseAddress('1.2.3.4'), { family: 4, bits: 0x01020304n });
    assert.deepEqual(parseAddress('1::2'), { family: 6, bits: (1n << 112n) | 2n });
    assert.deepEqual(parseAddress('::ffff:1.2.3.4'), { family: 6, bits: 0xffff01020304n });
  });
  for (const text of ['', 'host', '1.2.3', '1.2.3.256', '1:2', '1:2:3:4:5:6:7:8:9', 'g::1', '12345::']) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.equal(parseAddress(text), undefined));
  }
});

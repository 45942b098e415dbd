import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hostCovers, hostDomains, mostSpecificMatch, resolveHost } from './hosts.ts';

describe('resolveHost', () => {
  for (const [host, domain, expected] of [
    ['reviews', 'cluster.local', 'reviews.shop.svc.cluster.local'],
    ['reviews.shop', 'cluster.local', 'reviews.shop'],
    ['*', 'cluster.local', '*'],
    ['*.example', 'cluster.local', '*.example'],
    ['b', '', 'b.shop'],
  ] as const) {
    it(`${host} is ${expected}`, () => assert.equal(resolveHost(host, 'shop', domain), expected));
  }
});

describe('hostCovers', () => {
  for (const [pattern, host, expected] of [
    ['a.b', 'a.b', true],
    ['*.b', 'a.b', true],
    ['*.b', 'x.a.b', true],
    ['*.b', '.b', false],
    ['*.b', 'b', false],
    ['*', 'anything', true],
    ['*.b', '*.a.b', true],
    ['*.a.b', '*.b', false],
    ['*.b', '*.b', true],
  ] as const) {
    it(`${pattern} ${expected ? 'covers' : 'does not cover'} ${host}`, () => assert.equal(hostCovers(pattern, host), expected));
  }
});

describe('mostSpecificMatch', () => {
  it('prefers exact, then the longest wildcard, then the first', () => {
    assert.equal(mostSpecificMatch('a.b.c', ['*', '*.c', '*.b.c', 'a.b.c']), 3);
    assert.equal(mostSpecificMatch('a.b.c', ['*', '*.b.c', '*.c']), 1);
    assert.equal(mostSpecificMatch('a.b.c', ['*.c', '*.c']), 0);
    assert.equal(mostSpecificMatch('a.b.c', ['x', '*.d']), -1);
  });
});

describe('hostDomains', () => {
  const host = 'reviews.shop.svc.cluster.local';
  it('completes as the search path of the own namespace does', () => {
    assert.deepEqual(hostDomains(host, 'shop.svc.cluster.local'), [host, `${host}.`, 'reviews', 'reviews.shop.svc', 'reviews.shop']);
  });
  it('leaves out the bare name elsewhere', () => {
    assert.deepEqual(hostDomains(host, 'lab.svc.cluster.local'), [host, `${host}.`, 'reviews.shop.svc', 'reviews.shop']);
  });
  it('knows only the host itself outside the cluster domain', () => {
    assert.deepEqual(hostDomains('api.example', 'shop.svc.cluster.local'), ['api.example']);
    assert.deepEqual(hostDomains(host, 'other'), [host]);
    assert.deepEqual(hostDomains('*.shop.svc.cluster.local', 'shop.svc.cluster.local'), ['*.shop.svc.cluster.local']);
  });
});

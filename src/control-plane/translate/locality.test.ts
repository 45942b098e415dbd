import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Endpoint } from '#mesh/endpoint.ts';
import { groupEndpoints } from './endpoints.ts';
import { type LocalityInput, localityCovers } from './locality.ts';

function endpoint(address: string, locality: string, said: Partial<Endpoint> = {}): Endpoint {
  return {
    address,
    port: 80,
    servicePortName: 'http',
    labels: {},
    health: 'healthy',
    weight: 1,
    locality,
    network: '',
    clusterId: '',
    nodeName: '',
    serviceAccount: '',
    tlsMode: 'disabled',
    workloadName: '',
    namespace: '',
    origin: { source: 'generated' },
    ...said,
  };
}

function input(said: Partial<LocalityInput>): LocalityInput {
  return { locality: 'eu/west/a', labels: {}, distribute: [], failover: [], failoverPriority: [], failoverActive: true, ...said };
}

const endpoints = [
  endpoint('1', 'eu/west/a', { labels: { tier: 'gold' } }),
  endpoint('2', 'eu/west/b', { weight: 3 }),
  endpoint('3', 'eu/north', { labels: { tier: 'gold' } }),
  endpoint('4', 'us/east'),
  endpoint('5', 'asia'),
];

function priorities(setting: LocalityInput | undefined): Record<string, string> {
  return Object.fromEntries(
    groupEndpoints(endpoints, setting).flatMap((g) => g.endpoints.map((e) => [e.address, `${g.priority}/${g.weight}`])),
  );
}

describe('localities', () => {
  it('are equal without a setting', () => {
    assert.deepEqual(priorities(undefined), { 1: '0/1', 2: '0/3', 3: '0/1', 4: '0/1', 5: '0/1' });
  });
  it('fail over from near to far', () => {
    assert.deepEqual(priorities(input({})), { 1: '0/1', 2: '1/3', 3: '2/1', 4: '3/1', 5: '3/1' });
  });
  it('fail over to the region named first', () => {
    assert.deepEqual(priorities(input({ failover: [{ from: 'eu', to: 'asia' }] })), { 1: '0/1', 2: '1/3', 3: '2/1', 5: '3/1', 4: '4/1' });
  });
  it('leave no gaps between priorities', () => {
    assert.deepEqual(priorities(input({ locality: 'us/east' })), { 4: '0/1', 1: '1/1', 2: '1/3', 3: '1/1', 5: '1/1' });
  });
  it('compare labels in order, the first difference decides', () => {
    const setting = input({
      failoverPriority: ['tier=gold', 'topology.kubernetes.io/region'],
      labels: { 'topology.kubernetes.io/region': 'eu' },
    });
    assert.deepEqual(priorities(setting), { 1: '0/1', 3: '0/1', 2: '1/3', 4: '1/1', 5: '1/1' });
  });
  it('spread traffic by the shares of the first matching rule, and leave the rest out', () => {
    const setting = input({ distribute: [{ from: 'eu/west/*', to: { 'eu/west/*': 80, us: 20 } }] });
    assert.deepEqual(priorities(setting), { 1: '0/20', 2: '0/60', 4: '0/20' });
  });
  it('do not matter when failover is not active', () => {
    assert.deepEqual(priorities(input({ failoverActive: false })), priorities(undefined));
  });
});

describe('localityCovers', () => {
  for (const [rule, locality, expected] of [
    ['*', 'eu/west', true],
    ['eu', 'eu/west/a', true],
    ['eu/*', 'eu/west/a', true],
    ['eu/west', 'eu/west/a', true],
    ['eu/west/b', 'eu/west/a', false],
    ['us', 'eu/west/a', false],
  ] as const) {
    it(`${rule} ${expected ? 'covers' : 'does not cover'} ${locality}`, () => assert.equal(localityCovers(rule, locality), expected));
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSteppedClock } from '../../../../test/support/stepped-clock.ts';
import { clusterFromBytes } from '../compile/cluster.ts';
import type { Runtime } from '../runtime.ts';
import type { ClusterTable, HostTable } from '../table.ts';
import { Resolver, type resolveName } from './resolver.ts';

const base = clusterFromBytes(new Uint8Array(), '1', '');
const named = (address: string): HostTable => ({
  address,
  port: 80,
  hostname: '',
  weight: 1,
  priority: 0,
  locality: '',
  localityWeight: 0,
  health: 'healthy',
  metadata: {},
});

function resolving(type: ClusterTable['type'], names: readonly string[], answers: Record<string, readonly string[]>) {
  const clock = createSteppedClock();
  const seen: string[][] = [];
  const warnings: unknown[] = [];
  const lookUp: typeof resolveName = (name, family, done) =>
    done((answers[name] ?? []).filter((one) => family !== 4 || !one.includes(':')));
  const runtime = { clock, report: (...said: unknown[]) => warnings.push(said) } as unknown as Runtime;
  const resolver = new Resolver(runtime, (hosts) => seen.push(hosts.map((host) => `${host.address} ${host.hostname}`)), lookUp);
  resolver.watch({ ...base, type, hosts: names.map(named), dnsRefreshMs: 5000, dnsFamily: 4 });
  return { clock, seen, warnings, resolver };
}

test('STRICT_DNS takes every address of every name, and plain addresses as they are', () => {
  const { seen } = resolving('strict-dns', ['a.test', '10.0.0.9'], { 'a.test': ['10.0.0.1', '10.0.0.2', '::1'] });
  assert.deepEqual(seen, [['10.0.0.1 a.test', '10.0.0.2 a.test', '10.0.0.9 10.0.0.9']]);
});

test('LOGICAL_DNS takes one address', () => {
  const { seen } = resolving('logical-dns', ['a.test'], { 'a.test': ['10.0.0.1', '10.0.0.2'] });
  assert.deepEqual(seen, [['10.0.0.1 a.test']]);
});

test('names are asked again at the refresh rate, and one that fails keeps its last addresses', async () => {
  const answers: Record<string, readonly string[]> = { 'a.test': ['10.0.0.1'], 'b.test': ['10.0.1.1'] };
  const { clock, seen, warnings, resolver } = resolving('strict-dns', ['a.test', 'b.test'], answers);
  answers['a.test'] = [];
  answers['b.test'] = ['10.0.1.2'];
  await clock.advance(5000);
  answers['a.test'] = ['10.0.0.3'];
  await clock.advance(5000);
  resolver.stop();
  await clock.advance(60_000);
  assert.deepEqual(seen, [
    ['10.0.0.1 a.test', '10.0.1.1 b.test'],
    ['10.0.0.1 a.test', '10.0.1.2 b.test'],
    ['10.0.0.3 a.test', '10.0.1.2 b.test'],
  ]);
  assert.equal(warnings.length, 1);
});

test('a name that never resolved gives no hosts, so that requests are answered', () => {
  const { seen } = resolving('strict-dns', ['nowhere.test'], {});
  assert.deepEqual(seen, [[]]);
});

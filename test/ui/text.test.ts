/** Texts the page makes of data: names of clusters in words, tables as CSV. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { clusterWords, withClusterWords } from '../../web/src/format.ts';
import { csvOf } from '../../web/src/ui/csv.ts';

for (const [name, words] of [
  ['outbound|9080|v1|reviews.default.svc.cluster.local', 'reviews.default subset v1, port 9080'],
  ['outbound|9080||reviews.default.svc.cluster.local', 'reviews.default, port 9080'],
  ['inbound|8080||api.team.svc.cluster.local', 'inbound api.team, port 8080'],
  ['outbound|443||*.example.com', '*.example.com, port 443'],
  ['inbound|8080||', 'inbound|8080||'],
  ['PassthroughCluster', 'PassthroughCluster'],
  ['a|b|c|d', 'a|b|c|d'],
] as const) {
  it(`cluster ${name}`, () => assert.equal(clusterWords(name), words));
}

it('cluster names inside a sentence', () => {
  assert.equal(
    withClusterWords('80 % to outbound|9080|v1|reviews.default.svc.cluster.local, rest to outbound|80||a.b.svc.cluster.local.'),
    '80 % to reviews.default subset v1, port 9080, rest to a.b, port 80.',
  );
});

it('CSV quotes, keeps numbers, leaves unknown empty, and disarms formulas', () => {
  const rows = [
    { name: 'a,"b"', rps: 1.5, p95: null },
    { name: '=1+1', rps: -2, p95: 3 },
  ];
  assert.equal(csvOf(['name', 'rps', 'p95'], rows), 'name,rps,p95\r\n"a,""b""",1.5,\r\n\'=1+1,-2,3\r\n');
});

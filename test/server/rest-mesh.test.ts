/** The mesh as the API tells it: numbers from counters, what is wrong, services, workloads, proxies. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EventList, Finding, Graph, History, Overview, ProxyList, ServiceList, WorkloadList } from '#server/api.ts';
import { openStage, type Stage } from './stage.ts';

async function withStage(run: (stage: Stage) => Promise<void>, warmMs = 12_000): Promise<void> {
  const stage = await openStage();
  try {
    await stage.clock.advance(warmMs);
    await run(stage);
  } finally {
    await stage.server.close();
  }
}
const read = async <T>(stage: Stage, path: string): Promise<T> => {
  const { status, body, text } = await stage.ask('GET', `/api/v1${path}`);
  assert.equal(status, 200, text);
  return body as T;
};
const near = (actual: number, wanted: number, by: number, what: string) =>
  assert.ok(Math.abs(actual - wanted) <= by, `${what}: ${actual}, expected ${wanted} ± ${by}`);

describe('the mesh', () => {
  it('is told by numbers that equal the traffic', () =>
    withStage(async (stage) => {
      const { nodes, edges } = await read<Graph>(stage, '/graph');
      const edge = (source: string, target: string) =>
        edges.find((candidate) => candidate.id === `${source}>${target}`)?.numbers ?? assert.fail(`no edge ${source} > ${target}`);
      near(edge('outside/clients', 'service/default/productpage').rps, 40, 0.5, 'into productpage');
      near(edge('workload/default/productpage-v1', 'service/default/reviews').rps, 40, 0.5, 'to reviews');
      near(edge('service/default/reviews', 'workload/default/reviews-v1').rps, 32, 0.5, 'reviews to v1');
      near(edge('service/default/reviews', 'workload/default/reviews-v3').rps, 8, 0.3, 'reviews to v3');
      assert.equal(edge('service/default/reviews', 'workload/default/reviews-v2').rps, 0, 'an idle version hangs on its service');
      near(edge('workload/default/reviews-v3', 'service/default/ratings').errors, 0.12, 0.005, 'share of failures');
      const { p50, p95, p99 } = edge('service/default/details', 'workload/default/details-v1');
      assert.ok(p50 !== null && p95 !== null && p99 !== null && p50 > 5 && p50 < 10 && p50 < p95 && p95 <= p99, `${p50} ${p95} ${p99}`);
      assert.deepEqual(
        nodes.filter((node) => node.kind === 'outside').map((node) => node.id),
        ['outside/clients'],
      );
      assert.equal(nodes.find((node) => node.id === 'workload/default/reviews-v3')?.version, 'v3');
    }));

  it('counts each request once although both ends report it', () =>
    withStage(async (stage) => {
      const { items } = await read<ServiceList>(stage, '/services');
      const rate = (name: string) => items.find((row) => row.name === name)?.numbers.rps ?? -1;
      near(rate('details'), 40, 0.5, 'details');
      near(rate('productpage'), 40, 0.5, 'productpage');
      near((await read<Overview>(stage, '/overview')).numbers.rps, 128, 1.5, 'the mesh');
    }));

  it("takes the destination's word while the source's agent is dead", () =>
    withStage(async (stage) => {
      stage.mesh.breakAgent('productpage-v1', 'dead');
      await stage.clock.advance(12_000);
      const { items } = await read<ServiceList>(stage, '/services');
      near(items.find((row) => row.name === 'details')?.numbers.rps ?? -1, 40, 0.5, 'details');
    }));

  for (const how of ['dead', 'slow'] as const) {
    it(`goes on while an agent is ${how}, says so, and forgets it when well`, () =>
      withStage(async (stage) => {
        stage.mesh.breakAgent('ratings-v1', how);
        await stage.clock.advance(15_000);
        const { items } = await read<WorkloadList>(stage, '/workloads');
        assert.equal(items.find((row) => row.name === 'ratings-v1')?.agent, 'silent');
        near(items.find((row) => row.name === 'reviews-v1')?.numbers.rps ?? -1, 32, 0.5, 'others');
        const { findings, counts } = await read<Overview>(stage, '/overview');
        assert.equal(counts.agentsSilent, 1);
        const finding = findings.find((candidate) => candidate.code === 'agent_silent');
        assert.match(finding?.title ?? '', /ratings-v1/);
        assert.match(finding?.why ?? '', how === 'dead' ? /ECONNREFUSED/ : /no answer within 2 s/);
        stage.mesh.breakAgent('ratings-v1', 'well');
        await stage.clock.advance(15_000);
        const later = await read<Overview>(stage, '/overview');
        assert.equal(later.counts.agentsSilent, 0);
        assert.ok(!later.findings.some((candidate) => candidate.code === 'agent_silent'));
      }));
  }

  it('is overviewed by what is wrong, worst first, with since, why, fix and origin', () =>
    withStage(async (stage) => {
      const before = await read<Overview>(stage, '/overview');
      const codes = before.findings.map((finding) => `${finding.severity} ${finding.code}`);
      assert.deepEqual(codes, ['bad errors', 'bad IST0101']);
      const problem = before.findings[1] as Finding;
      assert.deepEqual(problem.object, { kind: 'VirtualService', namespace: 'default', name: 'ratings' });
      assert.match(problem.fix, /subset v1/);
      assert.match(problem.origin ?? '', /generation 1\) spec\.http\[0\]/);
      assert.ok(problem.since <= stage.clock.now() && problem.since > stage.clock.now() - 13_000);
      stage.mesh.problems([]);
      stage.mesh.rejectPushes('details-v1', 'RDS: route "9080" has a regular expression that cannot be compiled');
      await stage.clock.advance(1_500);
      const after = await read<Overview>(stage, '/overview');
      assert.deepEqual(
        after.findings.map((finding) => finding.code),
        ['errors', 'proxy_rejected'],
      );
      assert.match(after.findings[1]?.why ?? '', /regular expression/);
      assert.equal(after.counts.proxiesSynced, 5);
    }));

  it('keeps a quarter of an hour of history', () =>
    withStage(async (stage) => {
      const history = await read<History>(stage, '/history?id=service/default/details');
      assert.ok(history.at.length >= 5 && history.at.length === history.rps.length);
      near(history.rps.at(-1) ?? -1, 40, 0.5, 'latest');
      await stage.clock.advance(16 * 60_000);
      assert.equal((await read<History>(stage, '/history')).at.length, 180);
    }, 30_000));

  it('lists services with endpoints and rules, and workloads with proxies', () =>
    withStage(async (stage) => {
      const reviews = (await read<ServiceList>(stage, '/services')).items.find((row) => row.name === 'reviews') ?? assert.fail();
      assert.equal(reviews.endpoints, 3);
      assert.deepEqual(
        reviews.workloads,
        ['v1', 'v2', 'v3'].map((version) => `workload/default/reviews-${version}`),
      );
      assert.deepEqual(
        reviews.rules.map((rule) => rule.kind),
        ['VirtualService', 'DestinationRule'],
      );
      const v2 = (await read<WorkloadList>(stage, '/workloads')).items.find((row) => row.name === 'reviews-v2') ?? assert.fail();
      assert.deepEqual(v2.services, ['service/default/reviews']);
      assert.equal(v2.proxies.length, 1);
      assert.deepEqual((await read<ServiceList>(stage, '/services?namespace=other')).items, []);
    }));

  it('tells proxies, their configuration with origins, and refuses unknown ones', () =>
    withStage(async (stage) => {
      const { items } = await read<ProxyList>(stage, '/proxies');
      assert.equal(items.length, 6);
      const id = encodeURIComponent(items[0]?.id ?? '');
      const routes = await read<{ items: { origins: { object: unknown }[]; resource: object }[] }>(stage, `/proxies/${id}/config/routes`);
      assert.deepEqual(routes.items[2]?.origins[0]?.object, { kind: 'VirtualService', namespace: 'default', name: 'reviews' });
      assert.ok('virtualHosts' in (routes.items[2]?.resource ?? {}), 'the resource comes whole');
      for (const [path, status] of [
        ['/proxies/nobody', 404],
        ['/proxies/nobody/config/routes', 404],
        [`/proxies/${id}/config/secrets`, 400],
      ] as const) {
        assert.equal((await stage.ask('GET', `/api/v1${path}`)).status, status, path);
      }
    }, 0));

  it('remembers who changed what', () =>
    withStage(async (stage) => {
      await stage.write('DELETE', '/api/v1/resources/VirtualService/default/ratings');
      const { items } = await read<EventList>(stage, '/events');
      assert.deepEqual(items[0], {
        at: stage.clock.now(),
        type: 'deleted',
        ref: { kind: 'VirtualService', namespace: 'default', name: 'ratings' },
        generation: 1,
        by: 'meshwright-page',
      });
    }, 0));

  it('explains a request and names an unknown workload', () =>
    withStage(async (stage) => {
      const question = { from: 'productpage-v1', host: 'reviews', port: 9080, path: '/reviews/0' };
      const answer = await stage.ask('POST', '/api/v1/explain', { body: question });
      assert.equal((answer.body as { outcome: string }).outcome, 'forwarded', answer.text);
      assert.equal((await stage.ask('POST', '/api/v1/explain', { body: { ...question, from: 'nobody' } })).status, 404);
      assert.equal((await stage.ask('POST', '/api/v1/explain', { body: { ...question, port: 70_000 } })).status, 400);
    }, 0));
});

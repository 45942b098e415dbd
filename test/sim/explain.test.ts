import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { explainRequest, formatExplanation } from '#analyze/explain.ts';
import { explain, loadScenario } from './scenario.ts';

describe('explain request', () => {
  it('resolves names as the proxy does: short, qualified, full, alias, address', () => {
    const bookinfo = loadScenario('bookinfo-none');
    const listeners = [
      'reviews',
      'reviews.default',
      'reviews.default.svc',
      'reviews.default.svc.cluster.local',
      '10.96.0.12',
      '127.64.16.12',
    ].map((host) => explain(bookinfo, { from: 'productpage-v1', to: `${host}:9080` }).listener);
    assert.deepEqual(new Set(listeners), new Set(['127.64.16.12_9080']));
    const aliases = loadScenario('headless-and-aliases');
    const { destinations } = explain(aliases, { from: 'shopper', to: 'alias:80' });
    assert.deepEqual(
      destinations.map((destination) => destination.cluster),
      ['outbound|80||real.shop.svc.cluster.local'],
    );
  });
  it('names who wrote the route that applies, and every rule that did not', () => {
    const scenario = loadScenario('bookinfo-reviews-test-v2');
    const request = { from: 'productpage-v1', to: 'reviews:9080', path: '/reviews/0' };
    const other = explain(scenario, request);
    assert.match(other.origin?.text ?? '', /^routes\.yaml:\d+ \(VirtualService default\/reviews\) spec\.http\[1\]$/);
    assert.deepEqual(other.origin?.object, {
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      namespace: 'default',
      name: 'reviews',
    });
    const missed = other.steps.filter((step) => step.what === 'route' && step.verdict === 'missed');
    assert.deepEqual(
      missed.map((step) => step.reason),
      ['header end-user equals "jason", found ""'],
    );
    const jason = explain(scenario, { ...request, headers: { 'End-User': 'jason' } });
    assert.match(jason.origin?.text ?? '', /spec\.http\[0\]\.match\[0\]$/);
    assert.deepEqual(jason.destinations, [
      { cluster: 'outbound|9080|v2|reviews.default.svc.cluster.local', weightPercent: 100, endpoints: ['127.64.64.1:20004'] },
    ]);
  });
  it('gives the shares of a split, which make 100 per cent', () => {
    const { destinations, summary } = explain(loadScenario('bookinfo-reviews-90-10'), { from: 'productpage-v1', to: 'reviews:9080' });
    assert.deepEqual(
      destinations.map((destination) => destination.weightPercent),
      [90, 10],
    );
    assert.match(summary, /90 % outbound\|9080\|v1\|reviews/);
  });
  it('names faults, retries, timeouts and header changes', () => {
    const kinds = (name: string, path: string) =>
      explain(loadScenario(name), { from: 'shopper', to: 'web:80', path })
        .steps.filter((step) => step.verdict === 'applied')
        .map((step) => `${step.what} ${step.name}`);
    assert.ok(kinds('retries-and-timeouts', '/often').includes('retries up to 5'));
    assert.ok(kinds('retries-and-timeouts', '/often').includes('timeout 10s'));
    assert.ok(kinds('retries-and-timeouts', '/never').includes('retries none'));
    assert.ok(kinds('rewrites-and-headers', '/old').includes('headers set x-set: a'));
    assert.ok(kinds('mirrors-and-cors', '/one').includes('mirror outbound|80|v2|web.shop.svc.cluster.local'));
  });
  it('says what a missing subset means, and where refused traffic ends', () => {
    const bad = explain(loadScenario('bad-references'), { from: 'shopper', to: 'web:80', path: '/subset' });
    assert.match(bad.steps.find((step) => step.what === 'cluster')?.reason ?? '', /does not exist .* 503/);
    const refused = explain(loadScenario('registry-only'), { from: 'shopper', to: 'outside.example:4444' });
    assert.deepEqual(
      refused.destinations.map((destination) => destination.cluster),
      ['BlackHoleCluster'],
    );
  });
  it('is plain data and plain text', () => {
    const scenario = loadScenario('bookinfo-all-v1');
    const proxy = scenario.proxies.get('productpage-v1')?.proxy;
    assert.ok(proxy);
    const explanation = explainRequest(scenario.snapshot, proxy, { host: 'reviews', port: 9080, method: 'GET', path: '/', headers: {} });
    assert.deepEqual(JSON.parse(JSON.stringify(explanation)), explanation);
    const lines = formatExplanation(explanation).split('\n');
    assert.equal(lines[0], explanation.summary);
    assert.ok(lines.some((line) => line.startsWith('✓ listener')));
    assert.ok(lines.some((line) => /100 % {2}outbound\|9080\|v1\|reviews/.test(line)));
    assert.ok(lines.some((line) => /from routes\.yaml:\d+/.test(line)));
  });
});

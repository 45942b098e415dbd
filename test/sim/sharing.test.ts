import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Proxy as MeshProxy } from '#mesh/proxy.ts';
import type { MeshSnapshot } from '#mesh/snapshot.ts';
import { planClusters } from '#translate/clusters.ts';
import { planEndpoints } from '#translate/endpoints.ts';
import { planListeners } from '#translate/listeners.ts';
import type { ResourcePlan } from '#translate/plan.ts';
import { planRoutes } from '#translate/routes.ts';
import { scopeFor, scopeKey } from '#translate/scope.ts';
import { describedProxy } from './described-proxy.ts';
import { meshFromYaml } from './mesh-from-yaml.ts';

const names = ['a', 'b', 'c'];

const services = names
  .map(
    (name, i) => `
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec: {clusterIP: 10.96.0.${i + 1}, selector: {app: ${name}}, ports: [{name: http, port: ${i === 2 ? 81 : 80}}]}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: ${name}-1, namespace: shop, labels: {app: ${name}, version: v1}}
spec: {address: 10.0.0.${i + 1}, ports: {http: 8080}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${name}, namespace: shop}
spec: {host: ${name}, subsets: [{name: v1, labels: {version: v1}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}, namespace: shop}
spec: {hosts: [${name}], http: [{route: [{destination: {host: ${name}, subset: v1}, weight: 90}, {destination: {host: ${name}}, weight: 10}]}]}
---`,
  )
  .join('');

const { snapshot } = meshFromYaml([{ file: 'mesh.yaml', text: services }]);

function allPlans(mesh: MeshSnapshot, proxy: MeshProxy): ResourcePlan[] {
  const scope = scopeFor(mesh, proxy);
  const clusters = planClusters(scope);
  const outbound = clusters.map((plan) => plan.name).filter((name) => name.startsWith('outbound|'));
  return [...clusters, ...planListeners(scope), ...planRoutes(scope), ...planEndpoints(scope, outbound)];
}

/** Names of the plans that differ. */
function changed(before: readonly ResourcePlan[], after: readonly ResourcePlan[]): string[] {
  const known = new Set(before);
  return after.filter((plan) => !known.has(plan)).map((plan) => plan.name);
}

const caller = describedProxy({ namespace: 'shop', ipAddresses: ['10.9.9.9'] });

describe('plans', () => {
  it('stay the same objects when nothing changes', () => {
    const before = allPlans(snapshot, caller);
    assert.deepEqual(changed(before, allPlans({ ...snapshot, epoch: 2 }, caller)), []);
    assert.deepEqual(changed(before, allPlans({ ...snapshot, services: [...snapshot.services] }, caller)), []);
  });
  it('change only where a changed VirtualService shows', () => {
    const before = allPlans(snapshot, caller);
    const virtualServices = snapshot.virtualServices.map((route) =>
      route.metadata.name === 'a'
        ? { ...route, spec: { ...route.spec, http: [{ timeout: '1s', route: route.spec.http?.[0]?.route ?? [] }] } }
        : route,
    );
    assert.deepEqual(changed(before, allPlans({ ...snapshot, virtualServices }, caller)), ['80']);
  });
  it('change only where a changed DestinationRule shows', () => {
    const before = allPlans(snapshot, caller);
    const destinationRules = snapshot.destinationRules.map((rule) =>
      rule.metadata.name === 'a'
        ? { ...rule, spec: { ...rule.spec, trafficPolicy: { loadBalancer: { simple: 'RANDOM' as const } } } }
        : rule,
    );
    assert.deepEqual(changed(before, allPlans({ ...snapshot, destinationRules }, caller)), [
      'outbound|80||a.shop.svc.cluster.local',
      'outbound|80|v1|a.shop.svc.cluster.local',
    ]);
  });
  it('change only in the assignments of a service whose endpoints change', () => {
    const before = allPlans(snapshot, caller);
    const key = 'shop/b.shop.svc.cluster.local';
    const old = snapshot.endpoints.get(key);
    assert.ok(old);
    const endpoints = new Map(snapshot.endpoints).set(key, {
      key,
      endpoints: old.endpoints.map((endpoint) => ({ ...endpoint, weight: 5 })),
    });
    assert.deepEqual(changed(before, allPlans({ ...snapshot, endpoints }, caller)), [
      'outbound|80||b.shop.svc.cluster.local',
      'outbound|80|v1|b.shop.svc.cluster.local',
    ]);
  });
  it('of clusters and endpoints are shared by namespaces that see the same', () => {
    const elsewhere = describedProxy({ namespace: 'lab', ipAddresses: ['10.9.9.8'] });
    const differing = changed(allPlans(snapshot, caller), allPlans(snapshot, elsewhere));
    assert.deepEqual(differing, ['80', '81']); // short names differ by namespace
  });
});

describe('scopeKey', () => {
  it('is equal for callers that nothing tells apart', () => {
    const labelled = describedProxy({ namespace: 'shop', ipAddresses: ['10.9.9.7'], labels: { app: 'x' }, workloadName: 'other' });
    assert.equal(scopeKey(snapshot, caller), scopeKey(snapshot, labelled));
  });
  it('differs by namespace, own services, and labels that some object asks for', () => {
    const key = (mesh: MeshSnapshot, said: Partial<MeshProxy>) =>
      scopeKey(mesh, describedProxy({ namespace: 'shop', ipAddresses: ['10.9.9.9'], ...said }));
    assert.notEqual(key(snapshot, {}), key(snapshot, { namespace: 'lab' }));
    assert.notEqual(key(snapshot, {}), key(snapshot, { ipAddresses: ['10.0.0.1'] }));
    const virtualServices = snapshot.virtualServices.map((route) => ({
      ...route,
      spec: { ...route.spec, http: [{ match: [{ sourceLabels: { app: 'x' } }], directResponse: { status: 200 } }] },
    }));
    assert.notEqual(key({ ...snapshot, virtualServices }, {}), key({ ...snapshot, virtualServices }, { labels: { app: 'x' } }));
    assert.equal(key({ ...snapshot, virtualServices }, {}), key({ ...snapshot, virtualServices }, { labels: { team: 'x' } }));
  });
  it('follows the endpoints of the own workload', () => {
    const own = describedProxy({ namespace: 'shop', ipAddresses: ['10.0.0.2'] });
    const key = 'shop/b.shop.svc.cluster.local';
    const endpoints = new Map(snapshot.endpoints).set(key, { key, endpoints: [] });
    assert.notEqual(scopeKey(snapshot, own), scopeKey({ ...snapshot, endpoints }, own));
    assert.equal(scopeKey(snapshot, own), scopeKey({ ...snapshot, epoch: 9 }, own));
  });
});

/** What the pilot takes as unreached by a change of VirtualServices is really the same before and after. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MeshSnapshot, SnapshotChange } from '#mesh/snapshot.ts';
import { meshTranslator } from '#pilot/translator.ts';
import { typeUrls } from '#proto/type-url.ts';
import { describedProxy } from '../sim/described-proxy.ts';
import { meshFromYaml } from '../sim/mesh-from-yaml.ts';

const objects = `
apiVersion: v1
kind: Service
metadata: {name: a, namespace: shop}
spec: {clusterIP: 10.96.0.1, selector: {app: a}, ports: [{name: http, port: 80}, {name: tcp, port: 9000}, {name: tls, port: 443}]}
---
apiVersion: v1
kind: Service
metadata: {name: b, namespace: shop}
spec: {clusterIP: 10.96.0.2, selector: {app: b}, ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: a-1, namespace: shop, labels: {app: a, version: v1}}
spec: {address: 10.0.0.1, ports: {http: 8080, tcp: 9000, tls: 8443}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: a, namespace: shop}
spec: {host: a, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x}}}, subsets: [{name: v1, labels: {version: v1}}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: out, namespace: shop}
spec: {hosts: [example.com], resolution: DNS, ports: [{name: http, number: 80, protocol: HTTP}]}
---
`;

const routes: Readonly<Record<string, string>> = {
  none: '',
  'a subset': '{hosts: [a], http: [{route: [{destination: {host: a, subset: v1}}]}]}',
  'other weights':
    '{hosts: [a], http: [{route: [{destination: {host: a, subset: v1}, weight: 30}, {destination: {host: b}, weight: 70}]}]}',
  'source labels': '{hosts: [a], http: [{match: [{sourceNamespace: shop}], route: [{destination: {host: b}}]}]}',
  TCP: '{hosts: [a], tcp: [{route: [{destination: {host: b, port: {number: 80}}}]}]}',
  TLS: '{hosts: [a], tls: [{match: [{sniHosts: [a]}], route: [{destination: {host: b}}]}]}',
  'a host of its own': '{hosts: [new.example], http: [{route: [{destination: {host: example.com}}]}]}',
  'export to nobody else': '{hosts: [a], exportTo: ["."], http: [{mirror: {host: b}, route: [{destination: {host: missing}}]}]}',
};

const caller = describedProxy({ namespace: 'shop', ipAddresses: ['10.9.9.9'] });

function plansOf(snapshot: MeshSnapshot) {
  const scope = meshTranslator.scopeFor(snapshot, caller);
  const clusters = meshTranslator.planClusters(scope);
  const endpoints = meshTranslator.planEndpoints(
    scope,
    clusters.map(({ name }) => name),
  );
  return [...clusters, ...endpoints];
}

const change: SnapshotChange = {
  mesh: false,
  services: new Set(),
  endpoints: new Set(),
  virtualServices: new Set(['shop/route']),
  destinationRules: new Set(),
  namespaces: new Set(),
};

describe('a change of VirtualServices', () => {
  const { snapshot: base } = meshFromYaml([{ file: 'base.yaml', text: objects }]);
  const before = plansOf(base);

  for (const [what, spec] of Object.entries(routes)) {
    it(`leaves clusters and endpoints the same plans: ${what}`, () => {
      const route =
        spec && `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: route, namespace: shop}\nspec: ${spec}\n`;
      const { snapshot, problems } = meshFromYaml([{ file: 'route.yaml', text: route }]);
      assert.deepEqual(problems, []);
      assert.equal(snapshot.virtualServices.length, spec ? 1 : 0);
      const after = plansOf({ ...base, virtualServices: snapshot.virtualServices });
      assert.equal(after.length, before.length);
      for (const [i, plan] of after.entries()) assert.equal(plan, before[i], plan.name);
    });
  }

  it('reaches listeners and routes only, and anything else reaches everything', () => {
    assert.deepEqual(meshTranslator.typesReachedBy(change), [typeUrls.listener, typeUrls.route]);
    const others: readonly Partial<SnapshotChange>[] = [
      { mesh: true },
      { services: new Set(['x']) as SnapshotChange['services'] },
      { endpoints: new Set(['x']) as SnapshotChange['endpoints'] },
      { destinationRules: new Set(['x']) },
      { namespaces: new Set(['x']) },
    ];
    for (const other of others) assert.equal(meshTranslator.typesReachedBy({ ...change, ...other }), undefined);
  });
});

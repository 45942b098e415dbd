import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { analyzeSnapshot } from '#analyze/analyze.ts';
import { explainRequest } from '#analyze/explain.ts';
import { configFor } from '#analyze/proxy-config.ts';
import type { Destination } from '#resources/networking/destination.ts';
import type { DestinationRule } from '#resources/networking/destination-rule.ts';
import type { HttpMatchRequest, HttpRoute, StringMatch, VirtualService } from '#resources/networking/virtual-service.ts';
import type { Resource } from '#resources/object.ts';
import { describedProxy } from './described-proxy.ts';
import { meshFromYaml } from './mesh-from-yaml.ts';

const { snapshot } = meshFromYaml([
  {
    file: 'mesh.yaml',
    text: `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: http, port: 80}, {name: tcp, port: 81}, {name: any, port: 82}, {name: tls, port: 83}]}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: web-1, namespace: shop, labels: {app: web, version: v1}}
spec: {address: 10.0.0.1, ports: {http: 8080, tcp: 8081}}
`,
  },
]);

const text = fc.oneof(fc.constantFrom('', '/', '/a', 'web', '*', '.*', '(', 'a{9999999}', 'x'.repeat(300)), fc.string({ maxLength: 8 }));
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const durationText = fc.constantFrom('0s', '1ms', '1.5s', '1h', 'nonsense', '');
const signed = fc.constantFrom(-1, 0, 1, 50, 2_147_483_647);
const number = fc.constantFrom(0, 1, 80, 81, 99, 100, 200, 418, 65_536, 4_294_967_295);
const stringMatch: fc.Arbitrary<StringMatch> = fc.oneof(
  fc.constant({}),
  text.map((exact) => ({ exact })),
  text.map((prefix) => ({ prefix })),
  text.map((regex) => ({ regex })),
);
const stringMatches = optional(
  fc.dictionary(fc.constantFrom('a', ':method', 'x-b', '@request.auth.claims.c'), stringMatch, { maxKeys: 2 }),
);
const match: fc.Arbitrary<HttpMatchRequest> = fc.record({
  uri: optional(stringMatch),
  method: optional(stringMatch),
  headers: stringMatches,
  withoutHeaders: stringMatches,
  queryParams: stringMatches,
  port: optional(number),
  sourceLabels: optional(fc.dictionary(fc.constantFrom('app'), text)),
  gateways: optional(fc.array(fc.constantFrom('mesh', 'gw'), { maxLength: 2 })),
});
const destination: fc.Arbitrary<Destination> = fc.record({
  host: fc.constantFrom('web', 'web.shop.svc.cluster.local', 'missing', '*.example', ''),
  subset: optional(fc.constantFrom('v1', 'v9', '')),
  port: optional(fc.record({ number: optional(number) })),
});
const headers = optional(
  fc.record({
    request: optional(
      fc.record({
        set: optional(fc.dictionary(fc.constantFrom('host', ':path', 'x'), text)),
        remove: optional(fc.array(text, { maxLength: 2 })),
      }),
    ),
  }),
);
const httpRoute: fc.Arbitrary<HttpRoute> = fc.record({
  name: optional(text),
  match: optional(fc.array(match, { maxLength: 2 })),
  route: optional(fc.array(fc.record({ destination, weight: optional(signed), headers }), { maxLength: 3 })),
  redirect: optional(fc.record({ uri: optional(text), redirectCode: optional(number), port: optional(number) })),
  directResponse: optional(fc.record({ status: number, body: optional(fc.record({ string: optional(text) })) })),
  rewrite: optional(fc.record({ uri: optional(text), uriRegexRewrite: optional(fc.record({ match: text, rewrite: text })) })),
  timeout: optional(durationText),
  retries: optional(fc.record({ attempts: optional(signed), retryOn: optional(text), perTryTimeout: optional(durationText) })),
  fault: optional(
    fc.record({
      delay: optional(
        fc.record({
          fixedDelay: optional(durationText),
          percentage: optional(fc.record({ value: fc.double({ noNaN: true, min: 0, max: 100 }) })),
        }),
      ),
      abort: optional(fc.record({ httpStatus: optional(number), grpcStatus: optional(text) })),
    }),
  ),
  mirror: optional(destination),
  corsPolicy: optional(fc.record({ allowOrigins: optional(fc.array(stringMatch, { maxLength: 2 })), maxAge: optional(durationText) })),
  headers,
});
const virtualService: fc.Arbitrary<VirtualService> = fc.record({
  hosts: fc.array(fc.constantFrom('web', '*', '*.example', 'a.example', 'web.shop.svc.cluster.local'), { maxLength: 3 }),
  http: optional(fc.array(httpRoute, { maxLength: 3 })),
  tcp: optional(
    fc.array(
      fc.record({
        match: optional(
          fc.array(fc.record({ destinationSubnets: optional(fc.array(fc.constantFrom('10.0.0.0/8', '::/0', 'bad'), { maxLength: 2 })) }), {
            maxLength: 2,
          }),
        ),
        route: optional(fc.array(fc.record({ destination, weight: optional(signed) }), { maxLength: 2 })),
      }),
      { maxLength: 2 },
    ),
  ),
  tls: optional(
    fc.array(
      fc.record({
        match: optional(fc.array(fc.record({ sniHosts: optional(fc.array(text, { maxLength: 2 })) }), { maxLength: 2 })),
        route: optional(fc.array(fc.record({ destination }), { maxLength: 2 })),
      }),
      { maxLength: 2 },
    ),
  ),
  exportTo: optional(fc.array(fc.constantFrom('*', '.', '~', 'shop', 'lab'), { maxLength: 2 })),
});
const trafficPolicy = fc.record({
  connectionPool: optional(
    fc.record({ tcp: optional(fc.record({ maxConnections: optional(signed), connectTimeout: optional(durationText) })) }),
  ),
  outlierDetection: optional(fc.record({ consecutive5xxErrors: optional(fc.constantFrom(0, 5)), interval: optional(durationText) })),
  loadBalancer: optional(
    fc.record({
      simple: optional(fc.constantFrom('RANDOM', 'PASSTHROUGH', 'ROUND_ROBIN')),
      consistentHash: optional(fc.record({ httpHeaderName: optional(text) })),
    }),
  ),
  tls: optional(fc.record({ mode: optional(fc.constantFrom('SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL', 'DISABLE')), sni: optional(text) })),
}) as fc.Arbitrary<NonNullable<DestinationRule['trafficPolicy']>>;
const destinationRule: fc.Arbitrary<DestinationRule> = fc.record({
  host: fc.constantFrom('web', '*', '*.svc.cluster.local', 'missing'),
  trafficPolicy: optional(trafficPolicy),
  subsets: optional(
    fc.array(
      fc.record({
        name: fc.constantFrom('v1', 'v2'),
        labels: optional(fc.constant({ version: 'v1' })),
        trafficPolicy: optional(trafficPolicy),
      }),
      { maxLength: 2 },
    ),
  ),
});

function resource<Spec>(kind: string, name: string, spec: Spec): Resource<Spec> {
  const apiVersion = 'networking.istio.io/v1';
  const metadata = {
    name,
    namespace: 'shop',
    labels: {},
    annotations: {},
    uid: '',
    resourceVersion: '1',
    generation: 1,
    creationTimestamp: '',
  };
  return {
    apiVersion,
    kind,
    metadata,
    spec,
    origin: { source: 'file', file: 'x.yaml', line: 1, kind: `${apiVersion}/${kind}`, namespace: 'shop', name },
  };
}

describe('whatever the objects say', () => {
  const callers = [
    describedProxy({ namespace: 'shop', ipAddresses: ['10.0.0.1'], labels: { app: 'web' } }),
    describedProxy({
      namespace: 'lab',
      interceptionMode: 'NONE',
      outbound: { block: '127.64.16.0/20' },
      httpProxy: { bind: '127.64.16.1', port: 15080 },
    }),
  ];
  it('generation, analysis and explanation give an answer', () => {
    fc.assert(
      fc.property(fc.array(virtualService, { maxLength: 3 }), fc.array(destinationRule, { maxLength: 2 }), (routes, rules) => {
        const mesh = {
          ...snapshot,
          virtualServices: routes.map((spec, i) => resource('VirtualService', `route-${i}`, spec)),
          destinationRules: rules.map((spec, i) => resource('DestinationRule', `rule-${i}`, spec)),
        };
        analyzeSnapshot(mesh);
        for (const caller of callers) {
          const config = configFor(mesh, caller);
          for (const [name, route] of config.routes) {
            assert.equal(new Set(route.virtualHosts.map((host) => host.name)).size, route.virtualHosts.length, `virtual hosts of ${name}`);
            const domains = route.virtualHosts.flatMap((host) => host.domains.map((domain) => domain.toLowerCase()));
            assert.equal(new Set(domains).size, domains.length, `domains of ${name}`);
          }
          for (const port of [80, 81, 82, 83]) {
            const { summary, destinations } = explainRequest(mesh, caller, {
              host: 'web.shop',
              port,
              method: 'GET',
              path: '/a',
              headers: {},
            });
            assert.ok(summary.length > 0);
            const total = destinations.reduce((sum, entry) => sum + entry.weightPercent, 0);
            assert.ok(destinations.length === 0 || Math.abs(total - 100) < 1e-6, `shares add up to ${total}`);
          }
        }
      }),
      { numRuns: 40 },
    );
  });
});

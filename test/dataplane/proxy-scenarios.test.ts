import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DescMessage, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { configFor } from '#analyze/proxy-config.ts';
import { ClusterSchema } from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '#proto/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '#proto/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '#proto/gen/envoy/config/route/v3/route_pb.js';
import { Configuration, type Resource, typeUrls } from '#proxy/configuration.ts';
import { describedProxy } from '../sim/described-proxy.ts';
import { meshFromYaml } from '../sim/mesh-from-yaml.ts';
import { loadScenario, type Scenario, scenarioNames } from '../sim/scenario.ts';

/** Fields of generated resources that the embedded proxy refuses, each with the reason that it may. */
const unsupported: Readonly<Record<string, string>> = {
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TunnelingConfig.use_post':
    'bytes in the bodies of an HTTP/1.1 POST need a far proxy that answers before the request ends, which few do; CONNECT is served',
};

/** What no scenario shows: a setting whose resources are refused. */
const refusedSettings = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: far, namespace: shop }
spec:
  hosts: [far.example]
  addresses: [192.0.2.41]
  resolution: STATIC
  endpoints: [{ address: 192.0.2.42 }]
  ports: [{ number: 7443, name: tcp, protocol: TCP }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: far, namespace: shop }
spec:
  host: far.example
  trafficPolicy:
    tunnel: { protocol: POST, targetHost: inner.example, targetPort: 443 }
`;

function resources<D extends DescMessage>(
  schema: D,
  messages: Iterable<MessageShape<D>>,
  nameOf: (message: MessageShape<D>) => string,
): Resource[] {
  return [...messages].map((message) => ({ name: nameOf(message), version: '1', bytes: toBinary(schema, message) }));
}

/** What the proxy refuses of one scenario, as `proxy: resource: field: reason`, and how much it took. */
function taken({ snapshot, proxies }: Pick<Scenario, 'snapshot' | 'proxies'>): { readonly errors: string[]; readonly count: number } {
  const errors: string[] = [];
  let count = 0;
  for (const [proxyName, { proxy }] of proxies) {
    const config = configFor(snapshot, proxy);
    const configuration = new Configuration('', () => 0);
    const parts = [
      [typeUrls.cluster, resources(ClusterSchema, config.clusters.values(), (cluster) => cluster.name)],
      [typeUrls.endpoints, resources(ClusterLoadAssignmentSchema, config.endpoints.values(), (assignment) => assignment.clusterName)],
      [typeUrls.listener, resources(ListenerSchema, config.listeners, (listener) => listener.name)],
      [typeUrls.route, resources(RouteConfigurationSchema, config.routes.values(), (route) => route.name)],
    ] as const;
    for (const [typeUrl, added] of parts) {
      count += added.length;
      errors.push(...configuration.take(typeUrl, added, []).errors.map((error) => `${proxyName}: ${error}`));
    }
  }
  return { errors, count };
}

const results = new Map(scenarioNames().map((name) => [name, taken(loadScenario(name))]));
const refusalOf = (error: string) => Object.keys(unsupported).find((field) => error.includes(`: ${field}: `));

for (const [name, { errors, count }] of results) {
  test(`the embedded proxy takes everything generated for ${name}, but for the listed fields`, () => {
    assert.ok(count > 0);
    assert.deepEqual(
      errors.filter((error) => refusalOf(error) === undefined),
      [],
    );
  });
}

test('no field is listed that is not refused any more', () => {
  const { snapshot, problems } = meshFromYaml([{ file: 'mesh.yaml', text: refusedSettings }]);
  assert.deepEqual(problems, []);
  const shopper = { proxy: describedProxy({ namespace: 'shop' }), show: [] };
  const { errors } = taken({ snapshot, proxies: new Map([['shopper', shopper]]) });
  assert.deepEqual(new Set(errors.map(refusalOf)), new Set(Object.keys(unsupported)));
});

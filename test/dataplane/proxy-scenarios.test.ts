import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DescMessage, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { configFor } from '#analyze/proxy-config.ts';
import { ClusterSchema } from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '#proto/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '#proto/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '#proto/gen/envoy/config/route/v3/route_pb.js';
import { Configuration, type Resource, typeUrls } from '#proxy/configuration.ts';
import { loadScenario, scenarioNames } from '../sim/scenario.ts';

/** Fields of generated resources that the embedded proxy refuses, each with the reason that it may. */
const unsupported: Readonly<Record<string, string>> = {
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.tunneling_config':
    'a CONNECT or POST tunnel goes over HTTP/2 or HTTP/1.1 to a proxy that must speak it; with the embedded proxy only the listener of that address is refused',
};

function resources<D extends DescMessage>(
  schema: D,
  messages: Iterable<MessageShape<D>>,
  nameOf: (message: MessageShape<D>) => string,
): Resource[] {
  return [...messages].map((message) => ({ name: nameOf(message), version: '1', bytes: toBinary(schema, message) }));
}

/** What the proxy refuses of one scenario, as `proxy: resource: field: reason`, and how much it took. */
function taken(name: string): { readonly errors: string[]; readonly count: number } {
  const scenario = loadScenario(name);
  const errors: string[] = [];
  let count = 0;
  for (const [proxyName, { proxy }] of scenario.proxies) {
    const config = configFor(scenario.snapshot, proxy);
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

const results = new Map(scenarioNames().map((name) => [name, taken(name)]));
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
  const refused = new Set([...results.values()].flatMap(({ errors }) => errors.map(refusalOf)));
  assert.deepEqual(
    Object.keys(unsupported).filter((field) => !refused.has(field)),
    [],
  );
});

import { type DescMessage, fromBinary, type JsonValue, toJson } from '@bufbuild/protobuf';
import { ClusterSchema } from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '#proto/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '#proto/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '#proto/gen/envoy/config/route/v3/route_pb.js';
import { messageRegistry } from '#proto/registry.ts';
import { typeUrls } from '#proto/type-url.ts';
import type { EncodedResource } from '#xds/resource.ts';
import type { ResourceSource, XdsStream } from '#xds/stream.ts';

const dumps = {
  listener: 'type.googleapis.com/envoy.admin.v3.ListenersConfigDump',
  cluster: 'type.googleapis.com/envoy.admin.v3.ClustersConfigDump',
  route: 'type.googleapis.com/envoy.admin.v3.RoutesConfigDump',
  endpoint: 'type.googleapis.com/envoy.admin.v3.EndpointsConfigDump',
} as const;

/**
 * What a proxy acknowledged, in the shape of Envoy's own `/config_dump?include_eds` (envoy/admin/v3/config_dump.proto),
 * in protobuf's JSON with the field names of the .proto files. Costs milliseconds for large configurations.
 */
export function configDumpOf(stream: XdsStream, source: ResourceSource): JsonValue {
  const versioned = (typeUrl: string, key: string, schema: DescMessage) =>
    acknowledged(stream, source, typeUrl).map(({ name, version, bytes }) => ({
      name,
      body: { version_info: version, [key]: { '@type': typeUrl, ...jsonOf(schema, bytes) } },
    }));
  const clusters = versioned(typeUrls.cluster, 'cluster', ClusterSchema).map(({ body }) => body);
  const listeners = versioned(typeUrls.listener, 'listener', ListenerSchema).map(({ name, body }) => ({ name, active_state: body }));
  const routes = versioned(typeUrls.route, 'route_config', RouteConfigurationSchema).map(({ body }) => body);
  const endpoints = versioned(typeUrls.endpoint, 'endpoint_config', ClusterLoadAssignmentSchema).map(({ body }) => body);
  return {
    configs: [
      { '@type': dumps.cluster, version_info: versionOf(stream, typeUrls.cluster), dynamic_active_clusters: clusters },
      { '@type': dumps.listener, version_info: versionOf(stream, typeUrls.listener), dynamic_listeners: listeners },
      { '@type': dumps.route, dynamic_route_configs: routes },
      { '@type': dumps.endpoint, dynamic_endpoint_configs: endpoints },
    ],
  };
}

/** The load assignments that a proxy acknowledged, as JSON. */
export function endpointsOf(stream: XdsStream, source: ResourceSource): JsonValue[] {
  return acknowledged(stream, source, typeUrls.endpoint).map(({ bytes }) => jsonOf(ClusterLoadAssignmentSchema, bytes));
}

function jsonOf(schema: DescMessage, bytes: Uint8Array): { [key: string]: JsonValue } {
  const json = toJson(schema, fromBinary(schema, bytes), { registry: messageRegistry, useProtoFieldName: true });
  return typeof json === 'object' && json !== null && !Array.isArray(json) ? json : {};
}

/** Sorted by name. What a proxy brought along from an earlier stream is taken from the present set of the same version. */
function acknowledged(stream: XdsStream, source: ResourceSource, typeUrl: string): EncodedResource[] {
  const subscription = stream.typeStatus(typeUrl)?.subscription;
  if (!subscription) return [];
  const now = source.current(typeUrl, subscription.selection);
  const found: EncodedResource[] = [];
  for (const name of subscription.acknowledged.names()) {
    const resource = subscription.acknowledged.get(name);
    const present = now?.resources.get(name);
    if (resource) found.push(present?.version === resource.version ? present : resource);
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function versionOf(stream: XdsStream, typeUrl: string): string {
  return stream.typeStatus(typeUrl)?.versionAcked ?? '';
}

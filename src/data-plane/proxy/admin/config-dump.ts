import { createRegistry, type DescMessage, fromBinary, toJson } from '@bufbuild/protobuf';
import { ClusterSchema, file_envoy_config_cluster_v3_cluster } from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema, file_envoy_config_endpoint_v3_endpoint } from '#proto/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { file_envoy_config_listener_v3_listener, ListenerSchema } from '#proto/gen/envoy/config/listener/v3/listener_pb.js';
import { file_envoy_config_route_v3_route, RouteConfigurationSchema } from '#proto/gen/envoy/config/route/v3/route_pb.js';
import { file_envoy_extensions_access_loggers_file_v3_file } from '#proto/gen/envoy/extensions/access_loggers/file/v3/file_pb.js';
import { file_envoy_extensions_access_loggers_grpc_v3_als } from '#proto/gen/envoy/extensions/access_loggers/grpc/v3/als_pb.js';
import { file_envoy_extensions_access_loggers_stream_v3_stream } from '#proto/gen/envoy/extensions/access_loggers/stream/v3/stream_pb.js';
import { file_envoy_extensions_filters_http_cors_v3_cors } from '#proto/gen/envoy/extensions/filters/http/cors/v3/cors_pb.js';
import { file_envoy_extensions_filters_http_fault_v3_fault } from '#proto/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { file_envoy_extensions_filters_http_router_v3_router } from '#proto/gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import { file_envoy_extensions_filters_listener_http_inspector_v3_http_inspector } from '#proto/gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.js';
import { file_envoy_extensions_filters_listener_original_dst_v3_original_dst } from '#proto/gen/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.js';
import { file_envoy_extensions_filters_listener_tls_inspector_v3_tls_inspector } from '#proto/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js';
import { file_envoy_extensions_filters_network_http_connection_manager_v3_http_connection_manager } from '#proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { file_envoy_extensions_filters_network_tcp_proxy_v3_tcp_proxy } from '#proto/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { file_envoy_extensions_retry_host_previous_hosts_v3_previous_hosts } from '#proto/gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.js';
import { file_envoy_extensions_retry_priority_previous_priorities_v3_previous_priorities_config } from '#proto/gen/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config_pb.js';
import { file_envoy_extensions_transport_sockets_raw_buffer_v3_raw_buffer } from '#proto/gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.js';
import { file_envoy_extensions_transport_sockets_tls_v3_tls } from '#proto/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { file_envoy_extensions_upstreams_http_v3_http_protocol_options } from '#proto/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import type { Configuration, HeldResource } from '../configuration.ts';

const registry = createRegistry(
  file_envoy_config_cluster_v3_cluster,
  file_envoy_config_endpoint_v3_endpoint,
  file_envoy_config_listener_v3_listener,
  file_envoy_config_route_v3_route,
  file_envoy_extensions_access_loggers_file_v3_file,
  file_envoy_extensions_access_loggers_grpc_v3_als,
  file_envoy_extensions_access_loggers_stream_v3_stream,
  file_envoy_extensions_filters_http_cors_v3_cors,
  file_envoy_extensions_filters_http_fault_v3_fault,
  file_envoy_extensions_filters_http_router_v3_router,
  file_envoy_extensions_filters_listener_http_inspector_v3_http_inspector,
  file_envoy_extensions_filters_listener_original_dst_v3_original_dst,
  file_envoy_extensions_filters_listener_tls_inspector_v3_tls_inspector,
  file_envoy_extensions_filters_network_http_connection_manager_v3_http_connection_manager,
  file_envoy_extensions_filters_network_tcp_proxy_v3_tcp_proxy,
  file_envoy_extensions_retry_host_previous_hosts_v3_previous_hosts,
  file_envoy_extensions_retry_priority_previous_priorities_v3_previous_priorities_config,
  file_envoy_extensions_transport_sockets_raw_buffer_v3_raw_buffer,
  file_envoy_extensions_transport_sockets_tls_v3_tls,
  file_envoy_extensions_upstreams_http_v3_http_protocol_options,
);

interface Section {
  readonly held: ReadonlyMap<string, HeldResource>;
  readonly refused: ReadonlyMap<string, HeldResource & { readonly error: string }>;
}

/** `envoy.admin.v3.ConfigDump` as JSON. `resource` and `mask` narrow it as in Envoy; endpoints only with `include_eds`. */
export function configDump(configuration: Configuration, query: URLSearchParams): unknown {
  const at = (ms: number) => new Date(ms).toISOString();
  const resource = (schema: DescMessage, held: HeldResource) => ({
    '@type': `type.googleapis.com/${schema.typeName}`,
    ...(toJson(schema, fromBinary(schema, held.bytes), { registry, useProtoFieldName: true }) as object),
  });
  const entries = (section: Section, schema: DescMessage, key: string) => ({
    good: [...section.held.values()].map((held) => ({
      version_info: held.version,
      [key]: resource(schema, held),
      last_updated: at(held.updatedAt),
    })),
    bad: [...section.refused.values()].map((held) => ({
      version_info: held.version,
      last_updated: at(held.updatedAt),
      error_state: {
        failed_configuration: resource(schema, held),
        last_update_attempt: at(held.updatedAt),
        details: held.error,
        version_info: held.version,
      },
    })),
  });
  const clusters = entries(configuration.clusters, ClusterSchema, 'cluster');
  const routes = entries(configuration.routes, RouteConfigurationSchema, 'route_config');
  const endpoints = entries(configuration.endpoints, ClusterLoadAssignmentSchema, 'endpoint_config');
  const listeners = [...new Set([...configuration.listeners.held.keys(), ...configuration.listeners.refused.keys()])].map((name) => {
    const held = configuration.listeners.held.get(name);
    const refused = configuration.listeners.refused.get(name);
    return {
      name,
      ...(held
        ? { active_state: { version_info: held.version, listener: resource(ListenerSchema, held), last_updated: at(held.updatedAt) } }
        : {}),
      ...(refused
        ? { error_state: { details: refused.error, version_info: refused.version, last_update_attempt: at(refused.updatedAt) } }
        : {}),
    };
  });
  const sections: unknown[] = [
    {
      '@type': 'type.googleapis.com/envoy.admin.v3.ClustersConfigDump',
      dynamic_active_clusters: clusters.good,
      dynamic_warming_clusters: clusters.bad,
    },
    ...(query.get('include_eds') === null
      ? []
      : [{ '@type': 'type.googleapis.com/envoy.admin.v3.EndpointsConfigDump', dynamic_endpoint_configs: endpoints.good }]),
    { '@type': 'type.googleapis.com/envoy.admin.v3.ListenersConfigDump', dynamic_listeners: listeners },
    { '@type': 'type.googleapis.com/envoy.admin.v3.RoutesConfigDump', dynamic_route_configs: [...routes.good, ...routes.bad] },
  ];
  const wanted = query.get('resource');
  if (wanted === null) return { configs: sections };
  const lists = sections.map((section) => Object.entries(section as Record<string, unknown>).find(([key]) => key === wanted)?.[1]);
  const found = lists.find((list) => Array.isArray(list));
  return { configs: Array.isArray(found) ? found : [] };
}

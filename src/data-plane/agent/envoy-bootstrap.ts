import { nodeOf, type ProxyBootstrap } from './bootstrap.ts';

/** Statistics that Envoy keeps; the request metrics are made from its access log, so this stays short (Istio's list). */
const keptStats = {
  inclusion_list: {
    patterns: [
      ...['cluster_manager', 'listener_manager', 'server', 'cluster.xds-grpc', 'cluster.meshwright-als'].map((prefix) => ({ prefix })),
      ...['rbac.allowed', 'rbac.denied', 'downstream_cx_active', 'upstream_cx_active', 'outlier_detection.ejections_active'].map(
        (suffix) => ({
          suffix,
        }),
      ),
    ],
  },
};

/** As many as the system gives: the mesh's own limits are per cluster. Without a monitor Envoy warns at every start. */
const connectionLimit = {
  name: 'envoy.resource_monitors.global_downstream_max_connections',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig',
    max_active_downstream_connections: '2147483647',
  },
};

/** Envoy's bootstrap as JSON: everything else comes by aggregated xDS. */
export function envoyBootstrap(bootstrap: ProxyBootstrap): Record<string, unknown> {
  return {
    node: nodeOf(bootstrap),
    admin: { address: socketAddress(bootstrap.address, bootstrap.adminPort) },
    cluster_manager: {
      // Peers tell workloads apart by address; a program on IPv6 only cannot be reached from an IPv4 source.
      upstream_bind_config: {
        source_address: { address: bootstrap.address, port_value: 0 },
        extra_source_addresses: [{ address: { address: '::1', port_value: 0 } }],
      },
    },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }],
      },
      lds_config: { ads: {}, initial_fetch_timeout: '0s', resource_api_version: 'V3' },
      cds_config: { ads: {}, initial_fetch_timeout: '0s', resource_api_version: 'V3' },
    },
    static_resources: {
      clusters: [
        grpcCluster('xds-grpc', socketAddress(bootstrap.xds.host, bootstrap.xds.port)),
        grpcCluster('meshwright-als', { pipe: { path: bootstrap.alsSocket } }),
      ],
    },
    stats_config: { use_all_default_tags: true, stats_matcher: keptStats },
    overload_manager: { resource_monitors: [connectionLimit] },
    layered_runtime: {
      layers: [
        {
          name: 'static',
          static_layer: { 're2.max_program_size.error_level': 32768 },
        },
      ],
    },
  };
}

function grpcCluster(name: string, address: unknown): Record<string, unknown> {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        explicit_http_config: { http2_protocol_options: { connection_keepalive: { interval: '30s', timeout: '10s' } } },
      },
    },
  };
}

function socketAddress(address: string, port: number): Record<string, unknown> {
  return { socket_address: { address, port_value: port } };
}

import { create, toBinary } from '@bufbuild/protobuf';
import { type Any, anyPack, anyUnpack } from '@bufbuild/protobuf/wkt';
import type { ProxyConfig } from '#analyze/proxy-config.ts';
import { type Bootstrap, BootstrapSchema } from '#proto/gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { type Cluster, Cluster_DiscoveryType, ClusterSchema } from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { FilterChain } from '#proto/gen/envoy/config/listener/v3/listener_components_pb.js';
import { type Listener, ListenerSchema } from '#proto/gen/envoy/config/listener/v3/listener_pb.js';
import { HttpConnectionManagerSchema } from '#proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { HttpProtocolOptionsSchema } from '#proto/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';

/**
 * One file that holds everything generated for a proxy: routes inline, endpoints in their clusters. What Envoy would
 * refuse of it, it refuses here (`--mode validate`); started, it serves like the same configuration by xDS.
 */
export function staticBootstrap(config: ProxyConfig): Uint8Array {
  const bootstrap: Bootstrap = create(BootstrapSchema, {
    node: { id: 'scenario', cluster: 'scenario' },
    staticResources: {
      listeners: config.listeners.map((listener) => inlineRoutes(listener, config)),
      clusters: [...[...config.clusters.values()].map((cluster) => inlineEndpoints(cluster, config)), accessLogService()],
    },
  });
  return toBinary(BootstrapSchema, bootstrap);
}

function inlineRoutes(listener: Listener, config: ProxyConfig): Listener {
  const chain = (filterChain: FilterChain): FilterChain => ({
    ...filterChain,
    filters: filterChain.filters.map((filter) =>
      filter.configType.case === 'typedConfig'
        ? { ...filter, configType: { case: 'typedConfig', value: inlineManager(filter.configType.value, config) } }
        : filter,
    ),
  });
  return create(ListenerSchema, {
    ...listener,
    filterChains: listener.filterChains.map(chain),
    defaultFilterChain: listener.defaultFilterChain && chain(listener.defaultFilterChain),
  });
}

function inlineManager(config: Any, proxy: ProxyConfig): Any {
  const manager = anyUnpack(config, HttpConnectionManagerSchema);
  if (manager?.routeSpecifier.case !== 'rds') return config;
  const name = manager.routeSpecifier.value.routeConfigName;
  const routes = proxy.routes.get(name);
  if (!routes) throw new Error(`a listener asks for route configuration ${name}, which was not generated`);
  return anyPack(HttpConnectionManagerSchema, { ...manager, routeSpecifier: { case: 'routeConfig', value: routes } });
}

function inlineEndpoints(cluster: Cluster, config: ProxyConfig): Cluster {
  if (cluster.clusterDiscoveryType.value !== Cluster_DiscoveryType.EDS) return cluster;
  return create(ClusterSchema, {
    ...cluster,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    edsClusterConfig: undefined,
    loadAssignment: config.endpoints.get(cluster.name),
  });
}

const http2Only = anyPack(
  HttpProtocolOptionsSchema,
  create(HttpProtocolOptionsSchema, {
    upstreamProtocolOptions: {
      case: 'explicitHttpConfig',
      value: { protocolConfig: { case: 'http2ProtocolOptions', value: {} } },
    },
  }),
);

/** The agent's access-log service, which every real bootstrap holds. */
function accessLogService(): Cluster {
  return create(ClusterSchema, {
    name: 'meshwright-als',
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    typedExtensionProtocolOptions: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': http2Only },
    loadAssignment: {
      clusterName: 'meshwright-als',
      endpoints: [
        {
          lbEndpoints: [
            {
              hostIdentifier: {
                case: 'endpoint',
                value: { address: { address: { case: 'pipe', value: { path: '/tmp/meshwright-als.sock' } } } },
              },
            },
          ],
        },
      ],
    },
  });
}

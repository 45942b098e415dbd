import type { DescMessage, Message, MessageShape } from '@bufbuild/protobuf';
import { type Any, anyUnpack } from '@bufbuild/protobuf/wkt';
import type { Proxy as MeshProxy } from '#mesh/proxy.ts';
import type { MeshSnapshot } from '#mesh/snapshot.ts';
import { type Cluster, ClusterSchema } from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import { type ClusterLoadAssignment, ClusterLoadAssignmentSchema } from '#proto/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import type { Filter, FilterChain } from '#proto/gen/envoy/config/listener/v3/listener_components_pb.js';
import { type Listener, ListenerSchema } from '#proto/gen/envoy/config/listener/v3/listener_pb.js';
import { type RouteConfiguration, RouteConfigurationSchema } from '#proto/gen/envoy/config/route/v3/route_pb.js';
import {
  type HttpConnectionManager,
  HttpConnectionManagerSchema,
} from '#proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { type TcpProxy, TcpProxySchema } from '#proto/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { planClusters } from '#translate/clusters.ts';
import { planEndpoints } from '#translate/endpoints.ts';
import { planListeners } from '#translate/listeners.ts';
import type { Built, ResourcePlan } from '#translate/plan.ts';
import { planRoutes } from '#translate/routes.ts';
import { type Scope, scopeFor } from '#translate/scope.ts';

/** The complete configuration of one proxy, as messages. */
export interface ProxyConfig {
  readonly listeners: readonly Listener[];
  readonly routes: ReadonlyMap<string, RouteConfiguration>;
  readonly clusters: ReadonlyMap<string, Cluster>;
  readonly endpoints: ReadonlyMap<string, ClusterLoadAssignment>;
}

/** Generates what the control plane would serve this proxy now. Builds everything: milliseconds per hundred services. */
export function configFor(snapshot: MeshSnapshot, proxy: MeshProxy): ProxyConfig {
  const scope = scopeFor(snapshot, proxy);
  const listeners = planListeners(scope).map((plan) => messageOf(ListenerSchema, plan.build()));
  const clusters = named(ClusterSchema, planClusters(scope));
  return {
    listeners,
    clusters,
    routes: named(RouteConfigurationSchema, planRoutes(scope, routeNamesOf(listeners))),
    endpoints: endpointsOf(scope, clusters),
  };
}

function endpointsOf(scope: Scope, clusters: ReadonlyMap<string, Cluster>): ReadonlyMap<string, ClusterLoadAssignment> {
  const names = [...clusters.values()].filter((cluster) => cluster.edsClusterConfig !== undefined).map((cluster) => cluster.name);
  return named(ClusterLoadAssignmentSchema, planEndpoints(scope, names));
}

function named<Desc extends DescMessage>(schema: Desc, plans: readonly ResourcePlan[]): ReadonlyMap<string, MessageShape<Desc>> {
  return new Map(plans.map((plan) => [plan.name, messageOf(schema, plan.build())]));
}

/** The built message, which is of the type that its schema says (the planners pair them). */
function messageOf<Desc extends DescMessage>(schema: Desc, built: Built): MessageShape<Desc> {
  const message: Message = built.message();
  if (message.$typeName !== schema.typeName) throw new TypeError(`${built.name}: expected ${schema.typeName}, found ${message.$typeName}`);
  return message as MessageShape<Desc>;
}

/** Names of the route configurations that these listeners ask for. */
function routeNamesOf(listeners: readonly Listener[]): string[] {
  const names = new Set<string>();
  for (const listener of listeners) {
    for (const chain of chainsOf(listener)) {
      const specifier = managerOf(chain)?.routeSpecifier;
      if (specifier?.case === 'rds') names.add(specifier.value.routeConfigName);
    }
  }
  return [...names].sort();
}

export function chainsOf(listener: Listener): readonly FilterChain[] {
  return listener.defaultFilterChain ? [...listener.filterChains, listener.defaultFilterChain] : listener.filterChains;
}

export function managerOf(chain: FilterChain): HttpConnectionManager | undefined {
  return firstOf(chain.filters, HttpConnectionManagerSchema);
}

export function tcpProxyOf(chain: FilterChain): TcpProxy | undefined {
  return firstOf(chain.filters, TcpProxySchema);
}

function firstOf<Desc extends DescMessage>(filters: readonly Filter[], schema: Desc): MessageShape<Desc> | undefined {
  for (const { configType } of filters) {
    const message = configType.case === 'typedConfig' ? unpacked(configType.value, schema) : undefined;
    if (message) return message;
  }
  return undefined;
}

export function unpacked<Desc extends DescMessage>(value: Any | undefined, schema: Desc): MessageShape<Desc> | undefined {
  return value && anyUnpack(value, schema);
}

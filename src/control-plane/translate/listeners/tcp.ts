import type { MeshConfig } from '#mesh/mesh-config.ts';
import { TcpProxySchema } from '#proto/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import type { RouteDestination } from '#resources/networking/destination.ts';
import { resolveHost } from '../hosts.ts';
import { internRecord } from '../intern.ts';
import { durationOf, packed } from '../messages.ts';
import { outboundClusterName } from '../names.ts';
import { destinationPort, liveDestinations } from '../routes/action.ts';
import type { ProxyTraits, Scope } from '../scope.ts';
import { settingsFor } from '../traffic-policy.ts';
import type { Route } from '../visibility.ts';
import { accessLogs } from './access-log.ts';
import type { FilterInit } from './http.ts';

/** Where a TCP proxy sends connections. Plain data, interned. */
export interface TcpTarget {
  readonly statPrefix: string;
  readonly clusters: readonly { readonly name: string; readonly weight: number }[];
  readonly idleTimeout?: string;
  readonly maxConnectionDuration?: string;
  /** Connections of one caller address go to one endpoint. */
  readonly sourceIpHash?: boolean;
  readonly tunnel?: { readonly hostname: string; readonly usePost: boolean };
}

export function clusterTarget(cluster: string): TcpTarget {
  return internRecord<TcpTarget>({ statPrefix: cluster, clusters: [{ name: cluster, weight: 1 }] });
}

/** A service port without VirtualService. */
export function serviceTarget(scope: Scope, hostname: string, port: number): TcpTarget {
  const cluster = outboundClusterName(port, '', hostname);
  return internRecord<TcpTarget>({
    statPrefix: cluster,
    clusters: [{ name: cluster, weight: 1 }],
    ...connectionOf(scope, hostname, '', port),
  });
}

/** The destinations of a TCP or TLS rule; undefined when none has weight. */
export function ruleTarget(
  scope: Scope,
  route: Route,
  destinations: readonly RouteDestination[],
  listenPort: number,
): TcpTarget | undefined {
  const live = liveDestinations(destinations).map((entry) => {
    const host = resolveHost(entry.destination.host, route.metadata.namespace, scope.mesh.clusterDomain);
    const port = destinationPort(entry.destination, scope.view.service(host), listenPort);
    const subset = entry.destination.subset ?? '';
    return { name: outboundClusterName(port, subset, host), weight: entry.weight ?? 0, host, port, subset };
  });
  const [first] = live;
  if (!first) return undefined;
  const statPrefix = live.length === 1 ? first.name : `${route.metadata.name}.${route.metadata.namespace}`;
  const clusters = live.map(({ name, weight }) => ({ name, weight: live.length === 1 ? 1 : weight }));
  return internRecord<TcpTarget>({ statPrefix, clusters, ...connectionOf(scope, first.host, first.subset, first.port) });
}

function connectionOf(scope: Scope, host: string, subset: string, port: number): Partial<TcpTarget> {
  const service = scope.view.service(host);
  if (!service) return {};
  const { connectionPool, loadBalancer, tunnel } = settingsFor(scope.rulesFor(service), subset, port);
  const tcp = connectionPool?.tcp;
  return {
    ...(tcp?.idleTimeout === undefined ? {} : { idleTimeout: tcp.idleTimeout }),
    ...(tcp?.maxConnectionDuration === undefined ? {} : { maxConnectionDuration: tcp.maxConnectionDuration }),
    ...(loadBalancer?.consistentHash?.useSourceIp ? { sourceIpHash: true } : {}),
    ...(tunnel ? { tunnel: { hostname: `${tunnel.targetHost}:${tunnel.targetPort}`, usePost: tunnel.protocol === 'POST' } } : {}),
  };
}

export function tcpProxy(target: TcpTarget, mesh: MeshConfig, traits: ProxyTraits): FilterInit {
  const [first] = target.clusters;
  return {
    name: 'envoy.filters.network.tcp_proxy',
    configType: {
      case: 'typedConfig',
      value: packed(TcpProxySchema, {
        statPrefix: target.statPrefix,
        clusterSpecifier:
          target.clusters.length === 1
            ? { case: 'cluster', value: first?.name ?? '' }
            : { case: 'weightedClusters', value: { clusters: target.clusters.map(({ name, weight }) => ({ name, weight })) } },
        idleTimeout: durationOf(target.idleTimeout),
        maxDownstreamConnectionDuration: durationOf(target.maxConnectionDuration),
        hashPolicy: target.sourceIpHash ? [{ policySpecifier: { case: 'sourceIp', value: {} } }] : [],
        tunnelingConfig: target.tunnel && { hostname: target.tunnel.hostname, usePost: target.tunnel.usePost },
        accessLog: accessLogs('tcp', mesh, traits),
      }),
    },
  };
}

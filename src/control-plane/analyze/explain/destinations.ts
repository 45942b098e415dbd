import { HealthStatus } from '#proto/gen/envoy/config/core/v3/health_check_pb.js';
import type { ClusterLoadAssignment } from '#proto/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { type ProxyConfig, tcpProxyOf } from '../proxy-config.ts';
import type { Outcome } from '../simulate.ts';

/** One cluster that may get the request. */
export interface Destination {
  readonly cluster: string;
  /** 0 to 100; all destinations together make 100. */
  readonly weightPercent: number;
  /** `address:port` of endpoints that are not known to be unhealthy. */
  readonly endpoints: readonly string[];
}

/** Empty when the proxy answers itself. */
export function destinationsOf(config: ProxyConfig, outcome: Outcome): readonly Destination[] {
  const weights = weightsOf(outcome);
  const total = weights.reduce((sum, entry) => sum + entry.weight, 0);
  return weights.map(({ cluster, weight }) => ({
    cluster,
    weightPercent: total === 0 ? 0 : (weight / total) * 100,
    endpoints: endpointsOf(config, cluster),
  }));
}

function weightsOf({ route, chain, cluster }: Outcome): readonly { readonly cluster: string; readonly weight: number }[] {
  const action = route?.action.case === 'route' ? route.action.value.clusterSpecifier : undefined;
  if (action?.case === 'weightedClusters') return action.value.clusters.map(({ name, weight }) => ({ cluster: name, weight: weight ?? 0 }));
  const target = chain && !route ? tcpProxyOf(chain)?.clusterSpecifier : undefined;
  if (target?.case === 'weightedClusters') return target.value.clusters.map(({ name, weight }) => ({ cluster: name, weight }));
  return cluster === '' ? [] : [{ cluster, weight: 1 }];
}

function endpointsOf(config: ProxyConfig, name: string): readonly string[] {
  const assignment: ClusterLoadAssignment | undefined = config.endpoints.get(name) ?? config.clusters.get(name)?.loadAssignment;
  return (assignment?.endpoints ?? []).flatMap((locality) =>
    locality.lbEndpoints.flatMap((endpoint) => {
      if (endpoint.healthStatus === HealthStatus.UNHEALTHY || endpoint.hostIdentifier.case !== 'endpoint') return [];
      const address = endpoint.hostIdentifier.value.address?.address;
      if (address?.case === 'pipe') return [`unix://${address.value.path}`];
      if (address?.case !== 'socketAddress') return [];
      const host = address.value.address.includes(':') ? `[${address.value.address}]` : address.value.address;
      return [`${host}:${address.value.portSpecifier.value ?? 0}`];
    }),
  );
}

/** Names that Istio gives to listeners, clusters and routes; tools and users look for them. */

export const virtualOutbound = 'virtualOutbound';
export const virtualInbound = 'virtualInbound';
export const passthroughCluster = 'PassthroughCluster';
export const blackHoleCluster = 'BlackHoleCluster';
export const inboundPassthroughCluster = 'InboundPassthroughCluster';
export const passthroughChain = 'PassthroughFilterChain';
export const httpProxyRoute = 'http_proxy';
/** Cluster that leads what a CONNECT request carries back into the proxy's own HTTP proxy listener. */
export const httpProxyCluster = 'http_proxy';
/** Static cluster of the agent's access-log service; stands in every bootstrap. */
export const alsCluster = 'meshwright-als';

export const typeUrls = {
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  route: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoint: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
} as const;

export function outboundClusterName(port: number, subset: string, hostname: string): string {
  return `outbound|${port}|${subset}|${hostname}`;
}

export function inboundClusterName(targetPort: number): string {
  return `inbound|${targetPort}||`;
}

interface OutboundClusterName {
  readonly port: number;
  readonly subset: string;
  readonly hostname: string;
}

/** Undefined for every name that is not `outbound|<port>|<subset>|<hostname>`. */
export function parseOutboundClusterName(name: string): OutboundClusterName | undefined {
  const [direction, port, subset, hostname, ...rest] = name.split('|');
  if (direction !== 'outbound' || !port || subset === undefined || !hostname || rest.length > 0) return undefined;
  return { port: Number(port), subset, hostname };
}

/** `0.0.0.0_9080`, `10.96.0.10_443`. */
export function listenerName(bind: string, port: number): string {
  return `${bind}_${port}`;
}

/** Type URLs of what the control plane serves; plain text so that the hot path loads no descriptors. */

/** What stands before a message's full name in every `Any` of the mesh. */
export const typePrefix = 'type.googleapis.com/';

export const typeUrls = {
  cluster: `${typePrefix}envoy.config.cluster.v3.Cluster`,
  endpoint: `${typePrefix}envoy.config.endpoint.v3.ClusterLoadAssignment`,
  listener: `${typePrefix}envoy.config.listener.v3.Listener`,
  route: `${typePrefix}envoy.config.route.v3.RouteConfiguration`,
  virtualHost: `${typePrefix}envoy.config.route.v3.VirtualHost`,
  scopedRoute: `${typePrefix}envoy.config.route.v3.ScopedRouteConfiguration`,
  secret: `${typePrefix}envoy.extensions.transport_sockets.tls.v3.Secret`,
  extensionConfig: `${typePrefix}envoy.config.core.v3.TypedExtensionConfig`,
  runtime: `${typePrefix}envoy.service.runtime.v3.Runtime`,
} as const;

const shortNames = new Map<string, string>([
  [typeUrls.cluster, 'cds'],
  [typeUrls.endpoint, 'eds'],
  [typeUrls.listener, 'lds'],
  [typeUrls.route, 'rds'],
  [typeUrls.virtualHost, 'vhds'],
  [typeUrls.scopedRoute, 'srds'],
  [typeUrls.secret, 'sds'],
  [typeUrls.extensionConfig, 'ecds'],
  [typeUrls.runtime, 'rtds'],
]);

/** `cds`, `eds`, ... as metrics and status tables write it; the message's own name for types without one. */
export function shortTypeName(typeUrl: string): string {
  return shortNames.get(typeUrl) ?? typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
}

/** `type.googleapis.com/<full name>` of a message descriptor. */
export function typeUrlOf(descriptor: { readonly typeName: string }): string {
  return typePrefix + descriptor.typeName;
}

import { create, toBinary } from '@bufbuild/protobuf';
import { HeaderValueOption_HeaderAppendAction } from '#proto/gen/envoy/config/core/v3/base_pb.js';
import { type Route as RouteMessage, RouteSchema, VirtualHostSchema } from '#proto/gen/envoy/config/route/v3/route_components_pb.js';
import { internList, memoBy } from '../intern.ts';
import { duration } from '../messages.ts';
import { httpProxyCluster, passthroughCluster } from '../names.ts';
import { WireWriter } from '../wire.ts';
import { type RoutesKey, routesFor } from './route.ts';

/** What a CONNECT request to a virtual host leads to: nothing, the proxy's own HTTP proxy listener, or a cluster as raw bytes. */
export type ConnectTarget = 'none' | 'loop' | { readonly cluster: string };

/** Everything that one virtual host is made from; interned, so that its bytes are kept for as long as it is in use. */
export type VirtualHostKey = readonly [
  name: string,
  domains: readonly string[],
  routes: RoutesKey | undefined,
  meshInternal: boolean,
  connect: string,
];

/** Header and value by which a mesh service learns who calls; the proxy fills the value from its own environment. */
const peerHeader = { key: 'x-envoy-peer-metadata-id', value: '%ENVIRONMENT(MESHWRIGHT_PEER)%' } as const;

export function virtualHostKey(
  name: string,
  domains: readonly string[],
  routes: RoutesKey | undefined,
  meshInternal: boolean,
  connect: ConnectTarget = 'none',
): VirtualHostKey {
  const target = connect === 'none' ? '' : connect === 'loop' ? httpProxyCluster : connect.cluster;
  return internList([name, internList(domains), routes, meshInternal, target] as const);
}

const routesBytes = memoBy((key: RoutesKey): Uint8Array => {
  const writer = new WireWriter();
  for (const route of routesFor(key)) writer.bytes(3 /* routes */, toBinary(RouteSchema, route));
  return writer.finish();
});

const connectBytes = new Map<string, Uint8Array>();

/** Bytes of an `envoy.config.route.v3.VirtualHost`: its own fields, then the routes, which other hosts may share. */
export const virtualHostBytes = memoBy(([name, domains, routes, meshInternal, connect]: VirtualHostKey): Uint8Array => {
  const head = create(VirtualHostSchema, {
    name,
    domains: [...domains],
    includeRequestAttemptCount: true,
    requestHeadersToAdd: meshInternal
      ? [{ header: peerHeader, appendAction: HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD }]
      : [],
  });
  const writer = new WireWriter().raw(toBinary(VirtualHostSchema, head));
  if (connect !== '') writer.bytes(3 /* routes */, connectRouteBytes(connect));
  if (routes) writer.raw(routesBytes(routes));
  return writer.finish();
});

function connectRouteBytes(cluster: string): Uint8Array {
  const known = connectBytes.get(cluster);
  if (known) return known;
  const bytes = toBinary(RouteSchema, connectRoute(cluster));
  if (connectBytes.size > 10_000) connectBytes.clear();
  connectBytes.set(cluster, bytes);
  return bytes;
}

/** A CONNECT request ends here: what it carries goes to the cluster as plain bytes. */
function connectRoute(cluster: string): RouteMessage {
  return create(RouteSchema, {
    name: 'connect',
    match: { pathSpecifier: { case: 'connectMatcher', value: {} } },
    action: {
      case: 'route',
      value: {
        clusterSpecifier: { case: 'cluster', value: cluster },
        timeout: duration(0),
        upgradeConfigs: [{ upgradeType: 'CONNECT', connectConfig: {} }],
      },
    },
  });
}

/** The last virtual host of a route configuration: what happens to hosts that nobody declared. */
export type CatchAll = 'allow_any' | 'block_all' | 'none';

const blockText = 'This mesh knows no service of that name on this port, and traffic to unknown hosts is not passed on here.\n';

/** `explain`: a refusal says why. `connect`: tunnels to unknown hosts end here too, so that what is inside gets the same answer. */
export function catchAllBytes(kind: CatchAll, explain: boolean, connect: boolean): Uint8Array {
  const route =
    kind === 'allow_any'
      ? create(RouteSchema, {
          name: kind,
          match: { pathSpecifier: { case: 'prefix', value: '/' } },
          action: {
            case: 'route',
            value: {
              clusterSpecifier: { case: 'cluster', value: passthroughCluster },
              timeout: duration(0),
              maxGrpcTimeout: duration(0),
            },
          },
        })
      : create(RouteSchema, {
          name: kind,
          match: { pathSpecifier: { case: 'prefix', value: '/' } },
          action: {
            case: 'directResponse',
            value: { status: 502, ...(explain ? { body: { specifier: { case: 'inlineString', value: blockText } } } : {}) },
          },
        });
  const routes = connect ? [connectRoute(httpProxyCluster), route] : [route];
  return toBinary(VirtualHostSchema, create(VirtualHostSchema, { name: kind, domains: ['*'], routes, includeRequestAttemptCount: true }));
}

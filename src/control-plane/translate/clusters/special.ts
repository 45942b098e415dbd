import type { MeshConfig } from '#mesh/mesh-config.ts';
import { Cluster_DiscoveryType, Cluster_LbPolicy, ClusterSchema } from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import { HttpProtocolOptionsSchema } from '#proto/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import { built, duration, durationOf, packed, socketAddress } from '../messages.ts';
import {
  blackHoleCluster,
  httpProxyCluster,
  inboundClusterName,
  inboundPassthroughCluster,
  passthroughCluster,
  typeUrls,
} from '../names.ts';
import type { Built } from '../plan.ts';
import type { OwnPort, ProxyTraits } from '../scope.ts';
import { settingsFor } from '../traffic-policy.ts';
import type { Rule } from '../visibility.ts';
import { type ClusterInit, connectionSettings, httpOptions, httpOptionsKey } from './policy.ts';

/** Source address of what the proxy hands to its own program: capture rules know it and leave it alone. */
const loopSource = { v4: '127.0.0.6', v6: '::6' } as const;

/** Original-destination clusters of programs must not lose hosts in use. */
const neverCleanUp = duration(10 * 24 * 3600 * 1000);

const anyHttpVersion: ClusterInit = {
  typedExtensionProtocolOptions: {
    [httpOptionsKey]: packed(HttpProtocolOptionsSchema, {
      commonHttpProtocolOptions: { idleTimeout: duration(5 * 60 * 1000) },
      upstreamProtocolOptions: { case: 'useDownstreamProtocolConfig', value: { httpProtocolOptions: {}, http2ProtocolOptions: {} } },
    }),
  },
};

const originalDestination: ClusterInit = {
  clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST },
  lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
};

/** Where unknown traffic goes to be refused. */
export function buildBlackHole(mesh: MeshConfig): Built {
  return built(typeUrls.cluster, ClusterSchema, blackHoleCluster, [], () => ({
    name: blackHoleCluster,
    altStatName: `${blackHoleCluster};`,
    clusterDiscoveryType: { case: 'type' as const, value: Cluster_DiscoveryType.STATIC },
    connectTimeout: durationOf(mesh.connectTimeout),
    lbPolicy: Cluster_LbPolicy.ROUND_ROBIN,
  }));
}

/** Where unknown traffic goes when anything is allowed: on to its own destination. */
export function buildPassthrough(mesh: MeshConfig): Built {
  return built(typeUrls.cluster, ClusterSchema, passthroughCluster, [], () => ({
    name: passthroughCluster,
    altStatName: `${passthroughCluster};`,
    ...connectionSettings(mesh, {}),
    ...anyHttpVersion,
    ...originalDestination,
  }));
}

/** Inbound traffic to ports that no service declares. */
export function buildInboundPassthrough(mesh: MeshConfig, family: ProxyTraits['family']): Built {
  return built(typeUrls.cluster, ClusterSchema, inboundPassthroughCluster, [], () => ({
    name: inboundPassthroughCluster,
    altStatName: `${inboundPassthroughCluster};`,
    ...connectionSettings(mesh, {}),
    ...anyHttpVersion,
    ...originalDestination,
    upstreamBindConfig: loopBind(family),
  }));
}

function loopBind(family: ProxyTraits['family']) {
  const address = family === 'v6' ? loopSource.v6 : loopSource.v4;
  const extra = family === 'dual' ? [{ address: { address: loopSource.v6, portSpecifier: { case: 'portValue' as const, value: 0 } } }] : [];
  return {
    sourceAddress: { address, portSpecifier: { case: 'portValue' as const, value: 0 } },
    extraSourceAddresses: extra,
  };
}

/** The proxy's own HTTP proxy listener, to which CONNECT requests hand what they carry. */
export function buildHttpProxyLoop(mesh: MeshConfig, bind: string, port: number): Built {
  return built(typeUrls.cluster, ClusterSchema, httpProxyCluster, [], () => ({
    name: httpProxyCluster,
    altStatName: `${httpProxyCluster};`,
    ...connectionSettings(mesh, {}),
    ...staticTo(httpProxyCluster, bind, port),
  }));
}

/**
 * One port of the proxy's own program. `target` is where the program listens; undefined means the connection's own
 * destination address (Istio's default in REDIRECT mode).
 */
export function buildInboundCluster(
  mesh: MeshConfig,
  family: ProxyTraits['family'],
  targetPort: number,
  owners: readonly OwnPort[],
  rules: readonly Rule[],
  target: string | undefined,
): Built {
  const name = inboundClusterName(targetPort);
  const [first] = owners;
  return built(
    typeUrls.cluster,
    ClusterSchema,
    name,
    [...owners.map((owner) => owner.service.origin), ...rules.map((r) => r.origin)],
    () => {
      const { connectionPool } = settingsFor(rules, '', first?.port.number ?? targetPort);
      const settings = { connectionPool };
      return {
        name,
        altStatName: `${name};`,
        ...connectionSettings(mesh, settings),
        ...httpOptions(mesh, settings, first?.port.protocol ?? 'auto'),
        ...(target === undefined
          ? { ...originalDestination, cleanupInterval: neverCleanUp, upstreamBindConfig: loopBind(family) }
          : staticTo(name, hostOf(target), targetPort)),
        metadata: { filterMetadata: { istio: { services: ownersMetadata(owners) } } },
      };
    },
  );
}

function ownersMetadata(owners: readonly OwnPort[]) {
  return owners.map(({ service }) => ({ host: service.hostname, name: service.name, namespace: service.namespace }));
}

/** `127.0.0.1`, `[::1]` or `::1`, with or without a port. */
function hostOf(endpoint: string): string {
  const bracketed = /^\[(.+)\](?::\d+)?$/.exec(endpoint)?.[1];
  if (bracketed !== undefined) return bracketed;
  return endpoint.split(':').length === 2 ? (endpoint.split(':')[0] ?? endpoint) : endpoint;
}

function staticTo(clusterName: string, address: string, port: number): ClusterInit {
  return {
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    lbPolicy: Cluster_LbPolicy.ROUND_ROBIN,
    loadAssignment: {
      clusterName,
      endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: { address: socketAddress(address, port) } } }] }],
    },
  };
}

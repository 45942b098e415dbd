import { fromBinary } from '@bufbuild/protobuf';
import type { ServiceEndpoints } from '#mesh/endpoint.ts';
import type { MeshConfig } from '#mesh/mesh-config.ts';
import type { Service, ServicePort } from '#mesh/service.ts';
import {
  Cluster_DiscoveryType,
  Cluster_DnsLookupFamily,
  Cluster_LbPolicy,
  ClusterSchema,
} from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ApiVersion } from '#proto/gen/envoy/config/core/v3/config_source_pb.js';
import { ClusterLoadAssignmentSchema } from '#proto/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { automaticTls, tlsSettings } from '../client-tls.ts';
import type { EndpointFilter } from '../endpoints.ts';
import { encodeAssignment, selectEndpoints } from '../endpoints.ts';
import type { LocalityInput } from '../locality.ts';
import { built, configPath, duration, durationOf } from '../messages.ts';
import { outboundClusterName, typeUrls } from '../names.ts';
import type { Built } from '../plan.ts';
import type { ProxyTraits } from '../scope.ts';
import { settingsFor, subsetsOf } from '../traffic-policy.ts';
import type { Rule } from '../visibility.ts';
import {
  balancing,
  type ClusterInit,
  commonBalancing,
  connectionSettings,
  httpOptions,
  outlierSettings,
  upstreamProtocol,
} from './policy.ts';

type Family = ProxyTraits['family'];

/** How the cluster finds its endpoints. */
export type Discovery = 'eds' | 'strict-dns' | 'logical-dns' | 'original-destination';

/** Endpoints that stand in the cluster itself (DNS resolutions); those of every other cluster come by EDS. Interned. */
type InlineEndpoints = readonly [ServiceEndpoints, EndpointFilter, LocalityInput | undefined];

/** One port of one service, whole (`subset` empty) or one subset of it. */
export function buildOutboundCluster(
  mesh: MeshConfig,
  family: Family,
  service: Service,
  port: ServicePort,
  subset: string,
  rules: readonly Rule[],
  discovery: Discovery,
  localityWeighted: boolean,
  inline: InlineEndpoints | undefined,
): Built {
  const name = outboundClusterName(port.number, subset, service.hostname);
  const rule = subset === '' ? rules[0] : subsetsOf(rules).find((entry) => entry.subset.name === subset)?.rule;
  const origins = [service.origin, ...rules.map((r) => r.origin)];
  return built(typeUrls.cluster, ClusterSchema, name, origins, () => {
    const settings = settingsFor(rules, subset, port.number);
    const http2 = upstreamProtocol(mesh, settings.connectionPool?.http, port.protocol) === 'http2';
    return {
      name,
      altStatName: `${name};`,
      ...connectionSettings(mesh, settings),
      ...httpOptions(mesh, settings, port.protocol, automaticTls(settings.tls, service.subjectAltNames)),
      ...outlierSettings(settings.outlierDetection),
      ...commonBalancing(settings, localityWeighted),
      ...balancing(settings.loadBalancer),
      ...tlsSettings(settings.tls, service.subjectAltNames, http2),
      ...(discovery === 'original-destination' ? originalDestination(service, port) : {}),
      ...(discovery === 'eds' ? endpointDiscovery(name) : {}),
      ...(inline ? dnsDiscovery(mesh, family, discovery, encodeInline(name, inline)) : {}),
      metadata: { filterMetadata: { istio: serviceMetadata(service, rule, subset) } },
    };
  });
}

function encodeInline(name: string, [endpoints, filter, locality]: InlineEndpoints): Uint8Array {
  return encodeAssignment(name, selectEndpoints(endpoints.endpoints, filter), locality);
}

function dnsDiscovery(mesh: MeshConfig, family: Family, discovery: Discovery, assignment: Uint8Array): ClusterInit {
  return {
    clusterDiscoveryType: {
      case: 'type',
      value: discovery === 'logical-dns' ? Cluster_DiscoveryType.LOGICAL_DNS : Cluster_DiscoveryType.STRICT_DNS,
    },
    dnsLookupFamily: lookupFamily(family),
    dnsRefreshRate: durationOf(mesh.dnsRefreshRate),
    respectDnsTtl: true,
    loadAssignment: fromBinary(ClusterLoadAssignmentSchema, assignment),
  };
}

function endpointDiscovery(name: string): ClusterInit {
  return {
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
    edsClusterConfig: {
      serviceName: name,
      edsConfig: {
        resourceApiVersion: ApiVersion.V3,
        initialFetchTimeout: duration(0),
        configSourceSpecifier: { case: 'ads', value: {} },
      },
    },
  };
}

/** The connection's own destination; a ServiceEntry's targetPort replaces the port. No other balancing is possible. */
function originalDestination(service: Service, port: ServicePort): ClusterInit {
  const override = service.registry === 'service-entry' && typeof port.targetPort === 'number' && port.targetPort !== port.number;
  return {
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST },
    lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
    lbConfig: override ? { case: 'originalDstLbConfig', value: { upstreamPortOverride: Number(port.targetPort) } } : { case: undefined },
  };
}

function lookupFamily(family: Family): Cluster_DnsLookupFamily {
  if (family === 'v6') return Cluster_DnsLookupFamily.V6_ONLY;
  return family === 'dual' ? Cluster_DnsLookupFamily.ALL : Cluster_DnsLookupFamily.V4_ONLY;
}

function serviceMetadata(service: Service, rule: Rule | undefined, subset: string) {
  return {
    services: [{ host: service.hostname, name: service.name, namespace: service.namespace }],
    ...(rule ? { config: configPath(rule.origin.kind ? rule.origin : { ...rule.origin, kind: `${rule.apiVersion}/${rule.kind}` }) } : {}),
    ...(subset === '' ? {} : { subset }),
    ...(service.meshExternal ? { external: true } : {}),
  };
}

import type { MeshConfig } from '#mesh/mesh-config.ts';
import type { Protocol } from '#mesh/service.ts';
import { TrafficDirection } from '#proto/gen/envoy/config/core/v3/base_pb.js';
import type { ListenerFilterChainMatchPredicateSchema } from '#proto/gen/envoy/config/listener/v3/listener_components_pb.js';
import { ListenerSchema } from '#proto/gen/envoy/config/listener/v3/listener_pb.js';
import { OriginalDstSchema } from '#proto/gen/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.js';
import { isHttp } from '../clusters/policy.ts';
import { ownTargets } from '../clusters.ts';
import { internList } from '../intern.ts';
import { internPlan } from '../intern-plan.ts';
import { built, durationOf, type InitOf, packed, socketAddress } from '../messages.ts';
import { inboundClusterName, inboundPassthroughCluster, listenerName, typeUrls, virtualInbound } from '../names.ts';
import type { Built, ResourcePlan } from '../plan.ts';
import type { OwnPort, ProxyTraits, Scope } from '../scope.ts';
import { type ChainInit, httpInspector, type ListenerFilterInit, type MatchInit, plaintextHttp, tlsInspector } from './chains.ts';
import { type FilterInit, inboundManager } from './http.ts';
import { wildcardBind } from './outbound.ts';
import { clusterTarget, tcpProxy } from './tcp.ts';

type Target = readonly [targetPort: number, owners: readonly OwnPort[]];

/** REDIRECT and TPROXY: one listener takes all inbound traffic and tells it apart by destination port. */
export function planVirtualInbound(scope: Scope): ResourcePlan {
  const targets = internList(ownTargets(scope).map(({ targetPort, owners }) => internList([targetPort, owners] as const)));
  return internPlan(virtualInbound, typeUrls.listener, buildVirtualInbound, targets, scope.mesh, scope.traits);
}

/** NONE: a real listener per port of the program, on the workload's own address. */
export function planBoundInbound(scope: Scope): ResourcePlan[] {
  const targets = ownTargets(scope);
  return scope.proxy.inbound.map(({ bind, port, targetPort }) => {
    const owners = targets.find((target) => target.targetPort === targetPort)?.owners ?? internList([]);
    const name = listenerName(bind, port);
    return internPlan(name, typeUrls.listener, buildBoundInbound, bind, port, targetPort, owners, scope.mesh, scope.traits);
  });
}

function protocolOf(owners: readonly OwnPort[]): Protocol {
  return owners[0]?.port.protocol ?? 'auto';
}

function managerFor(statPrefix: string, targetPort: number, owners: readonly OwnPort[], mesh: MeshConfig, traits: ProxyTraits): FilterInit {
  const [first] = owners;
  const servicePort = first?.port.number ?? targetPort;
  const operation = first ? `${first.service.hostname}:${servicePort}/*` : `${targetPort}/*`;
  return inboundManager(statPrefix, inboundClusterName(targetPort), `inbound|http|${servicePort}`, operation, mesh, traits);
}

function buildBoundInbound(
  bind: string,
  port: number,
  targetPort: number,
  owners: readonly OwnPort[],
  mesh: MeshConfig,
  traits: ProxyTraits,
): Built {
  const name = listenerName(bind, port);
  return built(
    typeUrls.listener,
    ListenerSchema,
    name,
    owners.map((owner) => owner.service.origin),
    () => {
      const protocol = protocolOf(owners);
      const http = () => [managerFor(`inbound_${name}`, targetPort, owners, mesh, traits)];
      const tcp = () => [tcpProxy(clusterTarget(inboundClusterName(targetPort)), mesh, traits)];
      const detect = protocol === 'auto';
      return {
        name,
        address: socketAddress(bind, port),
        trafficDirection: TrafficDirection.INBOUND,
        continueOnListenerFiltersTimeout: true,
        listenerFiltersTimeout: durationOf(mesh.protocolDetectionTimeout),
        listenerFilters: detect ? [tlsInspector(), httpInspector()] : [],
        filterChains: detect
          ? [{ name, filterChainMatch: { applicationProtocols: [...plaintextHttp], transportProtocol: 'raw_buffer' }, filters: http() }]
          : [{ name, filters: isHttp(protocol) ? http() : tcp() }],
        defaultFilterChain: detect ? { name, filters: tcp() } : undefined,
      };
    },
  );
}

function buildVirtualInbound(targets: readonly Target[], mesh: MeshConfig, traits: ProxyTraits): Built {
  const origins = targets.flatMap(([, owners]) => owners.map((owner) => owner.service.origin));
  return built(typeUrls.listener, ListenerSchema, virtualInbound, origins, () => {
    const capturePort = mesh.proxyInboundListenPort;
    return {
      name: virtualInbound,
      address: socketAddress(wildcardBind(traits), capturePort),
      additionalAddresses: traits.family === 'dual' ? [{ address: socketAddress('::', capturePort) }] : [],
      trafficDirection: TrafficDirection.INBOUND,
      transparent: traits.interceptionMode === 'TPROXY' ? true : undefined,
      continueOnListenerFiltersTimeout: true,
      listenerFiltersTimeout: durationOf(mesh.protocolDetectionTimeout),
      maxConnectionsToAcceptPerSocketEvent: 1,
      listenerFilters: inboundInspectors(targets),
      filterChains: [
        blackHoleChain(capturePort, mesh, traits),
        ...targets.flatMap(([targetPort, owners]) => targetChains(targetPort, owners, mesh, traits)),
        ...passthroughChains(mesh, traits),
      ],
    };
  });
}

/** Traffic sent to the capture port itself would go round in a circle. */
function blackHoleChain(capturePort: number, mesh: MeshConfig, traits: ProxyTraits): ChainInit {
  return {
    name: 'virtualInbound-blackhole',
    filterChainMatch: { destinationPort: capturePort },
    filters: [tcpProxy(clusterTarget('BlackHoleCluster'), mesh, traits)],
  };
}

function targetChains(targetPort: number, owners: readonly OwnPort[], mesh: MeshConfig, traits: ProxyTraits): ChainInit[] {
  const name = listenerName(wildcardBind(traits), targetPort);
  const protocol = protocolOf(owners);
  const chain = (match: MatchInit, filter: FilterInit): ChainInit => ({
    name,
    filterChainMatch: { destinationPort: targetPort, ...match },
    filters: [filter],
  });
  const tcp = () => tcpProxy(clusterTarget(inboundClusterName(targetPort)), mesh, traits);
  const http = () => managerFor(`inbound_${name}`, targetPort, owners, mesh, traits);
  if (isHttp(protocol)) return [chain({ transportProtocol: 'raw_buffer' }, http())];
  if (protocol !== 'auto') return [chain({}, tcp())];
  return [
    chain({ transportProtocol: 'raw_buffer', applicationProtocols: [...plaintextHttp] }, http()),
    chain({ transportProtocol: 'raw_buffer' }, tcp()),
    chain({ transportProtocol: 'tls' }, tcp()),
  ];
}

/** Ports that no service declares still reach the program. */
function passthroughChains(mesh: MeshConfig, traits: ProxyTraits): ChainInit[] {
  const cluster = inboundPassthroughCluster;
  return [
    {
      name: 'virtualInbound-catchall-http',
      filterChainMatch: { transportProtocol: 'raw_buffer', applicationProtocols: [...plaintextHttp] },
      filters: [inboundManager(cluster, cluster, 'inbound|http|0', ':0/*', mesh, traits)],
    },
    {
      name: virtualInbound,
      filterChainMatch: { transportProtocol: 'raw_buffer' },
      filters: [tcpProxy(clusterTarget(cluster), mesh, traits)],
    },
    { name: virtualInbound, filterChainMatch: { transportProtocol: 'tls' }, filters: [tcpProxy(clusterTarget(cluster), mesh, traits)] },
  ];
}

type PredicateInit = InitOf<typeof ListenerFilterChainMatchPredicateSchema>;

/** Inspectors wait for the client's first bytes: off where the protocol is known, or a server that speaks first would hang. */
function inboundInspectors(targets: readonly Target[]): ListenerFilterInit[] {
  const opaque = targets.filter(([, owners]) => protocolOf(owners) !== 'auto' && !isHttp(protocolOf(owners))).map(([port]) => port);
  const declared = targets.filter(([, owners]) => protocolOf(owners) !== 'auto').map(([port]) => port);
  return [
    { name: 'envoy.filters.listener.original_dst', configType: { case: 'typedConfig', value: packed(OriginalDstSchema) } },
    { ...tlsInspector(), filterDisabled: portsPredicate(opaque) },
    { ...httpInspector(), filterDisabled: portsPredicate(declared) },
  ];
}

function portsPredicate(ports: readonly number[]): PredicateInit | undefined {
  const rules = ports.map((port): PredicateInit => ({ rule: { case: 'destinationPortRange', value: { start: port, end: port + 1 } } }));
  const [first, ...more] = rules;
  if (!first) return undefined;
  return more.length === 0 ? first : { rule: { case: 'orMatch', value: { rules } } };
}

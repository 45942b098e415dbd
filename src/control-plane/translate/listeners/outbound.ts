import { outboundAddress } from '#base/loopback.ts';
import type { Origin } from '#base/origin.ts';
import type { MeshConfig } from '#mesh/mesh-config.ts';
import type { ServicePort } from '#mesh/service.ts';
import { TrafficDirection } from '#proto/gen/envoy/config/core/v3/base_pb.js';
import { ListenerSchema } from '#proto/gen/envoy/config/listener/v3/listener_pb.js';
import { isHttp, isTls } from '../clusters/policy.ts';
import { internList } from '../intern.ts';
import { internPlan } from '../intern-plan.ts';
import { built, durationOf, socketAddress } from '../messages.ts';
import { blackHoleCluster, httpProxyRoute, listenerName, passthroughChain, passthroughCluster, typeUrls } from '../names.ts';
import type { Built, ResourcePlan } from '../plan.ts';
import type { ProxyTraits, Scope } from '../scope.ts';
import type { VisibleHost } from '../visibility.ts';
import { buildChain, type ChainKey, chainMatch, httpInspector, matchesAll, tlsInspector } from './chains.ts';
import { clusterTarget, serviceTarget } from './tcp.ts';
import { type TcpChain, tcpChains, tlsChains } from './tcp-routes.ts';

/** A listener while services are being laid on it. */
interface Draft {
  readonly bind: string;
  readonly port: number;
  http: { readonly routeName: string; readonly origins: Origin[] } | undefined;
  readonly tcp: ChainKey[];
  readonly origins: Origin[];
  /** Whether some chain must tell HTTP from other bytes. */
  detect: boolean;
  tls: boolean;
}

type Drafts = Map<string, Draft>;

export function wildcardBind(traits: ProxyTraits): string {
  return traits.family === 'v6' ? '::' : '0.0.0.0';
}

/**
 * One listener per port (HTTP) or per service address and port (TCP, detected protocols). In NONE mode each service
 * address has a real listener of its own.
 */
export function planOutbound(scope: Scope): ResourcePlan[] {
  const drafts: Drafts = new Map();
  const none = scope.proxy.interceptionMode === 'NONE';
  for (const host of scope.view.hosts) {
    for (const port of host.service.ports) {
      if (port.protocol === 'udp' || host.service.resolution === 'dynamic-dns') continue;
      if (none) addBound(drafts, scope, host, port);
      else addCaptured(drafts, scope, host, port);
    }
  }
  return [...drafts.values()].map((draft) => finish(scope, draft));
}

function draftAt(drafts: Drafts, bind: string, port: number): Draft {
  const name = listenerName(bind, port);
  const known = drafts.get(name);
  if (known) return known;
  const made: Draft = { bind, port, http: undefined, tcp: [], origins: [], detect: false, tls: false };
  drafts.set(name, made);
  return made;
}

function addCaptured(drafts: Drafts, scope: Scope, host: VisibleHost, port: ServicePort): void {
  if (isHttp(port.protocol)) {
    const draft = draftAt(drafts, wildcardBind(scope.traits), port.number);
    draft.http ??= { routeName: String(port.number), origins: [] };
    draft.detect = true;
    return;
  }
  for (const { bind, prefix } of bindsOf(scope, host)) {
    const wild = bind === wildcardBind(scope.traits);
    const draft = draftAt(drafts, bind, port.number);
    if (port.protocol === 'auto') {
      draft.http ??= { routeName: wild ? String(port.number) : `${host.service.hostname}:${port.number}`, origins: [] };
      draft.detect = true;
    }
    addTcp(draft, scope, host, port, prefix, wild);
  }
}

/** Where connections to the service's addresses arrive; a CIDR is told apart on the wildcard listener. */
function bindsOf(scope: Scope, host: VisibleHost): readonly { readonly bind: string; readonly prefix?: string }[] {
  const wildcard = wildcardBind(scope.traits);
  if (host.addresses.length > 0) {
    return host.addresses.map((address) => (address.includes('/') ? { bind: wildcard, prefix: address } : { bind: address }));
  }
  if (host.service.resolution !== 'passthrough' || host.service.registry !== 'kubernetes') return [{ bind: wildcard }];
  // Headless: callers connect to the endpoints themselves.
  const own = new Set(scope.proxy.ipAddresses);
  const addresses = new Set(scope.endpoints(host.service)?.endpoints.map((endpoint) => endpoint.address));
  return [...addresses].filter((address) => !own.has(address)).map((address) => ({ bind: address }));
}

function addTcp(draft: Draft, scope: Scope, host: VisibleHost, port: ServicePort, prefix: string | undefined, wild: boolean): void {
  draft.origins.push(host.service.origin);
  for (const chain of chainsFor(scope, host, port, prefix, wild)) {
    // Of equal matches the older service keeps the connection.
    if (draft.tcp.some(([match]) => match === chain.match)) continue;
    if (chain.match.serverNames.length > 0) draft.tls = true;
    draft.tcp.push(internList([chain.match, undefined, chain.target, chain.name, chain.origin] as const));
  }
}

function chainsFor(scope: Scope, host: VisibleHost, port: ServicePort, prefix: string | undefined, wild: boolean): readonly TcpChain[] {
  const { hostname } = host.service;
  const prefixes = prefix === undefined ? [] : [prefix];
  if (isTls(port.protocol)) {
    const chains = tlsChains(scope, hostname, port.number, prefixes);
    if (chains.length > 0) return chains;
    const serverNames = wild && hostname !== '*' ? [hostname, ...host.aliases] : [];
    return [
      { match: chainMatch({ prefixes, serverNames }), target: serviceTarget(scope, hostname, port.number), name: '', origin: undefined },
    ];
  }
  return tcpChains(scope, hostname, port.number, prefixes);
}

/** NONE mode: the service's place in the workload's own block. */
function addBound(drafts: Drafts, scope: Scope, host: VisibleHost, port: ServicePort): void {
  const { outbound } = scope.proxy;
  if (!outbound) return;
  for (const address of host.addresses) {
    const place = outboundAddress(outbound, address, port.number, host.service.ports.indexOf(port));
    if (!place) continue;
    const draft = draftAt(drafts, place.address, place.port);
    if (draft.http || draft.tcp.length > 0) continue;
    if (isHttp(port.protocol)) draft.http = { routeName: String(port.number), origins: [] };
    else {
      if (port.protocol === 'auto') {
        draft.http = { routeName: `${host.service.hostname}:${port.number}`, origins: [] };
        draft.detect = true;
      }
      addTcp(draft, scope, host, port, undefined, false);
    }
  }
}

function finish(scope: Scope, draft: Draft): ResourcePlan {
  const none = scope.proxy.interceptionMode === 'NONE';
  const name = listenerName(draft.bind, draft.port);
  const http: ChainKey[] = draft.http
    ? [internList([chainMatch({ http: draft.detect }), draft.http.routeName, undefined, '', undefined] as const)]
    : [];
  const specific = draft.tcp.filter(([match]) => !matchesAll(match));
  const fallback = draft.tcp.find(([match]) => matchesAll(match)) ?? (none ? undefined : catchAllChain(scope));
  // In NONE mode a lone HTTP chain takes everything on its own address.
  const chains = internList([...http, ...specific]);
  return internPlan(
    name,
    typeUrls.listener,
    buildOutboundListener,
    internList([draft.bind, draft.port, none, draft.detect && draft.http !== undefined, draft.tls, false] as const),
    chains,
    fallback,
    internList(draft.origins),
    scope.mesh,
    scope.traits,
  );
}

function catchAllChain(scope: Scope): ChainKey {
  const cluster = scope.mesh.outboundTrafficPolicy.mode === 'REGISTRY_ONLY' ? blackHoleCluster : passthroughCluster;
  return internList([chainMatch({}), undefined, clusterTarget(cluster), passthroughChain, undefined] as const);
}

/** The loopback HTTP proxy that the program may be told of. */
export function planHttpProxy(scope: Scope, bind: string, port: number): ResourcePlan {
  const chain: ChainKey = internList([chainMatch({}), httpProxyRoute, undefined, '', undefined] as const);
  return internPlan(
    listenerName(bind, port),
    typeUrls.listener,
    buildOutboundListener,
    internList([bind, port, true, false, false, true] as const),
    internList([chain]),
    undefined,
    internList([]),
    scope.mesh,
    scope.traits,
  );
}

type Shape = readonly [bind: string, port: number, bindToPort: boolean, detectHttp: boolean, readSni: boolean, connect: boolean];

function buildOutboundListener(
  [bind, port, bindToPort, detectHttp, readSni, connect]: Shape,
  chains: readonly ChainKey[],
  fallback: ChainKey | undefined,
  origins: readonly Origin[],
  mesh: MeshConfig,
  traits: ProxyTraits,
): Built {
  const name = listenerName(bind, port);
  return built(typeUrls.listener, ListenerSchema, name, origins, () => ({
    name,
    address: socketAddress(bind, port),
    additionalAddresses: bind === '0.0.0.0' && traits.family === 'dual' ? [{ address: socketAddress('::', port) }] : [],
    bindToPort: bindToPort ? undefined : false,
    trafficDirection: TrafficDirection.OUTBOUND,
    continueOnListenerFiltersTimeout: true,
    listenerFiltersTimeout: durationOf(mesh.protocolDetectionTimeout),
    listenerFilters: [...(readSni || detectHttp ? [tlsInspector()] : []), ...(detectHttp ? [httpInspector()] : [])],
    filterChains: chains.map((chain) => buildChain(chain, `outbound_${name}`, connect, mesh, traits)),
    defaultFilterChain: fallback && buildChain(fallback, `outbound_${name}`, connect, mesh, traits),
  }));
}

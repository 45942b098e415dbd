import type { Cluster } from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { FilterChain, FilterChainMatch, ListenerFilter } from '#proto/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '#proto/gen/envoy/config/listener/v3/listener_pb.js';
import { type Route, type VirtualHost, VirtualHost_TlsRequirementType } from '#proto/gen/envoy/config/route/v3/route_components_pb.js';
import type { RouteConfiguration } from '#proto/gen/envoy/config/route/v3/route_pb.js';
import { DownstreamTlsContextSchema } from '#proto/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { type ParsedAddress, parseAddress, prefixCovers } from './address.ts';
import { managerOf, type ProxyConfig, tcpProxyOf, unpacked } from './proxy-config.ts';
import { matchPath, matchRoute, type SimulatedRequest } from './route-match.ts';

/** A connection or request put to a proxy's configuration. */
export interface Call {
  readonly address: string;
  readonly port: number;
  readonly callMode: 'outbound' | 'inbound';
  readonly protocol: 'http' | 'http2' | 'tcp';
  readonly tls: 'plaintext' | 'tls' | 'mtls';
  /** Application protocol of the TLS handshake; empty for plain text. */
  readonly alpn: string;
  readonly sni: string;
  readonly request: SimulatedRequest;
  /** `path`: only paths decide between routes (what published test tables mean); `all`: everything a proxy compares. */
  readonly compare: 'path' | 'all';
}

export type SimulationError =
  | 'NoListener'
  | 'MultipleFilterChain'
  | 'NoFilterChain'
  | 'TLSError'
  | 'MTLSError'
  | 'ProtocolError'
  | 'NoVirtualHost'
  | 'TLSRedirect'
  | 'NoRoute';

/** Where a call ends up; what was reached before an error is there too. */
export interface Outcome {
  readonly error?: SimulationError;
  readonly listener?: Listener;
  readonly chain?: FilterChain;
  readonly routeConfiguration?: RouteConfiguration;
  readonly virtualHost?: VirtualHost;
  readonly route?: Route;
  /** Name of the single cluster; empty for weighted clusters and answers that the proxy gives itself. */
  readonly cluster: string;
}

/** Replays a call on generated configuration, step by step as a proxy would take it. */
export function simulate(config: ProxyConfig, call: Call): Outcome {
  const listener = findListener(config.listeners, call);
  if (!listener) return { error: 'NoListener', cluster: '' };
  const chain = findChain(listener, call);
  if (typeof chain === 'string') return { error: chain, listener, cluster: '' };
  const refused = transportError(chain, call);
  if (refused) return { error: refused, listener, chain, cluster: '' };
  const manager = managerOf(chain);
  if (!manager) {
    const specifier = tcpProxyOf(chain)?.clusterSpecifier;
    return { listener, chain, cluster: specifier?.case === 'cluster' ? specifier.value : '' };
  }
  if (call.protocol === 'tcp' || (call.tls !== 'plaintext' && !chain.transportSocket))
    return { error: 'ProtocolError', listener, chain, cluster: '' };
  const specifier = manager.routeSpecifier;
  const routeConfiguration =
    specifier.case === 'rds'
      ? config.routes.get(specifier.value.routeConfigName)
      : specifier.case === 'routeConfig'
        ? specifier.value
        : undefined;
  if (!routeConfiguration) return { error: 'NoVirtualHost', listener, chain, cluster: '' };
  return { listener, chain, ...routeCall(routeConfiguration, call) };
}

function routeCall(routeConfiguration: RouteConfiguration, call: Call): Outcome {
  const virtualHost = findVirtualHost(routeConfiguration, call.request.authority);
  if (!virtualHost) return { error: 'NoVirtualHost', routeConfiguration, cluster: '' };
  if (virtualHost.requireTls === VirtualHost_TlsRequirementType.ALL && call.tls === 'plaintext') {
    return { error: 'TLSRedirect', routeConfiguration, virtualHost, cluster: '' };
  }
  const matches = (route: Route) =>
    call.compare === 'path'
      ? matchPath(route.match, call.request.path)
      : matchRoute(route.match, call.request).every((condition) => condition.holds);
  const route = virtualHost.routes.find(matches);
  if (!route) return { error: 'NoRoute', routeConfiguration, virtualHost, cluster: '' };
  const specifier = route.action.case === 'route' ? route.action.value.clusterSpecifier : undefined;
  return { routeConfiguration, virtualHost, route, cluster: specifier?.case === 'cluster' ? specifier.value : '' };
}

/** Inbound: `virtualInbound` (or the exact address in NONE mode). Outbound: exact, then wildcard, then `virtualOutbound`. */
function findListener(listeners: readonly Listener[], call: Pick<Call, 'address' | 'port' | 'callMode'>): Listener | undefined {
  const at = (address: string) => listeners.find((listener) => listensAt(listener, address, call.port));
  const named = (name: string) => listeners.find((listener) => listener.name === name);
  if (call.callMode === 'inbound') return named('virtualInbound') ?? at(call.address);
  return at(call.address) ?? at('0.0.0.0') ?? (call.address.includes(':') ? at('::') : undefined) ?? named('virtualOutbound');
}

function listensAt(listener: Listener, address: string, port: number): boolean {
  return [listener.address, ...listener.additionalAddresses.map((extra) => extra.address)].some((own) => {
    const socket = own?.address.case === 'socketAddress' ? own.address.value : undefined;
    return socket?.address === address && socket.portSpecifier.case === 'portValue' && socket.portSpecifier.value === port;
  });
}

function inspects(listener: Listener, kind: string, port: number): boolean {
  return listener.listenerFilters.some((filter) => filter.name.endsWith(kind) && !disabledFor(filter.filterDisabled, port));
}

function disabledFor(predicate: ListenerFilter['filterDisabled'], port: number): boolean {
  const rule = predicate?.rule;
  switch (rule?.case) {
    case 'anyMatch':
      return true;
    case 'destinationPortRange':
      return port >= rule.value.start && port < rule.value.end;
    case 'orMatch':
      return rule.value.rules.some((inner) => disabledFor(inner, port));
    case 'andMatch':
      return rule.value.rules.every((inner) => disabledFor(inner, port));
    case 'notMatch':
      return !disabledFor(rule.value, port);
    default:
      return false;
  }
}

/** What the listener knows of the connection when it chooses a chain. */
export interface ConnectionFacts {
  readonly port: number;
  readonly address: ParsedAddress | undefined;
  readonly sni: string;
  readonly transport: 'tls' | 'raw_buffer';
  readonly alpn: string;
}

export function factsOf(listener: Listener, call: Call): ConnectionFacts {
  const tlsKnown = inspects(listener, 'tls_inspector', call.port);
  const httpKnown = inspects(listener, 'http_inspector', call.port);
  const detected = call.protocol === 'http' ? 'http/1.1' : call.protocol === 'http2' ? 'h2c' : '';
  return {
    port: call.port,
    address: parseAddress(call.address),
    sni: call.sni,
    transport: tlsKnown && call.tls !== 'plaintext' ? 'tls' : 'raw_buffer',
    alpn: call.tls === 'plaintext' ? (httpKnown ? detected : '') : tlsKnown ? call.alpn : '',
  };
}

/** The chain that takes the connection, or why none does. */
function findChain(listener: Listener, call: Call): FilterChain | 'MultipleFilterChain' | 'NoFilterChain' {
  const facts = factsOf(listener, call);
  let chains: readonly FilterChain[] = listener.filterChains;
  for (const { isSet, rank } of chainSteps(facts)) chains = narrow(chains, isSet, rank);
  const [first, ...more] = chains;
  if (more.length > 0) return 'MultipleFilterChain';
  return first ?? listener.defaultFilterChain ?? 'NoFilterChain';
}

interface ChainStep {
  readonly isSet: (match: FilterChainMatch) => boolean;
  /** Higher is better; undefined means no match. */
  readonly rank: (match: FilterChainMatch) => number | undefined;
}

/** Envoy's order: port, address, server name, transport, application protocol. */
function chainSteps(facts: ConnectionFacts): readonly ChainStep[] {
  return [
    {
      isSet: (match) => match.destinationPort !== undefined,
      rank: (match) => (match.destinationPort === facts.port ? 1 : undefined),
    },
    {
      isSet: (match) => match.prefixRanges.length > 0,
      rank: (match) => {
        const lengths = match.prefixRanges.flatMap((range) => {
          const length = range.prefixLen ?? 0;
          return facts.address && prefixCovers(range.addressPrefix, length, facts.address) ? [length] : [];
        });
        return lengths.length > 0 ? Math.max(...lengths) : undefined;
      },
    },
    {
      isSet: (match) => match.serverNames.length > 0,
      rank: (match) => {
        const ranks = match.serverNames.flatMap((name) => serverNameRank(name, facts.sni) ?? []);
        return ranks.length > 0 ? Math.max(...ranks) : undefined;
      },
    },
    {
      isSet: (match) => match.transportProtocol !== '',
      rank: (match) => (match.transportProtocol === facts.transport ? 1 : undefined),
    },
    {
      isSet: (match) => match.applicationProtocols.length > 0,
      rank: (match) => (match.applicationProtocols.includes(facts.alpn) ? 1 : undefined),
    },
  ];
}

function serverNameRank(name: string, sni: string): number | undefined {
  if (name === sni) return Number.POSITIVE_INFINITY;
  if (!name.startsWith('*')) return undefined;
  const suffix = name.slice(1);
  return sni.endsWith(suffix) && sni.length > suffix.length ? suffix.length : undefined;
}

/** Chains that match best stay; when none matches, those that leave the field empty. */
function narrow(chains: readonly FilterChain[], isSet: ChainStep['isSet'], rank: ChainStep['rank']): readonly FilterChain[] {
  const setting = chains.filter((chain) => chain.filterChainMatch && isSet(chain.filterChainMatch));
  if (setting.length === 0) return chains;
  const ranked = setting.flatMap((chain) => {
    const value = chain.filterChainMatch && rank(chain.filterChainMatch);
    return value === undefined ? [] : [{ chain, value }];
  });
  if (ranked.length === 0) return chains.filter((chain) => !setting.includes(chain));
  const best = Math.max(...ranked.map((entry) => entry.value));
  return ranked.filter((entry) => entry.value === best).map((entry) => entry.chain);
}

function transportError(chain: FilterChain, call: Call): SimulationError | undefined {
  if (!chain.transportSocket) return undefined;
  if (call.tls === 'plaintext') return 'TLSError';
  const { configType } = chain.transportSocket;
  const context = configType.case === 'typedConfig' ? unpacked(configType.value, DownstreamTlsContextSchema) : undefined;
  const mutual = context?.requireClientCertificate === true;
  return mutual === (call.tls === 'mtls') ? undefined : 'MTLSError';
}

/** Exact domain, then longest `*suffix`, then longest `prefix*`, then `*`. */
function findVirtualHost(config: RouteConfiguration, authority: string): VirtualHost | undefined {
  const host = (config.ignorePortInHostMatching ? authority.replace(/(?<=[^:]|\]):\d+$/, '') : authority).toLowerCase();
  let best: { readonly virtualHost: VirtualHost; readonly rank: number } | undefined;
  for (const virtualHost of config.virtualHosts) {
    for (const domain of virtualHost.domains) {
      const rank = domainRank(domain.toLowerCase(), host);
      if (rank !== undefined && (!best || rank > best.rank)) best = { virtualHost, rank };
    }
  }
  return best?.virtualHost;
}

const maxDomain = 1000;

function domainRank(domain: string, host: string): number | undefined {
  if (domain === host) return 4 * maxDomain;
  if (domain === '*') return 0;
  if (domain.startsWith('*'))
    return host.length >= domain.length && host.endsWith(domain.slice(1)) ? 2 * maxDomain + domain.length : undefined;
  if (domain.endsWith('*'))
    return host.length >= domain.length && host.startsWith(domain.slice(0, -1)) ? maxDomain + domain.length : undefined;
  return undefined;
}

/** Hosts named in a cluster's Istio metadata, sorted as they stand there. */
export function metadataHosts(cluster: Cluster): readonly string[] {
  const services = cluster.metadata?.filterMetadata.istio?.services;
  if (!Array.isArray(services)) return [];
  return services.flatMap((service) =>
    typeof service === 'object' && service !== null && !Array.isArray(service) && typeof service.host === 'string' ? [service.host] : [],
  );
}

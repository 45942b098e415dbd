import type { FilterChain } from '#proto/gen/envoy/config/listener/v3/listener_components_pb.js';
import { prefixCovers } from '../address.ts';
import { managerOf, tcpProxyOf } from '../proxy-config.ts';
import type { ConnectionFacts } from '../simulate.ts';

/** A chain by its name, or by what it does. */
export function describeChain(chain: FilterChain): string {
  const manager = managerOf(chain);
  const specifier = manager?.routeSpecifier;
  if (specifier?.case === 'rds') return withName(chain, `HTTP, route configuration ${specifier.value.routeConfigName}`);
  if (specifier?.case === 'routeConfig') return withName(chain, `HTTP, route configuration ${specifier.value.name}`);
  const target = tcpProxyOf(chain)?.clusterSpecifier;
  if (target?.case === 'cluster') return withName(chain, `TCP to ${target.value}`);
  if (target?.case === 'weightedClusters')
    return withName(chain, `TCP to ${target.value.clusters.map((cluster) => cluster.name).join(', ')}`);
  return chain.name;
}

function withName(chain: FilterChain, text: string): string {
  return chain.name === '' ? text : `${chain.name} (${text})`;
}

/** The first condition that the connection does not meet. */
export function describeChainMiss(chain: FilterChain, facts: ConnectionFacts): string {
  const match = chain.filterChainMatch;
  if (!match) return 'another chain matches more closely';
  if (match.destinationPort !== undefined && match.destinationPort !== facts.port) return `only for port ${match.destinationPort}`;
  const ranges = match.prefixRanges.map((range) => ({ prefix: range.addressPrefix, length: range.prefixLen ?? 0 }));
  const { address } = facts;
  if (ranges.length > 0 && !(address && ranges.some((range) => prefixCovers(range.prefix, range.length, address)))) {
    return `only for addresses ${ranges.map((range) => `${range.prefix}/${range.length}`).join(', ')}`;
  }
  if (match.serverNames.length > 0 && !match.serverNames.some((name) => coversName(name, facts.sni))) {
    return `only for server names ${match.serverNames.join(', ')}; found ${facts.sni || 'none'}`;
  }
  if (match.transportProtocol !== '' && match.transportProtocol !== facts.transport) {
    return match.transportProtocol === 'tls' ? 'only for TLS' : 'only for plain text';
  }
  if (match.applicationProtocols.length > 0 && !match.applicationProtocols.includes(facts.alpn)) {
    return `only for ${match.applicationProtocols.join(', ')}; found ${facts.alpn || 'none of them'}`;
  }
  return 'another chain matches more closely';
}

function coversName(name: string, sni: string): boolean {
  return name === sni || (name.startsWith('*') && sni.endsWith(name.slice(1)));
}

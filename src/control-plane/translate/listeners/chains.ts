import type { Origin } from '#base/origin.ts';
import { formatOrigin } from '#base/origin.ts';
import type { MeshConfig } from '#mesh/mesh-config.ts';
import type {
  FilterChainMatchSchema,
  FilterChainSchema,
  ListenerFilterSchema,
} from '#proto/gen/envoy/config/listener/v3/listener_components_pb.js';
import { HttpInspectorSchema } from '#proto/gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.js';
import { TlsInspectorSchema } from '#proto/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js';
import { internRecord } from '../intern.ts';
import { type InitOf, packed } from '../messages.ts';
import type { ProxyTraits } from '../scope.ts';
import { outboundManager } from './http.ts';
import { type TcpTarget, tcpProxy } from './tcp.ts';

export type ChainInit = InitOf<typeof FilterChainSchema>;
export type MatchInit = InitOf<typeof FilterChainMatchSchema>;
export type ListenerFilterInit = InitOf<typeof ListenerFilterSchema>;

/** Application protocols that the HTTP inspector reports for plain text. */
export const plaintextHttp: readonly string[] = ['http/1.1', 'h2c'];

/** Which connections a chain takes. Plain data, interned; empty parts match anything. */
export interface ChainMatch {
  readonly prefixes: readonly string[];
  readonly serverNames: readonly string[];
  /** Only what the HTTP inspector saw as HTTP in plain text. */
  readonly http: boolean;
}

export function chainMatch(match: Partial<ChainMatch>): ChainMatch {
  return internRecord({ prefixes: match.prefixes ?? [], serverNames: match.serverNames ?? [], http: match.http ?? false });
}

export function matchesAll(match: ChainMatch): boolean {
  return match.prefixes.length === 0 && match.serverNames.length === 0 && !match.http;
}

/** One chain of an outbound listener. `routeName` (HTTP) or `target` (TCP) says where it leads. Interned by `outbound.ts`. */
export type ChainKey = readonly [
  match: ChainMatch,
  routeName: string | undefined,
  target: TcpTarget | undefined,
  name: string,
  origin: Origin | undefined,
];

/** What one address (`1.2.3.4`, CIDR) looks like as a prefix range; undefined when it is none. */
function prefixRange(address: string): { addressPrefix: string; prefixLen: number } | undefined {
  const [ip = '', length] = address.split('/');
  const bits = length === undefined ? (ip.includes(':') ? 128 : 32) : Number(length);
  return /^[\d.]+$|:/.test(ip) && Number.isInteger(bits) ? { addressPrefix: ip, prefixLen: bits } : undefined;
}

export function filterChainMatch(match: ChainMatch): MatchInit | undefined {
  if (matchesAll(match)) return undefined;
  return {
    prefixRanges: match.prefixes.flatMap((prefix) => prefixRange(prefix) ?? []),
    serverNames: [...match.serverNames],
    ...(match.http ? { applicationProtocols: [...plaintextHttp], transportProtocol: 'raw_buffer' } : {}),
  };
}

export function buildChain(
  [match, routeName, target, name, origin]: ChainKey,
  statPrefix: string,
  connect: boolean,
  mesh: MeshConfig,
  traits: ProxyTraits,
): ChainInit {
  const filter =
    routeName !== undefined
      ? outboundManager(statPrefix, routeName, connect, mesh, traits)
      : target
        ? tcpProxy(target, mesh, traits)
        : undefined;
  return {
    name,
    filterChainMatch: filterChainMatch(match),
    filters: filter ? [filter] : [],
    ...(origin ? { metadata: { filterMetadata: { meshwright: { origin: formatOrigin(origin) } } } } : {}),
  };
}

/** Istio's small first read suffices: the inspector asks for more when a handshake is longer. */
export function tlsInspector(): ListenerFilterInit {
  return {
    name: 'envoy.filters.listener.tls_inspector',
    configType: { case: 'typedConfig', value: packed(TlsInspectorSchema, { initialReadBufferSize: 512 }) },
  };
}

export function httpInspector(): ListenerFilterInit {
  return { name: 'envoy.filters.listener.http_inspector', configType: { case: 'typedConfig', value: packed(HttpInspectorSchema) } };
}

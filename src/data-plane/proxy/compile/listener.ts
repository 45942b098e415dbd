import type { Any } from '@bufbuild/protobuf/wkt';
import type { Address } from '#proto/gen/envoy/config/core/v3/address_pb.js';
import { TrafficDirection } from '#proto/gen/envoy/config/core/v3/base_pb.js';
import { HttpProtocolOptions_HeadersWithUnderscoresAction as Underscores } from '#proto/gen/envoy/config/core/v3/protocol_pb.js';
import type { FilterChain, FilterChainMatch } from '#proto/gen/envoy/config/listener/v3/listener_components_pb.js';
import { ListenerSchema } from '#proto/gen/envoy/config/listener/v3/listener_pb.js';
import { CorsSchema } from '#proto/gen/envoy/extensions/filters/http/cors/v3/cors_pb.js';
import { HTTPFaultSchema } from '#proto/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { RouterSchema } from '#proto/gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import { HttpInspectorSchema } from '#proto/gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.js';
import { OriginalDstSchema } from '#proto/gen/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.js';
import { TlsInspectorSchema } from '#proto/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js';
import {
  HttpConnectionManager_CodecType as Codec,
  HttpConnectionManager_PathWithEscapedSlashesAction as Escaped,
  type HttpConnectionManager,
  HttpConnectionManagerSchema,
  type HttpFilter,
  HttpConnectionManager_ServerHeaderTransformation as ServerHeader,
} from '#proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { type TcpProxy, TcpProxySchema } from '#proto/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { RawBufferSchema } from '#proto/gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.js';
import type { ChainTable, HttpChainTable, HttpFilterTable, ListenerTable, TcpChainTable } from '../table.ts';
import { accessLogs } from './access-log.ts';
import { faultTable } from './filters.ts';
import { decodeChecked, durationMs, reject, typeOf, unpack } from './rejection.ts';
import { routeConfig } from './route.ts';

export function listenerFromBytes(bytes: Uint8Array, version: string): ListenerTable {
  const listener = decodeChecked(ListenerSchema, bytes);
  const inspectors = listener.listenerFilters.map((filter) =>
    inspectorOf(filter.configType.case === 'typedConfig' ? filter.configType.value : undefined, filter.name),
  );
  // Listeners for redirected traffic are known but have no socket here: without redirection nothing would reach them.
  const redirected = inspectors.includes('original-dst') || listener.useOriginalDst === true;
  const places = [listener.address, ...listener.additionalAddresses.map((extra) => extra.address)];
  return {
    name: listener.name,
    version,
    addresses: places.map((address) => place(address)),
    bind: (listener.bindToPort ?? true) && !redirected,
    direction:
      listener.trafficDirection === TrafficDirection.INBOUND
        ? 'inbound'
        : listener.trafficDirection === TrafficDirection.OUTBOUND
          ? 'outbound'
          : '',
    inspectTls: inspectors.includes('tls'),
    inspectHttp: inspectors.includes('http'),
    inspectTimeoutMs: durationMs(listener.listenerFiltersTimeout, 15_000),
    continueOnTimeout: listener.continueOnListenerFiltersTimeout,
    chains: listener.filterChains.map((chain) => chainTable(chain, listener.name)),
    defaultChain: listener.defaultFilterChain === undefined ? undefined : chainTable(listener.defaultFilterChain, listener.name),
    backlog: listener.tcpBacklogSize ?? 0,
    bufferLimit: listener.perConnectionBufferLimitBytes ?? 1024 * 1024,
  };
}

function inspectorOf(any: Any | undefined, name: string): 'tls' | 'http' | 'original-dst' {
  if (any !== undefined) {
    if (typeOf(any) === TlsInspectorSchema.typeName) return unpack(any, TlsInspectorSchema, name) && 'tls';
    if (typeOf(any) === HttpInspectorSchema.typeName) return unpack(any, HttpInspectorSchema, name) && 'http';
    if (typeOf(any) === OriginalDstSchema.typeName) return unpack(any, OriginalDstSchema, name) && 'original-dst';
  }
  return reject(
    'envoy.config.listener.v3.Listener.listener_filters',
    `${name} (${any === undefined ? 'no configuration' : typeOf(any)}) is not supported`,
  );
}

function place(address: Address | undefined): { address: string; port: number } {
  const value = address?.address;
  if (value?.case === 'socketAddress' && value.value.portSpecifier.case === 'portValue') {
    return { address: value.value.address, port: value.value.portSpecifier.value };
  }
  if (value?.case === 'socketAddress') return { address: value.value.address, port: 0 };
  return reject('envoy.config.listener.v3.Listener.address', `${value?.case ?? 'nothing'} is not supported, only a socket address`);
}

function chainTable(chain: FilterChain, listener: string): ChainTable {
  if (chain.transportSocket !== undefined) {
    const config = chain.transportSocket.configType;
    if (config.case !== 'typedConfig' || typeOf(config.value) !== RawBufferSchema.typeName) {
      reject(
        'envoy.config.listener.v3.FilterChain.transport_socket',
        `${chain.transportSocket.name}: connections in TLS cannot be accepted by the embedded proxy yet`,
      );
    }
  }
  const match = chain.filterChainMatch;
  return {
    name: chain.name,
    destinationPort: match?.destinationPort ?? 0,
    prefixes: ranges(match?.prefixRanges),
    sourcePrefixes: ranges(match?.sourcePrefixRanges),
    serverNames: (match?.serverNames ?? []).map((name) => name.toLowerCase()),
    transportProtocol: match?.transportProtocol ?? '',
    applicationProtocols: match?.applicationProtocols ?? [],
    filter: chainFilter(chain, listener),
  };
}

function ranges(list: FilterChainMatch['prefixRanges'] | undefined): ChainTable['prefixes'] {
  return (list ?? []).map((range) => ({ address: range.addressPrefix, bits: range.prefixLen ?? 0 }));
}

function chainFilter(chain: FilterChain, listener: string): HttpChainTable | TcpChainTable {
  const [filter, ...more] = chain.filters;
  const field = `listener ${listener} filter chain ${chain.name}`;
  if (filter === undefined) return reject(`${field}.filters`, 'is empty');
  if (more.length > 0) reject(`${field}.filters`, `${more.map((extra) => extra.name).join(', ')} after ${filter.name} is not supported`);
  const any = filter.configType.case === 'typedConfig' ? filter.configType.value : undefined;
  if (any !== undefined && typeOf(any) === HttpConnectionManagerSchema.typeName)
    return httpChain(unpack(any, HttpConnectionManagerSchema, field));
  if (any !== undefined && typeOf(any) === TcpProxySchema.typeName) return tcpChain(unpack(any, TcpProxySchema, field), field);
  return reject(`${field}.filters`, `${filter.name} (${any === undefined ? 'no configuration' : typeOf(any)}) is not supported`);
}

function tcpChain(proxy: TcpProxy, field: string): TcpChainTable {
  const choice = proxy.clusterSpecifier;
  const targets =
    choice.case === 'cluster'
      ? [{ cluster: choice.value, weight: 1 }]
      : choice.case === 'weightedClusters'
        ? choice.value.clusters.map((entry) => ({ cluster: entry.name, weight: entry.weight }))
        : reject(`${field}.tcp_proxy.cluster_specifier`, 'is missing');
  return {
    kind: 'tcp',
    statPrefix: proxy.statPrefix,
    targets,
    totalWeight: targets.reduce((sum, target) => sum + target.weight, 0),
    idleTimeoutMs: durationMs(proxy.idleTimeout, 3_600_000),
    maxDurationMs: durationMs(proxy.maxDownstreamConnectionDuration, 0),
    maxConnectAttempts: proxy.maxConnectAttempts ?? 1,
    hashSource: proxy.hashPolicy.length > 0,
    tunnel: tunnelOf(proxy),
    logs: accessLogs(proxy.accessLog),
  };
}

function tunnelOf(proxy: TcpProxy): string {
  const tunnel = proxy.tunnelingConfig;
  if (tunnel === undefined) return '';
  const field = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TunnelingConfig';
  if (tunnel.usePost) reject(`${field}.use_post`, 'tunnels by POST are not supported; use CONNECT');
  // Envoy would fill in what the connection says; plain names are all that is made from DestinationRules.
  if (!/^[A-Za-z0-9.[\]:_-]+$/.test(tunnel.hostname)) reject(`${field}.hostname`, `${tunnel.hostname} is not host:port`);
  return tunnel.hostname;
}

function httpChain(manager: HttpConnectionManager): HttpChainTable {
  if (manager.codecType === Codec.HTTP2 || manager.codecType === Codec.HTTP3) {
    reject('HttpConnectionManager.codec_type', `${Codec[manager.codecType]} is not supported; the embedded proxy speaks HTTP/1.1`);
  }
  const routes = manager.routeSpecifier;
  if (routes.case !== 'rds' && routes.case !== 'routeConfig')
    reject('HttpConnectionManager.route_specifier', `${routes.case ?? 'nothing'} is not supported`);
  return {
    kind: 'http',
    statPrefix: manager.statPrefix,
    routeName: routes.case === 'rds' ? routes.value.routeConfigName : '',
    routes: routes.case === 'routeConfig' ? routeConfig(routes.value) : undefined,
    ...identityOf(manager),
    ...targetsOf(manager),
    ...limitsOf(manager),
    upgrades: Object.fromEntries(manager.upgradeConfigs.map((config) => [config.upgradeType.toLowerCase(), config.enabled ?? true])),
    ...filtersOf(manager.httpFilters),
    logs: accessLogs(manager.accessLog),
  };
}

function identityOf(manager: HttpConnectionManager) {
  const transforms: Readonly<Record<number, HttpChainTable['serverHeader']>> = {
    [ServerHeader.OVERWRITE]: 'overwrite',
    [ServerHeader.APPEND_IF_ABSENT]: 'append-if-absent',
    [ServerHeader.PASS_THROUGH]: 'pass-through',
  };
  return {
    serverName: manager.serverName || 'envoy',
    serverHeader: transforms[manager.serverHeaderTransformation] ?? 'overwrite',
    useRemoteAddress: manager.useRemoteAddress ?? false,
    skipForwardedForAppend: manager.skipXffAppend,
    generateRequestId: manager.generateRequestId ?? true,
    preserveRequestId: manager.preserveExternalRequestId,
    requestIdInResponse: manager.alwaysSetRequestIdInResponse,
    via: manager.via,
  };
}

function targetsOf(manager: HttpConnectionManager) {
  const actions: Readonly<Record<number, HttpChainTable['escapedSlashes']>> = {
    [Escaped.REJECT_REQUEST]: 'reject',
    [Escaped.UNESCAPE_AND_REDIRECT]: 'redirect',
    [Escaped.UNESCAPE_AND_FORWARD]: 'forward',
  };
  const strip = manager.stripPortMode;
  const stripPort: HttpChainTable['stripPort'] =
    strip.case === 'stripAnyHostPort' && strip.value ? 'any' : manager.stripMatchingHostPort ? 'matching' : 'no';
  return {
    normalizePath: manager.normalizePath ?? false,
    mergeSlashes: manager.mergeSlashes,
    escapedSlashes: actions[manager.pathWithEscapedSlashesAction] ?? 'keep',
    stripPort,
    stripTrailingDot: manager.stripTrailingHostDot,
    acceptHttp10: manager.httpProtocolOptions?.acceptHttp10 ?? false,
    defaultHost: manager.httpProtocolOptions?.defaultHostForHttp10 ?? '',
  };
}

function limitsOf(manager: HttpConnectionManager) {
  const common = manager.commonHttpProtocolOptions;
  const underscores: Readonly<Record<number, HttpChainTable['underscores']>> = {
    [Underscores.REJECT_REQUEST]: 'reject',
    [Underscores.DROP_HEADER]: 'drop',
  };
  return {
    pass100Continue: manager.proxy100Continue,
    maxHeadBytes: (manager.maxRequestHeadersKb ?? 60) * 1024,
    maxFields: common?.maxHeadersCount ?? 100,
    streamIdleTimeoutMs: durationMs(manager.streamIdleTimeout, 300_000),
    requestTimeoutMs: durationMs(manager.requestTimeout, 0),
    headTimeoutMs: durationMs(manager.requestHeadersTimeout, 0),
    idleTimeoutMs: durationMs(common?.idleTimeout, 3_600_000),
    maxConnectionMs: durationMs(common?.maxConnectionDuration, 0),
    maxRequestsPerConnection: common?.maxRequestsPerConnection ?? 0,
    underscores: underscores[common?.headersWithUnderscoresAction ?? 0] ?? ('allow' as const),
  };
}

function filtersOf(filters: readonly HttpFilter[]): { filters: HttpFilterTable[]; suppressEnvoyHeaders: boolean } {
  let suppressEnvoyHeaders = false;
  const tables = filters.map((filter): HttpFilterTable => {
    const any = filter.configType.case === 'typedConfig' ? filter.configType.value : undefined;
    const type = any === undefined ? 'no configuration' : typeOf(any);
    if (type === HTTPFaultSchema.typeName)
      return { kind: 'fault', name: filter.name, fault: faultTable(unpack(any, HTTPFaultSchema, filter.name)) };
    if (type === CorsSchema.typeName) return unpack(any, CorsSchema, filter.name) && { kind: 'cors', name: filter.name, fault: undefined };
    if (type === RouterSchema.typeName) {
      suppressEnvoyHeaders = unpack(any, RouterSchema, filter.name).suppressEnvoyHeaders;
      return { kind: 'router', name: filter.name, fault: undefined };
    }
    return reject('HttpConnectionManager.http_filters', `${filter.name} (${type}) is not supported`);
  });
  if (tables.at(-1)?.kind !== 'router') reject('HttpConnectionManager.http_filters', 'the last filter must be the router');
  return { filters: tables, suppressEnvoyHeaders };
}

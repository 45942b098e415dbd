import type { Any } from '@bufbuild/protobuf/wkt';
import type { DataSource } from '#proto/gen/envoy/config/core/v3/base_pb.js';
import {
  RouteAction_ClusterNotFoundResponseCode as NotFoundCode,
  type RedirectAction,
  RedirectAction_RedirectResponseCode as RedirectCode,
  type RetryPolicy,
  type Route,
  type RouteAction,
  type RouteAction_HashPolicy,
  VirtualHost_TlsRequirementType as Tls,
  type VirtualHost,
  type WeightedCluster_ClusterWeight,
} from '#proto/gen/envoy/config/route/v3/route_components_pb.js';
import { type RouteConfiguration, RouteConfigurationSchema } from '#proto/gen/envoy/config/route/v3/route_pb.js';
import { CorsPolicySchema } from '#proto/gen/envoy/extensions/filters/http/cors/v3/cors_pb.js';
import { HTTPFaultSchema } from '#proto/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { PreviousHostsPredicateSchema } from '#proto/gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.js';
import { retryWords } from '../http/retry.ts';
import {
  type ClusterTarget,
  type FilterOverrides,
  type ForwardTable,
  type HashRule,
  type HeaderOperations,
  noOperations,
  noOverrides,
  type RedirectTable,
  type RetryTable,
  type RouteConfigTable,
  type RouteTable,
  type VirtualHostTable,
} from '../table.ts';
import { corsTable, faultTable } from './filters.ts';
import { headerOperations } from './headers.ts';
import { flatMetadata, headerRule, routeMatch, runtimeFraction, substitution } from './matchers.ts';
import { decodeChecked, durationMs, reject, typeOf, unpack } from './rejection.ts';

/** What route, virtual host, configuration and weighted cluster have in common. */
interface Level {
  readonly requestHeadersToAdd: VirtualHost['requestHeadersToAdd'];
  readonly requestHeadersToRemove: string[];
  readonly responseHeadersToAdd: VirtualHost['responseHeadersToAdd'];
  readonly responseHeadersToRemove: string[];
  readonly typedPerFilterConfig: { [key: string]: Any };
}

function levelOf(level: Level): {
  readonly requestHeaders: HeaderOperations;
  readonly responseHeaders: HeaderOperations;
  readonly filters: FilterOverrides;
} {
  return {
    requestHeaders: headerOperations(level.requestHeadersToAdd, level.requestHeadersToRemove),
    responseHeaders: headerOperations(level.responseHeadersToAdd, level.responseHeadersToRemove),
    filters: overrides(level.typedPerFilterConfig),
  };
}

function overrides(configs: { readonly [key: string]: Any }): FilterOverrides {
  let result: FilterOverrides = noOverrides;
  for (const [name, any] of Object.entries(configs)) {
    const field = `typed_per_filter_config[${name}]`;
    if (typeOf(any) === HTTPFaultSchema.typeName) result = { ...result, fault: faultTable(unpack(any, HTTPFaultSchema, field)) };
    else if (typeOf(any) === CorsPolicySchema.typeName) result = { ...result, cors: corsTable(unpack(any, CorsPolicySchema, field)) };
    else reject(field, `${typeOf(any)} is not supported`);
  }
  return result;
}

export function routeConfigFromBytes(bytes: Uint8Array): RouteConfigTable {
  return routeConfig(decodeChecked(RouteConfigurationSchema, bytes));
}

export function routeConfig(config: RouteConfiguration): RouteConfigTable {
  const seen = new Set<string>();
  const virtualHosts = config.virtualHosts.map((host) => {
    for (const domain of host.domains) {
      const lower = domain.toLowerCase();
      if (seen.has(lower)) reject(`virtual host ${host.name}`, `the domain ${domain} stands in two virtual hosts of ${config.name}`);
      seen.add(lower);
    }
    return virtualHost(host);
  });
  return {
    name: config.name,
    virtualHosts,
    ignorePort: config.ignorePortInHostMatching,
    mostSpecificWins: config.mostSpecificHeaderMutationsWins,
    ...levelOf(config),
  };
}

function virtualHost(host: VirtualHost): VirtualHostTable {
  return {
    name: host.name,
    domains: host.domains.map((domain) => domain.toLowerCase()),
    routes: host.routes.map((route, index) => routeTable(route, host, index)),
    attemptCount: host.includeRequestAttemptCount,
    attemptCountInResponse: host.includeAttemptCountInResponse,
    requireTls: host.requireTls !== Tls.NONE,
    bufferLimit: host.perRequestBufferLimitBytes ?? 0,
    ...levelOf(host),
  };
}

function routeTable(route: Route, host: VirtualHost, index: number): RouteTable {
  const field = `virtual host ${host.name} route ${route.name || index}`;
  return {
    name: route.name,
    match: routeMatch(route.match, field),
    action: actionOf(route, host, field),
    metadata: flatMetadata(route.metadata),
    decorator: route.decorator?.operation ?? '',
    bufferLimit: route.perRequestBufferLimitBytes ?? host.perRequestBufferLimitBytes ?? 0,
    ...levelOf(route),
  };
}

function actionOf(route: Route, host: VirtualHost, field: string): RouteTable['action'] {
  const action = route.action;
  switch (action.case) {
    case 'route':
      return forward(action.value, host, field);
    case 'redirect':
      return redirect(action.value, field);
    case 'directResponse':
      return { kind: 'direct', status: action.value.status, body: textOf(action.value.body, `${field}.direct_response.body`) };
    default:
      return reject(`${field}.action`, `${action.case ?? 'nothing'} is not supported`);
  }
}

/** Inline content only: a file or variable belongs to another process. */
export function textOf(source: DataSource | undefined, field: string): string {
  const specifier = source?.specifier;
  if (specifier?.case === undefined) return '';
  if (specifier.case === 'inlineString') return specifier.value;
  if (specifier.case === 'inlineBytes') return Buffer.from(specifier.value).toString();
  return reject(field, `${specifier.case} is not supported, only inline content`);
}

function redirect(action: RedirectAction, field: string): RedirectTable {
  const codes: Readonly<Record<number, number>> = {
    [RedirectCode.MOVED_PERMANENTLY]: 301,
    [RedirectCode.FOUND]: 302,
    [RedirectCode.SEE_OTHER]: 303,
    [RedirectCode.TEMPORARY_REDIRECT]: 307,
    [RedirectCode.PERMANENT_REDIRECT]: 308,
  };
  const scheme = action.schemeRewriteSpecifier;
  const path = action.pathRewriteSpecifier;
  return {
    kind: 'redirect',
    status: codes[action.responseCode] ?? 301,
    scheme: scheme.case === 'schemeRedirect' ? scheme.value : scheme.case === 'httpsRedirect' && scheme.value ? 'https' : '',
    host: action.hostRedirect,
    port: action.portRedirect,
    path: path.case === 'pathRedirect' ? path.value : '',
    prefixRewrite: path.case === 'prefixRewrite' ? path.value : '',
    regexRewrite: path.case === 'regexRewrite' ? substitution(path.value, `${field}.redirect.regex_rewrite`) : undefined,
    stripQuery: action.stripQuery,
  };
}

function forward(action: RouteAction, host: VirtualHost, field: string): ForwardTable {
  const choice = action.clusterSpecifier;
  const targets = targetsOf(choice, field);
  const rewrite = action.hostRewriteSpecifier;
  if (rewrite.case === 'hostRewritePathRegex') reject(`${field}.host_rewrite_path_regex`, 'is not supported');
  const retry = action.retryPolicy ?? host.retryPolicy;
  const mirrors = action.requestMirrorPolicies.length > 0 ? action.requestMirrorPolicies : host.requestMirrorPolicies;
  const connect = action.upgradeConfigs.find((config) => config.upgradeType.toLowerCase() === 'connect');
  const notFound: Readonly<Record<number, number>> = { [NotFoundCode.NOT_FOUND]: 404, [NotFoundCode.INTERNAL_SERVER_ERROR]: 500 };
  return {
    kind: 'forward',
    targets,
    totalWeight: targets.reduce((sum, target) => sum + target.weight, 0),
    clusterHeader: choice.case === 'clusterHeader' ? choice.value.toLowerCase() : '',
    notFoundStatus: notFound[action.clusterNotFoundResponseCode] ?? 503,
    prefixRewrite: action.prefixRewrite,
    regexRewrite: substitution(action.regexRewrite, `${field}.regex_rewrite`),
    hostRewrite: rewrite.case === 'hostRewriteLiteral' ? rewrite.value : '',
    hostRewriteHeader: rewrite.case === 'hostRewriteHeader' ? rewrite.value : '',
    autoHostRewrite: rewrite.case === 'autoHostRewrite' && rewrite.value.value,
    appendForwardedHost: action.appendXForwardedHost,
    timeoutMs: durationMs(action.timeout, 15_000),
    idleTimeoutMs: durationMs(action.idleTimeout, -1),
    maxStreamDurationMs: durationMs(action.maxStreamDuration?.maxStreamDuration, 0),
    retry: retry === undefined ? undefined : retryTable(retry, field),
    mirrors: mirrors.map((policy) => ({
      cluster: policy.cluster,
      fraction: runtimeFraction(policy.runtimeFraction, 1_000_000),
      suffix: !policy.disableShadowHostSuffixAppend,
    })),
    hash: action.hashPolicy.map((policy) => hashRule(policy, field)),
    upgrades: Object.fromEntries(action.upgradeConfigs.map((config) => [config.upgradeType.toLowerCase(), config.enabled ?? true])),
    terminateConnect: connect?.connectConfig !== undefined,
  };
}

function targetsOf(choice: RouteAction['clusterSpecifier'], field: string): ClusterTarget[] {
  const plain = { requestHeaders: noOperations, responseHeaders: noOperations, hostRewrite: '', filters: noOverrides };
  switch (choice.case) {
    case 'cluster':
      return [{ cluster: choice.value, weight: 1, ...plain }];
    case 'clusterHeader':
      return [{ cluster: '', weight: 1, ...plain }];
    case 'weightedClusters': {
      const clusters = choice.value.clusters.map((entry) => weighted(entry));
      if (clusters.length === 0 || clusters.every((entry) => entry.weight === 0))
        reject(`${field}.weighted_clusters`, 'no cluster has a weight');
      return clusters;
    }
    default:
      return reject(`${field}.cluster_specifier`, `${choice.case ?? 'nothing'} is not supported`);
  }
}

function weighted(entry: WeightedCluster_ClusterWeight): ClusterTarget {
  const host = entry.hostRewriteSpecifier;
  return {
    cluster: entry.name,
    weight: entry.weight ?? 0,
    hostRewrite: host.case === 'hostRewriteLiteral' ? host.value : '',
    ...levelOf(entry),
  };
}

function retryTable(policy: RetryPolicy, field: string): RetryTable {
  const on = policy.retryOn
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
  // Envoy passes over words it does not know, so a newer control plane keeps working.
  const known = on.filter((word) => retryWords.has(word));
  let previousHosts = false;
  for (const predicate of policy.retryHostPredicate) {
    const any = predicate.configType.case === 'typedConfig' ? predicate.configType.value : undefined;
    if (any !== undefined) unpack(any, PreviousHostsPredicateSchema, `${field}.retry_host_predicate`);
    else if (predicate.name !== 'envoy.retry_host_predicates.previous_hosts')
      reject(`${field}.retry_host_predicate`, `${predicate.name} is not supported`);
    previousHosts = true;
  }
  const base = durationMs(policy.retryBackOff?.baseInterval, 25);
  return {
    on: known,
    attempts: policy.numRetries ?? 1,
    perTryTimeoutMs: durationMs(policy.perTryTimeout, 0),
    statusCodes: policy.retriableStatusCodes,
    headers: policy.retriableHeaders.map(headerRule),
    requestHeaders: policy.retriableRequestHeaders.map(headerRule),
    previousHosts,
    previousPriorities: policy.retryPriority !== undefined,
    hostAttempts: Number(policy.hostSelectionRetryMaxAttempts) || 1,
    backoffBaseMs: base,
    backoffMaxMs: durationMs(policy.retryBackOff?.maxInterval, base * 10),
  };
}

function hashRule(policy: RouteAction_HashPolicy, field: string): HashRule {
  const spec = policy.policySpecifier;
  const terminal = policy.terminal;
  switch (spec.case) {
    case 'header':
      return { kind: 'header', name: spec.value.headerName.toLowerCase(), terminal };
    case 'queryParameter':
      return { kind: 'query', name: spec.value.name, terminal };
    case 'connectionProperties':
      return { kind: 'source', terminal };
    case 'cookie': {
      const { name, path, ttl, attributes } = spec.value;
      return {
        kind: 'cookie',
        name,
        path,
        ttlSeconds: ttl === undefined ? undefined : Math.round(durationMs(ttl, 0) / 1000),
        attributes: attributes.map((attribute) => (attribute.value === '' ? attribute.name : `${attribute.name}=${attribute.value}`)),
        terminal,
      };
    }
    default:
      return reject(`${field}.hash_policy`, `${spec.case ?? 'nothing'} is not supported`);
  }
}

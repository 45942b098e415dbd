import type { MeshConfig } from '#mesh/mesh-config.ts';
import type { Service } from '#mesh/service.ts';
import {
  type DirectResponseActionSchema,
  RedirectAction_RedirectResponseCode,
  type RedirectActionSchema,
  type RouteAction_HashPolicySchema,
  type RouteAction_RequestMirrorPolicySchema,
  type RouteActionSchema,
} from '#proto/gen/envoy/config/route/v3/route_components_pb.js';
import type { Destination } from '#resources/networking/destination.ts';
import type { ConsistentHashLb } from '#resources/networking/destination-rule.ts';
import type {
  HttpDirectResponse,
  HttpMatchRequest,
  HttpRedirect,
  HttpRoute,
  HttpRouteDestination,
} from '#resources/networking/virtual-service.ts';
import { resolveHost } from '../hosts.ts';
import { duration, durationOf, type InitOf } from '../messages.ts';
import { outboundClusterName } from '../names.ts';
import { settingsFor } from '../traffic-policy.ts';
import type { Rule } from '../visibility.ts';
import { fraction } from './filters.ts';
import { authorityOf, headerChanges } from './headers.ts';
import { retryPolicy } from './retry.ts';

type ActionInit = InitOf<typeof RouteActionSchema>;
type HashInit = InitOf<typeof RouteAction_HashPolicySchema>;

/** What a route may know of one destination host: its service, and the rules when they hash requests. */
export type DestinationFacts = readonly [host: string, service: Service | undefined, rules: readonly Rule[]];

/** What the routes of one VirtualService are made with. */
export interface RouteContext {
  readonly mesh: MeshConfig;
  /** Namespace in which short host names are completed. */
  readonly namespace: string;
  readonly listenPort: number;
  readonly destinations: readonly DestinationFacts[];
}

function factsOf(context: RouteContext, host: string): DestinationFacts | undefined {
  return context.destinations.find(([name]) => name === host);
}

/** The port named, else the service's only port, else the port that was called. */
export function destinationPort(destination: Destination, service: Service | undefined, listenPort: number): number {
  if (destination.port?.number) return destination.port.number;
  const [only, ...more] = service?.ports ?? [];
  return only && more.length === 0 ? only.number : listenPort;
}

function destinationCluster(context: RouteContext, destination: Destination): string {
  const host = resolveHost(destination.host, context.namespace, context.mesh.clusterDomain);
  const port = destinationPort(destination, factsOf(context, host)?.[1], context.listenPort);
  return outboundClusterName(port, destination.subset ?? '', host);
}

/** Forwarding: destinations, rewrites, timeout, retries, mirrors, hash keys. Zero weights are left out. */
export function forwardAction(context: RouteContext, rule: HttpRoute): ActionInit {
  const destinations = liveDestinations(rule.route ?? []);
  const hashPolicy = destinations.flatMap((entry) => hashPolicies(context, entry.destination));
  const retry = retryPolicy(rule.retries ?? context.mesh.defaultHttpRetryPolicy, hashPolicy.length > 0);
  const timeout = durationOf(rule.timeout) ?? duration(0);
  return {
    ...clusterChoice(context, rule, destinations),
    ...rewrites(rule),
    timeout,
    // Not max_stream_duration: as soon as that is there, Envoy takes no notice of `timeout` (router: usingNewTimeouts).
    maxGrpcTimeout: timeout,
    retryPolicy: retry,
    requestMirrorPolicies: mirrors(context, rule),
    hashPolicy,
  };
}

/** Istio leaves destinations of weight 0 out, unless there is but one destination. */
export function liveDestinations<T extends { readonly weight?: number }>(destinations: readonly T[]): readonly T[] {
  return destinations.length <= 1 ? destinations : destinations.filter((entry) => (entry.weight ?? 0) > 0);
}

function clusterChoice(context: RouteContext, rule: HttpRoute, destinations: readonly HttpRouteDestination[]): ActionInit {
  const [first] = destinations;
  const routeAuthority = rule.rewrite?.authority || authorityOf(rule.headers);
  // Istio looks at how many are written, not at how many have weight: headers of a lone live one belong to its cluster.
  if (first && rule.route?.length === 1) {
    const authority = routeAuthority || authorityOf(first.headers);
    return {
      clusterSpecifier: { case: 'cluster', value: destinationCluster(context, first.destination) },
      hostRewriteSpecifier: authority ? { case: 'hostRewriteLiteral', value: authority } : { case: undefined },
    };
  }
  return {
    hostRewriteSpecifier: routeAuthority ? { case: 'hostRewriteLiteral', value: routeAuthority } : { case: undefined },
    clusterSpecifier: {
      case: 'weightedClusters',
      value: {
        clusters: destinations.map((entry) => {
          const authority = routeAuthority ? undefined : authorityOf(entry.headers);
          return {
            name: destinationCluster(context, entry.destination),
            weight: entry.weight ?? 0,
            ...headerChanges(entry.headers),
            hostRewriteSpecifier: authority ? { case: 'hostRewriteLiteral' as const, value: authority } : { case: undefined },
          };
        }),
      },
    },
  };
}

function rewrites({ rewrite }: HttpRoute): ActionInit {
  const regex = rewrite?.uriRegexRewrite;
  if (regex) return { regexRewrite: { pattern: { regex: regex.match ?? '' }, substitution: regex.rewrite ?? '' } };
  return rewrite?.uri ? { prefixRewrite: rewrite.uri } : {};
}

function mirrors(context: RouteContext, rule: HttpRoute): InitOf<typeof RouteAction_RequestMirrorPolicySchema>[] {
  const legacy = rule.mirror
    ? [
        {
          destination: rule.mirror,
          percentage: rule.mirrorPercentage ?? (rule.mirrorPercent === undefined ? undefined : { value: rule.mirrorPercent }),
        },
      ]
    : [];
  return [...legacy, ...(rule.mirrors ?? [])].flatMap(({ destination, percentage }) => {
    const share = percentage ?? { value: 100 };
    if (share.value <= 0) return [];
    return [
      {
        cluster: destinationCluster(context, destination),
        runtimeFraction: { defaultValue: fraction(share) },
        traceSampled: false,
        disableShadowHostSuffixAppend: true,
      },
    ];
  });
}

function hashPolicies(context: RouteContext, destination: Destination): HashInit[] {
  const facts = factsOf(context, resolveHost(destination.host, context.namespace, context.mesh.clusterDomain));
  if (!facts) return [];
  const [, service, rules] = facts;
  const settings = settingsFor(rules, destination.subset ?? '', destinationPort(destination, service, context.listenPort));
  return hashPolicy(settings.loadBalancer?.consistentHash);
}

/** The request's part that consistent hashing keys on. */
export function hashPolicy(hash: ConsistentHashLb | undefined): HashInit[] {
  if (!hash) return [];
  if (hash.httpHeaderName) return [{ policySpecifier: { case: 'header', value: { headerName: hash.httpHeaderName } } }];
  if (hash.httpCookie) {
    const { name, ttl, path, attributes } = hash.httpCookie;
    return [
      {
        policySpecifier: {
          case: 'cookie',
          value: {
            name,
            ttl: durationOf(ttl),
            path: path ?? '',
            attributes: (attributes ?? []).map((attribute) => ({ name: attribute.name ?? '', value: attribute.value ?? '' })),
          },
        },
      },
    ];
  }
  if (hash.useSourceIp) return [{ policySpecifier: { case: 'connectionProperties', value: { sourceIp: true } } }];
  if (hash.httpQueryParameterName) return [{ policySpecifier: { case: 'queryParameter', value: { name: hash.httpQueryParameterName } } }];
  return [];
}

const redirectCodes: Readonly<Record<number, RedirectAction_RedirectResponseCode>> = {
  301: RedirectAction_RedirectResponseCode.MOVED_PERMANENTLY,
  302: RedirectAction_RedirectResponseCode.FOUND,
  303: RedirectAction_RedirectResponseCode.SEE_OTHER,
  307: RedirectAction_RedirectResponseCode.TEMPORARY_REDIRECT,
  308: RedirectAction_RedirectResponseCode.PERMANENT_REDIRECT,
};

export function redirectAction(redirect: HttpRedirect, listenPort: number): InitOf<typeof RedirectActionSchema> {
  return {
    hostRedirect: redirect.authority ?? '',
    responseCode: redirectCodes[redirect.redirectCode ?? 301] ?? RedirectAction_RedirectResponseCode.MOVED_PERMANENTLY,
    portRedirect: redirectPort(redirect, listenPort),
    schemeRewriteSpecifier: redirect.scheme ? { case: 'schemeRedirect', value: redirect.scheme } : { case: undefined },
    pathRewriteSpecifier:
      redirect.prefixRewrite !== undefined
        ? { case: 'prefixRewrite', value: redirect.prefixRewrite }
        : redirect.uri
          ? { case: 'pathRedirect', value: redirect.uri }
          : { case: undefined },
  };
}

/** 0 leaves the port out, as it is when it is the scheme's own. */
function redirectPort(redirect: HttpRedirect, listenPort: number): number {
  const port = redirect.port || (redirect.derivePort === 'FROM_REQUEST_PORT' ? listenPort : 0);
  const scheme = redirect.scheme ?? '';
  return (port === 80 && scheme === 'http') || (port === 443 && scheme === 'https') ? 0 : port;
}

export function directResponseAction({ status, body }: HttpDirectResponse): InitOf<typeof DirectResponseActionSchema> {
  if (body?.bytes !== undefined) {
    const bytes = Uint8Array.from(atob(body.bytes), (char) => char.charCodeAt(0));
    return { status, body: { specifier: { case: 'inlineBytes', value: bytes } } };
  }
  return body?.string === undefined ? { status } : { status, body: { specifier: { case: 'inlineString', value: body.string } } };
}

/** Name of the operation in traces. */
export function operationName(rule: HttpRoute, match: HttpMatchRequest | undefined, name: string, port: number): string {
  const path =
    match?.uri?.exact ?? (match?.uri?.prefix !== undefined ? `${match.uri.prefix}*` : match?.uri?.regex ? match.uri.regex : '/*');
  const [only, ...more] = rule.route ?? [];
  return only && more.length === 0 ? `${only.destination.host}:${only.destination.port?.number || port}${path}` : `${name}:${port}${path}`;
}

import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { formatOrigin, type Origin } from '#base/origin.ts';
import { delegateOrigin } from '#mesh/delegates.ts';
import type { MeshConfig } from '#mesh/mesh-config.ts';
import type { Service } from '#mesh/service.ts';
import { type Route as RouteMessage, RouteSchema } from '#proto/gen/envoy/config/route/v3/route_components_pb.js';
import { activeMatches, isClaim, type RuleMatch, routeMatch } from '../http-match.ts';
import { configPath, duration } from '../messages.ts';
import { outboundClusterName } from '../names.ts';
import { validPatterns } from '../patterns.ts';
import type { Source } from '../scope.ts';
import { settingsFor } from '../traffic-policy.ts';
import type { Route, Rule } from '../visibility.ts';
import {
  type DestinationFacts,
  directResponseAction,
  forwardAction,
  hashPolicy,
  liveDestinations,
  operationName,
  type RouteContext,
  redirectAction,
} from './action.ts';
import { filterSettings } from './filters.ts';
import { headerChanges } from './headers.ts';
import { retryPolicy } from './retry.ts';

/** Name of the one route of a host without VirtualService. */
const defaultRoute = 'default';

/** What the routes of a virtual host are made from; interned, so that hosts with the same routes share their bytes. */
export type RoutesKey =
  | readonly ['virtual-service', MeshConfig, Route, number, Source | undefined, readonly DestinationFacts[]]
  | readonly ['service', MeshConfig, Service, number, readonly Rule[]];

/** The Envoy routes for a key. Pieces that Envoy would refuse (`analyze` names them) are left out. */
export function routesFor(key: RoutesKey): readonly RouteMessage[] {
  if (key[0] === 'service') {
    const [, mesh, service, port, rules] = key;
    return [serviceRoute(mesh, service, port, rules)];
  }
  const [, mesh, route, listenPort, source, destinations] = key;
  const context: RouteContext = { mesh, namespace: route.metadata.namespace, listenPort, destinations };
  return usableMatches(route, listenPort, source).map((pair) => create(RouteSchema, ruleRoute(context, route, pair)));
}

/** Objects whose content shows in the routes. */
export function originsOf(key: RoutesKey): readonly Origin[] {
  return key[0] === 'service' ? [key[2].origin, ...key[4].map((rule) => rule.origin)] : [key[2].origin];
}

/** The pairs that give a route: those that can act, whose expressions Envoy accepts and whose conditions need nothing absent. */
function usableMatches(route: Route, port: number, source: Source | undefined): readonly RuleMatch[] {
  return activeMatches(route, port, source).filter(({ rule, match }) => {
    const claims = [...Object.keys(match?.headers ?? {}), ...Object.keys(match?.withoutHeaders ?? {})].some(isClaim);
    const acts = rule.redirect || rule.directResponse || liveDestinations(rule.route ?? []).length > 0;
    return acts && !claims && validPatterns(rule, match);
  });
}

/** Whether this VirtualService says anything for this port and caller; Istio asks the next one when it does not. */
export function hasRoutes(route: Route, port: number, source: Source | undefined): boolean {
  return usableMatches(route, port, source).length > 0;
}

function ruleRoute(context: RouteContext, route: Route, pair: RuleMatch): MessageInitShape<typeof RouteSchema> {
  const { rule, match, ruleIndex, matchIndex } = pair;
  const name = [rule.name, match?.name].filter((part) => part).join('.');
  const written = delegateOrigin(rule) ?? { ...route.origin, path: `spec.http[${ruleIndex}]` };
  const origin = matchIndex < 0 ? written : { ...written, path: `${written.path}.match[${matchIndex}]` };
  const single = rule.route?.length === 1 ? rule.route[0] : undefined;
  return {
    name,
    match: routeMatch(match),
    statPrefix: match?.statPrefix ?? '',
    decorator: { operation: operationName(rule, match, route.metadata.name, context.listenPort) },
    metadata: routeMetadata(route, origin),
    ...headerChanges(rule.headers, single?.headers),
    typedPerFilterConfig: filterSettings(rule.fault, rule.corsPolicy),
    action: actionOf(context, pair),
  };
}

/** Redirect before direct response before destinations. */
function actionOf(context: RouteContext, { rule }: RuleMatch): MessageInitShape<typeof RouteSchema>['action'] {
  if (rule.redirect) return { case: 'redirect', value: redirectAction(rule.redirect, context.listenPort) };
  if (rule.directResponse) return { case: 'directResponse', value: directResponseAction(rule.directResponse) };
  return { case: 'route', value: forwardAction(context, rule) };
}

function routeMetadata(route: Route, origin: Origin) {
  const path = configPath({ ...origin, kind: origin.kind ?? `${route.apiVersion}/${route.kind}` });
  return { filterMetadata: { istio: { config: path }, meshwright: { origin: formatOrigin(origin) } } };
}

function serviceRoute(mesh: MeshConfig, service: Service, port: number, rules: readonly Rule[]): RouteMessage {
  const hash = hashPolicy(settingsFor(rules, '', port).loadBalancer?.consistentHash);
  return create(RouteSchema, {
    name: defaultRoute,
    match: { pathSpecifier: { case: 'prefix', value: '/' } },
    decorator: { operation: `${service.hostname}:${port}/*` },
    metadata: { filterMetadata: { meshwright: { origin: formatOrigin(service.origin) } } },
    action: {
      case: 'route',
      value: {
        clusterSpecifier: { case: 'cluster', value: outboundClusterName(port, '', service.hostname) },
        timeout: duration(0),
        maxGrpcTimeout: duration(0),
        retryPolicy: retryPolicy(mesh.defaultHttpRetryPolicy, hash.length > 0),
        hashPolicy: hash,
      },
    },
  });
}

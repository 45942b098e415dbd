import type {
  HeaderMatcherSchema,
  QueryParameterMatcherSchema,
  RouteMatchSchema,
} from '#proto/gen/envoy/config/route/v3/route_components_pb.js';
import type { StringMatcherSchema } from '#proto/gen/envoy/type/matcher/v3/string_pb.js';
import type { HttpMatchRequest, HttpRoute, StringMatch } from '#resources/networking/virtual-service.ts';
import type { InitOf } from './messages.ts';
import type { Source } from './scope.ts';
import type { Route } from './visibility.ts';

export type MatchInit = InitOf<typeof RouteMatchSchema>;
type StringMatcherInit = InitOf<typeof StringMatcherSchema>;
type HeaderInit = InitOf<typeof HeaderMatcherSchema>;
type QueryInit = InitOf<typeof QueryParameterMatcherSchema>;

/** One HTTP rule with one of its conditions: what becomes one Envoy route. */
export interface RuleMatch {
  readonly rule: HttpRoute;
  /** Position in `spec.http`, and in its `match`; -1 when it has none. */
  readonly ruleIndex: number;
  readonly matchIndex: number;
  readonly match: HttpMatchRequest | undefined;
}

/**
 * The rule and condition pairs that count on this port for this caller, in order, up to the first that catches
 * everything (what follows could never be reached).
 */
export function activeMatches(route: Route, port: number, source: Source | undefined): readonly RuleMatch[] {
  const active: RuleMatch[] = [];
  const rules = route.spec.http ?? [];
  for (const [ruleIndex, rule] of rules.entries()) {
    // A rule that still names a delegate has none that is visible: Istio leaves it out.
    if (rule.delegate && !rule.route && !rule.redirect && !rule.directResponse) continue;
    const matches = rule.match && rule.match.length > 0 ? rule.match : [undefined];
    for (const [matchIndex, match] of matches.entries()) {
      if (match && !appliesHere(match, port, source)) continue;
      active.push({ rule, ruleIndex, matchIndex: match ? matchIndex : -1, match });
      if (catchesAll(match)) return active;
    }
  }
  return active;
}

interface StaticMatch {
  readonly port?: number;
  readonly gateways?: readonly string[];
  readonly sourceLabels?: Readonly<Record<string, string>>;
  readonly sourceNamespace?: string;
}

/**
 * The conditions of an HTTP rule that are known before a request comes: gateways, port, and who calls. Istio: a list of
 * gateways takes the place of the conditions on the caller.
 */
export function appliesHere(match: StaticMatch, port: number, source: Source | undefined): boolean {
  if (!isPort(match, port)) return false;
  return match.gateways && match.gateways.length > 0 ? match.gateways.includes('mesh') : isCaller(match, source);
}

/** The same of a TCP or TLS rule, where all of them must hold. */
export function appliesToConnections(match: StaticMatch, port: number, source: Source | undefined): boolean {
  const gateways = match.gateways ?? [];
  return isPort(match, port) && (gateways.length === 0 || gateways.includes('mesh')) && isCaller(match, source);
}

function isPort(match: StaticMatch, port: number): boolean {
  return match.port === undefined || match.port === 0 || match.port === port;
}

function isCaller(match: StaticMatch, source: Source | undefined): boolean {
  const labels = Object.entries(match.sourceLabels ?? {});
  if (!labels.every(([name, value]) => source?.labels[name] === value)) return false;
  return !match.sourceNamespace || match.sourceNamespace === source?.namespace;
}

function isEmpty(value: object | undefined): boolean {
  return value === undefined || Object.keys(value).length === 0;
}

function catchesAll(match: HttpMatchRequest | undefined): boolean {
  if (!match) return true;
  const conditions = [match.headers, match.withoutHeaders, match.queryParams, match.method, match.scheme, match.authority];
  if (!conditions.every(isEmpty)) return false;
  const { uri } = match;
  return isEmpty(uri) || uri?.prefix === '/' || uri?.regex === '.*';
}

/** JWT claims are not headers; they need request authentication. */
export function isClaim(name: string): boolean {
  return name.startsWith('@request.auth.claims');
}

export function routeMatch(match: HttpMatchRequest | undefined): MatchInit {
  if (!match) return { pathSpecifier: { case: 'prefix', value: '/' } };
  const headers = headerMatchers(match);
  return {
    ...pathMatch(match),
    caseSensitive: match.ignoreUriCase ? false : undefined,
    headers,
    queryParameters: Object.entries(match.queryParams ?? {})
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => queryMatcher(name, value)),
  };
}

function pathMatch(match: HttpMatchRequest): MatchInit {
  const { uri } = match;
  if (uri?.exact !== undefined) return { pathSpecifier: { case: 'path', value: uri.exact } };
  if (uri?.regex !== undefined) return { pathSpecifier: { case: 'safeRegex', value: { regex: uri.regex } } };
  return { pathSpecifier: { case: 'prefix', value: uri?.prefix ?? '/' } };
}

/** Sorted by name; `withoutHeaders` after `headers`, then the pseudo headers. */
function headerMatchers(match: HttpMatchRequest): HeaderInit[] {
  const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]) => (a < b ? -1 : 1);
  const matchers = Object.entries(match.headers ?? {})
    .sort(byName)
    .map(([name, value]) => headerMatcher(name, value));
  for (const [name, value] of Object.entries(match.withoutHeaders ?? {}).sort(byName)) {
    const matcher = headerMatcher(name, value);
    const present = matcher.headerMatchSpecifier?.case === 'presentMatch';
    matchers.push({ ...matcher, invertMatch: true, treatMissingHeaderAsEmpty: !present });
  }
  for (const [name, value] of [
    [':method', match.method],
    [':authority', match.authority],
    [':scheme', match.scheme],
  ] as const) {
    if (value && !isEmpty(value)) matchers.push(headerMatcher(name, value));
  }
  return matchers;
}

function headerMatcher(name: string, value: StringMatch): HeaderInit {
  const matcher = stringMatcher(value);
  return {
    name,
    headerMatchSpecifier: matcher ? { case: 'stringMatch', value: matcher } : { case: 'presentMatch', value: true },
  };
}

function queryMatcher(name: string, value: StringMatch): QueryInit {
  const matcher = stringMatcher(value);
  return {
    name,
    queryParameterMatchSpecifier: matcher ? { case: 'stringMatch', value: matcher } : { case: 'presentMatch', value: true },
  };
}

/** Undefined where only presence is asked for. */
export function stringMatcher(value: StringMatch): StringMatcherInit | undefined {
  if (value.exact !== undefined) return { matchPattern: { case: 'exact', value: value.exact } };
  if (value.prefix !== undefined) return { matchPattern: { case: 'prefix', value: value.prefix } };
  if (value.regex !== undefined && value.regex !== '*') return { matchPattern: { case: 'safeRegex', value: { regex: value.regex } } };
  return undefined;
}

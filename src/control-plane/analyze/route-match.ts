import type { HeaderMatcher, QueryParameterMatcher, RouteMatch } from '#proto/gen/envoy/config/route/v3/route_components_pb.js';
import type { StringMatcher } from '#proto/gen/envoy/type/matcher/v3/string_pb.js';
import { compileRegex } from '#regex/regex.ts';

/** The parts of a request that routes compare. Header names in lower case. */
export interface SimulatedRequest {
  readonly method: string;
  /** Host with or without port, as in `Host` or `:authority`. */
  readonly authority: string;
  /** Path and query. */
  readonly path: string;
  readonly scheme: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** One condition of a route and whether the request meets it. */
export interface Condition {
  /** `path starts with "/reviews"`, `header end-user equals "jason"`. */
  readonly text: string;
  readonly holds: boolean;
  /** What the request has in that place; empty when it has nothing. */
  readonly found: string;
}

/** Every condition of a route match, in the order in which proxies compare them. All must hold. */
export function matchRoute(match: RouteMatch | undefined, request: SimulatedRequest): readonly Condition[] {
  if (!match) return [];
  return [
    pathCondition(match, request),
    ...match.headers.map((matcher) => headerCondition(matcher, request)),
    ...match.queryParameters.map((matcher) => queryCondition(matcher, request.path)),
  ];
}

export function matchPath(match: RouteMatch | undefined, path: string): boolean {
  return match === undefined || pathCondition(match, { method: 'GET', authority: '', path, scheme: 'http', headers: {} }).holds;
}

function pathCondition(match: RouteMatch, request: SimulatedRequest): Condition {
  const [bare = ''] = request.path.split('?');
  const fold = (text: string) => (match.caseSensitive === false ? text.toLowerCase() : text);
  const { pathSpecifier } = match;
  const condition = (text: string, holds: boolean): Condition => ({ text, holds, found: bare });
  switch (pathSpecifier.case) {
    case 'prefix':
      return condition(`path starts with ${quote(pathSpecifier.value)}`, fold(bare).startsWith(fold(pathSpecifier.value)));
    case 'path':
      return condition(`path equals ${quote(pathSpecifier.value)}`, fold(bare) === fold(pathSpecifier.value));
    case 'safeRegex':
      return condition(`path matches /${pathSpecifier.value.regex}/`, fullMatch(pathSpecifier.value.regex, bare));
    case 'pathSeparatedPrefix': {
      const prefix = fold(pathSpecifier.value);
      return condition(`path is ${quote(pathSpecifier.value)} or below`, fold(bare) === prefix || fold(bare).startsWith(`${prefix}/`));
    }
    case 'connectMatcher':
      return { text: 'method is CONNECT', holds: request.method === 'CONNECT', found: request.method };
    default:
      return condition('any path', true);
  }
}

function headerCondition(matcher: HeaderMatcher, request: SimulatedRequest): Condition {
  const found = headerOf(request, matcher.name);
  const { headerMatchSpecifier: specifier } = matcher;
  const not = matcher.invertMatch;
  const name = matcher.name.startsWith(':') ? matcher.name.slice(1) : `header ${matcher.name}`;
  if (specifier.case === 'presentMatch') {
    const wanted = specifier.value !== not;
    return { text: `${name} is ${wanted ? 'present' : 'absent'}`, holds: (found !== undefined) === wanted, found: found ?? '' };
  }
  if (specifier.case !== 'stringMatch') return { text: `${name} (unknown comparison)`, holds: false, found: found ?? '' };
  const { text, test } = stringTest(specifier.value);
  const value = found ?? (matcher.treatMissingHeaderAsEmpty ? '' : undefined);
  // Envoy: an absent header meets no comparison, not even an inverted one, unless it counts as empty.
  const holds = value !== undefined && test(value) !== not;
  return { text: `${name} ${not ? 'not: ' : ''}${text}`, holds, found: found ?? '' };
}

function headerOf(request: SimulatedRequest, name: string): string | undefined {
  switch (name.toLowerCase()) {
    case ':method':
      return request.method;
    case ':authority':
    case 'host':
      return request.authority;
    case ':path':
      return request.path;
    case ':scheme':
      return request.scheme;
    default:
      return request.headers[name.toLowerCase()];
  }
}

function queryCondition(matcher: QueryParameterMatcher, path: string): Condition {
  const found = new URLSearchParams(path.split('?')[1] ?? '').get(matcher.name) ?? undefined;
  const specifier = matcher.queryParameterMatchSpecifier;
  const name = `query parameter ${matcher.name}`;
  if (specifier.case !== 'stringMatch') return { text: `${name} is present`, holds: found !== undefined, found: found ?? '' };
  const { text, test } = stringTest(specifier.value);
  return { text: `${name} ${text}`, holds: found !== undefined && test(found), found: found ?? '' };
}

/** The comparison in words and as a function. */
export function stringTest(matcher: StringMatcher): { readonly text: string; readonly test: (value: string) => boolean } {
  const fold = (text: string) => (matcher.ignoreCase ? text.toLowerCase() : text);
  const pattern = matcher.matchPattern;
  switch (pattern.case) {
    case 'exact':
      return { text: `equals ${quote(pattern.value)}`, test: (value) => fold(value) === fold(pattern.value) };
    case 'prefix':
      return { text: `starts with ${quote(pattern.value)}`, test: (value) => fold(value).startsWith(fold(pattern.value)) };
    case 'suffix':
      return { text: `ends with ${quote(pattern.value)}`, test: (value) => fold(value).endsWith(fold(pattern.value)) };
    case 'contains':
      return { text: `contains ${quote(pattern.value)}`, test: (value) => fold(value).includes(fold(pattern.value)) };
    case 'safeRegex':
      return { text: `matches /${pattern.value.regex}/`, test: (value) => fullMatch(pattern.value.regex, value) };
    default:
      return { text: 'is compared in an unknown way', test: () => false };
  }
}

function fullMatch(source: string, text: string): boolean {
  return compileRegex(source).regex?.matches(text) ?? false;
}

function quote(text: string): string {
  return JSON.stringify(text);
}

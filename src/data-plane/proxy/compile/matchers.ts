import type { Metadata, RuntimeFractionalPercent } from '#proto/gen/envoy/config/core/v3/base_pb.js';
import type { HeaderMatcher, QueryParameterMatcher, RouteMatch } from '#proto/gen/envoy/config/route/v3/route_components_pb.js';
import type { RegexMatchAndSubstitute } from '#proto/gen/envoy/type/matcher/v3/regex_pb.js';
import type { StringMatcher } from '#proto/gen/envoy/type/matcher/v3/string_pb.js';
import type { FractionalPercent } from '#proto/gen/envoy/type/v3/percent_pb.js';
import { compileRegex } from '#regex/regex.ts';
import type { HeaderRule, Millionths, PathRule, QueryRule, RegexSubstitution, RouteMatchTable, StringRule } from '../table.ts';
import { reject } from './rejection.ts';

/** The expression itself, once it is known to compile. */
export function regexSource(source: string, field: string): string {
  const result = compileRegex(source);
  if (result.error !== undefined) reject(field, `the expression ${JSON.stringify(source)} is refused: ${result.error}`);
  return source;
}

export function stringRule(matcher: StringMatcher | undefined, field: string): StringRule {
  const pattern = matcher?.matchPattern;
  const ignoreCase = matcher?.ignoreCase ?? false;
  switch (pattern?.case) {
    case 'exact':
    case 'prefix':
    case 'suffix':
    case 'contains':
      return { kind: pattern.case, value: pattern.value, ignoreCase };
    case 'safeRegex':
      return { kind: 'regex', value: regexSource(pattern.value.regex, field), ignoreCase: false };
    default:
      return reject(field, 'no known string match is set');
  }
}

export function headerRule(matcher: HeaderMatcher): HeaderRule {
  return {
    name: matcher.name.toLowerCase(),
    test: headerTestOf(matcher),
    invert: matcher.invertMatch,
    missingIsEmpty: matcher.treatMissingHeaderAsEmpty,
  };
}

function headerTestOf(matcher: HeaderMatcher): HeaderRule['test'] {
  const spec = matcher.headerMatchSpecifier;
  const field = `envoy.config.route.v3.HeaderMatcher ${matcher.name}`;
  const text = (kind: 'exact' | 'prefix' | 'suffix' | 'contains', value: string): HeaderRule['test'] => ({
    kind: 'string',
    rule: { kind, value, ignoreCase: false },
  });
  switch (spec.case) {
    case undefined:
      return { kind: 'present', present: true };
    case 'presentMatch':
      return { kind: 'present', present: spec.value };
    case 'exactMatch':
      return text('exact', spec.value);
    case 'prefixMatch':
      return text('prefix', spec.value);
    case 'suffixMatch':
      return text('suffix', spec.value);
    case 'containsMatch':
      return text('contains', spec.value);
    case 'safeRegexMatch':
      return { kind: 'string', rule: { kind: 'regex', value: regexSource(spec.value.regex, field), ignoreCase: false } };
    case 'rangeMatch':
      return { kind: 'range', from: Number(spec.value.start), to: Number(spec.value.end) };
    case 'stringMatch':
      return { kind: 'string', rule: stringRule(spec.value, field) };
  }
}

export function queryRule(matcher: QueryParameterMatcher): QueryRule {
  const spec = matcher.queryParameterMatchSpecifier;
  return { name: matcher.name, rule: spec.case === 'stringMatch' ? stringRule(spec.value, `query parameter ${matcher.name}`) : undefined };
}

export function routeMatch(match: RouteMatch | undefined, field: string): RouteMatchTable {
  return {
    path: pathRule(match, field),
    headers: (match?.headers ?? []).map(headerRule),
    query: (match?.queryParameters ?? []).map(queryRule),
    fraction: runtimeFraction(match?.runtimeFraction, 1000000),
  };
}

function pathRule(match: RouteMatch | undefined, field: string): PathRule {
  const spec = match?.pathSpecifier;
  const ignoreCase = match?.caseSensitive === false;
  switch (spec?.case) {
    case 'prefix':
    case 'path':
      return { kind: spec.case, value: spec.value, ignoreCase };
    case 'pathSeparatedPrefix':
      return { kind: 'separated-prefix', value: spec.value, ignoreCase };
    case 'safeRegex':
      return { kind: 'regex', value: regexSource(spec.value.regex, `${field}.safe_regex`) };
    case 'connectMatcher':
      return { kind: 'connect' };
    default:
      return reject(`${field}.path_specifier`, 'no known path match is set');
  }
}

export function substitution(value: RegexMatchAndSubstitute | undefined, field: string): RegexSubstitution | undefined {
  if (value === undefined) return undefined;
  return { pattern: regexSource(value.pattern?.regex ?? '', field), substitution: value.substitution };
}

export function millionths(percent: FractionalPercent | undefined, fallback: Millionths): Millionths {
  if (percent === undefined) return fallback;
  const denominators = [100, 10_000, 1_000_000];
  return Math.min(1_000_000, Math.round((percent.numerator * 1_000_000) / (denominators[percent.denominator] ?? 100)));
}

export function runtimeFraction(value: RuntimeFractionalPercent | undefined, fallback: Millionths): Millionths {
  return value === undefined ? fallback : millionths(value.defaultValue, 0);
}

/** `namespace:key.deeper` to text; lists and other shapes as JSON. */
export function flatMetadata(metadata: Metadata | undefined): Record<string, string> {
  const flat: Record<string, string> = {};
  const put = (path: string, value: unknown): void => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      for (const [key, inner] of Object.entries(value)) put(path.endsWith(':') ? path + key : `${path}.${key}`, inner);
    } else {
      flat[path] = typeof value === 'string' ? value : JSON.stringify(value);
    }
  };
  for (const [name, value] of Object.entries(metadata?.filterMetadata ?? {})) put(`${name}:`, value);
  return flat;
}

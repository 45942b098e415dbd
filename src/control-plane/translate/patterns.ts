import { compileRegex, rewriteError } from '#regex/regex.ts';
import type { HttpMatchRequest, HttpRoute, StringMatch } from '#resources/networking/virtual-service.ts';

/** Error texts by expression; the set is bounded by what configuration was ever seen, and emptied when it grows large. */
const verdicts = new Map<string, string | undefined>();
const maxVerdicts = 4096;

/** Why RE2 refuses this expression; undefined when it accepts it. */
function patternError(source: string): string | undefined {
  if (verdicts.has(source)) return verdicts.get(source);
  if (verdicts.size >= maxVerdicts) verdicts.clear();
  const error = source === '' ? 'the expression is empty' : compileRegex(source).error;
  verdicts.set(source, error);
  return error;
}

/** Every expression of a rule and one of its conditions, with its JSON path below `spec.http[i]`. */
function patternsOf(rule: HttpRoute, match: HttpMatchRequest | undefined): readonly { readonly path: string; readonly regex: string }[] {
  const found: { path: string; regex: string }[] = [];
  const add = (path: string, value: StringMatch | undefined) => {
    if (value?.regex !== undefined && value.regex !== '*') found.push({ path: `${path}.regex`, regex: value.regex });
  };
  for (const field of ['uri', 'scheme', 'method', 'authority'] as const) add(field, match?.[field]);
  for (const field of ['headers', 'withoutHeaders', 'queryParams'] as const) {
    for (const [name, value] of Object.entries(match?.[field] ?? {})) add(`${field}["${name}"]`, value);
  }
  const rewrite = rule.rewrite?.uriRegexRewrite;
  if (rewrite) found.push({ path: 'rewrite.uriRegexRewrite.match', regex: rewrite.match ?? '' });
  for (const [i, origin] of (rule.corsPolicy?.allowOrigins ?? []).entries()) add(`corsPolicy.allowOrigins[${i}]`, origin);
  return found;
}

export function validPatterns(rule: HttpRoute, match: HttpMatchRequest | undefined): boolean {
  if (!patternsOf(rule, match).every(({ regex }) => patternError(regex) === undefined)) return false;
  const rewrite = rule.rewrite?.uriRegexRewrite;
  if (!rewrite) return true;
  const groups = compileRegex(rewrite.match ?? '').regex?.groups ?? 0;
  return rewriteError(rewrite.rewrite ?? '', groups) === undefined;
}

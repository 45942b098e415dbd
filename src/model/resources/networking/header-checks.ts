import type { Path } from '../issue.ts';
import type { Report } from './checks.ts';
import type { HeaderOperations, Headers } from './destination.ts';

/** RFC 9110 5.6.2: the characters of a token. */
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** A header that may be named in a list of headers: a token. */
export function isHeaderName(name: string): boolean {
  return token.test(name);
}

const pseudoHeaders: ReadonlySet<string> = new Set([':authority', ':method', ':path', ':scheme', ':protocol']);

/** A header in a condition: a token, a pseudo header, or a JWT claim such as `@request.auth.claims.group`. */
export function isMatchHeaderName(name: string): boolean {
  return pseudoHeaders.has(name) || isClaim(name) || isHeaderName(name);
}

/** Conditions on JWT claims look like headers of this form. */
export function isClaim(name: string): boolean {
  return /^@request\.auth\.claims([.[].+)$/.test(name);
}

/** A value that may be set: no control characters, every percent sign escaped or part of `%NAME%` or `%NAME(args)%`. */
export function headerValueError(value: string): string | undefined {
  for (const char of value) {
    const code = char.codePointAt(0) ?? 0;
    if ((code < 32 && code !== 9) || code === 127) return 'contains a control character';
  }
  const rest = value.replaceAll('%%', '').replaceAll(/%[A-Za-z_0-9-]+(\([^)]*\))?(:[0-9]+)?%/g, '');
  if (rest.includes('%')) return 'has a percent sign that is neither doubled (`%%`) nor part of a complete `%NAME%`';
  return undefined;
}

export function checkHeaders(headers: Headers | undefined, path: Path, report: Report): void {
  checkOperations(headers?.request, [...path, 'request'], true, report);
  checkOperations(headers?.response, [...path, 'response'], false, report);
}

function checkOperations(operations: HeaderOperations | undefined, path: Path, isRequest: boolean, report: Report): void {
  let authorities = 0;
  for (const verb of ['set', 'add'] as const) {
    for (const [name, value] of Object.entries(operations?.[verb] ?? {})) {
      const at = [...path, verb, name];
      const isAuthority = isRequest && ['host', ':authority'].includes(name.toLowerCase());
      if (isAuthority) authorities++;
      else checkName(name, at, report);
      const error = headerValueError(value);
      if (error) report('MW0207', at, `the value ${error}`);
    }
  }
  if (authorities > 1) report('MW0207', path, 'the host of the request is changed more than once');
  for (const [i, name] of (operations?.remove ?? []).entries()) checkName(name, [...path, 'remove', i], report);
}

function checkName(name: string, path: Path, report: Report): void {
  if (name.startsWith(':') || name.toLowerCase() === 'host')
    report('MW0207', path, `\`${name}\` cannot be changed this way`, 'Use `rewrite.authority` to change the host.');
  else if (!isHeaderName(name))
    report('MW0207', path, name === '' ? 'the name of a header is empty' : `\`${name}\` is not a valid header name`);
}

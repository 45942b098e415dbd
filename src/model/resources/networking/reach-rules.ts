import { deepEqual } from '#collection/equal.ts';
import type { Path } from '../issue.ts';
import type { Report } from './checks.ts';
import type { HttpMatchRequest, HttpRoute, VirtualService } from './virtual-service.ts';

/** Rules and conditions that can never take effect because earlier ones take their requests. */
export function checkReach(spec: VirtualService, report: Report): void {
  checkHttp(spec.http ?? [], report);
  for (const field of ['tls', 'tcp'] as const) checkConnections(spec[field] ?? [], ['spec', field], report);
}

function checkConnections(routes: readonly { readonly match?: readonly object[] }[], path: Path, report: Report): void {
  const seen: object[] = [];
  let open: number | undefined;
  for (const [i, { match }] of routes.entries()) {
    if (open !== undefined) report('IST0130', [...path, i], `rule ${open + 1} matches everything, so this one is never reached`);
    else if (match?.length && match.every((one) => seen.some((other) => deepEqual(one, other)))) {
      report('IST0130', [...path, i], 'earlier rules have the same matches, so this one is never reached');
    }
    if (!match?.length) open ??= i;
    seen.push(...(match ?? []));
  }
}

interface Known {
  readonly match: HttpMatchRequest;
  readonly rule: number;
}

function checkHttp(routes: readonly HttpRoute[], report: Report): void {
  const known: Known[] = [];
  let open: number | undefined;
  for (const [i, route] of routes.entries()) {
    const path: Path = ['spec', 'http', i];
    const matches = route.match ?? [];
    if (open !== undefined) {
      report('IST0130', path, `rule ${open + 1} matches every request, so this one is never reached`, 'Move it before that rule.');
    } else {
      checkMatches(matches, known, path, report);
    }
    // Only what every request meets, at every gateway and caller, takes the rest.
    if (matches.length === 0 || matches.some(matchesAll)) open ??= i;
    for (const match of matches) known.push({ match, rule: i });
  }
}

function checkMatches(matches: readonly HttpMatchRequest[], known: readonly Known[], path: Path, report: Report): void {
  const twins = matches.map((match) => known.find((one) => deepEqual(conditions(one.match), conditions(match))));
  if (matches.length > 0 && twins.every((twin) => twin !== undefined)) {
    report('IST0130', path, `rule ${(twins[0]?.rule ?? 0) + 1} has the same matches, so this one is never reached`);
    return;
  }
  for (const [j, match] of matches.entries()) {
    const twin = twins[j];
    const wider = twin ?? known.find((one) => takesPrefix(one.match, match));
    if (wider) report('IST0131', [...path, 'match', j], `rule ${wider.rule + 1} takes all requests that this match would take`);
  }
}

/** A match without its name, which decides nothing. */
function conditions({ name: _, statPrefix: __, ...rest }: HttpMatchRequest): Omit<HttpMatchRequest, 'name' | 'statPrefix'> {
  return rest;
}

function matchesAll(match: HttpMatchRequest): boolean {
  const { uri, ...others } = conditions(match);
  const isAny = uri === undefined || uri.prefix === '/' || uri.regex === '.*' || uri.regex === '/.*';
  return (
    isAny && Object.values(others).every((value) => value === undefined || value === false || (Array.isArray(value) && value.length === 0))
  );
}

/** Whether `wide` is a shorter path prefix of `narrow` under otherwise equal conditions. */
function takesPrefix(wide: HttpMatchRequest, narrow: HttpMatchRequest): boolean {
  const { uri: wideUri, ...wideRest } = conditions(wide);
  const { uri: narrowUri, ...narrowRest } = conditions(narrow);
  if (wideUri?.prefix === undefined || !deepEqual(wideRest, narrowRest)) return false;
  return (narrowUri?.prefix ?? narrowUri?.exact ?? '').startsWith(wideUri.prefix);
}

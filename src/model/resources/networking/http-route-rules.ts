import { parseDuration } from '../duration.ts';
import type { Path } from '../issue.ts';
import { checkDuration, checkFinePercent, checkLabels, checkPort, checkRegex, type Report } from './checks.ts';
import { checkDestination, checkGateways, checkSourceNamespace, checkWeights } from './destination-checks.ts';
import { checkHeaders, isHeaderName, isMatchHeaderName } from './header-checks.ts';
import { checkFault, checkRetries } from './resilience-rules.ts';
import type { CorsPolicy, HttpMatchRequest, HttpRedirect, HttpRewrite, HttpRoute, StringMatch, VirtualService } from './virtual-service.ts';

/** Rules of the `http` list. */
export function checkHttpRoutes(spec: VirtualService, isDelegate: boolean, report: Report): void {
  for (const [i, route] of (spec.http ?? []).entries()) {
    const path: Path = ['spec', 'http', i];
    checkActions(route, isDelegate, path, report);
    for (const [j, match] of (route.match ?? []).entries()) checkMatch(match, [...path, 'match', j], report);
    for (const [j, { destination, headers }] of (route.route ?? []).entries()) {
      checkDestination(destination, [...path, 'route', j, 'destination'], report);
      checkHeaders(headers, [...path, 'route', j, 'headers'], report);
    }
    checkWeights(route.route ?? [], [...path, 'route'], report);
    checkMirrors(route, path, report);
    checkHeaders(route.headers, [...path, 'headers'], report);
    checkDuration(route.timeout, [...path, 'timeout'], report);
    if (route.redirect) checkRedirect(route, route.redirect, [...path, 'redirect'], report);
    if (route.rewrite) checkRewrite(route.rewrite, [...path, 'rewrite'], report);
    checkDirectResponse(route, path, report);
    if (route.retries) checkRetries(route.retries, [...path, 'retries'], report);
    if (route.fault) checkFault(route.fault, [...path, 'fault'], report);
    if (route.corsPolicy) checkCors(route.corsPolicy, [...path, 'corsPolicy'], report);
  }
}

function checkActions(route: HttpRoute, isDelegate: boolean, path: Path, report: Report): void {
  const { redirect, directResponse, delegate } = route;
  const hasRoute = (route.route?.length ?? 0) > 0;
  if (delegate) {
    if (isDelegate) report('MW0205', [...path, 'delegate'], 'a delegate cannot name another delegate');
    else if (!delegate.name) report('MW0112', [...path, 'delegate', 'name'], 'expected the name of the delegate');
    if (hasRoute || redirect || directResponse)
      report('MW0205', path, 'a rule with a delegate cannot have route, redirect or directResponse');
    return;
  }
  if (!hasRoute && !redirect && !directResponse) {
    report('MW0204', path, 'expected one of route, redirect, directResponse or delegate', 'Say what happens to requests that match.');
  }
  const excluded = (name: string, others: readonly (keyof HttpRoute)[]) => {
    for (const other of others) {
      const isSet = other === 'route' ? hasRoute : route[other] !== undefined;
      if (isSet) report('MW0205', [...path, other], `${name} and ${other} exclude each other`);
    }
  };
  if (redirect) excluded('redirect', ['route', 'fault', 'rewrite', 'directResponse']);
  if (directResponse) excluded('directResponse', ['route', 'fault', 'rewrite']);
}

function checkMatch(match: HttpMatchRequest, path: Path, report: Report): void {
  for (const field of ['uri', 'scheme', 'method', 'authority'] as const) checkStringMatch(match[field], [...path, field], report);
  for (const field of ['headers', 'withoutHeaders'] as const) {
    for (const [name, condition] of Object.entries(match[field] ?? {})) {
      const at = [...path, field, name];
      if (!isMatchHeaderName(name))
        report('MW0207', at, name === '' ? 'the name of a header is empty' : `\`${name}\` is not a valid header name`);
      checkStringMatch(condition, at, report);
    }
  }
  for (const [name, condition] of Object.entries(match.queryParams ?? {}))
    checkStringMatch(condition, [...path, 'queryParams', name], report);
  if (match.port !== undefined && match.port !== 0) checkPort(match.port, [...path, 'port'], report);
  checkLabels(match.sourceLabels, [...path, 'sourceLabels'], report);
  checkGateways(match.gateways, [...path, 'gateways'], report);
  checkSourceNamespace(match.sourceNamespace, path, report);
  if (match.statPrefix !== undefined && match.statPrefix.trim() === '') report('MW0204', [...path, 'statPrefix'], 'the prefix is blank');
}

function checkStringMatch(match: StringMatch | undefined, path: Path, report: Report): void {
  if (match?.prefix === '') report('MW0204', [...path, 'prefix'], 'the prefix is empty', 'Leave the condition out to accept anything.');
  if (match?.regex === '') report('MW0203', [...path, 'regex'], 'the expression is empty');
  else if (match?.regex !== undefined) checkRegex(match.regex, [...path, 'regex'], report);
}

function checkMirrors(route: HttpRoute, path: Path, report: Report): void {
  if (route.mirror && route.mirrors?.length) report('MW0205', [...path, 'mirrors'], 'mirror and mirrors exclude each other');
  if (route.mirror) checkDestination(route.mirror, [...path, 'mirror'], report);
  checkFinePercent(route.mirrorPercentage, [...path, 'mirrorPercentage', 'value'], report);
  for (const [i, mirror] of (route.mirrors ?? []).entries()) {
    checkDestination(mirror.destination, [...path, 'mirrors', i, 'destination'], report);
    checkFinePercent(mirror.percentage, [...path, 'mirrors', i, 'percentage', 'value'], report);
  }
  if (route.mirrorPercent === undefined) return;
  report('IST0002', [...path, 'mirrorPercent'], 'mirrorPercent is deprecated', 'Use mirrorPercentage.');
  if (route.mirrorPercent > 100)
    report('MW0214', [...path, 'mirrorPercent'], `expected a percentage from 0 to 100, found ${route.mirrorPercent}`);
}

function checkRedirect(route: HttpRoute, redirect: HttpRedirect, path: Path, report: Report): void {
  if (redirect.uri !== undefined && redirect.prefixRewrite !== undefined)
    report('MW0205', path, 'uri and prefixRewrite exclude each other');
  const changes = [redirect.uri, redirect.prefixRewrite, redirect.authority, redirect.scheme, redirect.port, redirect.derivePort];
  if (changes.every((change) => !change)) {
    report(
      'MW0204',
      path,
      'expected at least one of uri, prefixRewrite, authority, scheme, port or derivePort: the redirect would lead to itself',
    );
  }
  if (redirect.redirectCode !== undefined && redirect.redirectCode !== 0 && (redirect.redirectCode < 300 || redirect.redirectCode > 399)) {
    report('MW0216', [...path, 'redirectCode'], `expected a code from 300 to 399, found ${redirect.redirectCode}`);
  }
  if (redirect.scheme && redirect.scheme !== 'http' && redirect.scheme !== 'https') {
    report('MW0113', [...path, 'scheme'], `expected \`http\` or \`https\`, found \`${redirect.scheme}\``);
  }
  if (redirect.port !== undefined && redirect.port !== 0) checkPort(redirect.port, [...path, 'port'], report);
  const isByPrefix = (route.match ?? []).every((match) => !match.uri || match.uri.prefix !== undefined);
  if (redirect.prefixRewrite !== undefined && !isByPrefix) {
    report('MW0205', [...path, 'prefixRewrite'], 'prefixRewrite needs every uri of the matches to be a prefix');
  }
}

function checkRewrite(rewrite: HttpRewrite, path: Path, report: Report): void {
  const { uri, uriRegexRewrite: regex } = rewrite;
  if (uri && regex) report('MW0205', path, 'uri and uriRegexRewrite exclude each other');
  if (!uri && !regex && !rewrite.authority) report('MW0204', path, 'expected at least one of uri, uriRegexRewrite or authority');
  if (!regex) return;
  if (!regex.match) report('MW0112', [...path, 'uriRegexRewrite', 'match'], 'expected an expression to search for');
  else checkRegex(regex.match, [...path, 'uriRegexRewrite', 'match'], report);
  if (!regex.rewrite) report('MW0112', [...path, 'uriRegexRewrite', 'rewrite'], 'expected the text to put in place');
}

/** Bodies travel in the configuration of every proxy: warned of from 100 KiB, refused from 1 MiB on. */
const bodyLimits = { warnBytes: 100 * 1024, mostBytes: 1024 * 1024 };

function checkDirectResponse({ directResponse }: HttpRoute, path: Path, report: Report): void {
  if (!directResponse) return;
  const { status, body } = directResponse;
  const at = [...path, 'directResponse'];
  if (status < 200 || status > 600) report('MW0216', [...at, 'status'], `expected a status from 200 to 599, found ${status}`);
  const base64 = (body?.bytes ?? '').replace(/=+$/, '');
  const size = Math.max(new TextEncoder().encode(body?.string ?? '').length, Math.floor((base64.length * 3) / 4));
  if (size > bodyLimits.mostBytes) report('MW0114', [...at, 'body'], `the body has ${size} bytes, the limit is ${bodyLimits.mostBytes}`);
  else if (size > bodyLimits.warnBytes)
    report('IST0133', [...at, 'body'], `the body has ${size} bytes, which every proxy must hold`, 'Serve it from a program.');
}

const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', '*']);

function checkCors(cors: CorsPolicy, path: Path, report: Report): void {
  for (const [i, origin] of (cors.allowOrigins ?? []).entries()) checkStringMatch(origin, [...path, 'allowOrigins', i], report);
  for (const [i, method] of (cors.allowMethods ?? []).entries()) {
    if (!methods.has(method)) report('MW0113', [...path, 'allowMethods', i], `\`${method}\` is no HTTP method`);
  }
  for (const field of ['allowHeaders', 'exposeHeaders'] as const) {
    for (const [i, name] of (cors[field] ?? []).entries()) {
      if (name !== '*' && !isHeaderName(name)) report('MW0207', [...path, field, i], `\`${name}\` is not a valid header name`);
    }
  }
  checkDuration(cors.maxAge, [...path, 'maxAge'], report);
  if (cors.maxAge !== undefined && (parseDuration(cors.maxAge) ?? 0) % 1000 !== 0)
    report('MW0208', [...path, 'maxAge'], `expected whole seconds, found \`${cors.maxAge}\``);
}

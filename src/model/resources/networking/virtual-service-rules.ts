import { isIp } from '../address.ts';
import type { Issue, Path } from '../issue.ts';
import type { ObjectMeta } from '../object.ts';
import { checkExportTo, checkLabels, checkPort, checkSubnet, collector, isWildcardDomain, type Report } from './checks.ts';
import type { RouteDestination } from './destination.ts';
import { checkDestination, checkGateways, checkSourceNamespace, checkWeights, meshGateway } from './destination-checks.ts';
import { isClaim } from './header-checks.ts';
import { checkHttpRoutes } from './http-route-rules.ts';
import { checkReach } from './reach-rules.ts';
import type { L4MatchAttributes, TcpRoute, TlsMatchAttributes, TlsRoute, VirtualService } from './virtual-service.ts';

/** What a VirtualService's schema cannot say. Istio 1.30: pkg/config/validation. */
export function validateVirtualService(spec: VirtualService, meta: ObjectMeta): Issue[] {
  const { issues, report } = collector();
  const isDelegate = spec.hosts.length === 0;
  if (isDelegate) checkDelegate(spec, report);
  checkGateways(spec.gateways, ['spec', 'gateways'], report);
  checkHosts(spec, report);
  checkExportTo(spec.exportTo, { namespace: meta.namespace }, report);
  if (!spec.http?.length && !spec.tcp?.length && !spec.tls?.length)
    report('MW0204', ['spec'], 'expected at least one rule in http, tcp or tls');
  checkHttpRoutes(spec, isDelegate, report);
  for (const [i, route] of (spec.tls ?? []).entries()) checkTlsRoute(route, spec.hosts, ['spec', 'tls', i], report);
  for (const [i, route] of (spec.tcp ?? []).entries()) checkTcpRoute(route, ['spec', 'tcp', i], report);
  if (issues.length === 0) checkReach(spec, report);
  return issues;
}

function checkDelegate(spec: VirtualService, report: Report): void {
  for (const field of ['gateways', 'tcp', 'tls'] as const) {
    if (spec[field]?.length) {
      report(
        'MW0205',
        ['spec', field],
        `a VirtualService without hosts is a delegate, which cannot have ${field}`,
        'Name hosts, or remove the field.',
      );
    }
  }
}

function checkHosts(spec: VirtualService, report: Report): void {
  const isForMesh = !spec.gateways?.length || spec.gateways.includes(meshGateway);
  const usesSni = spec.tls?.some((route) => route.match?.some((match) => match.sniHosts?.length)) ?? false;
  const seen: string[] = [];
  for (const [i, host] of spec.hosts.entries()) {
    const path = ['spec', 'hosts', i];
    const isPartialSni = !isForMesh && usesSni && /^[a-zA-Z0-9-]*\*[a-zA-Z0-9.-]*$/.test(host);
    if (!isWildcardDomain(host) && !isIp(host) && !isPartialSni) {
      report(
        'MW0201',
        path,
        host === '' ? 'the host is empty' : `\`${host}\` is neither a host name, nor one with \`*.\` at its start, nor an IP address`,
      );
    } else if (isForMesh && host === '*') {
      report('MW0201', path, '`*` cannot be used for sidecars', 'Name the hosts, or bind the object to gateways only.');
    }
    const twin = seen.find((other) => overlaps(other, host));
    if (twin !== undefined) report('MW0210', path, `\`${host}\` overlaps with \`${twin}\` of the same list`);
    seen.push(host);
  }
  if (
    isForMesh &&
    spec.http?.some((route) =>
      route.match?.some((match) => [...Object.keys(match.headers ?? {}), ...Object.keys(match.withoutHeaders ?? {})].some(isClaim)),
    )
  ) {
    report(
      'MW0205',
      ['spec', 'gateways'],
      'conditions on JWT claims work at gateways only',
      'Bind the object to gateways and not to `mesh`.',
    );
  }
}

function overlaps(a: string, b: string): boolean {
  return a === b || covers(a, b) || covers(b, a);
}

/** Whether wildcard `pattern` takes in `host` (which may be a narrower wildcard). */
function covers(pattern: string, host: string): boolean {
  const suffix = pattern.slice(1);
  const rest = host.replace(/^\*/, '');
  return pattern.startsWith('*') && rest.endsWith(suffix) && rest.length > suffix.length;
}

function checkTlsRoute(route: TlsRoute, hosts: readonly string[], path: Path, report: Report): void {
  if (!route.match?.length) report('MW0204', path, 'expected at least one match with sniHosts');
  for (const [i, match] of (route.match ?? []).entries()) {
    const at = [...path, 'match', i];
    if (!match.sniHosts?.length) report('MW0204', at, 'expected at least one entry in sniHosts');
    for (const [j, sni] of (match.sniHosts ?? []).entries()) checkSni(sni, hosts, [...at, 'sniHosts', j], report);
    checkConnectionMatch(match, at, report);
  }
  checkRouteDestinations(route.route, path, report);
}

function checkSni(sni: string, hosts: readonly string[], path: Path, report: Report): void {
  if (isIp(sni)) {
    report('IST0133', path, `\`${sni}\` is an IP address, which clients never send as server name`, 'Name a host.');
    return;
  }
  if (!isWildcardDomain(sni)) report('MW0201', path, `\`${sni}\` is not a valid server name`);
  else if (!hosts.some((host) => host === sni || covers(host, sni) || host === '*')) {
    report('MW0201', path, `\`${sni}\` is not covered by the hosts of the object`, 'Add it to hosts.');
  }
}

function checkTcpRoute(route: TcpRoute, path: Path, report: Report): void {
  for (const [i, match] of (route.match ?? []).entries()) checkConnectionMatch(match, [...path, 'match', i], report);
  checkRouteDestinations(route.route, path, report);
}

function checkConnectionMatch(match: L4MatchAttributes | TlsMatchAttributes, path: Path, report: Report): void {
  for (const [i, subnet] of (match.destinationSubnets ?? []).entries()) checkSubnet(subnet, [...path, 'destinationSubnets', i], report);
  if (match.port !== undefined && match.port !== 0) checkPort(match.port, [...path, 'port'], report);
  checkLabels(match.sourceLabels, [...path, 'sourceLabels'], report);
  checkGateways(match.gateways, [...path, 'gateways'], report);
  checkSourceNamespace(match.sourceNamespace, path, report);
}

function checkRouteDestinations(routes: readonly RouteDestination[] | undefined, path: Path, report: Report): void {
  if (!routes?.length) report('MW0204', path, 'expected at least one destination in route');
  for (const [i, { destination }] of (routes ?? []).entries()) checkDestination(destination, [...path, 'route', i, 'destination'], report);
  checkWeights(routes ?? [], [...path, 'route'], report);
}

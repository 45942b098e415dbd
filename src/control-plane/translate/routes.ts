import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { outboundAddress } from '#base/loopback.ts';
import type { Service, ServicePort } from '#mesh/service.ts';
import { RouteConfigurationSchema } from '#proto/gen/envoy/config/route/v3/route_pb.js';
import { isHttp } from './clusters/policy.ts';
import { addressDomain, hostDomains, isWildcard, resolveHost } from './hosts.ts';
import { httpProxyOf } from './http-proxy.ts';
import { internList } from './intern.ts';
import { internPlan } from './intern-plan.ts';
import { httpProxyRoute, outboundClusterName, typeUrls } from './names.ts';
import type { Built, ResourcePlan } from './plan.ts';
import type { DestinationFacts } from './routes/action.ts';
import { hasRoutes, originsOf, type RoutesKey } from './routes/route.ts';
import {
  type CatchAll,
  type ConnectTarget,
  catchAllBytes,
  type VirtualHostKey,
  virtualHostBytes,
  virtualHostKey,
} from './routes/virtual-host.ts';
import type { Scope } from './scope.ts';
import { settingsFor, subsetsOf } from './traffic-policy.ts';
import type { Route, Rule, VisibleHost } from './visibility.ts';
import { WireWriter } from './wire.ts';

/** Port under which hosts that only VirtualServices name can be called (Istio's rule). */
const unregisteredPort = 80;

/**
 * The route configurations of the scope: those with the given names, or all that its listeners refer to. A name that
 * nothing stands behind gets the catch-all host only.
 */
export function planRoutes(scope: Scope, names: Iterable<string> = routeNames(scope)): ResourcePlan[] {
  return [...names].map((name) => planRoute(scope, name));
}

/** Sorted: `<port>` for shared listeners, `<host>:<port>` for detected protocols with an address, `http_proxy`. */
export function routeNames(scope: Scope): string[] {
  const names = new Set<string>();
  for (const host of scope.view.hosts) {
    for (const port of host.service.ports) {
      if (isHttp(port.protocol)) names.add(String(port.number));
      else if (port.protocol === 'auto') names.add(detectedRouteName(scope, host, port));
    }
  }
  if (httpProxyOf(scope)) names.add(httpProxyRoute);
  return [...names].sort();
}

/** Routes of a detected protocol: the service's own where it has an address of its own, else those shared by the port. */
function detectedRouteName(_scope: Scope, host: VisibleHost, port: ServicePort): string {
  const own = host.addresses.length > 0 || (host.service.resolution === 'passthrough' && host.service.registry === 'kubernetes');
  return own ? `${host.service.hostname}:${port.number}` : String(port.number);
}

function planRoute(scope: Scope, name: string): ResourcePlan {
  const explained = scope.proxy.interceptionMode === 'NONE';
  const catchAll: CatchAll = explained || scope.mesh.outboundTrafficPolicy.mode === 'REGISTRY_ONLY' ? 'block_all' : 'allow_any';
  if (name === httpProxyRoute) {
    return internPlan(name, typeUrls.route, buildRouteConfiguration, name, httpProxyHosts(scope), catchAll, explained, false);
  }
  if (/^\d+$/.test(name)) {
    const ignorePorts = !portsMatter(scope);
    return internPlan(
      name,
      typeUrls.route,
      buildRouteConfiguration,
      name,
      portHosts(scope, Number(name)),
      catchAll,
      explained,
      ignorePorts,
    );
  }
  return internPlan(name, typeUrls.route, buildRouteConfiguration, name, detectedHosts(scope, name), 'none', explained, true);
}

function buildRouteConfiguration(
  name: string,
  hosts: readonly VirtualHostKey[],
  catchAll: CatchAll,
  explained: boolean,
  ignorePorts: boolean,
): Built {
  const encode = () => {
    const head = create(RouteConfigurationSchema, {
      name,
      validateClusters: false,
      maxDirectResponseBodySizeBytes: 1024 * 1024,
      ignorePortInHostMatching: ignorePorts,
    });
    const writer = new WireWriter().raw(toBinary(RouteConfigurationSchema, head));
    for (const host of hosts) writer.bytes(2 /* virtual_hosts */, virtualHostBytes(host));
    if (catchAll !== 'none') writer.bytes(2 /* virtual_hosts */, catchAllBytes(catchAll, explained, name === httpProxyRoute));
    return writer.finish();
  };
  return {
    name,
    typeUrl: typeUrls.route,
    encode,
    message: () => fromBinary(RouteConfigurationSchema, encode()),
    origins: [...new Set(hosts.flatMap(([, , routes]) => (routes ? originsOf(routes) : [])))],
  };
}

/** A virtual host on its way: `rank` is its claim to a domain that several want (lower wins). */
interface Candidate {
  readonly rank: number;
  readonly name: string;
  readonly domains: readonly string[];
  readonly routes: RoutesKey | undefined;
  readonly meshInternal: boolean;
  readonly connect: ConnectTarget;
}

/** Every HTTP or detected service on the port, and on port 80 the hosts that only VirtualServices name. */
function portHosts(scope: Scope, port: number): readonly VirtualHostKey[] {
  const onPort = scope.view.hosts.flatMap((host) => {
    const servicePort = host.service.ports.find((candidate) => candidate.number === port);
    return servicePort && (isHttp(servicePort.protocol) || servicePort.protocol === 'auto') ? [{ host, servicePort }] : [];
  });
  const candidates = onPort.map(({ host, servicePort }) =>
    serviceCandidate(scope, host, servicePort, serviceDomains(scope, host, servicePort), 'none'),
  );
  if (port === unregisteredPort) {
    const registered = new Set(onPort.map(({ host }) => host.service.hostname));
    candidates.push(...unregisteredCandidates(scope, registered, (host) => [host], 'none'));
  }
  return settle(candidates, new Set(onPort.map(({ host }) => host.service.hostname)));
}

/** One virtual host for any name: the listener has told the service by its address already. */
function detectedHosts(scope: Scope, name: string): readonly VirtualHostKey[] {
  const colon = name.lastIndexOf(':');
  const number = Number(name.slice(colon + 1));
  const host = scope.view.hosts.find((candidate) => candidate.service.hostname === name.slice(0, colon));
  const port = host?.service.ports.find((candidate) => candidate.number === number);
  if (!host || !port) return internList([]);
  const candidate = serviceCandidate(scope, host, port, ['*'], 'none');
  return internList([virtualHostKey(candidate.name, ['*'], candidate.routes, candidate.meshInternal)]);
}

/** Every port of every service by `host:port` (by `host` alone on port 80). Ports that carry no HTTP can be reached by CONNECT. */
function httpProxyHosts(scope: Scope): readonly VirtualHostKey[] {
  const candidates: Candidate[] = [];
  const registered = new Set<string>();
  for (const host of scope.view.hosts) {
    if (isWildcard(host.service.hostname)) continue;
    for (const port of host.service.ports) {
      if (port.protocol === 'udp') continue;
      const domains = [
        ...hostNames(scope, host),
        ...host.addresses.filter((a) => !a.includes('/')).map(addressDomain),
        ...ownAddresses(scope, host, port),
      ];
      const http = isHttp(port.protocol) || (port.protocol === 'auto' && port.number !== 443);
      if (port.number === unregisteredPort) registered.add(host.service.hostname);
      const withPorts = proxyDomains(domains, port.number);
      candidates.push(http ? serviceCandidate(scope, host, port, withPorts, 'loop') : rawCandidate(host.service, port, withPorts));
    }
  }
  const domainsOf = (host: string) => proxyDomains([host], unregisteredPort);
  candidates.push(...unregisteredCandidates(scope, registered, domainsOf, 'loop'));
  return settle(candidates, new Set());
}

function proxyDomains(domains: readonly string[], port: number): string[] {
  return [...domains.map((domain) => `${domain}:${port}`), ...(port === unregisteredPort ? domains : [])];
}

function rawCandidate(service: Service, port: ServicePort, domains: readonly string[]): Candidate {
  return {
    rank: Number.POSITIVE_INFINITY,
    name: `${service.hostname}:${port.number}`,
    domains,
    routes: undefined,
    meshInternal: false,
    connect: { cluster: outboundClusterName(port.number, '', service.hostname) },
  };
}

function serviceCandidate(
  scope: Scope,
  host: VisibleHost,
  port: ServicePort,
  domains: readonly string[],
  connect: ConnectTarget,
): Candidate {
  const { service } = host;
  const route = scope.view.routesFor(service.hostname).find((candidate) => hasRoutes(candidate, port.number, scope.sourceFor(candidate)));
  return {
    rank: route ? scope.view.routes.indexOf(route) : Number.POSITIVE_INFINITY,
    name: `${service.hostname}:${port.number}`,
    domains,
    routes: route ? ruleRoutes(scope, route, port.number) : serviceRoutes(scope, service, port.number),
    meshInternal: !service.meshExternal,
    connect,
  };
}

/**
 * Hosts of VirtualServices that no service on the port carries, under their full name only (Istio); a wildcard counts only
 * when it covers no such service.
 */
function unregisteredCandidates(
  scope: Scope,
  registered: ReadonlySet<string>,
  domainsOf: (host: string) => readonly string[],
  connect: ConnectTarget,
): Candidate[] {
  const candidates: Candidate[] = [];
  for (const [rank, route] of scope.view.routes.entries()) {
    for (const written of new Set(route.spec.hosts)) {
      const host = resolveHost(written, route.metadata.namespace, scope.mesh.clusterDomain);
      const suffix = host.slice(1);
      const taken = isWildcard(host) ? [...registered].some((name) => name.endsWith(suffix)) : registered.has(host);
      if (taken || !hasRoutes(route, unregisteredPort, scope.sourceFor(route))) continue;
      candidates.push({
        rank,
        name: `${host}:${unregisteredPort}`,
        domains: domainsOf(host),
        routes: ruleRoutes(scope, route, unregisteredPort),
        meshInternal: false,
        connect,
      });
    }
  }
  return candidates;
}

/** Gives each domain to its first claimant (case does not count), drops hosts left without any, sorts by name. */
function settle(candidates: readonly Candidate[], fullNames: ReadonlySet<string>): readonly VirtualHostKey[] {
  const taken = new Set<string>();
  const names = new Set<string>();
  const hosts: VirtualHostKey[] = [];
  for (const candidate of [...candidates].sort((a, b) => (a.rank === b.rank ? 0 : a.rank - b.rank))) {
    const own = candidate.name.slice(0, candidate.name.lastIndexOf(':'));
    const domains = candidate.domains.filter((domain) => {
      const lower = domain.toLowerCase();
      if (taken.has(lower) || (domain !== own && fullNames.has(domain))) return false;
      taken.add(lower);
      return true;
    });
    if (domains.length === 0 || names.has(candidate.name)) continue;
    names.add(candidate.name);
    hosts.push(virtualHostKey(candidate.name, domains, candidate.routes, candidate.meshInternal, candidate.connect));
  }
  return internList(hosts.sort((a, b) => (a[0] < b[0] ? -1 : 1)));
}

function serviceRoutes(scope: Scope, service: Service, port: number): RoutesKey {
  return internList(['service', scope.mesh, service, port, hashingRules(scope, service)] as const);
}

function ruleRoutes(scope: Scope, route: Route, port: number): RoutesKey {
  return internList(['virtual-service', scope.mesh, route, port, scope.sourceFor(route), destinationFacts(scope, route)] as const);
}

/** The services behind the route's destinations. Rules are named only where requests are hashed, so that others cost no route. */
function destinationFacts(scope: Scope, route: Route): readonly DestinationFacts[] {
  const hosts = new Set<string>();
  for (const rule of route.spec.http ?? []) {
    const destinations = [...(rule.route ?? []).map((d) => d.destination), ...(rule.mirrors ?? []).map((m) => m.destination)];
    for (const destination of rule.mirror ? [...destinations, rule.mirror] : destinations) {
      hosts.add(resolveHost(destination.host, route.metadata.namespace, scope.mesh.clusterDomain));
    }
  }
  return internList(
    [...hosts].map((host) => {
      const service = scope.view.service(host);
      return internList([host, service, service ? hashingRules(scope, service) : internList<readonly Rule[]>([])] as const);
    }),
  );
}

function hashingRules(scope: Scope, service: Service): readonly Rule[] {
  const rules = scope.rulesFor(service);
  const hashes = (subset: string) => service.ports.some((port) => settingsFor(rules, subset, port.number).loadBalancer?.consistentHash);
  return rules.length > 0 && ['', ...subsetsOf(rules).map((entry) => entry.subset.name)].some(hashes) ? rules : internList([]);
}

function serviceDomains(scope: Scope, host: VisibleHost, port: ServicePort): readonly string[] {
  const names = hostNames(scope, host);
  const { service } = host;
  const headless = service.resolution === 'passthrough' && service.registry === 'kubernetes' ? names.map((name) => `*.${name}`) : [];
  const plain = [...names, ...headless, ...host.addresses.filter((address) => !address.includes('/')).map(addressDomain)];
  const own = ownAddresses(scope, host, port);
  if (portsMatter(scope)) return [...plain, ...plain.map((domain) => `${domain}:${port.number}`), ...own];
  return [...plain, ...own, ...own.map((address) => `${address}:${port.number}`)];
}

function hostNames(scope: Scope, host: VisibleHost): readonly string[] {
  const { dnsDomain } = scope.proxy;
  return [host.service.hostname, ...host.aliases].flatMap((name) => hostDomains(name, dnsDomain));
}

/** NONE mode: where the proxy itself offers the service to its program. */
function ownAddresses(scope: Scope, host: VisibleHost, port: ServicePort): readonly string[] {
  const { outbound } = scope.proxy;
  if (scope.proxy.interceptionMode !== 'NONE' || !outbound) return [];
  const index = host.service.ports.indexOf(port);
  return host.addresses.flatMap((address) => {
    const place = outboundAddress(outbound, address, port.number, index);
    if (!place) return [];
    return 'block' in outbound ? [place.address] : [`${place.address}:${place.port}`];
  });
}

/** With one loopback address for all services only the port tells them apart. */
function portsMatter(scope: Scope): boolean {
  const { outbound, interceptionMode } = scope.proxy;
  return interceptionMode === 'NONE' && outbound !== undefined && !('block' in outbound);
}

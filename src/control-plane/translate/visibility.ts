import type { MeshConfig } from '#mesh/mesh-config.ts';
import type { Service, ServiceKey } from '#mesh/service.ts';
import { serviceKey } from '#mesh/service.ts';
import type { MeshSnapshot } from '#mesh/snapshot.ts';
import type { DestinationRule } from '#resources/networking/destination-rule.ts';
import type { VirtualService } from '#resources/networking/virtual-service.ts';
import type { Resource } from '#resources/object.ts';
import { hostCovers, isWildcard, mostSpecificMatch, resolveHost } from './hosts.ts';
import { internList } from './intern.ts';

export type Rule = Resource<DestinationRule>;
export type Route = Resource<VirtualService>;

/** One host of the registry as a namespace sees it: its service, every address, and the aliases that lead to it. */
export interface VisibleHost {
  readonly service: Service;
  /** Virtual IPs and CIDRs of all services that share host and namespace. Interned. */
  readonly addresses: readonly string[];
  /** Hosts of ExternalName services that resolve to this one. Interned. */
  readonly aliases: readonly string[];
}

/** What the proxies of one namespace may see of a snapshot. Shared by all of them. */
export interface NamespaceView {
  readonly namespace: string;
  /** Sorted as the snapshot's services; one entry per hostname; aliases are not among them. */
  readonly hosts: readonly VisibleHost[];
  /** Exact hostname of a visible service, an alias included (then the service it leads to). */
  service(hostname: string): Service | undefined;
  /** VirtualServices bound to `mesh`, in Istio's order: private to the namespace, exported to it, public. */
  readonly routes: readonly Route[];
  /** Those of `routes` that may apply to `host`: exact hosts first, then by length of the wildcard, then in order. Interned. */
  routesFor(host: string): readonly Route[];
  /** Every DestinationRule that applies to a host of this service's name, whatever its workload selector. Interned. */
  rulesFor(service: Service): readonly Rule[];
}

type Reach = 'private' | 'exported' | 'public' | 'hidden';

/** How an object of namespace `home` with this `exportTo` is seen from `namespace`. */
export function reach(exportTo: readonly string[], home: string, namespace: string): Reach {
  if (exportTo.includes('*')) return 'public';
  if (exportTo.includes('~')) return 'hidden';
  const names = exportTo.map((name) => (name === '.' ? home : name));
  if (!names.includes(namespace)) return 'hidden';
  return namespace === home && names.length === 1 ? 'private' : 'exported';
}

function exportsOf(own: readonly string[] | undefined, fallback: readonly string[]): readonly string[] {
  return own && own.length > 0 ? own : fallback;
}

interface Memo {
  readonly routes: readonly Route[];
  readonly rules: readonly Rule[];
  readonly mesh: MeshConfig;
  readonly views: Map<string, NamespaceView>;
}

const memos = new WeakMap<readonly Service[], Memo>();

/** Computed once per namespace for as long as services, VirtualServices, DestinationRules and mesh settings are the same values. */
export function viewOf(snapshot: MeshSnapshot, namespace: string): NamespaceView {
  let memo = memos.get(snapshot.services);
  if (!memo || memo.routes !== snapshot.virtualServices || memo.rules !== snapshot.destinationRules || memo.mesh !== snapshot.mesh) {
    memo = { routes: snapshot.virtualServices, rules: snapshot.destinationRules, mesh: snapshot.mesh, views: new Map() };
    memos.set(snapshot.services, memo);
  }
  let view = memo.views.get(namespace);
  if (!view) {
    view = makeView(snapshot, namespace);
    memo.views.set(namespace, view);
  }
  return view;
}

function makeView(snapshot: MeshSnapshot, namespace: string): NamespaceView {
  const { hosts, aliases } = hostsOf(snapshot, namespace);
  const byName = new Map(hosts.map((host) => [host.service.hostname, host.service]));
  for (const [alias, target] of aliases) {
    const service = byName.get(target);
    if (service && !byName.has(alias)) byName.set(alias, service);
  }
  const routes = visibleRoutes(snapshot, namespace);
  return {
    namespace,
    hosts,
    service: (hostname) => byName.get(hostname),
    routes,
    routesFor: routeIndex(routes, snapshot.mesh.clusterDomain),
    rulesFor: ruleIndex(snapshot, namespace),
  };
}

interface VisibleHosts {
  readonly hosts: readonly VisibleHost[];
  readonly aliases: ReadonlyMap<string, string>;
}

const hostMemos = new WeakMap<readonly Service[], { readonly mesh: MeshConfig; readonly byNamespace: Map<string, VisibleHosts> }>();

/** `visibleHosts`, computed once for as long as services and mesh settings are the same values: routes and rules come and go more often. */
function hostsOf(snapshot: MeshSnapshot, namespace: string): VisibleHosts {
  let memo = hostMemos.get(snapshot.services);
  if (!memo || memo.mesh !== snapshot.mesh) {
    memo = { mesh: snapshot.mesh, byNamespace: new Map() };
    hostMemos.set(snapshot.services, memo);
  }
  let found = memo.byNamespace.get(namespace);
  if (!found) {
    found = visibleHosts(snapshot, namespace);
    memo.byNamespace.set(namespace, found);
  }
  return found;
}

/** Istio: for one hostname the own namespace wins, then Kubernetes over ServiceEntry, then the first. */
function visibleHosts(snapshot: MeshSnapshot, namespace: string): VisibleHosts {
  const chosen = new Map<string, Service>();
  const visible = snapshot.services.filter(
    (service) => reach(exportsOf(service.exportTo, snapshot.mesh.defaultServiceExportTo), service.namespace, namespace) !== 'hidden',
  );
  for (const service of visible) {
    const rival = chosen.get(service.hostname);
    if (!rival || preferred(service, rival, namespace)) chosen.set(service.hostname, service);
  }
  const addresses = new Map<ServiceKey, string[]>();
  for (const service of visible) {
    const key = serviceKey(service);
    const known = addresses.get(key);
    if (known) known.push(...service.addresses.filter((address) => !known.includes(address)));
    else addresses.set(key, [...service.addresses]);
  }
  const aliases = resolveAliases([...chosen.values()]);
  const aliasesByTarget = new Map<string, string[]>();
  for (const [alias, target] of aliases) aliasesByTarget.set(target, [...(aliasesByTarget.get(target) ?? []), alias]);
  const hosts: VisibleHost[] = [];
  for (const service of visible) {
    if (chosen.get(service.hostname) !== service || service.resolution === 'alias') continue;
    hosts.push({
      service,
      addresses: internList(addresses.get(serviceKey(service)) ?? []),
      aliases: internList(aliasesByTarget.get(service.hostname) ?? []),
    });
  }
  return { hosts, aliases };
}

function preferred(service: Service, rival: Service, namespace: string): boolean {
  if (rival.namespace === service.namespace) return false;
  if (rival.namespace === namespace) return false;
  if (service.namespace === namespace) return true;
  return service.registry === 'kubernetes' && rival.registry !== 'kubernetes';
}

/** Alias host to the concrete host at the end of its chain; loops and dead ends are dropped. */
function resolveAliases(services: readonly Service[]): Map<string, string> {
  const next = new Map(services.filter((s) => s.resolution === 'alias').map((s) => [s.hostname, s.externalName ?? '']));
  const concrete = new Set(services.filter((s) => s.resolution !== 'alias').map((s) => s.hostname));
  const resolved = new Map<string, string>();
  for (const alias of next.keys()) {
    const seen = new Set<string>();
    let target = alias;
    while (next.has(target) && !seen.has(target)) {
      seen.add(target);
      target = next.get(target) ?? '';
    }
    if (concrete.has(target)) resolved.set(alias, target);
  }
  return resolved;
}

function visibleRoutes(snapshot: MeshSnapshot, namespace: string): readonly Route[] {
  const byReach: Record<Reach, Route[]> = { private: [], exported: [], public: [], hidden: [] };
  for (const route of snapshot.virtualServices) {
    if (route.spec.hosts.length === 0 || !boundToMesh(route)) continue;
    const exportTo = exportsOf(route.spec.exportTo, snapshot.mesh.defaultVirtualServiceExportTo);
    byReach[reach(exportTo, route.metadata.namespace, namespace)].push(route);
  }
  return internList([...byReach.private, ...byReach.exported, ...byReach.public]);
}

export function boundToMesh(route: Route): boolean {
  const { gateways } = route.spec;
  return gateways === undefined || gateways.length === 0 || gateways.includes('mesh');
}

function routeIndex(routes: readonly Route[], clusterDomain: string): (host: string) => readonly Route[] {
  const exact = new Map<string, Route[]>();
  const wildcards: { readonly pattern: string; readonly route: Route }[] = [];
  for (const route of routes) {
    for (const written of new Set(route.spec.hosts)) {
      const host = resolveHost(written, route.metadata.namespace, clusterDomain);
      if (isWildcard(host)) wildcards.push({ pattern: host, route });
      else exact.set(host, [...(exact.get(host) ?? []), route]);
    }
  }
  wildcards.sort((a, b) => b.pattern.length - a.pattern.length);
  const known = new Map<string, readonly Route[]>();
  return (host) => {
    let found = known.get(host);
    if (!found) {
      const matching = wildcards.filter((entry) => hostCovers(entry.pattern, host)).map((entry) => entry.route);
      found = internList([...new Set([...(exact.get(host) ?? []), ...matching])]);
      known.set(host, found);
    }
    return found;
  };
}

interface RuleIndex {
  readonly hosts: readonly string[];
  readonly rules: readonly (readonly Rule[])[];
}

const noRules: readonly Rule[] = internList([]);

/** Istio: rules of the caller's namespace, then those the service's namespace exports, then those of the root namespace. */
function ruleIndex(snapshot: MeshSnapshot, namespace: string): (service: Service) => readonly Rule[] {
  const { rootNamespace } = snapshot.mesh;
  const all = ruleTables(snapshot);
  const local = all.get(namespace);
  const root = all.get(rootNamespace);
  return (service) => {
    const own = pick(local, service.hostname, (rule) => namespace !== rootNamespace || ruleReach(rule, snapshot, namespace) === 'private');
    if (own.length > 0) return own;
    const visible = (rule: Rule) => rule.spec.workloadSelector === undefined && ruleReach(rule, snapshot, namespace) !== 'hidden';
    const exported = pick(all.get(service.namespace), service.hostname, visible);
    if (exported.length > 0) return exported;
    return pick(root, service.hostname, visible);
  };
}

function ruleReach(rule: Rule, snapshot: MeshSnapshot, namespace: string): Reach {
  return reach(exportsOf(rule.spec.exportTo, snapshot.mesh.defaultDestinationRuleExportTo), rule.metadata.namespace, namespace);
}

/** The rules of the most specific host that covers `hostname` and is usable from here. */
function pick(index: RuleIndex | undefined, hostname: string, usable: (rule: Rule) => boolean): readonly Rule[] {
  if (!index) return noRules;
  const match = mostSpecificMatch(hostname, index.hosts);
  return match < 0 ? noRules : internList((index.rules[match] ?? []).filter(usable));
}

const tables = new WeakMap<readonly Rule[], ReadonlyMap<string, RuleIndex>>();

/** DestinationRules by namespace and host; those with a selector first, otherwise in the snapshot's order. */
function ruleTables(snapshot: MeshSnapshot): ReadonlyMap<string, RuleIndex> {
  const known = tables.get(snapshot.destinationRules);
  if (known) return known;
  const byNamespace = new Map<string, Map<string, Rule[]>>();
  for (const rule of snapshot.destinationRules) {
    const { namespace } = rule.metadata;
    const byHost = byNamespace.get(namespace) ?? new Map<string, Rule[]>();
    byNamespace.set(namespace, byHost);
    const host = resolveHost(rule.spec.host, namespace, snapshot.mesh.clusterDomain);
    byHost.set(host, [...(byHost.get(host) ?? []), rule]);
  }
  const made = new Map<string, RuleIndex>();
  for (const [namespace, byHost] of byNamespace) made.set(namespace, { hosts: [...byHost.keys()], rules: [...byHost.values()] });
  tables.set(snapshot.destinationRules, made);
  return made;
}

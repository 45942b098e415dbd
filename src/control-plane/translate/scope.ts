import type { Endpoint, ServiceEndpoints } from '#mesh/endpoint.ts';
import type { MeshConfig } from '#mesh/mesh-config.ts';
import type { Proxy as MeshProxy } from '#mesh/proxy.ts';
import { type Service, type ServicePort, serviceKey } from '#mesh/service.ts';
import type { MeshSnapshot } from '#mesh/snapshot.ts';
import { internList, internRecord } from './intern.ts';
import { selectRules } from './traffic-policy.ts';
import { type NamespaceView, type Route, type Rule, viewOf } from './visibility.ts';

/** A service port that the proxy's own workload serves. */
export interface OwnPort {
  readonly service: Service;
  readonly port: ServicePort;
  /** Where the program listens (the endpoint's port). */
  readonly targetPort: number;
}

/** What generation reads of a proxy, so that proxies that differ elsewhere share everything. Interned. */
export interface ProxyTraits {
  readonly family: 'v4' | 'v6' | 'dual';
  /** `<namespace>.svc.<cluster domain>`. */
  readonly dnsDomain: string;
  readonly interceptionMode: MeshProxy['interceptionMode'];
  /** Whether an access-log service listens. */
  readonly als: boolean;
}

/** Everything that the configuration of one proxy (or of all with an equal `scopeKey`) is made from. */
export interface Scope {
  readonly mesh: MeshConfig;
  readonly proxy: MeshProxy;
  readonly traits: ProxyTraits;
  readonly view: NamespaceView;
  /** Oldest service first; one entry per service and target port. */
  readonly ownPorts: readonly OwnPort[];
  /** The DestinationRules that apply to this proxy's traffic to the service. Interned. */
  rulesFor(service: Service): readonly Rule[];
  endpoints(service: Service): ServiceEndpoints | undefined;
  /** The labels of the proxy that this VirtualService may ask for; undefined when it asks for none. Interned. */
  sourceFor(route: Route): Source | undefined;
}

/** Caller's side of `sourceLabels` and `sourceNamespace`. */
export interface Source {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** What this proxy may see, ready for the planners. A few microseconds when its namespace's view is known already. */
export function scopeFor(snapshot: MeshSnapshot, proxy: MeshProxy): Scope {
  const view = viewOf(snapshot, proxy.namespace);
  const selectable = hasWorkloadRules(snapshot, proxy.namespace);
  return {
    mesh: snapshot.mesh,
    proxy,
    traits: traitsOf(proxy),
    view,
    ownPorts: ownPortsOf(snapshot, proxy),
    rulesFor: selectable ? (service) => selectRules(view.rulesFor(service), proxy.namespace, proxy.labels) : view.rulesFor,
    endpoints: (service) => snapshot.endpoints.get(serviceKey(service)),
    sourceFor: (route) => sourceOf(route, proxy),
  };
}

/** Equal keys mean equal configuration, byte for byte. Cheap: no service is looked at but the proxy's own. */
export function scopeKey(snapshot: MeshSnapshot, proxy: MeshProxy): string {
  const asked = askedLabels(snapshot, proxy.namespace);
  const labels = asked.map((name) => `${name}=${proxy.labels[name] ?? ''}`).join(',');
  const own = ownPortsOf(snapshot, proxy)
    .map((entry) => `${serviceKey(entry.service)}:${entry.port.number}:${entry.targetPort}`)
    .join(',');
  return `${proxyKey(proxy)}|${labels}|${own}`;
}

const proxyKeys = new WeakMap<MeshProxy, string>();

function proxyKey(proxy: MeshProxy): string {
  const known = proxyKeys.get(proxy);
  if (known !== undefined) return known;
  const { type, namespace, dnsDomain, interceptionMode, clusterId, network, locality, nodeName } = proxy;
  const bound = interceptionMode === 'NONE' ? [proxy.ipAddresses, proxy.inbound, proxy.outbound] : [];
  const made = JSON.stringify([
    ...[type, namespace, dnsDomain, interceptionMode, clusterId, network, locality, nodeName, traitsOf(proxy), proxy.httpProxy ?? null],
    ...bound,
  ]);
  proxyKeys.set(proxy, made);
  return made;
}

const traitsByProxy = new WeakMap<MeshProxy, ProxyTraits>();

export function traitsOf(proxy: MeshProxy): ProxyTraits {
  const known = traitsByProxy.get(proxy);
  if (known) return known;
  const v6 = proxy.ipAddresses.some((address) => address.includes(':'));
  const v4 = proxy.ipAddresses.some((address) => !address.includes(':'));
  const made = internRecord<ProxyTraits>({
    family: v4 && v6 ? 'dual' : v6 ? 'v6' : 'v4',
    dnsDomain: proxy.dnsDomain,
    interceptionMode: proxy.interceptionMode,
    als: proxy.alsSocket !== undefined,
  });
  traitsByProxy.set(proxy, made);
  return made;
}

interface Asked {
  readonly rules: readonly Rule[];
  readonly byNamespace: Map<string, readonly string[]>;
}

const askedBy = new WeakMap<readonly Route[], Asked>();

/** Names of the labels by which some visible object tells the proxies of this namespace apart. */
function askedLabels(snapshot: MeshSnapshot, namespace: string): readonly string[] {
  let asked = askedBy.get(snapshot.virtualServices);
  if (!asked || asked.rules !== snapshot.destinationRules) {
    asked = { rules: snapshot.destinationRules, byNamespace: new Map() };
    askedBy.set(snapshot.virtualServices, asked);
  }
  let names = asked.byNamespace.get(namespace);
  if (!names) {
    const all = new Set<string>();
    for (const route of snapshot.virtualServices) for (const name of sourceLabelNames(route)) all.add(name);
    for (const rule of snapshot.destinationRules) {
      if (rule.metadata.namespace === namespace)
        for (const name of Object.keys(rule.spec.workloadSelector?.matchLabels ?? {})) all.add(name);
    }
    for (const setting of localityLabels(snapshot)) all.add(setting);
    names = [...all].sort();
    asked.byNamespace.set(namespace, names);
  }
  return names;
}

function localityLabels(snapshot: MeshSnapshot): string[] {
  const settings = snapshot.destinationRules.flatMap((rule) => [
    rule.spec.trafficPolicy,
    ...(rule.spec.subsets ?? []).map((s) => s.trafficPolicy),
  ]);
  return [...settings.map((policy) => policy?.loadBalancer?.localityLbSetting), snapshot.mesh.localityLbSetting].flatMap((setting) =>
    (setting?.failoverPriority ?? []).map((entry) => entry.split('=')[0] ?? ''),
  );
}

function hasWorkloadRules(snapshot: MeshSnapshot, namespace: string): boolean {
  return snapshot.destinationRules.some((rule) => rule.spec.workloadSelector && rule.metadata.namespace === namespace);
}

const labelNames = new WeakMap<Route, readonly string[]>();

function sourceLabelNames(route: Route): readonly string[] {
  const known = labelNames.get(route);
  if (known) return known;
  const names = new Set<string>();
  for (const match of allMatches(route)) for (const name of Object.keys(match.sourceLabels ?? {})) names.add(name);
  const made = [...names].sort();
  labelNames.set(route, made);
  return made;
}

function allMatches(
  route: Route,
): readonly { readonly sourceLabels?: Readonly<Record<string, string>>; readonly sourceNamespace?: string }[] {
  const { http = [], tls = [], tcp = [] } = route.spec;
  return [...http, ...tls, ...tcp].flatMap((entry) => entry.match ?? []);
}

function sourceOf(route: Route, proxy: MeshProxy): Source | undefined {
  const names = sourceLabelNames(route);
  if (names.length === 0 && !allMatches(route).some((match) => match.sourceNamespace)) return undefined;
  const labels: Record<string, string> = {};
  for (const name of names) {
    const value = proxy.labels[name];
    if (value !== undefined) labels[name] = value;
  }
  return internRecord({ namespace: proxy.namespace, labels });
}

interface Instance {
  readonly service: Service;
  readonly endpoint: Endpoint;
}

type InstanceIndex = ReadonlyMap<string, readonly Instance[]>;

const indexes = new WeakMap<MeshSnapshot['endpoints'], { readonly services: readonly Service[]; readonly index: InstanceIndex }>();

/** Endpoints by address. Built once per endpoint table; O(endpoints). */
function instancesOf(snapshot: MeshSnapshot): InstanceIndex {
  const known = indexes.get(snapshot.endpoints);
  if (known && known.services === snapshot.services) return known.index;
  const index = new Map<string, Instance[]>();
  const seen = new Set<string>();
  for (const service of snapshot.services) {
    const key = serviceKey(service);
    if (seen.has(key)) continue;
    seen.add(key);
    for (const endpoint of snapshot.endpoints.get(key)?.endpoints ?? []) {
      const list = index.get(endpoint.address);
      if (list) list.push({ service, endpoint });
      else index.set(endpoint.address, [{ service, endpoint }]);
    }
  }
  indexes.set(snapshot.endpoints, { services: snapshot.services, index });
  return index;
}

/** The service ports that endpoints with one of the proxy's addresses serve. In NONE mode its inbound binds say where the program is. */
export function ownPortsOf(snapshot: MeshSnapshot, proxy: MeshProxy): readonly OwnPort[] {
  const found: OwnPort[] = [];
  const seen = new Set<string>();
  const index = instancesOf(snapshot);
  for (const address of ownAddresses(proxy)) {
    for (const { service, endpoint } of index.get(address) ?? []) {
      const port = service.ports.find((candidate) => candidate.name === endpoint.servicePortName);
      const targetPort = targetPortOf(proxy, endpoint);
      if (!port || port.protocol === 'udp' || targetPort === undefined) continue;
      const key = `${serviceKey(service)}:${port.number}:${targetPort}`;
      if (seen.has(key)) continue;
      seen.add(key);
      found.push({ service, port, targetPort });
    }
  }
  const rank = new Map(snapshot.services.length > 0 && found.length > 1 ? found.map((f) => [f, snapshot.services.indexOf(f.service)]) : []);
  found.sort((a, b) => (rank.get(a) ?? 0) - (rank.get(b) ?? 0));
  return internList(found.map((entry) => ownPort(entry)));
}

const ownPortCache = new WeakMap<readonly unknown[], OwnPort>();

function ownPort(entry: OwnPort): OwnPort {
  const key = internList([entry.service, entry.port, entry.targetPort]);
  const known = ownPortCache.get(key);
  if (known) return known;
  ownPortCache.set(key, entry);
  return entry;
}

function ownAddresses(proxy: MeshProxy): readonly string[] {
  return proxy.interceptionMode === 'NONE'
    ? [...new Set([...proxy.ipAddresses, ...proxy.inbound.map((bind) => bind.bind)])]
    : proxy.ipAddresses;
}

function targetPortOf(proxy: MeshProxy, endpoint: Endpoint): number | undefined {
  if (proxy.interceptionMode !== 'NONE') return endpoint.port;
  return proxy.inbound.find((bind) => bind.bind === endpoint.address && bind.port === endpoint.port)?.targetPort;
}

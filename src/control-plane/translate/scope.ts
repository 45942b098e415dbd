import type { Endpoint, ServiceEndpoints } from '#mesh/endpoint.ts';
import type { MeshConfig } from '#mesh/mesh-config.ts';
import type { Proxy as MeshProxy } from '#mesh/proxy.ts';
import { type Service, type ServiceKey, type ServicePort, serviceKey } from '#mesh/service.ts';
import type { MeshSnapshot } from '#mesh/snapshot.ts';
import { internList, internRecord, memoBy } from './intern.ts';
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

function traitsOf(proxy: MeshProxy): ProxyTraits {
  const known = traitsByProxy.get(proxy);
  if (known) return known;
  const v6 = proxy.ipAddresses.some((address) => address.includes(':'));
  const v4 = proxy.ipAddresses.some((address) => !address.includes(':'));
  const made = internRecord<ProxyTraits>({
    family: v4 && v6 ? 'dual' : v6 ? 'v6' : 'v4',
    interceptionMode: proxy.interceptionMode,
    als: proxy.alsSocket !== undefined,
  });
  traitsByProxy.set(proxy, made);
  return made;
}

interface Asked {
  readonly rules: readonly Rule[];
  readonly mesh: MeshConfig;
  readonly byNamespace: Map<string, readonly string[]>;
}

const askedBy = new WeakMap<readonly Route[], Asked>();

/** Names of the labels by which some visible object tells the proxies of this namespace apart. */
function askedLabels(snapshot: MeshSnapshot, namespace: string): readonly string[] {
  let asked = askedBy.get(snapshot.virtualServices);
  if (!asked || asked.rules !== snapshot.destinationRules || asked.mesh !== snapshot.mesh) {
    asked = { rules: snapshot.destinationRules, mesh: snapshot.mesh, byNamespace: new Map() };
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
    for (const name of [...priorityLabels(snapshot.destinationRules), ...labelsOf(snapshot.mesh.localityLbSetting)]) all.add(name);
    names = [...all].sort();
    asked.byNamespace.set(namespace, names);
  }
  return names;
}

/** Labels that the rules' locality settings ask for. */
const priorityLabels = memoBy((rules: readonly Rule[]) =>
  rules
    .flatMap(({ spec }) => [spec.trafficPolicy, ...(spec.subsets ?? []).map((subset) => subset.trafficPolicy)])
    .flatMap((policy) => labelsOf(policy?.loadBalancer?.localityLbSetting)),
);

function labelsOf(setting: { readonly failoverPriority?: readonly string[] } | undefined): readonly string[] {
  return (setting?.failoverPriority ?? []).map((entry) => entry.split('=')[0] ?? '');
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

/** Endpoints by address, for the snapshot that asked last; another one's differences are applied to it. */
interface InstanceIndex {
  table: MeshSnapshot['endpoints'];
  readonly byAddress: Map<string, { readonly key: ServiceKey; readonly endpoint: Endpoint }[]>;
}

const instances: InstanceIndex = { table: new Map(), byAddress: new Map() };

/** O(services) for a new table plus O(endpoints) of the services that differ. */
function instancesAt(
  table: MeshSnapshot['endpoints'],
  address: string,
): readonly { readonly key: ServiceKey; readonly endpoint: Endpoint }[] {
  const { byAddress } = instances;
  if (instances.table !== table) {
    for (const [key, old] of instances.table) if (table.get(key) !== old) forgetInstances(key, old);
    for (const [key, now] of table) if (instances.table.get(key) !== now) addInstances(key, now);
    instances.table = table;
  }
  return byAddress.get(address) ?? [];
}

function forgetInstances(key: ServiceKey, old: ServiceEndpoints): void {
  for (const { address } of old.endpoints) {
    const rest = (instances.byAddress.get(address) ?? []).filter((instance) => instance.key !== key);
    if (rest.length === 0) instances.byAddress.delete(address);
    else instances.byAddress.set(address, rest);
  }
}

function addInstances(key: ServiceKey, now: ServiceEndpoints): void {
  for (const endpoint of now.endpoints) {
    const known = instances.byAddress.get(endpoint.address);
    if (known) known.push({ key, endpoint });
    else instances.byAddress.set(endpoint.address, [{ key, endpoint }]);
  }
}

/** Services by key with their place in the order of precedence. */
const rankedServices = memoBy(
  (services: readonly Service[]) => new Map(services.map((service, rank) => [serviceKey(service), { service, rank }] as const).reverse()),
);

/** The service ports that endpoints with one of the proxy's addresses serve. In NONE mode its inbound binds say where the program is. */
function ownPortsOf(snapshot: MeshSnapshot, proxy: MeshProxy): readonly OwnPort[] {
  const found = new Map<string, OwnPort & { readonly rank: number }>();
  for (const address of ownAddresses(proxy)) {
    for (const { key, endpoint } of instancesAt(snapshot.endpoints, address)) {
      const entry = rankedServices(snapshot.services).get(key);
      const port = entry?.service.ports.find((candidate) => candidate.name === endpoint.servicePortName);
      const targetPort = targetPortOf(proxy, endpoint);
      if (!entry || !port || port.protocol === 'udp' || targetPort === undefined) continue;
      found.set(`${key}:${port.number}:${targetPort}`, { service: entry.service, port, targetPort, rank: entry.rank });
    }
  }
  if (found.size === 0) return noPorts;
  return internList(
    [...found.values()].sort((a, b) => a.rank - b.rank).map(({ service, port, targetPort }) => ownPort({ service, port, targetPort })),
  );
}

const noPorts: readonly OwnPort[] = internList([]);

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

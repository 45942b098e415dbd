/** Bookinfo as handed-in sources: objects in memory, counters that grow with the clock, proxies that follow changes. */
import type { Clock } from '#base/clock.ts';
import type { Origin } from '#base/origin.ts';
import type { Problem } from '#base/problem.ts';
import type { Endpoint, ServiceEndpoints } from '#mesh/endpoint.ts';
import { defaultMeshConfig } from '#mesh/mesh-config.ts';
import type { Service } from '#mesh/service.ts';
import type { MeshSnapshot, SnapshotChange } from '#mesh/snapshot.ts';
import { kindFor } from '#resources/kinds.ts';
import type { Resource } from '#resources/object.ts';
import type { ExplainAnswer, ProxyRow } from '#server/api.ts';
import type { KindInfo, KubeObject, ProxySource, ResourceAccess, ResourceChange, Sources, WriteOutcome } from '#server/sources.ts';

export interface FakeMesh {
  readonly sources: Sources;
  /** Makes an agent dead or slow, or well again. */
  breakAgent(workload: string, how: 'dead' | 'slow' | 'well'): void;
  /** The proxy rejects what it is sent until it is told otherwise. */
  rejectPushes(workload: string, error: string | undefined): void;
  problems(list: readonly Problem[]): void;
}

export interface FakeMeshOptions {
  readonly clock: Clock;
  /** Requests per second that enter productpage; default 40. */
  readonly rps?: number;
  /** Copies of Bookinfo in namespaces of their own; default 0 (only `default`). */
  readonly extraServices?: number;
}

const namespace = 'default';
const apiVersion = 'networking.istio.io/v1';
const programs = [
  { name: 'productpage', versions: ['v1'] },
  { name: 'details', versions: ['v1'] },
  { name: 'reviews', versions: ['v1', 'v2', 'v3'] },
  { name: 'ratings', versions: ['v1'] },
] as const;

const kinds: readonly KindInfo[] = [
  { apiVersion, kind: 'VirtualService', plural: 'virtualservices', namespaced: true, shortNames: ['vs'] },
  { apiVersion, kind: 'DestinationRule', plural: 'destinationrules', namespaced: true, shortNames: ['dr'] },
  { apiVersion, kind: 'ServiceEntry', plural: 'serviceentries', namespaced: true, shortNames: ['se'] },
  { apiVersion, kind: 'WorkloadEntry', plural: 'workloadentries', namespaced: true, shortNames: ['we'] },
  { apiVersion: 'v1', kind: 'Service', plural: 'services', namespaced: true, shortNames: ['svc'] },
  { apiVersion: 'v1', kind: 'Namespace', plural: 'namespaces', namespaced: false, shortNames: ['ns'] },
];

interface Stored extends KubeObject {
  readonly spec: Readonly<Record<string, unknown>>;
}

export function createFakeMesh(options: FakeMeshOptions): FakeMesh {
  const { clock } = options;
  const store = createFakeStore(clock);
  for (const object of seedObjects(options.extraServices ?? 0)) store.seed(object);
  const agents = createFakeAgents(clock, options.rps ?? 40, () => weightsOf(store.find('VirtualService', 'reviews')));
  let problems: readonly Problem[] = [missingSubset];
  const problemListeners = new Set<() => void>();
  const meshListeners = new Set<(snapshot: MeshSnapshot, change: SnapshotChange) => void>();
  let snapshot = buildSnapshot(store.all(), 1);
  const proxies = createFakeProxies(clock, () => snapshot.epoch);
  store.access.watch(({ object }) => {
    snapshot = buildSnapshot(store.all(), snapshot.epoch + 1);
    const key = `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
    const only = (kind: string) => new Set(object.kind === kind ? [key] : []);
    const change: SnapshotChange = {
      mesh: false,
      services: only('Service'),
      endpoints: only('WorkloadEntry'),
      virtualServices: only('VirtualService'),
      destinationRules: only('DestinationRule'),
      namespaces: new Set(),
    };
    for (const listener of meshListeners) listener(snapshot, change);
    proxies.push();
  });

  const sources: Sources = {
    installation: { version: '0.1.0', demoUrl: 'http://127.64.16.1:9080/productpage', kubeconfig: '.meshwright/kubeconfig' },
    resources: store.access,
    problems: { list: () => problems, subscribe: subscriberOf(problemListeners) },
    mesh: { current: () => snapshot, subscribe: subscriberOf(meshListeners) },
    proxies: proxies.source,
    explain: async (question) => (question.from.includes('nobody') ? undefined : explainAnswer(question.path)),
    agents,
  };
  return {
    sources,
    breakAgent: (workload, how) => agents.health.set(workload, how),
    rejectPushes: proxies.reject,
    problems(list) {
      problems = list;
      for (const listener of problemListeners) listener();
    },
  };
}

const subscriberOf =
  <L>(listeners: Set<L>) =>
  (listener: L) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };

function virtualServiceOf(name: string, route: readonly unknown[]): Stored {
  return { apiVersion, kind: 'VirtualService', metadata: { name, namespace }, spec: { hosts: [name], http: [{ route }] } };
}

function* seedObjects(extra: number): Generator<Stored> {
  yield { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace }, spec: {} };
  yield virtualServiceOf('reviews', [
    { destination: { host: 'reviews', subset: 'v1' }, weight: 80 },
    { destination: { host: 'reviews', subset: 'v3' }, weight: 20 },
  ]);
  yield virtualServiceOf('ratings', [{ destination: { host: 'ratings', subset: 'v2' } }]);
  for (const { name, versions } of programs) {
    yield {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace, labels: { app: name } },
      spec: { ports: [{ name: 'http', port: 9080 }], selector: { app: name } },
    };
    const subsets = versions.map((version) => ({ name: version, labels: { version } }));
    yield { apiVersion, kind: 'DestinationRule', metadata: { name, namespace }, spec: { host: name, subsets } };
    for (const version of versions) yield workloadEntry(name, version);
  }
  for (let index = 0; index < extra; index++) {
    const name = `service-${String(index).padStart(4, '0')}`;
    yield {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: `team-${index % 10}` },
      spec: { ports: [{ name: 'http', port: 8080 }] },
    };
  }
}

function workloadEntry(app: string, version: string): Stored {
  const name = `${app}-${version}`;
  const annotations = { 'meshwright.io/agent': `unix:/run/${name}.sock`, 'meshwright.io/engine': 'embedded' };
  return {
    apiVersion,
    kind: 'WorkloadEntry',
    metadata: { name, namespace, annotations, labels: { app, version } },
    spec: { address: addressOf(name) },
  };
}

const names = programs.flatMap(({ name, versions }) => versions.map((version) => `${name}-${version}`));
const addressOf = (workload: string) => `127.64.${16 * (names.indexOf(workload) + 1)}.1`;

const missingSubset: Problem = {
  code: 'IST0101',
  severity: 'error',
  path: 'spec.http[0].route[0].destination.subset',
  message: 'the subset "v2" is not defined for host "ratings"; defined are: v1',
  fix: 'Use subset v1, or add subset v2 to DestinationRule default/ratings.',
  origin: { source: 'kubernetes', kind: `${apiVersion}/VirtualService`, namespace, name: 'ratings', generation: 1 },
};

/** The API server's part: objects by key, versions, watch, checks by the kinds' own decoders. */
function createFakeStore(clock: Clock) {
  const objects = new Map<string, Stored>();
  const listeners = new Set<(change: ResourceChange) => void>();
  const keyOf = (kind: string, ns: string | undefined, name: string) => `${kind}/${ns ?? ''}/${name}`;
  let version = 100;
  const put = (object: KubeObject, generation: number, createdAt: string): Stored => {
    const metadata = {
      ...object.metadata,
      generation,
      resourceVersion: String(++version),
      creationTimestamp: createdAt,
      managedFields: [{ manager: 'meshwright-page', time: new Date(clock.now()).toISOString() }],
    };
    const stored: Stored = { ...object, metadata, spec: (object.spec ?? {}) as Stored['spec'] };
    objects.set(keyOf(object.kind, object.metadata.namespace, object.metadata.name), stored);
    return stored;
  };
  const tell = (change: ResourceChange) => {
    for (const listener of listeners) listener(change);
  };
  const refuse = (reason: 'invalid' | 'conflict' | 'not-found', message: string, problems: readonly Problem[] = []): WriteOutcome => ({
    ok: false,
    reason,
    message,
    problems,
  });

  const access: ResourceAccess = {
    kinds: () => kinds,
    async list(kind, { namespace: ns, limit = 500, continueToken }) {
      const all = [...objects.values()]
        .filter((object) => object.kind === kind && (!ns || object.metadata.namespace === ns))
        .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
      const from = Number(continueToken ?? 0);
      const more = from + limit < all.length;
      return { items: all.slice(from, from + limit), ...(more ? { continueToken: String(from + limit) } : {}) };
    },
    get: async (key) => objects.get(keyOf(key.kind, key.namespace, key.name)),
    async write(object, { dryRun, resourceVersion, fieldValidation }) {
      const held = objects.get(keyOf(object.kind, object.metadata.namespace, object.metadata.name));
      if (resourceVersion && held?.metadata.resourceVersion !== resourceVersion) {
        return refuse('conflict', `It has version ${held?.metadata.resourceVersion ?? 'none'}, expected ${resourceVersion}.`);
      }
      const problems = check(object, fieldValidation);
      const errors = problems.filter((problem) => problem.severity === 'error');
      if (errors.length) return refuse('invalid', `${object.kind} ${object.metadata.name} is invalid: ${errors[0]?.message}.`, problems);
      const same = held && JSON.stringify(held.spec) === JSON.stringify(object.spec);
      const generation = held ? (held.metadata.generation ?? 1) + (same ? 0 : 1) : 1;
      const warnings = problems.map((problem) => problem.message);
      if (dryRun) return { ok: true, object: { ...object, metadata: { ...object.metadata, generation } }, warnings };
      const stored = put(object, generation, held?.metadata.creationTimestamp ?? new Date(clock.now()).toISOString());
      tell({ type: held ? 'modified' : 'added', object: stored });
      return { ok: true, object: stored, warnings };
    },
    async remove(key, { dryRun }) {
      const held = objects.get(keyOf(key.kind, key.namespace, key.name));
      if (!held) return refuse('not-found', '');
      if (!dryRun) {
        objects.delete(keyOf(key.kind, key.namespace, key.name));
        tell({ type: 'deleted', object: held });
      }
      return { ok: true, object: held, warnings: [] };
    },
    watch: subscriberOf(listeners),
  };
  return {
    access,
    seed: (object: Stored) => put(object, 1, new Date(clock.now() - 7_200_000).toISOString()),
    all: () => [...objects.values()],
    find: (kind: string, name: string) => objects.get(keyOf(kind, namespace, name)),
  };
}

function check(object: KubeObject, fieldValidation: string): readonly Problem[] {
  const { apiVersion: version, kind, metadata } = object;
  const origin: Origin = { source: 'kubernetes', kind: `${version}/${kind}`, namespace: metadata.namespace ?? '', name: metadata.name };
  return (
    kindFor(version, kind)?.decode(object, origin, { unknownFields: fieldValidation === 'Strict' ? 'error' : 'warning' }).problems ?? []
  );
}

function weightsOf(virtualService: Stored | undefined): Readonly<Record<string, number>> {
  const http = (virtualService?.spec.http ?? []) as { route: { destination: { subset?: string }; weight?: number }[] }[];
  const route = http.at(-1)?.route;
  if (!route) return { v1: 34, v2: 33, v3: 33 };
  return Object.fromEntries(route.map(({ destination, weight }) => [destination.subset ?? 'v1', weight ?? 100]));
}

const durations = [0, 0.05, 0.35, 0.65, 0.88, 0.95, 0.985, 0.995, 1];
const bounds = [0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000];

/** Agents that answer with counters of steady traffic: the time since the start times the rate. */
function createFakeAgents(clock: Clock, rps: number, weights: () => Readonly<Record<string, number>>) {
  const health = new Map<string, 'dead' | 'slow' | 'well'>();
  const counters = new Map<string, number>();
  let advancedAt = clock.now();
  const flow = (source: string, service: string, version: string, rate: number, errors: number, seconds: number) => {
    const app = source.replace(/-v\d+$/, '');
    const from = source
      ? `source_workload="${source}",source_workload_namespace="${namespace}",source_app="${app}"`
      : 'source_workload="unknown",source_workload_namespace="unknown",source_app="unknown"';
    const to = `destination_workload="${service}-${version}",destination_workload_namespace="${namespace}",destination_service="${service}.${namespace}.svc.cluster.local",destination_service_name="${service}",destination_service_namespace="${namespace}"`;
    for (const reporter of source ? ['source', 'destination'] : ['destination']) {
      const owner = reporter === 'source' ? source : `${service}-${version}`;
      const labels = `reporter="${reporter}",${from},${to},request_protocol="http"`;
      const add = (series: string, amount: number) =>
        counters.set(`${owner} ${series}`, (counters.get(`${owner} ${series}`) ?? 0) + amount);
      add(`istio_requests_total{${labels},response_code="200"}`, rate * seconds * (1 - errors));
      if (errors) add(`istio_requests_total{${labels},response_code="503"}`, rate * seconds * errors);
      bounds.forEach((bound, index) => {
        const share = durations[Math.max(0, index - (service === 'productpage' ? 2 : service === 'reviews' ? 1 : 0))] ?? 1;
        add(`istio_request_duration_milliseconds_bucket{${labels},response_code="200",le="${bound}"}`, rate * seconds * share);
      });
      add(`istio_request_duration_milliseconds_bucket{${labels},response_code="200",le="+Inf"}`, rate * seconds);
    }
  };
  const advance = () => {
    const seconds = (clock.now() - advancedAt) / 1000;
    if (seconds <= 0) return;
    advancedAt = clock.now();
    flow('', 'productpage', 'v1', rps, 0, seconds);
    flow('productpage-v1', 'details', 'v1', rps, 0, seconds);
    for (const [version, weight] of Object.entries(weights())) {
      const share = (rps * weight) / 100;
      if (!share) continue;
      flow('productpage-v1', 'reviews', version, share, 0, seconds);
      if (version !== 'v1') flow(`reviews-${version}`, 'ratings', 'v1', share, 0.12, seconds);
    }
  };
  const workloadOf = (address: string) => /([\w-]+)\.sock$/.exec(address)?.[1] ?? '';

  return {
    health,
    async stats(address: string, signal: AbortSignal): Promise<string> {
      const workload = workloadOf(address);
      if (health.get(workload) === 'dead') throw new Error(`connect ECONNREFUSED ${address}`);
      if (health.get(workload) === 'slow') await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      advance();
      const own = [...counters].filter(([series]) => series.startsWith(`${workload} `));
      return own.map(([series, value]) => `${series.slice(workload.length + 1)} ${value}`).join('\n');
    },
    async *tap(address: string, signal: AbortSignal): AsyncGenerator<string> {
      const workload = workloadOf(address);
      for (let index = 0; !signal.aborted; index++) {
        yield JSON.stringify(accessRecord(workload, index, clock.now()));
        await new Promise<void>((resolve) => {
          const cancel = clock.after(250, resolve);
          signal.addEventListener('abort', () => {
            cancel();
            resolve();
          });
        });
      }
    },
  };
}

function accessRecord(workload: string, index: number, at: number): unknown {
  const failed = index % 9 === 8;
  return {
    commonProperties: {
      startTime: new Date(at).toISOString(),
      duration: `${(0.004 + (index % 7) * 0.0013).toFixed(6)}s`,
      upstreamCluster: 'outbound|9080|v1|reviews.default.svc.cluster.local',
      routeName: 'default',
      responseFlags: failed ? { noHealthyUpstream: true } : {},
      customTags: {
        destination_workload: 'reviews-v1;default;reviews;v1;',
        route_origin: 'VirtualService default/reviews (generation 1) spec.http[0]',
      },
    },
    request: { requestMethod: 'GET', authority: 'reviews:9080', path: `/reviews/${index % 3}`, requestHeaders: {} },
    response: { responseCode: failed ? 503 : 200 },
    node: workload,
  };
}

/** Connected proxies that acknowledge each push a little later, one after the other. */
function createFakeProxies(clock: Clock, epoch: () => number) {
  const listeners = new Set<() => void>();
  const rejections = new Map<string, string>();
  const startedAt = clock.now();
  const rows = new Map<string, ProxyRow>();
  const types = (state: ProxyRow['state'], error?: string) =>
    ['CDS', 'EDS', 'LDS', 'RDS'].map((name) => {
      const own = name === 'RDS' || state === 'synced' ? state : 'synced';
      return {
        name,
        state: own,
        sentAt: clock.now(),
        ackedAt: clock.now(),
        version: String(epoch()),
        ...(own === 'rejected' && error ? { error } : {}),
      };
    });
  const set = (workload: string, state: ProxyRow['state'], at: number, error?: string) => {
    const id = `sidecar~${addressOf(workload)}~${workload}.${namespace}~${namespace}.svc.cluster.local`;
    rows.set(id, {
      id,
      workload,
      namespace,
      engine: 'embedded',
      address: addressOf(workload),
      connectedAt: startedAt,
      state,
      epoch: at,
      types: types(state, error),
    });
    for (const listener of listeners) listener();
  };
  for (const workload of names) set(workload, 'synced', epoch());
  const list = () => [...rows.values()].sort((a, b) => (a.id < b.id ? -1 : 1));

  const source: ProxySource = {
    list,
    subscribe: subscriberOf(listeners),
    async config(id, section) {
      return rows.has(id) ? configSection(section, String(epoch())) : undefined;
    },
    watermark(wanted) {
      const all = list();
      const live = all.filter((row) => row.epoch >= wanted && row.state === 'synced');
      const rejected = all.filter((row) => row.state === 'rejected').map((row) => row.id);
      return {
        live: live.length,
        total: all.length,
        rejected,
        waiting: all.filter((row) => row.epoch < wanted && row.state !== 'rejected').map((row) => row.id),
      };
    },
  };
  return {
    source,
    reject(workload: string, error: string | undefined) {
      if (error === undefined) rejections.delete(workload);
      else rejections.set(workload, error);
      set(workload, error === undefined ? 'synced' : 'rejected', epoch(), error);
    },
    push() {
      const wanted = epoch();
      names.forEach((workload, index) => {
        set(workload, 'stale', wanted - 1);
        clock.after(60 + index * 40, () => {
          const error = rejections.get(workload);
          set(workload, error === undefined ? 'synced' : 'rejected', error === undefined ? wanted : wanted - 1, error);
        });
      });
    },
  };
}

function configSection(section: string, version: string) {
  const origin = (kind: string, name: string) => ({ text: `${kind} default/${name} (generation 1)`, object: { kind, namespace, name } });
  const items = programs.map(({ name, versions }) => {
    if (section === 'routes') {
      const route = {
        match: { prefix: '/' },
        route: { weightedClusters: { clusters: versions.map((v) => ({ name: `outbound|9080|${v}|${name}.default.svc.cluster.local` })) } },
      };
      return {
        name: `9080 ${name}`,
        summary: `${name}, ${name}:9080, ${name}.default`,
        origins: [origin('VirtualService', name)],
        resource: { name: '9080', virtualHosts: [{ name: `${name}:9080`, domains: [name], routes: [route] }] },
      };
    }
    if (section === 'listeners') {
      return {
        name: `127.64.16.10_9080 ${name}`,
        summary: 'http, bind 127.64.16.10:9080',
        origins: [origin('Service', name)],
        resource: { name: '127.64.16.10_9080', bindToPort: true },
      };
    }
    const cluster = `outbound|9080||${name}.default.svc.cluster.local`;
    return {
      name: cluster,
      summary: section === 'endpoints' ? `${versions.length} healthy` : 'EDS, least request',
      origins: [origin('Service', name)],
      resource: { name: cluster, type: 'EDS', connectTimeout: '10s' },
    };
  });
  return { section, version, items };
}

function explainAnswer(path: string): ExplainAnswer {
  const object = { kind: 'VirtualService', namespace, name: 'reviews' };
  return {
    summary: `Forwarded to reviews v1 (80 %) or v3 (20 %) by VirtualService default/reviews.`,
    outcome: 'forwarded',
    steps: [
      { what: 'listener', name: '127.64.16.12_9080', verdict: 'matched', reason: 'bound to the address of reviews' },
      { what: 'virtual host', name: 'reviews.default.svc.cluster.local:9080', verdict: 'matched', reason: 'domain reviews:9080' },
      {
        what: 'route',
        name: 'jason',
        verdict: 'missed',
        reason: 'header end-user is absent, expected exactly "jason"',
        origin: { text: 'VirtualService default/reviews (generation 1) spec.http[0]', object },
      },
      {
        what: 'route',
        name: 'default',
        verdict: 'matched',
        reason: `path ${path} has prefix /`,
        origin: { text: 'VirtualService default/reviews (generation 1) spec.http[1]', object },
      },
    ],
    destinations: [
      { cluster: 'outbound|9080|v1|reviews.default.svc.cluster.local', weightPercent: 80, endpoints: [`${addressOf('reviews-v1')}:9080`] },
      { cluster: 'outbound|9080|v3|reviews.default.svc.cluster.local', weightPercent: 20, endpoints: [`${addressOf('reviews-v3')}:9080`] },
    ],
  };
}

function buildSnapshot(objects: readonly Stored[], epoch: number): MeshSnapshot {
  const services = objects.filter((object) => object.kind === 'Service').map(serviceOf);
  const endpoints = new Map<string, ServiceEndpoints>();
  for (const service of services) {
    const entries = objects.filter((object) => object.kind === 'WorkloadEntry' && object.metadata.labels?.app === service.name);
    const key = `${service.namespace}/${service.hostname}`;
    endpoints.set(key, { key, endpoints: entries.map(endpointOf) });
  }
  // The decoders' types promise defaults that raw objects lack; the server reads only what is set here.
  const resources = <Spec>(kind: string) =>
    objects.filter((object) => object.kind === kind).map((object) => resourceOf(object) as Resource<Spec>);
  return {
    epoch,
    mesh: defaultMeshConfig,
    services,
    endpoints,
    virtualServices: resources('VirtualService'),
    destinationRules: resources('DestinationRule'),
    namespaces: new Map([[namespace, {}]]),
  };
}

function resourceOf(object: Stored): Resource<unknown> {
  const { name, namespace: ns = '', resourceVersion = '', generation = 1, creationTimestamp = '' } = object.metadata;
  const metadata = { name, namespace: ns, labels: {}, annotations: {}, uid: name, resourceVersion, generation, creationTimestamp };
  return { apiVersion: object.apiVersion, kind: object.kind, metadata, spec: object.spec, origin: originOf(object) };
}

function originOf({ apiVersion: version, kind, metadata }: Stored): Origin {
  return {
    source: 'kubernetes',
    kind: `${version}/${kind}`,
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    generation: metadata.generation ?? 1,
  };
}

function serviceOf(object: Stored): Service {
  const { name, namespace: ns = namespace } = object.metadata;
  const ports = (object.spec.ports ?? []) as { name: string; port: number }[];
  return {
    hostname: `${name}.${ns}.svc.cluster.local`,
    name,
    namespace: ns,
    registry: 'kubernetes',
    ports: ports.map((port) => ({ name: port.name, number: port.port, protocol: 'http' })),
    addresses: [`10.96.0.${10 + programs.findIndex((program) => program.name === name)}`],
    resolution: 'static',
    meshExternal: false,
    exportTo: [],
    labels: {},
    annotations: {},
    subjectAltNames: [],
    publishNotReady: false,
    nodeLocal: false,
    createdAt: object.metadata.creationTimestamp ?? '',
    origin: originOf(object),
  };
}

function endpointOf(entry: Stored): Endpoint {
  return {
    address: String(entry.spec.address),
    port: 30080,
    servicePortName: 'http',
    labels: entry.metadata.labels ?? {},
    health: 'healthy',
    weight: 1,
    locality: '',
    network: '',
    clusterId: '',
    nodeName: '',
    serviceAccount: '',
    tlsMode: 'disabled',
    workloadName: entry.metadata.name,
    namespace: entry.metadata.namespace ?? namespace,
    origin: originOf(entry),
  };
}

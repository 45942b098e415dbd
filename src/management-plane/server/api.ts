/**
 * The shapes of the REST and WebSocket API, version 1. Each value is a JSON Schema (validation, serialisation, OpenAPI)
 * and gives the TypeScript type of the same name. Browser-safe: the page imports its types from here.
 */
import { type Static, type TSchema, Type } from 'typebox';

const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const list = <T extends TSchema>(schema: T) => Type.Array(schema);
const epochMs = (description: string) => Type.Number({ description: `${description}, epoch milliseconds` });

export const ObjectRef = Type.Object({
  kind: Type.String(),
  namespace: Type.String({ description: 'Empty for cluster-scoped kinds' }),
  name: Type.String(),
});
export type ObjectRef = Static<typeof ObjectRef>;

export const OriginView = Type.Object({
  text: Type.String({ description: 'file:line or kind namespace/name (generation n)' }),
  object: Type.Optional(ObjectRef),
});
export type OriginView = Static<typeof OriginView>;

export const ProblemView = Type.Object({
  code: Type.String(),
  severity: Type.Union([Type.Literal('error'), Type.Literal('warning'), Type.Literal('info')]),
  path: Type.String(),
  message: Type.String(),
  fix: Type.String(),
  line: Type.Optional(Type.Integer()),
  column: Type.Optional(Type.Integer()),
  origin: Type.Optional(OriginView),
});
export type ProblemView = Static<typeof ProblemView>;

/** The one shape of every failed request. */
export const ApiError = Type.Object({
  code: Type.String({ description: 'Stable: a problem code or a word such as not_found' }),
  message: Type.String(),
  fix: Type.String({ description: 'What to do next; may be empty' }),
  problems: Type.Optional(list(ProblemView)),
});
export type ApiError = Static<typeof ApiError>;

/** Traffic of one thing over the last seconds, from counters. */
export const Numbers = Type.Object({
  rps: Type.Number({ description: 'Requests per second' }),
  errors: Type.Number({ description: 'Share of failed requests, 0 to 1' }),
  p50: nullable(Type.Number({ description: 'Milliseconds' })),
  p95: nullable(Type.Number()),
  p99: nullable(Type.Number()),
  bps: Type.Number({ description: 'TCP bytes per second, both ways' }),
});
export type Numbers = Static<typeof Numbers>;

export const Health = Type.Union([
  Type.Literal('ok'),
  Type.Literal('warn'),
  Type.Literal('bad'),
  Type.Literal('idle'),
  Type.Literal('unknown'),
]);
export type Health = Static<typeof Health>;

export const Finding = Type.Object({
  id: Type.String(),
  severity: Type.Union([Type.Literal('bad'), Type.Literal('warn'), Type.Literal('info')]),
  title: Type.String(),
  why: Type.String(),
  fix: Type.String(),
  code: Type.String(),
  since: epochMs('First seen'),
  object: Type.Optional(ObjectRef),
  proxy: Type.Optional(Type.String()),
  node: Type.Optional(Type.String({ description: 'Id of a graph node' })),
  origin: Type.Optional(Type.String({ description: 'Where the cause stands: file and line, or object and field' })),
});
export type Finding = Static<typeof Finding>;

export const Overview = Type.Object({
  seq: Type.Integer({ description: 'Live messages up to this one are contained' }),
  at: epochMs('Now at the server'),
  version: Type.String(),
  demoUrl: Type.Optional(Type.String()),
  kubeconfig: Type.Optional(Type.String()),
  epoch: Type.Integer(),
  namespaces: list(Type.String()),
  counts: Type.Object({
    services: Type.Integer(),
    workloads: Type.Integer(),
    proxies: Type.Integer(),
    proxiesSynced: Type.Integer(),
    agents: Type.Integer(),
    agentsSilent: Type.Integer(),
  }),
  numbers: Numbers,
  findings: list(Finding),
});
export type Overview = Static<typeof Overview>;

export const GraphNode = Type.Object({
  id: Type.String({ description: 'service/ns/name, workload/ns/name or outside/name' }),
  kind: Type.Union([Type.Literal('service'), Type.Literal('workload'), Type.Literal('outside')]),
  name: Type.String(),
  namespace: Type.String(),
  version: Type.Optional(Type.String()),
  health: Health,
  problems: Type.Integer(),
  numbers: Numbers,
});
export type GraphNode = Static<typeof GraphNode>;

export const GraphEdge = Type.Object({
  id: Type.String(),
  source: Type.String(),
  target: Type.String(),
  mtls: Type.Boolean(),
  numbers: Numbers,
});
export type GraphEdge = Static<typeof GraphEdge>;

export const Graph = Type.Object({ seq: Type.Integer(), at: epochMs('Taken'), nodes: list(GraphNode), edges: list(GraphEdge) });
export type Graph = Static<typeof Graph>;

export const History = Type.Object({
  stepMs: Type.Integer(),
  at: list(Type.Number()),
  rps: list(nullable(Type.Number())),
  errors: list(nullable(Type.Number())),
  p50: list(nullable(Type.Number())),
  p95: list(nullable(Type.Number())),
  p99: list(nullable(Type.Number())),
});
export type History = Static<typeof History>;

export const ServiceRow = Type.Object({
  id: Type.String(),
  name: Type.String(),
  namespace: Type.String(),
  hostname: Type.String(),
  registry: Type.String(),
  ports: list(Type.Object({ name: Type.String(), number: Type.Integer(), protocol: Type.String() })),
  addresses: list(Type.String()),
  workloads: list(Type.String({ description: 'Ids of workload nodes' })),
  endpoints: Type.Integer(),
  healthy: Type.Integer(),
  rules: list(ObjectRef),
  health: Health,
  numbers: Numbers,
});
export type ServiceRow = Static<typeof ServiceRow>;
export const ServiceList = Type.Object({ seq: Type.Integer(), items: list(ServiceRow) });
export type ServiceList = Static<typeof ServiceList>;

export const WorkloadRow = Type.Object({
  id: Type.String(),
  name: Type.String(),
  namespace: Type.String(),
  app: Type.String(),
  version: Type.String(),
  services: list(Type.String({ description: 'Ids of service nodes' })),
  addresses: list(Type.String()),
  proxies: list(Type.String()),
  health: Health,
  agent: Type.Union([Type.Literal('ok'), Type.Literal('silent'), Type.Literal('none')]),
  numbers: Numbers,
  out: Numbers,
});
export type WorkloadRow = Static<typeof WorkloadRow>;
export const WorkloadList = Type.Object({ seq: Type.Integer(), items: list(WorkloadRow) });
export type WorkloadList = Static<typeof WorkloadList>;

export const ProxyType = Type.Object({
  name: Type.String({ description: 'LDS, RDS, CDS, EDS, ...' }),
  state: Type.Union([Type.Literal('synced'), Type.Literal('stale'), Type.Literal('rejected'), Type.Literal('never-sent')]),
  sentAt: Type.Optional(epochMs('Last push')),
  ackedAt: Type.Optional(epochMs('Last acknowledgement')),
  version: Type.String(),
  error: Type.Optional(Type.String({ description: "The proxy's own words about what it rejected" })),
});
export type ProxyType = Static<typeof ProxyType>;

export const ProxyRow = Type.Object({
  id: Type.String({ description: 'Node id' }),
  workload: Type.String(),
  namespace: Type.String(),
  engine: Type.String(),
  address: Type.String(),
  connectedAt: epochMs('Stream opened'),
  state: Type.Union([Type.Literal('synced'), Type.Literal('stale'), Type.Literal('rejected'), Type.Literal('never-sent')]),
  epoch: Type.Integer({ description: 'Newest epoch of which it runs everything it needs' }),
  types: list(ProxyType),
});
export type ProxyRow = Static<typeof ProxyRow>;
export const ProxyList = Type.Object({ seq: Type.Integer(), epoch: Type.Integer(), items: list(ProxyRow) });
export type ProxyList = Static<typeof ProxyList>;

export const ProxyConfigItem = Type.Object({
  name: Type.String(),
  /** One line for the table: domains, address, load balancer... */
  summary: Type.String(),
  origins: list(OriginView),
  resource: Type.Unknown({ description: 'The Envoy message as canonical JSON' }),
});
export type ProxyConfigItem = Static<typeof ProxyConfigItem>;
export const ProxyConfigSection = Type.Object({ section: Type.String(), version: Type.String(), items: list(ProxyConfigItem) });
export type ProxyConfigSection = Static<typeof ProxyConfigSection>;
export const proxySections = ['listeners', 'routes', 'clusters', 'endpoints'] as const;

export const KindRow = Type.Object({
  kind: Type.String(),
  apiVersion: Type.String(),
  plural: Type.String(),
  namespaced: Type.Boolean(),
  shortNames: list(Type.String()),
});
export type KindRow = Static<typeof KindRow>;
export const KindList = Type.Object({ items: list(KindRow) });
export type KindList = Static<typeof KindList>;

export const ResourceRow = Type.Object({
  ref: ObjectRef,
  apiVersion: Type.String(),
  createdAt: Type.String(),
  generation: Type.Integer(),
  summary: Type.String(),
  errors: Type.Integer(),
  warnings: Type.Integer(),
});
export type ResourceRow = Static<typeof ResourceRow>;
export const ResourceList = Type.Object({ seq: Type.Integer(), items: list(ResourceRow), continueToken: Type.Optional(Type.String()) });
export type ResourceList = Static<typeof ResourceList>;

export const ResourceView = Type.Object({
  ref: ObjectRef,
  apiVersion: Type.String(),
  resourceVersion: Type.String(),
  generation: Type.Integer(),
  createdAt: Type.String(),
  yaml: Type.String({ description: 'Without what the API server manages (uid, managedFields, status)' }),
  status: Type.String({ description: 'YAML of the status; empty when there is none' }),
  problems: list(ProblemView),
});
export type ResourceView = Static<typeof ResourceView>;

export const Change = Type.Object({
  ref: ObjectRef,
  action: Type.Union([Type.Literal('create'), Type.Literal('update'), Type.Literal('delete'), Type.Literal('unchanged')]),
  before: Type.String({ description: 'YAML; empty when it does not exist' }),
  after: Type.String({ description: 'YAML; empty when it is deleted' }),
  resourceVersion: Type.String({ description: 'Of the object as written; of the object as it stands for a dry run' }),
  generation: Type.Integer(),
});
export type Change = Static<typeof Change>;
export const WriteAnswer = Type.Object({
  dryRun: Type.Boolean(),
  changes: list(Change),
  warnings: list(Type.String()),
  problems: list(ProblemView),
});
export type WriteAnswer = Static<typeof WriteAnswer>;

export const FieldValidation = Type.Union([Type.Literal('Strict'), Type.Literal('Warn'), Type.Literal('Ignore')], { default: 'Strict' });
export const WriteRequest = Type.Object({
  yaml: Type.String({ maxLength: 1_000_000, description: 'One or more YAML documents' }),
  dryRun: Type.Boolean({ default: false }),
  fieldValidation: Type.Optional(FieldValidation),
  resourceVersion: Type.Optional(Type.String({ description: 'Only with one document: refuse when the stored object has another version' })),
  generation: Type.Optional(Type.Integer({ description: 'The same for the specification alone: a written status does not matter' })),
});
export type WriteRequest = Static<typeof WriteRequest>;

export const SplitDestination = Type.Object({
  host: Type.String(),
  subset: Type.String({ description: 'Empty: the whole service' }),
  port: Type.Optional(Type.Integer()),
  weight: Type.Integer({ minimum: 0, maximum: 100 }),
});
export type SplitDestination = Static<typeof SplitDestination>;
export const SplitRoute = Type.Object({
  ref: ObjectRef,
  exists: Type.Boolean({ description: 'false: applying creates the VirtualService' }),
  protocol: Type.Union([Type.Literal('http'), Type.Literal('tcp'), Type.Literal('tls')]),
  index: Type.Integer(),
  title: Type.String({ description: 'Name of the route or its match in words' }),
  generation: Type.Integer({ description: 'Of the VirtualService; 0 when it does not exist' }),
  destinations: list(SplitDestination),
});
export type SplitRoute = Static<typeof SplitRoute>;
export const SplitList = Type.Object({ items: list(SplitRoute) });
export type SplitList = Static<typeof SplitList>;
export const SplitRequest = Type.Object({
  ref: ObjectRef,
  protocol: Type.Union([Type.Literal('http'), Type.Literal('tcp'), Type.Literal('tls')]),
  index: Type.Integer({ minimum: 0 }),
  generation: Type.Integer({ minimum: 0, description: 'From the split that was shown: another one now means that somebody changed it' }),
  destinations: Type.Array(SplitDestination, { minItems: 1, maxItems: 64 }),
  dryRun: Type.Boolean({ default: false }),
});
export type SplitRequest = Static<typeof SplitRequest>;

export const WatermarkView = Type.Object({
  epoch: nullable(Type.Integer({ description: 'null: the control plane has not taken the object in yet' })),
  live: Type.Integer(),
  total: Type.Integer(),
  rejected: list(Type.String()),
  waiting: list(Type.String({ description: 'At most 20 ids' })),
});
export type WatermarkView = Static<typeof WatermarkView>;

export const ExplainQuestion = Type.Object({
  from: Type.String({ description: 'Workload: name or namespace/name', minLength: 1 }),
  host: Type.String({ minLength: 1 }),
  port: Type.Integer({ minimum: 1, maximum: 65535 }),
  method: Type.String({ default: 'GET' }),
  path: Type.String({ default: '/' }),
  headers: Type.Record(Type.String(), Type.String(), { default: {} }),
});
export type ExplainQuestion = Static<typeof ExplainQuestion>;
export const ExplainStep = Type.Object({
  what: Type.String({ description: 'listener, filter chain, virtual host, route, cluster, endpoint' }),
  name: Type.String(),
  verdict: Type.Union([Type.Literal('matched'), Type.Literal('missed'), Type.Literal('applied')]),
  reason: Type.String(),
  origin: Type.Optional(OriginView),
});
export type ExplainStep = Static<typeof ExplainStep>;
export const ExplainAnswer = Type.Object({
  summary: Type.String(),
  outcome: Type.Union([Type.Literal('forwarded'), Type.Literal('answered'), Type.Literal('refused')]),
  steps: list(ExplainStep),
  destinations: list(Type.Object({ cluster: Type.String(), weightPercent: Type.Number(), endpoints: list(Type.String()) })),
});
export type ExplainAnswer = Static<typeof ExplainAnswer>;

export const TapRecord = Type.Object({
  at: epochMs('Start of the request'),
  reporter: Type.String(),
  source: Type.String(),
  destination: Type.String(),
  service: Type.String(),
  method: Type.String(),
  authority: Type.String(),
  path: Type.String(),
  status: Type.Integer(),
  flags: Type.String(),
  durationMs: nullable(Type.Number()),
  route: Type.String(),
  cluster: Type.String(),
  origin: Type.String(),
});
export type TapRecord = Static<typeof TapRecord>;

export const ChangeEvent = Type.Object({
  at: epochMs('Seen'),
  type: Type.Union([Type.Literal('added'), Type.Literal('modified'), Type.Literal('deleted')]),
  ref: ObjectRef,
  generation: Type.Integer(),
  by: Type.String({ description: 'Field manager of the last write; empty when unknown' }),
});
export type ChangeEvent = Static<typeof ChangeEvent>;
export const EventList = Type.Object({ items: list(ChangeEvent) });
export type EventList = Static<typeof EventList>;

export const SessionView = Type.Object({ writable: Type.Boolean(), expiresAt: nullable(epochMs('End of the session')) });
export type SessionView = Static<typeof SessionView>;
export const SessionRequest = Type.Object({
  code: Type.Optional(Type.String({ maxLength: 200 })),
  token: Type.Optional(Type.String({ maxLength: 4000 })),
});
export const SessionLink = Type.Object({ url: Type.String(), expiresAt: epochMs('End of the link') });

/** What the WebSocket sends: changes since the last message of the same type. `seq` grows by one with each. */
export type LiveMessage =
  | { readonly seq: number; readonly type: 'hello'; readonly version: string }
  | {
      readonly seq: number;
      readonly type: 'traffic';
      readonly at: number;
      readonly set: Readonly<Record<string, Numbers>>;
      readonly gone: readonly string[];
    }
  | { readonly seq: number; readonly type: 'findings'; readonly set: readonly Finding[]; readonly gone: readonly string[] }
  | { readonly seq: number; readonly type: 'proxies'; readonly set: readonly ProxyRow[]; readonly gone: readonly string[] }
  | { readonly seq: number; readonly type: 'resources'; readonly changes: readonly ChangeEvent[] }
  | { readonly seq: number; readonly type: 'mesh'; readonly epoch: number; readonly shape: boolean }
  /** Messages were left out because the reader was too slow: read everything again. */
  | { readonly seq: number; readonly type: 'resync' };
export type LiveTopic = 'traffic' | 'edges' | 'findings' | 'proxies' | 'resources' | 'mesh';

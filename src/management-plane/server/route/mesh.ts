import { Type } from 'typebox';
import {
  EventList,
  Graph,
  type GraphEdge,
  type GraphNode,
  History,
  Overview,
  ServiceList,
  type ServiceRow,
  WorkloadList,
  type WorkloadRow,
} from '../api.ts';
import { healthOf } from '../state/findings.ts';
import type { ServiceNode, WorkloadNode } from '../state/mesh-view.ts';
import { isAbout } from '../state/views.ts';
import { edgeId, meshKey, outOf, outsideClients } from '../traffic/table.ts';
import type { Api, Context } from './context.ts';

/** What the mesh is and how it does: overview, graph, services, workloads, history, events. All free to read. */
export function meshRoutes(app: Api, context: Context): void {
  const { sources, state, hub, clock } = context;
  const inScope = (namespace: string | undefined) => (node: { readonly namespace: string }) => !namespace || node.namespace === namespace;
  const scope = Type.Object({ namespace: Type.Optional(Type.String()) });

  app.get('/overview', { schema: { summary: 'What is wrong now, and the mesh in numbers', response: { 200: Overview } } }, async () => {
    const mesh = state.mesh();
    const proxies = sources.proxies.list();
    const agents = state.agents();
    return {
      seq: hub.seq,
      at: clock.now(),
      ...sources.installation,
      epoch: mesh.epoch,
      namespaces: [...mesh.namespaces],
      counts: {
        services: mesh.services.size,
        workloads: mesh.workloads.size,
        proxies: proxies.length,
        proxiesSynced: proxies.filter((proxy) => proxy.state === 'synced').length,
        agents: agents.length,
        agentsSilent: agents.filter((agent) => agent.error !== '').length,
      },
      numbers: state.numbers(meshKey),
      findings: [...state.findings()],
    };
  });

  app.get(
    '/graph',
    { schema: { summary: 'Nodes and edges with their traffic', querystring: scope, response: { 200: Graph } } },
    async ({ query }) => {
      const nodes = graphNodes(context);
      const wanted = inScope(query.namespace);
      const edges = graphEdges(context, nodes);
      const kept = new Set([...nodes.values()].filter((node) => node.kind !== 'outside' && wanted(node)).map((node) => node.id));
      const visible = edges.filter((edge) => kept.has(edge.source) || kept.has(edge.target));
      for (const edge of visible) kept.add(edge.source).add(edge.target);
      return { seq: hub.seq, at: clock.now(), nodes: [...nodes.values()].filter((node) => kept.has(node.id)), edges: visible };
    },
  );

  app.get(
    '/services',
    { schema: { summary: 'Services with their traffic', querystring: scope, response: { 200: ServiceList } } },
    async ({ query }) => {
      const wanted = inScope(query.namespace);
      const rows = [...state.mesh().services.values()].filter((node) => wanted(node.service)).map((node) => serviceRow(context, node));
      return { seq: hub.seq, items: rows };
    },
  );

  app.get(
    '/workloads',
    { schema: { summary: 'Workloads with their traffic', querystring: scope, response: { 200: WorkloadList } } },
    async ({ query }) => {
      const agents = new Map(state.agents().map((agent) => [agent.workload, agent]));
      const proxies = Map.groupBy(sources.proxies.list(), (proxy) => `workload/${proxy.namespace}/${proxy.workload}`);
      const rows = [...state.mesh().workloads.values()].filter(inScope(query.namespace)).map((node): WorkloadRow => {
        const agent = agents.get(node.id);
        const numbers = state.numbers(node.id);
        const { mtls: _, ...shown } = node;
        return {
          ...shown,
          services: [...node.services],
          addresses: [...node.addresses],
          proxies: (proxies.get(node.id) ?? []).map((proxy) => proxy.id),
          health: healthOf(numbers),
          agent: !agent ? 'none' : agent.error ? 'silent' : 'ok',
          numbers,
          out: state.numbers(outOf(node.id)),
        };
      });
      return { seq: hub.seq, items: rows };
    },
  );

  app.get(
    '/history',
    {
      schema: {
        summary: 'Rate, errors and latency of the last quarter of an hour',
        querystring: Type.Object({ id: Type.String({ description: '"mesh" or the id of a service', default: meshKey }) }),
        response: { 200: History },
      },
    },
    async ({ query }) => state.history.read(query.id),
  );

  app.get('/events', { schema: { summary: 'Latest changes of objects, newest first', response: { 200: EventList } } }, async () => ({
    items: [...state.events()],
  }));
}

function serviceRow({ state }: Context, { id, service, workloads, endpoints, healthy, rules }: ServiceNode): ServiceRow {
  const numbers = state.numbers(id);
  return {
    id,
    name: service.name,
    namespace: service.namespace,
    hostname: service.hostname,
    registry: service.registry,
    ports: service.ports.map(({ name, number, protocol }) => ({ name, number, protocol })),
    addresses: [...service.addresses],
    workloads: [...workloads],
    endpoints,
    healthy,
    rules: [...rules],
    health: endpoints > 0 && healthy === 0 ? 'bad' : healthOf(numbers),
    numbers,
  };
}

/** Every service and workload of the mesh, and what stands outside as soon as traffic touches it. */
function graphNodes({ sources, state }: Context): Map<string, GraphNode> {
  const mesh = state.mesh();
  const problems = sources.problems.list().filter((problem) => problem.severity !== 'info');
  const rejecting = new Set(
    sources.proxies
      .list()
      .filter((proxy) => proxy.state === 'rejected')
      .map((proxy) => `workload/${proxy.namespace}/${proxy.workload}`),
  );
  const nodes = new Map<string, GraphNode>();
  for (const node of mesh.services.values()) {
    const { id, service, rules, endpoints, healthy } = node;
    const refs = [...rules, { kind: 'Service', namespace: service.namespace, name: service.name }];
    const about = problems.filter((problem) => refs.some((ref) => isAbout(problem, ref))).length;
    const numbers = state.numbers(id);
    const health = endpoints > 0 && healthy === 0 ? 'bad' : healthOf(numbers);
    nodes.set(id, { id, kind: 'service', name: service.name, namespace: service.namespace, health, problems: about, numbers });
  }
  for (const node of mesh.workloads.values()) nodes.set(node.id, workloadGraphNode(state, node, rejecting.has(node.id)));
  for (const id of state.trafficIds()) {
    for (const end of id.includes('>') ? id.split('>') : []) {
      if (!nodes.has(end)) nodes.set(end, strayNode(state, end));
    }
  }
  return nodes;
}

function workloadGraphNode(state: Context['state'], node: WorkloadNode, rejects: boolean): GraphNode {
  const received = state.numbers(node.id);
  const numbers = received.rps || received.bps ? received : state.numbers(outOf(node.id));
  return {
    id: node.id,
    kind: 'workload',
    name: node.name,
    namespace: node.namespace,
    ...(node.version ? { version: node.version } : {}),
    health: rejects ? 'bad' : healthOf(numbers),
    problems: rejects ? 1 : 0,
    numbers,
  };
}

/** Seen in traffic only: outside the mesh, or gone since. */
function strayNode(state: Context['state'], id: string): GraphNode {
  const [sort = '', namespace = '', name = ''] = id.split('/');
  const numbers = state.numbers(id === outsideClients ? outOf(id) : id);
  const shown = { id, health: healthOf(numbers), problems: 0, numbers };
  if (id === outsideClients) return { ...shown, kind: 'outside', name: 'clients outside', namespace: '' };
  if (sort === 'outside') return { ...shown, kind: 'outside', name: id.slice('outside/'.length), namespace: '' };
  return { ...shown, kind: sort === 'service' ? 'service' : 'workload', name, namespace };
}

function graphEdges({ state }: Context, nodes: ReadonlyMap<string, GraphNode>): GraphEdge[] {
  const mesh = state.mesh();
  const edges = new Map<string, GraphEdge>();
  const add = (source: string, target: string) => {
    const id = edgeId(source, target);
    const mtls = (mesh.workloads.get(target)?.mtls ?? false) && (mesh.workloads.get(source)?.mtls ?? true);
    edges.set(id, { id, source, target, mtls, numbers: state.numbers(id) });
  };
  // A service's workloads hang on it even while idle.
  for (const node of mesh.services.values()) for (const workload of node.workloads) add(node.id, workload);
  for (const id of state.trafficIds()) {
    const [source, target] = id.split('>');
    if (source && target && nodes.has(source) && nodes.has(target)) add(source, target);
  }
  return [...edges.values()];
}

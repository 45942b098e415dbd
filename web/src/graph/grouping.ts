import type { GraphEdge, GraphNode, Health, Numbers } from '#server/api.ts';

/** A node as it is drawn: of the mesh, or standing for several of them. */
export interface DrawnNode {
  readonly id: string;
  readonly kind: GraphNode['kind'] | 'group';
  readonly label: string;
  readonly health: Health;
  readonly problems: number;
  /** Id of the box it stands in; empty: in none. */
  readonly box: string;
  /** Ids of the nodes it stands for; itself unless it is a group. */
  readonly members: readonly string[];
}

export interface DrawnEdge {
  readonly id: string;
  readonly source: string;
  readonly target: string;
  readonly mtls: boolean;
  /** Ids of the edges it stands for. */
  readonly members: readonly string[];
}

export interface Drawing {
  readonly nodes: readonly DrawnNode[];
  readonly edges: readonly DrawnEdge[];
  /** Namespaces that are drawn as boxes, sorted; empty when only one is shown. */
  readonly boxes: readonly string[];
  /** Whether there are so many nodes that they are grouped (also when all groups are open). */
  readonly grouped: boolean;
}

/** Above this many nodes the graph groups by itself. */
export const groupAbove = 150;

const prefix = 'group/';

/** What opening this node adds to the open groups: `namespace` or `namespace/app`; undefined for other nodes. */
export const groupOf = (id: string): string | undefined => (id.startsWith(prefix) ? id.slice(prefix.length) : undefined);

/**
 * The graph as it is drawn. Up to `groupAbove` nodes it is the graph itself; above, nodes of a namespace become one, and
 * those of an open namespace one for each app when they are still too many. Nodes with problems and pinned ones always
 * stand for themselves. `open` holds namespaces, `namespace/app`, or `*` for all. O(nodes + edges).
 */
export function drawingOf(
  graph: { readonly nodes: readonly GraphNode[]; readonly edges: readonly GraphEdge[] },
  open: ReadonlySet<string>,
  pinned?: string,
): Drawing {
  const grouped = graph.nodes.length > groupAbove;
  const groups = grouped && !open.has('*') ? groupsFor(graph, open, pinned) : new Map<string, readonly GraphNode[]>();
  const standsIn = new Map<string, string>();
  for (const [name, members] of groups) for (const { id } of members) standsIn.set(id, prefix + name);
  const alone = graph.nodes.filter((node) => !standsIn.has(node.id));
  const namespaces = new Set(graph.nodes.map((node) => node.namespace).filter(Boolean));
  // A namespace that is one node needs no frame around it.
  const framed = new Set([
    ...alone.map((node) => node.namespace),
    ...[...groups.keys()].filter((name) => name.includes('/')).map(namespaceOf),
  ]);
  const boxFor = (namespace: string) => (namespaces.size > 1 && framed.has(namespace) ? namespace : '');
  const nodes = [
    ...alone.map((node) => nodeOf(node, boxFor(node.namespace))),
    ...[...groups].map(([name, members]) => groupNode(name, members, boxFor(namespaceOf(name)), framed.has(name))),
  ];
  return {
    nodes,
    edges: edgesBetween(graph.edges, (id) => standsIn.get(id) ?? id),
    boxes: [...new Set(nodes.map((node) => node.box).filter(Boolean))].sort(),
    grouped,
  };
}

const namespaceOf = (group: string) => group.split('/')[0] ?? '';

/** Groups of at least two nodes, by `namespace` or `namespace/app`. */
function groupsFor(
  { nodes, edges }: { readonly nodes: readonly GraphNode[]; readonly edges: readonly GraphEdge[] },
  open: ReadonlySet<string>,
  pinned: string | undefined,
): Map<string, readonly GraphNode[]> {
  const calm = (node: GraphNode) => !node.problems && node.health !== 'bad' && node.health !== 'warn' && node.id !== pinned;
  const byNamespace = Map.groupBy(
    nodes.filter((node) => node.namespace),
    (node) => node.namespace,
  );
  const apps = appsOf(nodes, edges);
  const groups = new Map<string, readonly GraphNode[]>();
  for (const [namespace, all] of byNamespace) {
    const members = all.filter(calm);
    const isOpen = open.has(namespace) || byNamespace.size === 1;
    if (!isOpen) groups.set(namespace, members);
    else if (all.length > groupAbove) {
      for (const [app, ofApp] of Map.groupBy(members, (node) => apps.get(node.id) ?? node.name)) {
        const name = `${namespace}/${app}`;
        if (!open.has(name)) groups.set(name, ofApp);
      }
    }
  }
  for (const [name, members] of groups) if (members.length < 2) groups.delete(name);
  return groups;
}

/** The app of each node: a service's own name, and for a workload the name of a service it serves. */
function appsOf(nodes: readonly GraphNode[], edges: readonly GraphEdge[]): ReadonlyMap<string, string> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const apps = new Map<string, string>();
  for (const { name, id, version } of nodes)
    apps.set(id, version && name.endsWith(`-${version}`) ? name.slice(0, -version.length - 1) : name);
  for (const { source, target } of edges) {
    const service = byId.get(source);
    const workload = byId.get(target);
    if (service?.kind === 'service' && workload?.kind === 'workload' && service.namespace === workload.namespace)
      apps.set(target, service.name);
  }
  return apps;
}

function nodeOf(node: GraphNode, box: string): DrawnNode {
  const marks = [node.problems ? '⚠ ' : '', node.health === 'bad' ? '✖ ' : ''].join('');
  const { id, kind, health, problems } = node;
  return { id, kind, health, problems, label: `${marks}${node.name}`, box, members: [id] };
}

function groupNode(name: string, members: readonly GraphNode[], box: string, hasOthers: boolean): DrawnNode {
  const health = members.some((node) => node.health === 'ok') ? 'ok' : members.some((node) => node.health === 'idle') ? 'idle' : 'unknown';
  const label = hasOthers ? `${members.length} more` : `${name.split('/').at(-1)}  (${members.length})`;
  return { id: prefix + name, kind: 'group', health, problems: 0, label, box, members: members.map((node) => node.id) };
}

function edgesBetween(edges: readonly GraphEdge[], drawnAs: (id: string) => string): DrawnEdge[] {
  const drawn = new Map<string, { source: string; target: string; mtls: boolean; members: string[] }>();
  for (const edge of edges) {
    const [source, target] = [drawnAs(edge.source), drawnAs(edge.target)];
    if (source === target && groupOf(source) !== undefined) continue;
    const id = `${source}>${target}`;
    const held = drawn.get(id);
    if (!held) drawn.set(id, { source, target, mtls: edge.mtls, members: [edge.id] });
    else {
      held.members.push(edge.id);
      held.mtls &&= edge.mtls;
    }
  }
  return [...drawn].map(([id, edge]) => ({ id, ...edge }));
}

/** Numbers of several things together. Percentiles cannot be added: of more than one they are unknown. */
export function sumOf(members: readonly string[], numbers: (id: string) => Numbers): Numbers {
  const [only] = members;
  if (members.length === 1 && only !== undefined) return numbers(only);
  const sum = { rps: 0, errors: 0, p50: null, p95: null, p99: null, bps: 0 };
  for (const id of members) {
    const { rps, errors, bps } = numbers(id);
    sum.rps += rps;
    sum.errors += errors * rps;
    sum.bps += bps;
  }
  return { ...sum, errors: sum.rps ? sum.errors / sum.rps : 0 };
}

import dagre from '@dagrejs/dagre';

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** What the layout needs of a node: its size and the box it stands in (empty: none). */
export interface Placed {
  readonly id: string;
  readonly width: number;
  readonly box: string;
}

export interface Line {
  readonly source: string;
  readonly target: string;
}

interface Area {
  readonly at: ReadonlyMap<string, Point>;
  readonly width: number;
  readonly height: number;
}

const rowHeight = 44;
const gap = 34;
const boxPadding = 36;
/** Above this many connected nodes the quick ranking is used: the exact one grows with the square. */
const exactUpTo = 300;

/**
 * Positions of all nodes: inside each box layers from left to right along the requests, then the boxes among themselves
 * the same way, so that boxes never overlap. What has no edge is packed below. Depends on names only, not on order.
 */
export function arranged(nodes: readonly Placed[], lines: readonly Line[]): Map<string, Point> {
  const home = new Map(nodes.map((node) => [node.id, node.box || node.id]));
  const inside = new Map<string, Area>();
  for (const [box, members] of Map.groupBy(nodes, (node) => node.box)) {
    if (box)
      inside.set(
        box,
        areaOf(
          members.map(({ id, width }) => ({ id, width, height: rowHeight })),
          within(lines, members),
        ),
      );
  }
  const outer = nodes.filter((node) => !node.box).map(({ id, width }) => ({ id, width, height: rowHeight }));
  for (const [id, { width, height }] of inside) outer.push({ id, width: width + 2 * boxPadding, height: height + 2 * boxPadding });
  const between = lines.map(({ source, target }) => ({ source: home.get(source) ?? source, target: home.get(target) ?? target }));
  const { at } = areaOf(
    outer,
    between.filter(({ source, target }) => source !== target),
  );
  const positions = new Map<string, Point>();
  for (const { id, box } of nodes) {
    const area = inside.get(box);
    const centre = at.get(box || id) ?? { x: 0, y: 0 };
    const own = area?.at.get(id);
    positions.set(id, area && own ? { x: centre.x - area.width / 2 + own.x, y: centre.y - area.height / 2 + own.y } : centre);
  }
  return positions;
}

function within(lines: readonly Line[], members: readonly Placed[]): Line[] {
  const ids = new Set(members.map((node) => node.id));
  return lines.filter(({ source, target }) => ids.has(source) && ids.has(target));
}

interface Sized {
  readonly id: string;
  readonly width: number;
  readonly height: number;
}

function areaOf(items: readonly Sized[], lines: readonly Line[]): Area {
  const linked = new Set(lines.flatMap(({ source, target }) => [source, target]));
  const byName = items.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const layers = layered(
    byName.filter(({ id }) => linked.has(id)),
    lines,
  );
  const rest = packed(
    byName.filter(({ id }) => !linked.has(id)),
    layers.width,
  );
  if (!layers.at.size) return rest;
  const below = layers.height + (rest.at.size ? 2 * gap : 0);
  const at = new Map(layers.at);
  for (const [id, { x, y }] of rest.at) at.set(id, { x, y: y + below });
  return { at, width: Math.max(layers.width, rest.width), height: below + rest.height };
}

function layered(items: readonly Sized[], lines: readonly Line[]): Area {
  if (!items.length) return { at: new Map(), width: 0, height: 0 };
  const graph = new dagre.graphlib.Graph();
  const ranker = items.length > exactUpTo ? 'longest-path' : 'network-simplex';
  graph.setGraph({ rankdir: 'LR', nodesep: gap, ranksep: 112, ranker });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { id, width, height } of items) graph.setNode(id, { width, height });
  const sorted = lines.toSorted((a, b) => (a.source + a.target < b.source + b.target ? -1 : 1));
  for (const { source, target } of sorted) graph.setEdge(source, target);
  dagre.layout(graph);
  const at = new Map(items.map(({ id }) => [id, { x: graph.node(id).x, y: graph.node(id).y }]));
  const { width = 0, height = 0 } = graph.graph();
  return { at, width, height };
}

/** Rows from left to right, at least as wide as `width`, else about twice as wide as high. */
function packed(items: readonly Sized[], width: number): Area {
  const area = items.reduce((sum, item) => sum + (item.width + gap) * (item.height + gap / 2), 0);
  const limit = Math.max(width, Math.sqrt(area * 2), ...items.map((item) => item.width));
  const at = new Map<string, Point>();
  let [x, y, tall, wide] = [0, 0, 0, 0];
  for (const item of items) {
    if (x > 0 && x + item.width > limit) {
      y += tall + gap / 2;
      [x, tall] = [0, 0];
    }
    at.set(item.id, { x: x + item.width / 2, y: y + item.height / 2 });
    x += item.width + gap;
    tall = Math.max(tall, item.height);
    wide = Math.max(wide, x - gap);
  }
  return { at, width: wide, height: y + tall };
}

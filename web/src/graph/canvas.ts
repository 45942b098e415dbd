import cytoscape, { type Core, type EdgeSingular, type ElementDefinition, type NodeSingular } from 'cytoscape';
import type { Health, Numbers } from '#server/api.ts';
import { arranged, type Point } from './arrange.ts';
import { type Drawing, type DrawnEdge, type DrawnNode, sumOf } from './grouping.ts';
import { type EdgeLabel, edgeLooks, healthColour, nodeSize, palette, styles } from './looks.ts';
import { createOverlay } from './overlay.ts';
import type { Stream } from './particles.ts';
import { svgOf } from './svg.ts';

/** The drawing behind an interface, so that the renderer can be changed. */
export interface GraphCanvas {
  /** Draws nodes and edges. Positions stay; the layout moves only when nodes come or go, or one gets its first edge. */
  show(drawing: Drawing, labels: readonly EdgeLabel[]): void;
  /** New numbers, without touching the layout. */
  update(): void;
  select(id: string | undefined): void;
  /** Goes along an edge (or beside) in a direction; the node arrived at. */
  step(from: string | undefined, direction: 'left' | 'right' | 'up' | 'down'): string | undefined;
  zoom(factor: number): void;
  fit(): void;
  layout(): void;
  /** Dots that run along the edges, on or off. */
  flow(on: boolean): void;
  /** Takes the colours of the theme again. */
  recolour(): void;
  png(): Promise<Blob>;
  svg(): Blob;
  destroy(): void;
}

export interface CanvasEvents {
  readonly onSelect: (id: string | undefined) => void;
  readonly onOpen: (id: string) => void;
  readonly onHover: (id: string | undefined, x: number, y: number) => void;
}

/** Where numbers of edges and nodes of the mesh are found, by their ids. */
export interface NumbersById {
  readonly edge: (id: string) => Numbers;
  readonly node: (id: string) => Numbers;
}

const real = 'node[kind != "box"]';
/** Above this many nodes a new layout jumps instead of moving. */
const animateUpTo = 300;
const moveMs = 240;
/** Where an edge keeps its numbers: unlike data, what is kept there makes no style be computed. */
const sumKey = '_numbers';
const largestFit = 1.25;

export function createCanvas(container: HTMLElement, events: CanvasEvents, numbers: NumbersById): GraphCanvas {
  let colours = palette();
  const cy = cytoscape({
    container,
    style: styles(colours),
    minZoom: 0.05,
    maxZoom: 2.5,
    autounselectify: true,
    boxSelectionEnabled: false,
  });
  let drawing: Drawing = { nodes: [], edges: [], boxes: [], grouped: false };
  let labels: readonly EdgeLabel[] = [];
  let shape = '';
  // Until somebody moves or zooms, the whole graph stays in sight.
  let moved = false;
  const streams = streamsOf(cy);
  const overlay = createOverlay(container, streams, () => ({ zoom: cy.zoom(), pan: cy.pan() }));
  overlay.setColours(colours);
  cy.on('dragpan scrollzoom pinchzoom', () => {
    moved = true;
  });
  const resized = new ResizeObserver(() => {
    cy.resize();
    if (!moved) look(cy, cy.elements().boundingBox({}));
  });
  resized.observe(container);
  cy.on('tap', (event) => events.onSelect(event.target === cy ? undefined : event.target.id()));
  cy.on('dbltap', 'node', (event) => events.onOpen(event.target.id()));
  cy.on('mouseover', 'node, edge', (event) => events.onHover(event.target.id(), event.renderedPosition.x, event.renderedPosition.y));
  cy.on('mouseout', 'node, edge', () => events.onHover(undefined, 0, 0));

  const arrange = (animate: boolean) => {
    const nodes = cy.nodes(real);
    const positions = arranged(
      nodes.map((node) => ({ id: node.id(), width: node.data('size'), box: String(node.data('box')) })),
      cy.edges().map((edge) => ({ source: edge.source().id(), target: edge.target().id() })),
    );
    const still = window.matchMedia('(prefers-reduced-motion: reduce)').matches || nodes.length > animateUpTo;
    const move = animate && !still;
    nodes
      .layout({
        name: 'preset',
        positions: Object.fromEntries(positions),
        animate: move,
        animationDuration: moveMs,
        fit: false,
      })
      .run();
    if (!moved && nodes.length) look(cy, boundsOf(nodes.toArray(), positions), move);
  };

  return {
    show(next, wanted) {
      labels = wanted;
      drawing = next;
      const before = cy.nodes().length;
      cy.batch(() => draw(cy, drawing, { labels, numbers }));
      const linked = new Set(drawing.edges.flatMap(({ source, target }) => [source, target]));
      const nextShape = drawing.nodes
        .map(({ id, box }) => `${id}${linked.has(id) ? '+' : ''} ${box}`)
        .sort()
        .join();
      if (nextShape === shape) return;
      shape = nextShape;
      arrange(before > 0);
    },
    update() {
      cy.batch(() => {
        for (const edge of drawing.edges) {
          const sum = sumOf(edge.members, numbers.edge);
          const element = cy.getElementById(edge.id);
          setChanged(element, { ...edgeLooks(sum, labels) });
          element.scratch(sumKey, sum);
        }
        for (const node of drawing.nodes) {
          setChanged(cy.getElementById(node.id), { size: nodeSize(node.label, sumOf(node.members, numbers.node)) });
        }
      });
    },
    select(id) {
      cy.elements('.selected, .faded').removeClass('selected faded');
      if (!id) return;
      const element = cy.getElementById(id);
      if (!element.length) return;
      element.addClass('selected');
      const near = element.closedNeighborhood();
      cy.elements(`edge, ${real}`).not(near).addClass('faded');
    },
    step(from, direction) {
      const all = cy.nodes(real);
      const current = all.filter((node) => node.id() === from);
      if (!current.length) return all[0]?.id();
      const nodes = { left: current.incomers().nodes(), right: current.outgoers().nodes(), up: all, down: all }[direction];
      const here = current.position();
      const sign = direction === 'up' ? -1 : 1;
      const vertical = direction === 'up' || direction === 'down';
      const ahead = nodes.toArray().filter((node) => node.id() !== from && (!vertical || sign * (node.position().y - here.y) > 1));
      const [target] = ahead.sort((a, b) => distance(a.position(), here, vertical) - distance(b.position(), here, vertical));
      if (!target) return from;
      const { x1, x2, y1, y2 } = cy.extent();
      const at = target.position();
      if (at.x < x1 || at.x > x2 || at.y < y1 || at.y > y2) cy.center(target);
      return target.id();
    },
    zoom(factor) {
      moved = true;
      cy.zoom({ level: cy.zoom() * factor, renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 } });
    },
    fit() {
      moved = false;
      look(cy, cy.elements().boundingBox({}));
    },
    layout() {
      moved = false;
      arrange(true);
    },
    flow(on) {
      if (on) overlay.start();
      else overlay.stop();
    },
    recolour() {
      colours = palette();
      cy.style(styles(colours));
      overlay.setColours(colours);
    },
    png: () => cy.png({ output: 'blob-promise', full: true, scale: 2, bg: colours.background }) as unknown as Promise<Blob>,
    svg: () => new Blob([svgOf(pictureOf(cy, colours), colours)], { type: 'image/svg+xml' }),
    destroy() {
      resized.disconnect();
      overlay.destroy();
      cy.destroy();
    },
  };
}

interface Bounds {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
}

/** Brings bounds into sight, with a margin; a small graph is not blown up. */
function look(cy: Core, { x1, y1, x2, y2 }: Bounds, move = false): void {
  const zoom = Math.min(largestFit, (cy.width() - 80) / (x2 - x1), (cy.height() - 80) / (y2 - y1));
  if (!(zoom > 0) || !Number.isFinite(zoom)) return;
  const view = { zoom, pan: { x: (cy.width() - zoom * (x1 + x2)) / 2, y: (cy.height() - zoom * (y1 + y2)) / 2 } };
  if (move) cy.animate(view, { duration: moveMs });
  else cy.viewport(view);
}

/** Where nodes will be, boxes around them included. */
function boundsOf(nodes: readonly NodeSingular[], positions: ReadonlyMap<string, Point>): Bounds {
  let [x1, y1, x2, y2] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const node of nodes) {
    const { x, y } = positions.get(node.id()) ?? node.position();
    const around = node.data('box') ? 30 : 0;
    const half = Number(node.data('size')) / 2;
    [x1, x2] = [Math.min(x1, x - half - around), Math.max(x2, x + half + around)];
    [y1, y2] = [Math.min(y1, y - 18 - around), Math.max(y2, y + 18 + around)];
  }
  return { x1, y1, x2, y2 };
}

function distance(a: { x: number; y: number }, b: { x: number; y: number }, vertical: boolean): number {
  const [dx, dy] = [Math.abs(a.x - b.x), Math.abs(a.y - b.y)];
  return vertical ? dx * 3 + dy : dx + dy * 2;
}

interface Filling {
  readonly labels: readonly EdgeLabel[];
  readonly numbers: NumbersById;
}

/** Makes the elements those of the drawing; what is already there keeps its place. */
function draw(cy: Core, { nodes, edges, boxes }: Drawing, filling: Filling): void {
  const boxId = (name: string) => `box/${name}`;
  const kept = new Set([...nodes.map(({ id }) => id), ...edges.map(({ id }) => id)]);
  cy.elements(`edge, ${real}`)
    .filter((element) => !kept.has(element.id()))
    .remove();
  const put = (definition: ElementDefinition) => {
    const held = cy.getElementById(definition.data.id ?? '');
    if (held.length) held.data(definition.data).scratch(definition.scratch ?? {});
    else cy.add(definition);
  };
  for (const box of boxes) put({ group: 'nodes', data: { id: boxId(box), kind: 'box', label: box } });
  for (const node of nodes) {
    put(nodeElement(node, filling));
    const element = cy.getElementById(node.id);
    const parent = node.box ? boxId(node.box) : null;
    if ((element.parent().first().id() ?? null) !== parent) element.move({ parent });
  }
  for (const edge of edges) put(edgeElement(edge, filling));
  // Only now: whoever removes a box removes what is still in it.
  cy.nodes('[kind = "box"]')
    .filter((box) => !boxes.includes(String(box.data('label'))))
    .remove();
}

function nodeElement({ id, kind, health, label, box, members }: DrawnNode, { numbers }: Filling): ElementDefinition {
  return { group: 'nodes', data: { id, kind, health, label, box, size: nodeSize(label, sumOf(members, numbers.node)) } };
}

function edgeElement({ id, source, target, mtls, members }: DrawnEdge, { labels, numbers }: Filling): ElementDefinition {
  const sum = sumOf(members, numbers.edge);
  return { group: 'edges', data: { id, source, target, mtls: mtls ? 1 : 0, ...edgeLooks(sum, labels) }, scratch: { [sumKey]: sum } };
}

/** Styles are computed anew for what is set, so only what differs is set. */
function setChanged(element: ReturnType<Core['getElementById']>, next: Readonly<Record<string, unknown>>): void {
  if (!element.length) return;
  const changed = Object.entries(next).filter(([name, value]) => element.data(name) !== value);
  if (changed.length) element.data(Object.fromEntries(changed));
}

/** Edges with requests, as they lie now: read once a second, and soon after something moved. */
function streamsOf(cy: Core): () => readonly Stream[] {
  let held: readonly Stream[] = [];
  let readAt = 0;
  let dirty = true;
  cy.on('position add remove', () => {
    dirty = true;
  });
  return () => {
    const now = performance.now();
    if (now - readAt < (dirty ? 200 : 1000)) return held;
    [dirty, readAt] = [false, now];
    held = cy
      .edges()
      .toArray()
      .filter((edge) => sumOn(edge).rps > 0 && edge.source().id() !== edge.target().id())
      .map((edge) => ({ id: edge.id(), ...lineOf(edge), ...sumOn(edge), covered: String(edge.data('label')).length * 2.9 }));
    return held;
  };
}

const sumOn = (edge: EdgeSingular): Numbers => edge.scratch(sumKey);

function lineOf(edge: EdgeSingular): Pick<Stream, 'from' | 'middle' | 'to'> {
  return { from: { ...edge.sourceEndpoint() }, middle: { ...edge.midpoint() }, to: { ...edge.targetEndpoint() } };
}

function pictureOf(cy: Core, colours: ReturnType<typeof palette>): Parameters<typeof svgOf>[0] {
  const shapeOf = (node: NodeSingular) => {
    const { x1, y1, x2, y2 } = node.boundingBox({ includeLabels: false, includeOverlays: false });
    return { x1, y1, x2, y2, label: String(node.data('label')) };
  };
  const { x1, y1, x2, y2 } = cy.elements().boundingBox({});
  return {
    extent: { x1, y1, x2, y2 },
    boxes: cy.nodes('[kind = "box"]').map(shapeOf),
    nodes: cy.nodes(real).map((node) => ({
      ...shapeOf(node),
      kind: String(node.data('kind')),
      border: node.data('health') === 'bad' ? 3 : node.data('health') === 'warn' ? 2.5 : 1.5,
      colour: healthColour(node.data('health') satisfies Health, colours),
    })),
    edges: cy.edges().map((edge) => ({
      ...lineOf(edge),
      colour: edge.data('tone') === 'idle' ? colours.line : healthColour(edge.data('tone'), colours),
      width: Number(edge.data('width')),
      idle: edge.data('tone') === 'idle',
      label: String(edge.data('label')),
    })),
  };
}

import dagre from '@dagrejs/dagre';
import cytoscape, { type Core, type ElementDefinition } from 'cytoscape';
import type { Graph, GraphEdge, GraphNode, Numbers } from '#server/api.ts';
import { duration, rate, share } from '../format.ts';
import { colour } from '../state/theme.ts';

export type EdgeLabel = 'rps' | 'errors' | 'p50' | 'p95' | 'p99';

/** The drawing behind an interface, so that the renderer can be changed. */
export interface GraphCanvas {
  /** Draws nodes and edges. Positions stay; only new nodes move the layout. */
  show(graph: Pick<Graph, 'nodes' | 'edges'>, labels: readonly EdgeLabel[]): void;
  /** New numbers of edges and nodes, without touching the layout. */
  update(edges: (id: string) => Numbers, nodes: (id: string) => Numbers): void;
  select(id: string | undefined): void;
  /** Goes along an edge (or beside) in a direction; the node arrived at. */
  step(from: string | undefined, direction: 'left' | 'right' | 'up' | 'down'): string | undefined;
  zoom(factor: number): void;
  fit(): void;
  layout(): void;
  /** Takes the colours of the theme again. */
  recolour(): void;
  png(): Promise<Blob>;
  destroy(): void;
}

export interface CanvasEvents {
  readonly onSelect: (id: string | undefined) => void;
  readonly onOpen: (id: string) => void;
  readonly onHover: (id: string | undefined, x: number, y: number) => void;
}

export function createCanvas(container: HTMLElement, events: CanvasEvents): GraphCanvas {
  const cy = cytoscape({ container, style: styles(), minZoom: 0.1, maxZoom: 2.5, autounselectify: true, boxSelectionEnabled: false });
  let labels: readonly EdgeLabel[] = [];
  let shape = '';
  // Until somebody moves or zooms, the whole graph stays in sight.
  let moved = false;
  cy.on('dragpan scrollzoom pinchzoom', () => {
    moved = true;
  });
  const resized = new ResizeObserver(() => {
    cy.resize();
    if (!moved) cy.fit(undefined, 40);
  });
  resized.observe(container);
  cy.on('tap', (event) => events.onSelect(event.target === cy ? undefined : event.target.id()));
  cy.on('dbltap', 'node', (event) => events.onOpen(event.target.id()));
  cy.on('mouseover', 'node, edge', (event) => events.onHover(event.target.id(), event.renderedPosition.x, event.renderedPosition.y));
  cy.on('mouseout', 'node, edge', () => events.onHover(undefined, 0, 0));

  const reducedMotion = () => window.matchMedia('(prefers-reduced-motion: reduce)').matches;
  const arrange = (animate: boolean) => {
    const positions = layered(cy);
    const move = animate && !reducedMotion();
    cy.layout({
      name: 'preset',
      positions: Object.fromEntries(positions),
      animate: move,
      animationDuration: 240,
      fit: true,
      padding: 40,
    }).run();
  };

  return {
    show({ nodes, edges }, wanted) {
      labels = wanted;
      const next = [...nodes.map(nodeElement), ...edges.map((edge) => edgeElement(edge, labels))];
      const ids = new Set(next.map(({ data }) => data.id));
      const before = cy.nodes().length;
      cy.batch(() => {
        cy.elements()
          .filter((element) => !ids.has(element.id()))
          .remove();
        for (const definition of next) {
          const held = cy.getElementById(definition.data.id ?? '');
          if (held.length) held.data(definition.data);
          else cy.add(definition);
        }
      });
      const nextShape = [...ids].sort().join();
      if (nextShape === shape) return;
      shape = nextShape;
      arrange(before > 0);
    },
    update(edgeNumbers, nodeNumbers) {
      cy.batch(() => {
        cy.edges().forEach((edge) => {
          edge.data(edgeLooks(edgeNumbers(edge.id()), labels));
        });
        cy.nodes().forEach((node) => {
          node.data({ size: nodeSize(String(node.data('label')), nodeNumbers(node.id())) });
        });
      });
    },
    select(id) {
      cy.elements().removeClass('selected faded');
      if (!id) return;
      const element = cy.getElementById(id);
      if (!element.length) return;
      element.addClass('selected');
      const near = element.closedNeighborhood();
      cy.elements().not(near).addClass('faded');
    },
    step(from, direction) {
      const current = cy.nodes().filter((node) => node.id() === from);
      if (!current.length) return cy.nodes()[0]?.id();
      const nodes = { left: current.incomers().nodes(), right: current.outgoers().nodes(), up: cy.nodes(), down: cy.nodes() }[direction];
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
      cy.fit(undefined, 40);
    },
    layout() {
      moved = false;
      arrange(true);
    },
    recolour() {
      cy.style(styles());
    },
    png: () => cy.png({ output: 'blob-promise', full: true, scale: 2, bg: colour('background') }) as unknown as Promise<Blob>,
    destroy() {
      resized.disconnect();
      cy.destroy();
    },
  };
}

function distance(a: { x: number; y: number }, b: { x: number; y: number }, vertical: boolean): number {
  const [dx, dy] = [Math.abs(a.x - b.x), Math.abs(a.y - b.y)];
  return vertical ? dx * 3 + dy : dx + dy * 2;
}

/** Layers from left to right along the requests; boxes by dagre. */
function layered(cy: Core): Map<string, { x: number; y: number }> {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: 'LR', nodesep: 34, ranksep: 78, ranker: 'network-simplex' });
  graph.setDefaultEdgeLabel(() => ({}));
  const byName = cy.nodes().sort((a, b) => (a.id() < b.id() ? -1 : 1));
  byName.forEach((node) => {
    graph.setNode(node.id(), { width: node.data('size'), height: 44 });
  });
  cy.edges().forEach((edge) => {
    graph.setEdge(edge.source().id(), edge.target().id());
  });
  dagre.layout(graph);
  return new Map(graph.nodes().map((id) => [id, { x: graph.node(id).x, y: graph.node(id).y }]));
}

function nodeElement(node: GraphNode): ElementDefinition {
  const marks = [node.problems ? '⚠ ' : '', node.health === 'bad' ? '✖ ' : ''].join('');
  const label = `${marks}${node.name}`;
  return { group: 'nodes', data: { id: node.id, kind: node.kind, health: node.health, label, size: nodeSize(label, node.numbers) } };
}

/** Room for the name, and more with the rate on a logarithmic scale. */
function nodeSize(label: string, { rps }: Numbers): number {
  return Math.max(72, label.length * 7.6 + 16) + Math.min(32, Math.log10(1 + rps) * 12);
}

function edgeElement(edge: GraphEdge, labels: readonly EdgeLabel[]): ElementDefinition {
  return {
    group: 'edges',
    data: { id: edge.id, source: edge.source, target: edge.target, mtls: edge.mtls ? 1 : 0, ...edgeLooks(edge.numbers, labels) },
  };
}

function edgeLooks(numbers: Numbers, labels: readonly EdgeLabel[]): { label: string; width: number; tone: string } {
  const idle = numbers.rps === 0 && numbers.bps === 0;
  const tone = idle ? 'idle' : numbers.errors >= 0.05 ? 'bad' : numbers.errors >= 0.01 ? 'warn' : 'ok';
  const said = labels.map((label) =>
    label === 'rps'
      ? `${rate(numbers.rps)}/s`
      : label === 'errors'
        ? numbers.errors
          ? share(numbers.errors)
          : ''
        : duration(numbers[label]),
  );
  return {
    label: idle ? '' : said.filter(Boolean).join('  '),
    width: idle ? 1 : 1.2 + Math.min(4, Math.log10(1 + numbers.rps) * 1.6),
    tone,
  };
}

function styles(): cytoscape.StylesheetJson {
  const c = {
    text: colour('text'),
    muted: colour('muted'),
    surface: colour('surface'),
    background: colour('background'),
    line: colour('line-strong'),
    accent: colour('accent'),
    ok: colour('ok'),
    warn: colour('warn'),
    bad: colour('bad'),
  };
  return [
    {
      selector: 'node',
      style: {
        shape: 'round-rectangle',
        width: 'data(size)',
        height: 36,
        label: 'data(label)',
        color: c.text,
        'font-size': 13,
        'font-family': 'system-ui, sans-serif',
        'text-valign': 'center',
        'text-halign': 'center',
        'background-color': c.surface,
        'border-width': 1.5,
        'border-color': c.line,
      },
    },
    {
      selector: 'node[kind = "workload"]',
      style: { shape: 'rectangle', height: 32, 'font-size': 12, 'font-family': 'ui-monospace, monospace' },
    },
    { selector: 'node[kind = "service"]', style: { 'font-weight': 600 } },
    { selector: 'node[kind = "outside"]', style: { 'border-style': 'dashed', color: c.muted } },
    { selector: 'node[health = "ok"]', style: { 'border-color': c.ok } },
    { selector: 'node[health = "warn"]', style: { 'border-color': c.warn, 'border-width': 2.5 } },
    { selector: 'node[health = "bad"]', style: { 'border-color': c.bad, 'border-width': 3 } },
    {
      selector: 'edge',
      style: {
        'curve-style': 'bezier',
        width: 'data(width)',
        label: 'data(label)',
        'line-color': c.ok,
        'target-arrow-color': c.ok,
        'target-arrow-shape': 'triangle',
        'arrow-scale': 0.9,
        color: c.text,
        'font-size': 11,
        'font-family': 'system-ui, sans-serif',
        'text-background-color': c.background,
        'text-background-opacity': 0.92,
        'text-background-padding': '2px',
      },
    },
    { selector: 'edge[tone = "idle"]', style: { 'line-style': 'dashed', 'line-color': c.line, 'target-arrow-color': c.line } },
    { selector: 'edge[tone = "warn"]', style: { 'line-color': c.warn, 'target-arrow-color': c.warn } },
    { selector: 'edge[tone = "bad"]', style: { 'line-color': c.bad, 'target-arrow-color': c.bad } },
    { selector: '.faded', style: { opacity: 0.28 } },
    {
      selector: '.selected',
      style: { 'border-color': c.accent, 'border-width': 3, 'line-color': c.accent, 'target-arrow-color': c.accent },
    },
  ];
}

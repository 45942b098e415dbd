import { type KeyboardEvent, useEffect, useRef, useState } from 'react';
import { numbersOf } from '../state/live.ts';
import { go, nodeHref, setParams } from '../state/location.ts';
import { useShownTheme } from '../state/theme.ts';
import { IconButton } from '../ui/button.tsx';
import { quantityText } from '../ui/numbers.tsx';
import { createCanvas, type GraphCanvas } from './canvas.ts';
import { type Drawing, type DrawnNode, groupOf, sumOf } from './grouping.ts';
import type { EdgeLabel } from './looks.ts';

const nodeNumbers = (id: string) => {
  const received = numbersOf(id);
  return received.rps || received.bps ? received : numbersOf(`out:${id}`);
};

/** The drawing with its buttons, keys and the words for screen readers. */
export function DrawingView({
  drawing,
  labels,
  selected,
  flows,
}: {
  readonly drawing: Drawing;
  readonly labels: readonly EdgeLabel[];
  readonly selected: string | undefined;
  /** Whether dots run along the edges. */
  readonly flows: boolean;
}) {
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<GraphCanvas>(undefined);
  const [hover, setHover] = useState<{ id: string; x: number; y: number }>();
  const theme = useShownTheme();
  const labelText = labels.join();

  useEffect(() => {
    if (!frame.current) return;
    const made = createCanvas(
      frame.current,
      {
        onSelect: (id) => (id && groupOf(id) !== undefined ? open(id) : setParams({ node: id && !id.includes('>') ? id : '' })),
        onOpen: (id) => groupOf(id) === undefined && open(id),
        onHover: (id, x, y) => setHover(id ? { id, x, y } : undefined),
      },
      { edge: numbersOf, node: nodeNumbers },
    );
    canvas.current = made;
    return () => made.destroy();
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: labels are compared by their text
  useEffect(() => canvas.current?.show(drawing, labels), [drawing, labelText]);
  useEffect(() => {
    const timer = setInterval(() => canvas.current?.update(), 1000);
    return () => clearInterval(timer);
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: nodes that came anew are not marked yet
  useEffect(() => canvas.current?.select(selected), [selected, drawing]);
  useEffect(() => canvas.current?.flow(flows), [flows]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new theme means new colours on the canvas
  useEffect(() => canvas.current?.recolour(), [theme]);

  const press = (event: KeyboardEvent) => {
    const arrows: Readonly<Record<string, 'left' | 'right' | 'up' | 'down'>> = {
      ArrowLeft: 'left',
      ArrowRight: 'right',
      ArrowUp: 'up',
      ArrowDown: 'down',
    };
    const arrow = arrows[event.key];
    const { current } = canvas;
    if (!current) return;
    if (arrow) setParams({ node: current.step(selected, arrow) ?? '' });
    else if (event.key === 'Enter' && selected) open(selected);
    else if (event.key === 'Escape') setParams({ node: '' });
    else if (event.key === '+') current.zoom(1.25);
    else if (event.key === '-') current.zoom(0.8);
    else if (event.key === '0') current.fit();
    else return;
    event.preventDefault();
  };
  const chosen = drawing.nodes.find((node) => node.id === selected);
  return (
    <div className="graph-frame">
      <div
        ref={frame}
        className="graph-canvas"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the drawing takes arrow keys
        tabIndex={0}
        role="application"
        aria-label="Graph of the mesh. Arrow keys go along requests, Enter opens, plus and minus zoom, zero shows all."
        onKeyDown={press}
      />
      <div className="graph-buttons">
        <IconButton label="Zoom in" icon="plus" onClick={() => canvas.current?.zoom(1.25)} />
        <IconButton label="Zoom out" icon="minus" onClick={() => canvas.current?.zoom(0.8)} />
        <IconButton label="Show all" icon="fit" onClick={() => canvas.current?.fit()} />
        <IconButton label="Arrange anew" icon="layout" onClick={() => canvas.current?.layout()} />
        <SaveButton label="Save as PNG" onClick={() => void canvas.current?.png().then((blob) => save(blob, 'mesh.png'))}>
          PNG
        </SaveButton>
        <SaveButton label="Save as SVG" onClick={() => canvas.current && save(canvas.current.svg(), 'mesh.svg')}>
          SVG
        </SaveButton>
      </div>
      <p className="hidden" role="status">
        {chosen ? words(chosen) : ''}
      </p>
      {hover && <Tip {...hover} drawing={drawing} />}
    </div>
  );
}

function words(node: DrawnNode): string {
  const numbers = sumOf(node.members, nodeNumbers);
  const what = node.kind === 'group' ? `group of ${node.members.length} nodes, Enter opens it` : node.kind;
  const named = node.kind === 'group' ? (groupOf(node.id) ?? '') : node.label;
  return `${what} ${named}, ${node.health}, ${quantityText(numbers, 'rps')} requests per second, ${quantityText(numbers, 'errors')} failed`;
}

function Tip({ id, x, y, drawing }: { readonly id: string; readonly x: number; readonly y: number; readonly drawing: Drawing }) {
  const edge = drawing.edges.find((candidate) => candidate.id === id);
  const node = drawing.nodes.find((candidate) => candidate.id === id);
  const numbers = edge ? sumOf(edge.members, numbersOf) : sumOf(node?.members ?? [id], nodeNumbers);
  const name = id
    .split('>')
    .map((end) => groupOf(end) ?? end.split('/').at(-1))
    .join(' → ');
  return (
    <div className="graph-tip" style={{ left: x + 14, top: y + 14 }}>
      <b>{name}</b>
      {node?.kind === 'group' && <span>{node.members.length} nodes, click to open</span>}
      <span className="number">
        {(['rps', 'errors', 'p50', 'p95', 'p99'] as const).map((quantity) => `${quantity} ${quantityText(numbers, quantity)}`).join('   ')}
      </span>
    </div>
  );
}

function SaveButton({ label, onClick, children }: { readonly label: string; readonly onClick: () => void; readonly children: string }) {
  return (
    <button type="button" className="button quiet" aria-label={label} title={label} onClick={onClick}>
      {children}
    </button>
  );
}

function save(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Opens a group in place, and the page of anything else. */
function open(id: string): void {
  const group = groupOf(id);
  if (group !== undefined) {
    const held = new URLSearchParams(window.location.search).get('open') ?? '';
    setParams({ open: [...held.split(',').filter(Boolean), group].join(','), node: '' });
    return;
  }
  const href = nodeHref(id);
  if (href) go(href);
}

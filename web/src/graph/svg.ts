import type { Point } from './arrange.ts';
import type { Palette } from './palette.ts';

interface Shape {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
}

/** The drawing as plain values, in its own units. */
export interface Picture {
  readonly extent: Shape;
  readonly boxes: readonly (Shape & { readonly label: string })[];
  readonly nodes: readonly (Shape & { readonly label: string; readonly colour: string; readonly kind: string; readonly border: number })[];
  readonly edges: readonly {
    readonly from: Point;
    readonly middle: Point;
    readonly to: Point;
    readonly colour: string;
    readonly width: number;
    readonly idle: boolean;
    readonly label: string;
  }[];
}

const margin = 24;
const sans = 'system-ui, sans-serif';

/** A self-contained SVG document: text stays text, colours are those of the theme on the screen. */
export function svgOf({ extent, boxes, nodes, edges }: Picture, c: Palette): string {
  const [x, y] = [Math.floor(extent.x1 - margin), Math.floor(extent.y1 - margin)];
  const [width, height] = [Math.ceil(extent.x2 + margin) - x, Math.ceil(extent.y2 + margin) - y];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${x} ${y} ${width} ${height}" width="${width}" height="${height}" font-family="${sans}">`,
    '<title>Graph of the mesh</title>',
    `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="${c.background}"/>`,
    ...boxes.map(
      (box) =>
        `${rectangle(box, 6, `fill="${c.sunken}" stroke="${c.faint}"`)}${words(box.label, { x: (box.x1 + box.x2) / 2, y: box.y1 + 16 }, `font-size="13" font-weight="600" fill="${c.muted}"`)}`,
    ),
    ...edges.map((edge) => line(edge)),
    ...edges.filter((edge) => edge.label).map(({ label, middle }) => words(label, middle, labelLooks(c))),
    ...nodes.map(
      (node) =>
        `${rectangle(node, node.kind === 'workload' ? 0 : 8, `fill="${c.surface}" stroke="${node.colour}" stroke-width="${node.border}"${node.kind === 'outside' ? ' stroke-dasharray="4 3"' : ''}`)}${words(node.label, { x: (node.x1 + node.x2) / 2, y: (node.y1 + node.y2) / 2 }, nodeText(node.kind, c))}`,
    ),
    '</svg>',
    '',
  ].join('\n');
}

const labelLooks = (c: Palette) => `font-size="11" fill="${c.text}" stroke="${c.background}" stroke-width="3" paint-order="stroke"`;

function nodeText(kind: string, c: Palette): string {
  if (kind === 'workload') return `font-size="12" font-family="ui-monospace, monospace" fill="${c.text}"`;
  return `font-size="13"${kind === 'service' ? ' font-weight="600"' : ''} fill="${kind === 'outside' ? c.muted : c.text}"`;
}

function rectangle({ x1, y1, x2, y2 }: Shape, radius: number, looks: string): string {
  return `<rect x="${short(x1)}" y="${short(y1)}" width="${short(x2 - x1)}" height="${short(y2 - y1)}" rx="${radius}" ${looks}/>`;
}

function words(text: string, { x, y }: Point, looks: string): string {
  return `<text x="${short(x)}" y="${short(y)}" text-anchor="middle" dominant-baseline="central" ${looks}>${escaped(text)}</text>`;
}

function line({ from, middle, to, colour, width, idle }: Picture['edges'][number]): string {
  const bend = { x: 2 * middle.x - (from.x + to.x) / 2, y: 2 * middle.y - (from.y + to.y) / 2 };
  const dashes = idle ? ' stroke-dasharray="6 4"' : '';
  const path = `<path d="M${at(from)} Q${at(bend)} ${at(to)}" fill="none" stroke="${colour}" stroke-width="${width}"${dashes}/>`;
  const angle = Math.atan2(to.y - bend.y, to.x - bend.x);
  const wing = (turn: number) => at({ x: to.x - 9 * Math.cos(angle + turn), y: to.y - 9 * Math.sin(angle + turn) });
  return `${path}<path d="M${at(to)} L${wing(0.45)} L${wing(-0.45)} Z" fill="${colour}"/>`;
}

const at = ({ x, y }: Point) => `${short(x)} ${short(y)}`;
const short = (value: number) => Math.round(value * 10) / 10;
const escaped = (text: string) => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);

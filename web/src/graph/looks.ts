import type cytoscape from 'cytoscape';
import type { Health, Numbers } from '#server/api.ts';
import { duration, rate, share } from '../format.ts';
import { colour } from '../state/theme.ts';
import type { Palette } from './palette.ts';

export type EdgeLabel = 'rps' | 'errors' | 'p50' | 'p95' | 'p99';

export interface EdgeLooks {
  readonly label: string;
  readonly width: number;
  readonly tone: 'idle' | 'ok' | 'warn' | 'bad';
}

/** Room for the name, and more with the rate on a logarithmic scale. */
export function nodeSize(label: string, { rps }: Numbers): number {
  return Math.round(Math.max(72, label.length * 7.6 + 16) + Math.min(32, Math.log10(1 + rps) * 12));
}

/** Width and colour by rate and errors; at most the chosen numbers as label. */
export function edgeLooks(numbers: Numbers, labels: readonly EdgeLabel[]): EdgeLooks {
  const { rps, errors, bps } = numbers;
  const idle = rps === 0 && bps === 0;
  const tone = idle ? 'idle' : errors >= 0.05 ? 'bad' : errors >= 0.01 ? 'warn' : 'ok';
  const said = labels.map((label) =>
    label === 'rps'
      ? `${rate(rps)}/s`
      : label === 'errors'
        ? errors
          ? share(errors)
          : ''
        : numbers[label] === null
          ? ''
          : duration(numbers[label]),
  );
  return {
    label: idle ? '' : said.filter(Boolean).join('  '),
    width: idle ? 1 : Math.round((1.2 + Math.min(4, Math.log10(1 + rps) * 1.6)) * 10) / 10,
    tone,
  };
}

/** Colours of the theme that is shown, as text a canvas and an SVG understand. */
export function palette(): Palette {
  return {
    text: colour('text'),
    muted: colour('muted'),
    surface: colour('surface'),
    sunken: colour('sunken'),
    background: colour('background'),
    line: colour('line-strong'),
    faint: colour('line'),
    accent: colour('accent'),
    ok: colour('ok'),
    warn: colour('warn'),
    bad: colour('bad'),
  };
}

export function healthColour(health: Health, c: Palette): string {
  return health === 'ok' || health === 'warn' || health === 'bad' ? c[health] : c.line;
}

export function styles(c: Palette): cytoscape.StylesheetJson {
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
        'min-zoomed-font-size': 5,
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
    { selector: 'node[kind = "group"]', style: { 'border-style': 'double', 'border-width': 4, 'background-color': c.sunken } },
    {
      selector: 'node[kind = "box"]',
      style: {
        shape: 'round-rectangle',
        'background-color': c.sunken,
        'background-opacity': 0.6,
        'border-width': 1,
        'border-color': c.faint,
        color: c.muted,
        'font-weight': 600,
        'text-valign': 'top',
        'text-margin-y': 18,
        padding: '28px',
        events: 'no',
      },
    },
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
        'min-zoomed-font-size': 6,
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

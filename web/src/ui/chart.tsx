import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { ChangeEvent, History } from '#server/api.ts';
import { clockTime, duration, rate, share } from '../format.ts';
import { colour, useShownTheme } from '../state/theme.ts';

export type ChartKind = 'rate' | 'errors' | 'latency';

const kinds = {
  rate: { title: 'Requests per second', lines: [['rps', 'rate', 'series-1']], format: rate },
  errors: { title: 'Failed requests', lines: [['errors', 'errors', 'bad']], format: share },
  latency: {
    title: 'Latency',
    lines: [
      ['p50', 'p50', 'series-2'],
      ['p95', 'p95', 'series-3'],
      ['p99', 'p99', 'series-4'],
    ],
    format: (value: number) => duration(value),
  },
} as const;

/** One quantity over the last quarter of an hour, with marks where configuration changed and a table for those who cannot see it. */
export default function Chart({
  kind,
  history,
  events,
}: {
  readonly kind: ChartKind;
  readonly history: History;
  readonly events: readonly ChangeEvent[];
}) {
  const frame = useRef<HTMLDivElement>(null);
  const theme = useShownTheme();
  const { title, lines, format } = kinds[kind];
  const latest = useRef({ history, events });
  latest.current = { history, events };
  const plot = useRef<uPlot>(undefined);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new theme means new colours on the canvas
  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const axis = { stroke: colour('muted'), grid: { stroke: colour('line'), width: 1 }, ticks: { show: false }, font: '11px system-ui' };
    const made = new uPlot(
      {
        width: element.clientWidth,
        height: 150,
        cursor: { sync: { key: 'meshwright' }, points: { size: 6 } },
        legend: { live: true },
        scales: { y: { range: (_, __, max) => [0, Math.max(max * 1.1, kind === 'errors' ? 0.01 : 1)] } },
        axes: [
          { ...axis, size: 26, incrs: [60, 120, 300, 600], values: (_, at) => at.map((seconds) => clockTime(seconds * 1000).slice(0, 5)) },
          { ...axis, size: 64, space: 26, values: (_, values) => values.map((value) => format(value)) },
        ],
        series: [
          { label: 'time', value: (_, seconds) => (seconds === null ? '' : clockTime(seconds * 1000)) },
          ...lines.map(([, label, token]) => ({
            label,
            stroke: colour(token),
            width: 1.5,
            points: { show: false },
            value: (_: uPlot, value: number | null) => (value === null ? '–' : format(value)),
          })),
        ],
        hooks: { draw: [(drawn) => drawMarks(drawn, latest.current.events, colour('accent'))] },
      },
      toData(latest.current.history, lines),
      element,
    );
    plot.current = made;
    const resize = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: 150 }));
    resize.observe(element);
    return () => {
      resize.disconnect();
      made.destroy();
    };
  }, [theme, kind]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: events are drawn with the data
  useEffect(() => plot.current?.setData(toData(history, lines)), [history, events]);

  const last = history.at.length - 1;
  return (
    <figure className="chart">
      <figcaption>{title}</figcaption>
      <div ref={frame} aria-hidden="true" />
      <details className="table-twin">
        <summary>{title} as a table</summary>
        <table>
          <thead>
            <tr>
              <th scope="col">time</th>
              {lines.map(([key, label]) => (
                <th scope="col" className="right" key={key}>
                  {label}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {history.at.slice(-12).map((at, index) => (
              <tr key={at}>
                <td>{clockTime(at)}</td>
                {lines.map(([key]) => {
                  const value = history[key][last - Math.min(11, last) + index];
                  return (
                    <td className="right" key={key}>
                      {value === null || value === undefined ? '–' : format(value)}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}

function toData(history: History, lines: readonly (readonly [keyof History, string, string])[]): uPlot.AlignedData {
  const at = history.at.map((ms) => ms / 1000);
  return [at, ...lines.map(([key]) => (history[key] as (number | null)[]) ?? [])] as uPlot.AlignedData;
}

/** Upright lines where somebody changed an object. */
function drawMarks(plot: uPlot, events: readonly ChangeEvent[], stroke: string): void {
  const { ctx, bbox } = plot;
  const { min = 0, max = 0 } = plot.scales.x ?? {};
  ctx.save();
  ctx.strokeStyle = stroke;
  ctx.setLineDash([4, 4]);
  for (const event of events) {
    const seconds = event.at / 1000;
    if (min === null || max === null || seconds < min || seconds > max) continue;
    const x = plot.valToPos(seconds, 'x', true);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

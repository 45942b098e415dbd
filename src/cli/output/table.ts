/** Columns of text. Cells hold one line each. */
export interface Column {
  readonly name: string;
  /** Which columns give way first when the table is too wide; 0 = never cut. Default 1. */
  readonly cut?: number;
  readonly align?: 'left' | 'right';
}

const gap = 3;
/** A cut column keeps at least this many characters. */
const leastWidth = 12;

/**
 * Lines of a table: upper-case header, columns as wide as their content, three blanks between. On a terminal the widest
 * columns that may be cut are shortened (with an ellipsis) until the table fits `width`; piped output is never cut.
 */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[], width: number): string[] {
  const widths = columns.map((column, i) => Math.max(column.name.length, ...rows.map((row) => lengthOf(row[i] ?? ''))));
  shrink(columns, widths, width);
  const line = (cells: readonly string[]) =>
    columns
      .map((column, i) => {
        const cell = fit(cells[i] ?? '', widths[i] ?? 0);
        return column.align === 'right' ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0);
      })
      .join(' '.repeat(gap))
      .trimEnd();
  return [line(columns.map(({ name }) => name.toUpperCase())), ...rows.map(line)];
}

function shrink(columns: readonly Column[], widths: number[], width: number): void {
  const total = () => widths.reduce((sum, w) => sum + w, 0) + gap * (widths.length - 1);
  while (total() > width) {
    let widest = -1;
    for (const [i, column] of columns.entries()) {
      const floor = Math.max(leastWidth, column.name.length);
      if ((column.cut ?? 1) > 0 && (widths[i] ?? 0) > floor && (widest < 0 || (widths[i] ?? 0) > (widths[widest] ?? 0))) widest = i;
    }
    if (widest < 0) return;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
}

function fit(text: string, width: number): string {
  const line = text.replace(/\s*\n\s*/g, ' ');
  return lengthOf(line) > width ? `${[...line].slice(0, width - 1).join('')}…` : line;
}

function lengthOf(text: string): number {
  return [...text].length;
}

/** Age as kubectl writes it: `12s`, `5m3s`, `3h`, `2d4h`. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (days < 8) return hours % 24 === 0 ? `${days}d` : `${days}d${hours % 24}h`;
  return days < 730 ? `${days}d` : `${Math.floor(days / 365)}y`;
}

type Cell = string | number | null;

/** Lines end with CR LF and texts are quoted where they must be (RFC 4180); a text that a spreadsheet would run starts with an apostrophe. */
export function csvOf(names: readonly string[], rows: readonly Readonly<Record<string, Cell>>[]): string {
  const lines = [names, ...rows.map((row) => names.map((name) => row[name] ?? ''))];
  return lines.map((line) => `${line.map(cellOf).join(',')}\r\n`).join('');
}

function cellOf(value: string | number): string {
  if (typeof value === 'number') return String(value);
  const text = /^[=+@\t\r-]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

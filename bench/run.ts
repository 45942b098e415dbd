/**
 * `npm run bench [-- name ...] [--quick]`: runs the benches (all by default), prints each figure with ratio, target and
 * spread, keeps them in bench/results/<name>.json and rewrites the table in README.md.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BenchModule, type BenchRow, round3 } from './bench.ts';
import { formatMachine, type Machine, machine } from './machine.ts';

interface Kept {
  readonly name: string;
  readonly machine: Machine;
  readonly rows: readonly BenchRow[];
}

const results = join(import.meta.dirname, 'results');
const readme = join(import.meta.dirname, '../README.md');
const begin = '<!-- figures: made by "npm run bench" -->';
const end = '<!-- end of figures -->';

/** Files of this folder that are no benches. */
const others: ReadonlySet<string> = new Set(['run.ts', 'bench.ts', 'machine.ts']);

const quick = process.argv.includes('--quick');
const asked = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const modules = await benchModules();
const unknown = asked.filter((name) => !modules.some((module) => module.name === name));
if (unknown.length > 0) {
  console.error(`bench: unknown ${unknown.join(', ')}; there are ${modules.map(({ name }) => name).join(', ')}`);
  process.exit(64);
}

let failed = 0;
for (const module of modules.filter(({ name }) => asked.length === 0 || asked.includes(name))) {
  console.log(`\n${module.name}`);
  const at = machine();
  try {
    const rows = await module.run({ quick, log: (line) => process.stderr.write(`  ${line}\n`) });
    for (const line of formatRows(rows)) console.log(line);
    if (!quick) keep({ name: module.name, machine: at, rows });
  } catch (error) {
    failed++;
    console.error(`  ${module.name} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
}
if (!quick) writeReadme();
process.exit(failed > 0 ? 1 : 0);

async function benchModules(): Promise<readonly BenchModule[]> {
  const found: BenchModule[] = [];
  for (const file of readdirSync(import.meta.dirname)) {
    if (!file.endsWith('.ts') || file.endsWith('.test.ts') || others.has(file)) continue;
    const module: unknown = await import(join(import.meta.dirname, file));
    if (isBench(module)) found.push(module);
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function isBench(module: unknown): module is BenchModule {
  return (
    typeof module === 'object' &&
    module !== null &&
    'name' in module &&
    typeof module.name === 'string' &&
    'run' in module &&
    typeof module.run === 'function'
  );
}

function formatRows(rows: readonly BenchRow[]): string[] {
  return rows.map((row) => {
    const parts = [`  ${verdict(row).padEnd(7)} ${row.what}: ${round3(row.ours)} ${row.unit}`];
    if (row.peer !== undefined) parts.push(`${row.peerName ?? 'peer'} ${round3(row.peer)}`);
    if (row.ratio !== undefined) parts.push(`ratio ${round3(row.ratio)}`);
    if (row.spread) parts.push(`spread ${round3(row.spread[0])}..${round3(row.spread[1])}`);
    if (row.target) parts.push(`target ${row.target}`);
    if (row.note) parts.push(row.note);
    return parts.join(', ');
  });
}

function verdict(row: BenchRow): string {
  return row.met === undefined ? '' : row.met ? 'met' : 'not met';
}

function keep(result: Kept): void {
  mkdirSync(results, { recursive: true });
  writeFileSync(join(results, `${result.name}.json`), `${JSON.stringify(result, null, 2)}\n`);
}

/** The README's table, from everything kept so far; nothing happens while the README has no markers for it. */
function writeReadme(): void {
  const text = readFileSync(readme, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) return;
  writeFileSync(readme, `${text.slice(0, from + begin.length)}\n${figuresTable(keptResults())}\n${text.slice(to)}`);
}

function keptResults(): Kept[] {
  try {
    return readdirSync(results)
      .filter((file) => file.endsWith('.json') && !file.endsWith('.local.json'))
      .sort()
      .map((file) => decodeKept(readFileSync(join(results, file), 'utf8')));
  } catch {
    return [];
  }
}

function decodeKept(text: string): Kept {
  return JSON.parse(text) as Kept;
}

function figuresTable(kept: readonly Kept[]): string {
  if (kept.length === 0) return '\nNo figures are kept yet: run `npm run bench`.\n';
  const cell = (text: string) => text.replace(/\|/g, '\\|');
  const rows = kept.flatMap(({ rows }) =>
    rows.map((row) => {
      const peer = row.peer === undefined ? '' : `${round3(row.peer)} (${row.peerName ?? 'peer'})`;
      const ratio = row.ratio === undefined ? '' : round3(row.ratio);
      const spread = row.spread ? `${round3(row.spread[0])}..${round3(row.spread[1])}` : '';
      return `| ${[row.what, `${round3(row.ours)} ${row.unit}`, peer, ratio, spread, row.target ?? '', verdict(row)].map(cell).join(' | ')} |`;
    }),
  );
  const machines = [...new Set(kept.map((one) => formatMachine(one.machine)))];
  return [
    '',
    '| What | Meshwright | Peer | Ratio | Spread | Aim | |',
    '|---|---|---|---|---|---|---|',
    ...rows,
    '',
    `Measured on ${machines.join('; ')}. The method is in [bench/README.md](bench/README.md).`,
    '',
  ].join('\n');
}

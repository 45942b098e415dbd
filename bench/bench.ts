/**
 * The method of every bench: contenders take turns in short slices of one run, each slice is paired with its neighbours,
 * slices that other programs of the machine disturbed are left out, and cost is CPU time, not wall time, wherever a
 * figure is about cost.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** One figure of a bench, as printed, kept and shown in the README. */
export interface BenchRow {
  /** What was measured, with its conditions: `HTTP/1.1 with routes, metrics and log`. */
  readonly what: string;
  readonly ours: number;
  readonly peer?: number;
  /** `haproxy 2.6`, `Envoy 1.40`. */
  readonly peerName?: string;
  /** `us CPU/request`, `ms p99`, `MB`. Of `ours` and `peer`. */
  readonly unit: string;
  /** ours / peer; the median of pairs when slices were paired, so not always the quotient of the two medians. */
  readonly ratio?: number;
  /** The aim in words: `<= 1.25 x haproxy`. */
  readonly target?: string;
  readonly met?: boolean;
  /** Lowest and highest of what `ratio` (or else `ours`) is the median of. */
  readonly spread?: readonly [number, number];
  readonly note?: string;
}

export interface BenchOptions {
  /** Fewer and shorter rounds, to see that the bench works; its figures are not kept. */
  readonly quick: boolean;
  /** Progress for people, to standard error. */
  readonly log: (line: string) => void;
}

/** What a file `bench/<x>.ts` exports: `name` for the command line and `run`. */
export interface BenchModule {
  readonly name: string;
  run(options: BenchOptions): Promise<readonly BenchRow[]>;
}

/** One program that takes part in a paired run. */
export interface Contender {
  readonly name: string;
  /** Works for one slice and gives the figure of that slice (for instance CPU us per request). */
  slice(): Promise<number>;
}

export interface PairedOptions {
  readonly rounds: number;
  /** Slices of each contender before counting begins; default 1. */
  readonly warmUp?: number;
  /** CPUs that programs outside this process tree may use in a round that counts; default 0.15. */
  readonly quietBelow?: number;
  readonly log?: (line: string) => void;
}

export interface PairedResult {
  /** Figures of the rounds that count, by contender, in the order of rounds. */
  readonly figures: ReadonlyMap<string, readonly number[]>;
  readonly quietRounds: number;
  readonly rounds: number;
}

/**
 * Runs every contender once per round, in turn, in an order that reverses each round. Rounds in which others used the
 * machine are left out; when fewer than a third (and fewer than 2) were quiet, all are kept and `quietRounds` tells it.
 */
export async function pairedSlices(contenders: readonly Contender[], options: PairedOptions): Promise<PairedResult> {
  const quietBelow = options.quietBelow ?? 0.15;
  for (let i = 0; i < (options.warmUp ?? 1); i++) for (const contender of contenders) await contender.slice();
  const rounds: { quiet: boolean; figures: Map<string, number> }[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const figures = new Map<string, number>();
    const noise = noiseMeter();
    for (const contender of round % 2 ? [...contenders].reverse() : contenders) figures.set(contender.name, await contender.slice());
    const others = noise();
    rounds.push({ quiet: others < quietBelow, figures });
    const shown = [...figures].map(([name, value]) => `${name} ${round3(value)}`).join(', ');
    options.log?.(
      `round ${round + 1}/${options.rounds}: ${shown} (others ${others.toFixed(2)} CPU${others < quietBelow ? '' : ', not quiet'})`,
    );
  }
  const quiet = rounds.filter((round) => round.quiet);
  const enough = quiet.length >= Math.max(2, rounds.length / 3);
  const figures = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (const round of enough ? quiet : rounds) for (const [name, value] of round.figures) figures.get(name)?.push(value);
  return { figures, quietRounds: quiet.length, rounds: rounds.length };
}

/** The row for one contender beside another: ratio and spread are of same-round pairs. */
export function pairedRow(
  result: PairedResult,
  ours: string,
  peer: string,
  row: Pick<BenchRow, 'what' | 'unit'> & Partial<BenchRow> & { readonly maxRatio?: number },
): BenchRow {
  const { maxRatio, ...rest } = row;
  const mine = result.figures.get(ours) ?? [];
  const theirs = result.figures.get(peer) ?? [];
  const ratios = mine.map((value, i) => value / (theirs[i] ?? Number.NaN));
  const ratio = median(ratios);
  return {
    ours: median(mine),
    peer: median(theirs),
    peerName: peer,
    ratio,
    spread: spreadOf(ratios),
    ...(maxRatio === undefined ? {} : { target: `<= ${maxRatio} x ${peer}`, met: ratio <= maxRatio }),
    note: `${result.quietRounds} of ${result.rounds} rounds quiet`,
    ...rest,
  };
}

/** The row for a figure with an upper limit: value is the median, spread lowest and highest. */
export function limitRow(what: string, unit: string, values: readonly number[], limit: number, note?: string): BenchRow {
  const ours = median(values);
  return { what, ours, unit, target: `<= ${limit} ${unit}`, met: ours <= limit, spread: spreadOf(values), ...(note ? { note } : {}) };
}

/** Value below which the share `q` (0..1) of values lies, nearest rank; NaN of nothing. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))] ?? Number.NaN;
}

/** The middle value, or the mean of the two middle ones; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const upper = sorted[half] ?? Number.NaN;
  return sorted.length % 2 ? upper : ((sorted[half - 1] ?? Number.NaN) + upper) / 2;
}

export function spreadOf(values: readonly number[]): readonly [number, number] {
  return [Math.min(...values), Math.max(...values)];
}

/** Three significant digits, for people. */
export function round3(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(3))) : '-';
}

/** CPU time of one process in milliseconds, all threads, exact to the scheduler's clock; 0 when it is gone. */
export function cpuTimeMs(pid: number): number {
  let nanoseconds = 0;
  try {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      try {
        nanoseconds += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
      } catch {
        // The thread ended between the listing and the reading.
      }
    }
  } catch {
    return 0;
  }
  return nanoseconds / 1e6;
}

/** CPU time in milliseconds of several processes together. */
export function cpuTimeOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + cpuTimeMs(pid), 0);
}

/** A process and all its descendants. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const parent = parentOf(pid);
    if (parent === undefined) continue;
    const siblings = children.get(parent);
    if (siblings) siblings.push(pid);
    else children.set(parent, [pid]);
  }
  const tree = [root];
  for (const pid of tree) tree.push(...(children.get(pid) ?? []));
  return tree;
}

/** Proportional set size in MB: private memory plus a fair share of what is shared; 0 when it cannot be read. */
export function pssMb(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** Resident set size in MB; 0 when the process is gone. */
export function rssMb(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** Starts measuring; the returned function says how many CPUs programs outside this process tree used since. */
function noiseMeter(): () => number {
  const before = { at: performance.now(), busy: busyMs(), own: ownMs() };
  return () => {
    const elapsed = performance.now() - before.at;
    const others = busyMs() - before.busy - (ownMs() - before.own);
    return Math.max(0, others / Math.max(1, elapsed));
  };
}

/** CPU time that all programs of the machine have used, milliseconds. */
function busyMs(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] =
    readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]?.split(/\s+/).slice(1).map(Number) ?? [];
  return (user + nice + system + irq + softirq) * tickMs;
}

function ownMs(): number {
  return cpuTimeOf(processTree(process.pid));
}

/** USER_HZ is 100 on every Linux that Node runs on. */
const tickMs = 10;

function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command stands in brackets and may hold blanks and brackets itself.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}

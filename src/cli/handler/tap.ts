import type { TapRecord } from '#server/api.ts';
import { type Flags, type Invocation, UsageError } from '../command.ts';
import { type ExitCode, exitCode } from '../exit-code.ts';
import type { Io } from '../io.ts';
import { connectRest } from '../rest.ts';
import { parseTarget } from '../target.ts';

/** `meshwright tap`: requests as they happen, until Ctrl-C or `--limit`. */
export async function tap({ arguments: [workload], flags, io, signal }: Invocation): Promise<ExitCode> {
  const limit = limitOf(flags);
  const wanted = filterOf(flags, workload);
  const format = flags.text('output') ?? 'table';
  const rest = connectRest(flags, io);
  const ended = new AbortController();
  const lines = rest.lines('/tap', AbortSignal.any([signal, ended.signal]));
  io.progress('listening; Ctrl-C ends');
  if (format !== 'json') io.err(io.paint('dim', header(format === 'wide')));
  let count = 0;
  for await (const line of lines) {
    const record = decodeLine(line);
    if (!record) continue;
    if ('notice' in record) {
      io.err(io.paint('warn', record.notice));
      continue;
    }
    if (!wanted(record)) continue;
    io.out(format === 'json' ? JSON.stringify(record) : formatRecord(record, format === 'wide', io));
    count++;
    if (limit !== undefined && count >= limit) break;
  }
  ended.abort();
  return exitCode.ok;
}

/** Whether a record is wanted, by the flags. */
export function filterOf(flags: Flags, workload: string | undefined): (record: TapRecord) => boolean {
  const target = workload === undefined ? undefined : parseTarget(workload);
  const from = flags.text('from');
  const to = flags.text('to');
  const path = flags.text('path');
  const method = flags.text('method')?.toUpperCase();
  const reporter = flags.text('reporter') ?? 'source';
  const status = statusFilter(flags.text('status'));
  return (record) =>
    (reporter === 'both' || record.reporter === reporter) &&
    (target === undefined || record.source === target.name || record.destination === target.name) &&
    (from === undefined || record.source.includes(from)) &&
    (to === undefined || record.destination.includes(to) || record.service.includes(to)) &&
    (path === undefined || record.path.startsWith(path)) &&
    (method === undefined || record.method === method) &&
    status(record);
}

function statusFilter(text: string | undefined): (record: TapRecord) => boolean {
  if (text === undefined) return () => true;
  if (/^[1-5]xx$/i.test(text)) return (record) => Math.floor(record.status / 100) === Number(text[0]);
  if (/^\d{3}$/.test(text)) return (record) => record.status === Number(text);
  if (/^[A-Z]{2,6}$/.test(text)) return (record) => record.flags.split(/,\s*/).includes(text);
  throw new UsageError(`--status ${text} is not known`, 'use a code (503), a class (5xx) or a response flag (UF)');
}

function limitOf(flags: Flags): number | undefined {
  const text = flags.text('limit');
  if (text === undefined) return undefined;
  if (!/^[1-9]\d*$/.test(text)) throw new UsageError(`--limit ${text}: expected a whole number above 0`);
  return Number(text);
}

/** A record, a notice about the stream itself, or undefined for what is neither. */
function decodeLine(line: string): TapRecord | { readonly notice: string } | undefined {
  try {
    const value = JSON.parse(line) as Partial<TapRecord> & { readonly error?: { readonly message?: string }; readonly dropped?: number };
    if (value.error) return { notice: value.error.message ?? 'an agent fell silent' };
    if (value.dropped) return { notice: `${value.dropped} requests were left out: this reader is too slow` };
    return typeof value.at === 'number' ? (value as TapRecord) : undefined;
  } catch {
    return undefined;
  }
}

const widths = { time: 8, status: 6, ms: 8, way: 32 } as const;

function header(wide: boolean): string {
  const columns = [
    'TIME'.padEnd(widths.time),
    'STATUS'.padEnd(widths.status),
    'MS'.padStart(widths.ms),
    'FROM -> TO'.padEnd(widths.way),
    'REQUEST',
  ];
  return [...columns, ...(wide ? ['ROUTE', 'CLUSTER', 'ORIGIN'] : [])].join(' ');
}

/** One line of the live table: time, status, milliseconds, way, request; with `wide` route, cluster and origin, uncut. */
export function formatRecord(record: TapRecord, wide: boolean, io: Pick<Io, 'paint' | 'width'>): string {
  const tone = record.status >= 500 || record.status === 0 ? 'bad' : record.status >= 400 ? 'warn' : 'good';
  const status = `${record.status || '-'}${record.flags ? ` ${record.flags}` : ''}`.padEnd(widths.status);
  const start = [
    new Date(record.at).toISOString().slice(11, 19),
    io.paint(tone, status),
    (record.durationMs === null ? '-' : record.durationMs.toFixed(1)).padStart(widths.ms),
    `${record.source || '?'} -> ${record.destination || record.service || '?'}`.padEnd(widths.way),
  ].join(' ');
  const request = `${record.method} ${record.path}`.trim();
  if (wide) return [start, request, record.route, record.cluster, record.origin].filter(Boolean).join(' ');
  const room = Math.max(12, io.width - (widths.time + widths.status + widths.ms + widths.way + 4));
  return `${start} ${request.length > room ? `${request.slice(0, room - 1)}…` : request}`;
}

import type { ExplainAnswer, ExplainStep } from '#server/api.ts';
import { type Flags, type Invocation, UsageError } from '../command.ts';
import { type ExitCode, exitCode } from '../exit-code.ts';
import type { Io } from '../io.ts';
import { formatValue } from '../output/format.ts';
import { connectRest } from '../rest.ts';
import { parseTarget } from '../target.ts';

/** Rules that missed are shown up to so many per kind of step; `--all` shows each. */
const missesShown = 3;

/** `meshwright explain request`. */
export async function explainRequest({ flags, io, signal }: Invocation): Promise<ExitCode> {
  const question = questionOf(flags);
  const answer = await connectRest(flags, io).post<ExplainAnswer>('/explain', question, signal);
  const format = flags.text('output');
  if (format === 'json' || format === 'yaml') io.out(formatValue(answer, { kind: format }));
  else for (const line of formatAnswer(answer, flags.on('all'), io)) io.out(line);
  return exitCode.ok;
}

/** The question as the flags put it; wrong or missing flags are usage errors. */
export function questionOf(flags: Flags): {
  from: string;
  host: string;
  port: number;
  method: string;
  path: string;
  headers: Record<string, string>;
} {
  const from = flags.text('from');
  const to = flags.text('to');
  if (!from || !to)
    throw new UsageError(
      `--${from ? 'to' : 'from'} is missing`,
      'for example: meshwright explain request --from productpage-v1 --to reviews:9080',
    );
  const sender = parseTarget(from, flags.text('namespace'));
  const url = /^(?:[a-z]+:\/\/)?(\[[^\]]+\]|[^:/]+)(?::(\d+))?(\/.*)?$/.exec(to);
  if (!url) throw new UsageError(`--to ${to} is no HOST[:PORT]`);
  const port = Number(url[2] ?? 80);
  if (port < 1 || port > 65_535) throw new UsageError(`--to ${to}: the port must be from 1 to 65535`);
  const path = flags.text('path') ?? '/';
  return {
    from: sender.namespace ? `${sender.namespace}/${sender.name}` : sender.name,
    host: (url[1] ?? '').replace(/^\[|\]$/g, ''),
    port,
    method: (flags.text('method') ?? 'GET').toUpperCase(),
    path: path === '/' && url[3] ? url[3] : path.startsWith('/') ? path : `/${path}`,
    headers: Object.fromEntries(flags.all('header').map(parseHeader)),
  };
}

function parseHeader(text: string): [string, string] {
  const parts = /^([!#$%&'*+.^_`|~\w-]+)(?:=|:\s*)(.*)$/s.exec(text);
  if (!parts) throw new UsageError(`-H ${text} is no header`, 'write NAME=VALUE or "NAME: VALUE"');
  return [(parts[1] ?? '').toLowerCase(), parts[2] ?? ''];
}

/** Lines for people: one per step, the destinations, the summary first. */
export function formatAnswer(answer: ExplainAnswer, all: boolean, io: Pick<Io, 'paint'>): string[] {
  const lines = [io.paint('strong', answer.summary), ''];
  const widths = Math.max(0, ...answer.steps.map(({ what }) => what.length));
  for (const step of all ? answer.steps : withoutEarlyMisses(answer.steps)) {
    if (typeof step === 'number') {
      lines.push(io.paint('dim', `        ${''.padEnd(widths)}  ... ${step} more that missed (--all shows them)`));
      continue;
    }
    const mark = { matched: 'match', missed: 'miss', applied: 'apply' }[step.verdict];
    const tone = step.verdict === 'missed' ? 'dim' : step.verdict === 'matched' ? 'good' : 'strong';
    const head = `${io.paint(tone, mark.padEnd(6))}  ${step.what.padEnd(widths)}  ${step.name}`;
    lines.push(head);
    const indent = ' '.repeat(8 + widths + 2);
    if (step.reason) lines.push(io.paint('dim', `${indent}${step.reason}`));
    if (step.origin) lines.push(io.paint('dim', `${indent}from ${step.origin.text}`));
  }
  if (answer.destinations.length > 0) lines.push('');
  for (const { cluster, weightPercent, endpoints } of answer.destinations) {
    lines.push(`${String(Math.round(weightPercent * 100) / 100).padStart(5)} %  ${cluster}`);
    lines.push(`         ${endpoints.length > 0 ? endpoints.join(', ') : io.paint('bad', 'no healthy endpoint')}`);
  }
  return lines;
}

/** Long runs of misses cut down to the last few; numbers stand for those left out. */
function withoutEarlyMisses(steps: readonly ExplainStep[]): (ExplainStep | number)[] {
  const kept: (ExplainStep | number)[] = [];
  let run: ExplainStep[] = [];
  const flush = () => {
    if (run.length > missesShown + 1) kept.push(run.length - missesShown, ...run.slice(-missesShown));
    else kept.push(...run);
    run = [];
  };
  for (const step of steps) {
    if (step.verdict === 'missed') run.push(step);
    else {
      flush();
      kept.push(step);
    }
  }
  flush();
  return kept;
}

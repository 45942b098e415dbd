import { sleep } from '#base/task.ts';
import { type Check, type CheckResult, checksFor } from '../checks.ts';
import type { Invocation } from '../command.ts';
import { type ExitCode, exitCode } from '../exit-code.ts';
import type { Io } from '../io.ts';
import { formatValue, parseDuration } from '../output/format.ts';

const pauseMs = 500;
const marks = { ok: '√ ok  ', warn: '‼ warn', fail: '× fail' } as const;
const tones = { ok: 'good', warn: 'warn', fail: 'bad' } as const;

/** `meshwright check`: every check by category, what is wrong with what to do next. */
export async function check({ flags, io, signal }: Invocation): Promise<ExitCode> {
  const format = flags.text('output') ?? 'text';
  const wait = flags.text('wait');
  const end = performance.now() + (wait === undefined ? 0 : parseDuration(wait, 'wait'));
  let results = await runAll(checksFor({ flags, io, signal }), io);
  while (results.some(({ state }) => state !== 'ok') && performance.now() < end && !signal.aborted) {
    io.progress('waiting for what may still become right');
    await sleep(pauseMs, signal);
    results = await runAll(checksFor({ flags, io, signal }), io);
  }
  print(results, format, io);
  const least = flags.text('fail-on') === 'warn' ? ['warn', 'fail'] : ['fail'];
  return results.some(({ state }) => least.includes(state)) ? exitCode.findings : exitCode.ok;
}

async function runAll(checks: readonly Check[], io: Io): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const one of checks) {
    // What cannot work without an earlier check is left out: one cause, one line.
    if (one.needs?.some((name) => !results.some((result) => result.name === name && result.state !== 'fail'))) continue;
    io.progress(`checking: ${one.title}`);
    results.push({ ...one, ...(await one.run()) });
  }
  return results;
}

function print(results: readonly CheckResult[], format: string, io: Io): void {
  const plain = results.map(({ category, name, title, state, message, fix }) => ({ category, name, title, state, message, fix }));
  if (format === 'json' || format === 'junit') {
    io.out(format === 'json' ? formatValue({ checks: plain }, { kind: 'json' }) : junit(results));
    return;
  }
  for (const [category, group] of Map.groupBy(results, (result) => result.category)) {
    const shown = format === 'short' ? group.filter(({ state }) => state !== 'ok') : group;
    if (shown.length === 0) continue;
    io.out(io.paint('strong', category));
    for (const { state, title, message, fix } of shown) {
      io.out(`${io.paint(tones[state], marks[state])} ${title}${message ? `: ${message}` : ''}`);
      if (state !== 'ok' && fix) io.out(`       ${fix}`);
    }
    io.out('');
  }
  const wrong = results.filter(({ state }) => state !== 'ok').length;
  io.out(wrong === 0 ? io.paint('good', 'All checks passed.') : `${results.length - wrong} of ${results.length} checks passed.`);
}

function junit(results: readonly CheckResult[]): string {
  const quoted = (text: string) => text.replace(/[<>&"']/g, (char) => `&#${char.charCodeAt(0)};`);
  const failures = results.filter(({ state }) => state === 'fail').length;
  const cases = results.map(({ category, title, state, message, fix }) => {
    const head = `  <testcase classname="${quoted(category)}" name="${quoted(title)}"`;
    if (state === 'ok') return `${head}/>`;
    const element = state === 'fail' ? 'failure' : 'system-out';
    return `${head}><${element}>${quoted(`${message} ${fix}`.trim())}</${element}></testcase>`;
  });
  return [`<testsuite name="meshwright check" tests="${results.length}" failures="${failures}">`, ...cases, '</testsuite>'].join('\n');
}

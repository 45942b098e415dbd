/**
 * Reporter of `npm test`: one line per file, failures in full by Node's spec reporter, the skipped tests with their
 * reasons, then the closing lines of Node's runner. Sets the exit code when nothing ran.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { Readable } from 'node:stream';
import { spec } from 'node:test/reporters';

/** A test file may take this long as a whole. */
const longestFileSeconds = Number(process.env.MESHWRIGHT_TEST_FILE_SECONDS ?? 240);

/** Characters kept of what a failing file printed. */
const maxOutput = 8000;

export default async function* report(source) {
  const watch = setInterval(endStuckFiles, 10_000);
  watch.unref();
  const files = new Map();
  const skips = new Map();
  const output = new Map();
  const broken = new Set();
  const kept = [];
  for await (const event of source) {
    const { type, data } = event;
    if (type === 'test:pass' || type === 'test:fail') {
      const file = data.file ? relative(process.cwd(), data.file) : '';
      if (isFileItself(data)) {
        // Node counts a file without tests as a passed test; here it is a failure.
        if (!files.has(data.name)) {
          broken.add(data.name);
          yield `FAIL ${data.name} (${type === 'test:fail' ? 'ended before any test' : 'has no tests'})\n`;
        }
      } else if (data.details?.type !== 'suite') {
        const counts = files.get(file) ?? { pass: 0, fail: 0, skip: 0 };
        files.set(file, counts);
        if (data.skip !== undefined) counts.skip++;
        else if (type === 'test:fail' && data.todo === undefined) counts.fail++;
        else counts.pass++;
        if (data.skip !== undefined) {
          const reason = typeof data.skip === 'string' && data.skip ? data.skip : 'no reason given';
          skips.set(reason, [...(skips.get(reason) ?? []), `${file}: ${data.name}`]);
        }
      }
      if (type === 'test:fail') kept.push(event);
    } else if (type === 'test:diagnostic' && data.file === undefined) {
      // The closing lines; those of single files are left out.
      kept.push(event);
    } else if (type === 'test:summary' && data.file) {
      const file = relative(process.cwd(), data.file);
      const counts = files.get(file);
      if (counts && counts.fail > 0) broken.add(file);
      if (counts) yield lineOf(file, counts, data);
    } else if (type === 'test:stderr' || type === 'test:stdout') {
      const file = relative(process.cwd(), data.file ?? '');
      output.set(file, `${output.get(file) ?? ''}${data.message}`.slice(-maxOutput));
    }
  }
  if (broken.size > 0 || files.size === 0) process.exitCode = 1;
  for (const file of broken) if (output.get(file)) yield `\nlast output of ${file}:\n${output.get(file)}\n`;
  yield '\n';
  yield* skipLines(skips);
  yield* Readable.from(kept).compose(new spec());
}

/**
 * Node's time limit ends tests, not files: one whose tests are over but which never exits would hold up the whole run.
 * Ends test processes of ours that are older than a file may be, where /proc tells their age.
 */
function endStuckFiles() {
  try {
    const now = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      const stat = statOf(pid);
      if (!stat || Number(stat[1]) !== process.pid || now - Number(stat[19]) / 100 < longestFileSeconds) continue;
      process.stderr.write(
        `test: ended ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').at(-2)}, which ran for over ${longestFileSeconds} s\n`,
      );
      process.kill(Number(pid), 'SIGKILL');
    }
  } catch {
    // No /proc here, or the process ended by itself.
  }
}

/** Fields of /proc/PID/stat after the name: state, parent, ...; the 20th is the start in ticks. */
function statOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

function isFileItself(data) {
  return data.nesting === 0 && data.line === 1 && data.column === 1 && data.name === relative(process.cwd(), data.file ?? '');
}

function lineOf(file, counts, summary) {
  const word = counts.fail > 0 || summary.success === false ? 'FAIL' : 'ok  ';
  const skipped = counts.skip > 0 ? `, ${counts.skip} skipped` : '';
  const failed = counts.fail > 0 ? `, ${counts.fail} failed` : '';
  return `${word} ${file} (${counts.pass} passed${failed}${skipped}, ${(summary.duration_ms / 1000).toFixed(1)} s)\n`;
}

function* skipLines(skips) {
  const total = [...skips.values()].reduce((sum, names) => sum + names.length, 0);
  if (total === 0) return;
  yield `${total} skipped:\n`;
  for (const [reason, names] of [...skips].sort((a, b) => b[1].length - a[1].length)) {
    yield `  ${names.length} x ${reason}\n`;
    for (const name of names.slice(0, 3)) yield `      ${name}\n`;
    if (names.length > 3) yield `      and ${names.length - 3} more\n`;
  }
}

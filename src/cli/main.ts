/** Entry point of the command line: parses, runs one command, turns what it throws into a message and an exit code. */
import { spawn } from 'node:child_process';
import { Fault, messageOf } from '#base/fault.ts';
import { UsageError } from './command.ts';
import { commands } from './commands.ts';
import { type ExitCode, exitCode } from './exit-code.ts';
import { findExtension } from './extension.ts';
import { type Io, processIo } from './io.ts';
import { parseCommandLine } from './program.ts';

const words = process.argv.slice(2);
const io = processIo({ color: !words.includes('--no-color') });
// A reader that went away (`| head`) is a normal end.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? exitCode.ok : exitCode.failed));
process.exitCode = await main(words, io);
// Pooled connections must not keep a finished command alive.
process.exit();

async function main(words: readonly string[], io: Io): Promise<number> {
  const stop = new AbortController();
  try {
    if (words.length === 1 && (words[0] === '--version' || words[0] === '-V')) return await main(['version', '--client'], io);
    const extension = findExtension(words, commands, io.env);
    if (extension) return await runExtension(extension, words.slice(1));
    const parsed = await parseCommandLine(words[0] === 'help' ? [...words.slice(1), '--help'] : words, commands);
    if (parsed.kind === 'help') {
      io.out(parsed.text);
      return exitCode.ok;
    }
    if (!parsed.command.ownSignals) stopOnSignals(stop);
    const handler = await parsed.command.load?.();
    return handler ? await handler({ arguments: parsed.arguments, flags: parsed.flags, io, signal: stop.signal }) : exitCode.ok;
  } catch (error) {
    return report(error, io, stop.signal);
  }
}

function stopOnSignals(stop: AbortController): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      // The second Ctrl-C means it.
      if (stop.signal.aborted) process.exit(exitCode.interrupted);
      stop.abort(signal);
    });
  }
}

function report(error: unknown, io: Io, signal: AbortSignal): ExitCode {
  if (error instanceof UsageError) {
    io.err(`meshwright: ${error.message}${error.hint ? `\n${error.hint}` : ''}\nSee "meshwright --help".`);
    return exitCode.usage;
  }
  if (signal.aborted) return exitCode.interrupted;
  if (error instanceof Fault) {
    io.err(`meshwright: ${error.message}${error.fix ? `\n${error.fix}` : ''}`);
    if (error.code === 'timed-out') return exitCode.timedOut;
    return error.retryable || error.code === 'unreachable' ? exitCode.unreachable : exitCode.failed;
  }
  io.err(`meshwright: a bug in Meshwright: ${error instanceof Error ? (error.stack ?? error.message) : messageOf(error)}`);
  return exitCode.failed;
}

function runExtension(path: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, args, { stdio: 'inherit' });
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? exitCode.failed));
  });
}

import { spawn } from 'node:child_process';
import { Fault, messageOf } from '#base/fault.ts';
import { UsageError } from './command.ts';
import { commands } from './commands.ts';
import { type ExitCode, exitCode } from './exit-code.ts';
import { findExtension } from './extension.ts';
import type { Io } from './io.ts';
import { parseCommandLine } from './program.ts';

/**
 * Parses the words after `meshwright`, runs one command and gives its exit code; what it throws becomes a message.
 * `onStart` is called before a command that leaves signals to us: it aborts the controller when the user wants an end.
 */
export async function runCommandLine(words: readonly string[], io: Io, onStart: (stop: AbortController) => void): Promise<number> {
  const stop = new AbortController();
  try {
    if (words.length === 1 && (words[0] === '--version' || words[0] === '-V'))
      return await runCommandLine(['version', '--client'], io, onStart);
    const extension = findExtension(words, commands, io.env);
    if (extension) return await runExtension(extension, words.slice(1));
    const parsed = await parseCommandLine(words[0] === 'help' ? [...words.slice(1), '--help'] : words, commands);
    if (parsed.kind === 'help') {
      io.out(parsed.text);
      return exitCode.ok;
    }
    if (!parsed.command.ownSignals) onStart(stop);
    const handler = await parsed.command.load?.();
    return handler ? await handler({ arguments: parsed.arguments, flags: parsed.flags, io, commands, signal: stop.signal }) : exitCode.ok;
  } catch (error) {
    return report(error, io, stop.signal);
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
    if (error.code === 'bad-file' || error.code === 'bad-input') return exitCode.badInput;
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

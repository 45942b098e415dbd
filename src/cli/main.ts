/** Entry point of the command line: the process's streams, signals and exit code around `runCommandLine`. */
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

// Compiled code is kept between runs: it halves the start. What is imported before this line is not; a folder that
// cannot be written is no failure.
enableCompileCache(join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'meshwright', 'compiled'));
const { runCommandLine } = await import('./command-line.ts');
const { exitCode } = await import('./exit-code.ts');
const { processIo } = await import('./io.ts');
const { systemClock } = await import('#process/clock.ts');
const { onStopSignals } = await import('#process/stop-signals.ts');

const words = process.argv.slice(2);
const io = processIo({ color: !words.includes('--no-color') });
// A reader that went away (`| head`) is a normal end.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? exitCode.ok : exitCode.failed));
process.exitCode = await runCommandLine(words, io, stopOnSignals);
// Pooled connections must not keep a finished command alive.
process.exit();

function stopOnSignals(stop: AbortController): void {
  onStopSignals(process, ['SIGINT', 'SIGTERM', 'SIGHUP'], systemClock, (signal, insists) => {
    // The second Ctrl-C means it.
    if (insists) process.exit(exitCode.interrupted);
    stop.abort(signal);
  });
}

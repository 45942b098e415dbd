import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import type { Clock } from '#base/clock.ts';
import { codeOf, Fault } from '#base/fault.ts';
import { detach } from '#base/task.ts';
import { identifyProcess, isAlive, type ProcessIdentity } from './process-identity.ts';

export interface ChildOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** `inherit`: the child's output is ours; `pipe`: read it from `stdout` and `stderr`. */
  readonly output: 'inherit' | 'pipe';
  /** Milliseconds from `stop()` to SIGKILL. */
  readonly graceMs: number;
  readonly clock: Clock;
}

/** How a process ended: `code` is the shell's (128 + number for a signal). */
export interface Exit {
  readonly code: number;
  readonly signal: NodeJS.Signals | null;
  /** It did not end within the grace time and was killed. */
  readonly killed: boolean;
}

/** A running child that leads a process group of its own. */
export interface Child {
  readonly process: ProcessIdentity;
  readonly exited: Promise<Exit>;
  /** Present with output `pipe`. */
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  /** To the whole group; false when it has ended. */
  signal(name: NodeJS.Signals): boolean;
  /** Sends `name` (default SIGTERM), after the grace time SIGKILL; resolves when the child has ended. May be called again. */
  stop(name?: NodeJS.Signals): Promise<Exit>;
}

/**
 * Starts a program in its own process group, so that what it started ends with it. A program that cannot be started is
 * a Fault that says why. Must be stopped by its owner: it outlives us otherwise.
 */
export async function startChild(options: ChildOptions): Promise<Child> {
  const child = spawn(options.command, options.args, {
    env: { ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdio: options.output === 'inherit' ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let killed = false;
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => {
      // Grandchildren may linger in the group; nobody else would end them.
      signalGroup(child, 'SIGKILL');
      resolve({ code: code ?? 128 + (signal ? constants.signals[signal] : 0), signal, killed });
    });
  });
  await started(child, options.command);
  endWithUs(child, exited);
  const identity = identifyProcess(child.pid ?? 0);
  let stopping: Promise<Exit> | undefined;
  return {
    process: identity,
    exited,
    stdout: child.stdout,
    stderr: child.stderr,
    signal: (name) => signalGroup(child, name),
    stop(name = 'SIGTERM') {
      if (stopping) {
        signalGroup(child, name);
        return stopping;
      }
      const cancel = options.clock.after(options.graceMs, () => {
        killed = true;
        signalGroup(child, 'SIGKILL');
      });
      stopping = exited.finally(cancel);
      signalGroup(child, name);
      return stopping;
    },
  };
}

/**
 * Ends a process of an earlier run and its group: SIGTERM, after `graceMs` SIGKILL. Does nothing when that very process
 * is gone, so a reused id is never hit. Resolves when it is gone.
 */
export async function endLeftover(identity: ProcessIdentity, graceMs: number, clock: Clock): Promise<void> {
  const stepMs = 20;
  const deadline = clock.monotonic() + graceMs;
  let sent: NodeJS.Signals | undefined;
  while (isAlive(identity)) {
    const next: NodeJS.Signals = clock.monotonic() < deadline ? 'SIGTERM' : 'SIGKILL';
    if (next !== sent) killQuietly(-identity.pid, next) || killQuietly(identity.pid, next);
    sent = next;
    if (clock.monotonic() > deadline + graceMs + 1_000) return;
    await new Promise<void>((resolve) => void clock.after(stepMs, resolve));
  }
}

const running = new Set<ChildProcess>();

/** When we end without having stopped it (a second Ctrl-C, a bug), it is at least told to end. */
function endWithUs(child: ChildProcess, exited: Promise<Exit>): void {
  if (running.size === 0) process.on('exit', endAll);
  running.add(child);
  detach(
    exited.then(() => {
      running.delete(child);
      if (running.size === 0) process.off('exit', endAll);
    }),
    () => {},
  );
}

function endAll(): void {
  for (const child of running) signalGroup(child, 'SIGTERM');
}

function started(child: ChildProcess, command: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => {
      const code = codeOf(error);
      const why = code === 'ENOENT' ? 'there is no such program' : code === 'EACCES' ? 'it is not executable' : error.message;
      reject(
        new Fault('program-start', `cannot start ${command}: ${why}`, {
          cause: error,
          fix: code === 'ENOENT' ? 'Check the spelling, the PATH and the working folder.' : '',
        }),
      );
    });
  });
}

function signalGroup(child: ChildProcess, name: NodeJS.Signals): boolean {
  return child.pid !== undefined && killQuietly(-child.pid, name);
}

/** False when there is no such process (or group) any more. */
function killQuietly(target: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(target, name);
  } catch {
    return false;
  }
}

/** A mesh of its own for tests of the executable: state in a folder that vanishes, ports that nobody uses. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ensureRuntimeDir } from '#process/runtime-dir.ts';
import { freePorts } from '../support/ports.ts';

export interface Started {
  readonly child: ChildProcess;
  readonly output: { out: string; err: string };
  /** Exit code; null when a signal ended it. */
  readonly exited: Promise<number | null>;
}

export interface Stage {
  readonly folder: string;
  readonly state: string;
  /** API server, page, xDS, debug. */
  readonly ports: readonly number[];
  /** Runs the executable as a user would, with this stage's state folder. */
  meshwright(...words: readonly string[]): Started;
  /** `meshwright start` on the stage's ports. */
  start(...flags: readonly string[]): Started;
  /** Runs a command to its end. */
  run(...words: readonly string[]): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>;
  /** Kills what still runs and removes the folder. */
  close(): Promise<void>;
}

const executable = resolve(import.meta.dirname, '../../bin/meshwright.js');

export async function createStage(name: string): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), `meshwright-${name}-`));
  const state = join(folder, 'state');
  const ports = await freePorts(4);
  const started: Started[] = [];
  const meshwright = (...words: readonly string[]): Started => {
    // Flags before the words of a joined program.
    const at = words.indexOf('--');
    const place = at < 0 ? words.length : at;
    const args = [...words.slice(0, place), '--state-dir', state, ...words.slice(place)];
    const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
    const child = spawn(process.execPath, [executable, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], env });
    const output = { out: '', err: '' };
    child.stdout.on('data', (data: Buffer) => {
      output.out += data.toString();
    });
    child.stderr.on('data', (data: Buffer) => {
      output.err += data.toString();
    });
    // What a killed agent leaves running has our pipes open.
    child.once('exit', () => void setTimeout(() => [child.stdout, child.stderr].map((pipe) => pipe.destroy()), 1_000).unref());
    const running = { child, output, exited: new Promise<number | null>((done) => child.once('close', (code) => done(code))) };
    started.push(running);
    return running;
  };
  return {
    folder,
    state,
    ports,
    meshwright,
    start: (...more) => {
      const flags = ['--api-port', '--page-port', '--xds-port', '--debug-port'].flatMap((flag, i) => [flag, `${ports[i]}`]);
      return meshwright('start', ...flags, '--log-level', 'error', ...more);
    },
    async run(...words) {
      const running = meshwright(...words);
      const code = await running.exited;
      return { code, ...running.output };
    },
    async close() {
      for (const { child } of started.toReversed()) if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      const late = setTimeout(() => {
        for (const { child } of started) child.kill('SIGKILL');
      }, 5000);
      await Promise.all(started.map(({ exited }) => exited));
      clearTimeout(late);
      rmSync(ensureRuntimeDir(state, { xdgRuntimeDir: process.env.XDG_RUNTIME_DIR }), { recursive: true, force: true });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Resolves when the text was printed (on either stream); fails when the program ends before. */
export async function shows({ child, output }: Started, text: string): Promise<void> {
  while (!`${output.out}${output.err}`.includes(text)) {
    assert.ok(child.exitCode === null && child.signalCode === null, `ended before it said ${text}:\n${output.out}${output.err}`);
    await somethingOf(child);
  }
}

/** Resolves with the next output of either stream, or the end. */
function somethingOf(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    const sources = [
      [child.stdout, 'data'],
      [child.stderr, 'data'],
      [child, 'close'],
    ] as const;
    const done = () => {
      for (const [source, event] of sources) source?.off(event, done);
      resolve();
    };
    for (const [source, event] of sources) source?.once(event, done);
  });
}

/** Finds the mesh that a command speaks to: by flags, the state folder, the environment. */
import { resolve } from 'node:path';
import { Fault } from '#base/fault.ts';
import { type RuntimeFile, runningControlPlane } from '#process/runtime-file.ts';
import type { Flags } from './command.ts';
import type { Io } from './io.ts';

/** The state folder: `--state-dir`, else MESHWRIGHT_STATE_DIR, else `.meshwright` here. Absolute. */
export function stateDir(flags: Flags, io: Io): string {
  return resolve(io.cwd, flags.text('state-dir') ?? (io.env.MESHWRIGHT_STATE_DIR || '.meshwright'));
}

/** The mesh that runs on this machine with that state folder; a Fault that says how to start one when there is none. */
export function runningMesh(flags: Flags, io: Io): RuntimeFile {
  const folder = stateDir(flags, io);
  const running = runningControlPlane(folder);
  if (running) return running;
  throw new Fault('unreachable', `no mesh runs with the state folder ${folder}`, {
    fix: 'Start one with "meshwright start" or "npm start", or name its state folder with --state-dir.',
  });
}

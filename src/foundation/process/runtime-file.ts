import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { codeOf, Fault } from '#base/fault.ts';
import { isAlive, type ProcessIdentity } from './process-identity.ts';

/** How to reach a running control plane: written by it, read by `meshwright run`, the CLI and tests. */
export interface RuntimeFile {
  readonly version: string;
  readonly process: ProcessIdentity;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  /** Absolute path; server, certificate authority and token are in it. */
  readonly kubeconfig: string;
  /** `https://127.0.0.1:16440`. */
  readonly apiUrl: string;
  /** `host:port` of xDS in plain text. */
  readonly xdsAddress: string;
  /** Empty when there is no page. */
  readonly pageUrl: string;
  /** Base of `/metrics` and `/debug/...`. */
  readonly debugUrl: string;
  /** Folder of the sockets. */
  readonly runtimeDir: string;
}

/** Where a state folder's runtime file stands. */
export function runtimeFilePath(stateDir: string): string {
  return join(stateDir, 'runtime.json');
}

/** Writes the file whole (rename) with mode 0600, making its folder (0700) when absent. */
export function writeRuntimeFile(stateDir: string, content: RuntimeFile): void {
  const path = runtimeFilePath(stateDir);
  const draft = `${path}.${content.process.pid}`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(draft, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
    chmodSync(draft, 0o600);
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw new Fault('runtime-file', `cannot write ${path}: ${codeOf(error) || String(error)}`, {
      cause: error,
      fix: codeOf(error) === 'ENOSPC' ? 'Free space on that disk.' : 'Set MESHWRIGHT_STATE_DIR to a folder that you may write.',
    });
  }
}

/** What is written there, whether or not its process still runs; undefined when absent or not readable as such a file. */
export function readRuntimeFile(stateDir: string): RuntimeFile | undefined {
  try {
    return decodeRuntimeFile(JSON.parse(readFileSync(runtimeFilePath(stateDir), 'utf8')));
  } catch {
    return undefined;
  }
}

/** The running control plane of a state folder; a file that a killed process left behind counts as absent. */
export function runningControlPlane(stateDir: string): RuntimeFile | undefined {
  const found = readRuntimeFile(stateDir);
  return found && isAlive(found.process) ? found : undefined;
}

/** Removes the file if it is (still) that process's own. */
export function removeRuntimeFile(stateDir: string, pid: number): void {
  if (readRuntimeFile(stateDir)?.process.pid === pid) rmSync(runtimeFilePath(stateDir), { force: true });
}

function decodeRuntimeFile(raw: unknown): RuntimeFile | undefined {
  if (typeof raw !== 'object' || raw === null) return undefined;
  const file = raw as Partial<Record<keyof RuntimeFile, unknown>>;
  const owner = file.process as Partial<ProcessIdentity> | undefined;
  if (typeof owner?.pid !== 'number' || typeof file.kubeconfig !== 'string' || typeof file.xdsAddress !== 'string') return undefined;
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  return {
    version: text(file.version),
    process: { pid: owner.pid, startTicks: text(owner.startTicks) },
    startedAt: typeof file.startedAt === 'number' ? file.startedAt : 0,
    kubeconfig: file.kubeconfig,
    apiUrl: text(file.apiUrl),
    xdsAddress: file.xdsAddress,
    pageUrl: text(file.pageUrl),
    debugUrl: text(file.debugUrl),
    runtimeDir: text(file.runtimeDir),
  };
}

import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, Fault, messageOf } from '#base/fault.ts';

/**
 * Makes a state folder (mode 0700) and claims it for this process; the returned function gives it back. A claim left by a killed process is
 * recognised by its dead pid (or one that was given to another program since) and taken over. Throws `STATE_IN_USE`.
 */
export function lockFolder(folder: string): () => void {
  const path = join(folder, 'lock');
  const mine = `${process.pid} ${startOf(process.pid)}\n`;
  const draft = `${path}.${process.pid}`;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(draft, mine, { mode: 0o600 });
    for (let attempt = 0; !claim(draft, path); attempt += 1) {
      const holder = readHolder(path);
      if (attempt > 3 || (holder && isAlive(holder))) {
        throw new Fault('STATE_IN_USE', `the state folder ${folder} is in use by process ${holder?.pid ?? 'unknown'}`, {
          fix: `Stop that process (kill ${holder?.pid ?? '<pid>'}) or use another state folder.`,
        });
      }
      rmSync(path, { force: true });
    }
    rmSync(draft, { force: true });
  } catch (error) {
    discard(draft);
    if (error instanceof Fault) throw error;
    throw new Fault('STATE_UNUSABLE', `the state folder ${folder} cannot be written: ${messageOf(error)}`, {
      cause: error,
      fix: 'Check its free space and permissions, or use another state folder.',
    });
  }
  return () => {
    if (readText(path) === mine) rmSync(path, { force: true });
  };
}

function discard(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // The folder itself is unusable, which the Fault already says.
  }
}

/** A hard link fails when the name exists, and the file is complete from its first moment. */
function claim(draft: string, path: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

interface Holder {
  readonly pid: number;
  readonly start: string;
}

function readHolder(path: string): Holder | undefined {
  const [pid = '', start = ''] = readText(path).trim().split(' ');
  return /^\d+$/.test(pid) ? { pid: Number(pid), start } : undefined;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return '';
    throw error;
  }
}

function isAlive(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
  return holder.start === '' || startOf(holder.pid) === holder.start;
}

/** Start time of a process in clock ticks since boot (field 22 of /proc/pid/stat); empty where there is no /proc. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

import { readFileSync } from 'node:fs';

/** A process that cannot be mistaken for a later one with the same id. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks from boot to the process's start (proc(5), stat field 22); empty where /proc is absent. */
  readonly startTicks: string;
}

/** The identity of a process now; of an unknown process the start is empty. */
export function identifyProcess(pid: number): ProcessIdentity {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may hold spaces: count from its end.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { pid, startTicks: fields[0] === 'Z' ? '' : (fields[19] ?? '') };
  } catch {
    return { pid, startTicks: '' };
  }
}

/** Whether exactly this process still runs. A zombie counts as gone. */
export function isAlive(identity: ProcessIdentity): boolean {
  if (!Number.isInteger(identity.pid) || identity.pid <= 0) return false;
  if (identity.startTicks !== '') return identifyProcess(identity.pid).startTicks === identity.startTicks;
  try {
    process.kill(identity.pid, 0);
    return identifyProcess(identity.pid).startTicks !== '' || process.platform !== 'linux';
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** `pid:ticks`, for annotations. */
export function formatIdentity(identity: ProcessIdentity): string {
  return `${identity.pid}:${identity.startTicks}`;
}

/** The reverse of `formatIdentity`; a bare pid is taken too, anything else is undefined. */
export function parseIdentity(text: string): ProcessIdentity | undefined {
  const match = /^(\d+)(?::(\d*))?$/.exec(text);
  return match ? { pid: Number(match[1]), startTicks: match[2] ?? '' } : undefined;
}

import { createHash } from 'node:crypto';
import { linkSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import { codeOf, Fault } from '#base/fault.ts';
import { endLeftover } from '#process/child-process.ts';
import { identifyProcess, isAlive, type ProcessIdentity } from '#process/process-identity.ts';

/** The right to be one named instance of a workload on this machine, held until `release` or the end of our process. */
export interface InstanceClaim {
  readonly name: string;
  /** Path of a file or socket of this instance in the runtime folder, short whatever the name is. */
  file(suffix: string): string;
  /** Remembers processes that would outlive us, so that the next owner of the name can end them. */
  remember(processes: readonly ProcessIdentity[]): void;
  release(): void;
}

interface ClaimFile {
  readonly agent: ProcessIdentity;
  readonly processes: readonly ProcessIdentity[];
}

const leftoverGraceMs = 2_000;
const mostInstances = 1_000;

/**
 * Claims `name`, or `name-2`, `name-3`... while `exact` is false and others run under it. What a killed owner left running
 * (proxy, program) is ended first.
 */
export async function claimInstance(
  runtimeDir: string,
  namespace: string,
  name: string,
  options: { readonly exact: boolean; readonly clock: Clock },
): Promise<InstanceClaim> {
  for (let n = 1; n <= mostInstances; n++) {
    const instance = n === 1 ? name : `${name}-${n}`;
    const path = (suffix: string) => join(runtimeDir, `${shortName(namespace, instance)}.${suffix}`);
    const owner = await tryClaim(path('run'), options.clock);
    if (!owner) return { name: instance, file: path, ...claimOf(path('run')) };
    if (options.exact) {
      throw new Fault('instance-runs', `a workload named ${instance} runs already in namespace ${namespace} (process ${owner.pid})`, {
        fix: 'Stop it or choose another --name.',
      });
    }
  }
  throw new Fault('instance-runs', `${mostInstances} instances of ${name} run already`);
}

/** Ends what killed agents left running in this runtime folder. Resolves with how many instances were cleaned up. */
export async function endOrphans(runtimeDir: string, clock: Clock): Promise<number> {
  const stale = readdirSync(runtimeDir)
    .filter((file) => file.endsWith('.run'))
    .map((file) => join(runtimeDir, file))
    .filter((path) => !isOwned(readClaim(path)));
  await Promise.all(stale.map((path) => clearStale(path, clock)));
  return stale.length;
}

function claimOf(path: string): Pick<InstanceClaim, 'remember' | 'release'> {
  return {
    remember: (processes) => writeClaim(path, processes),
    release: () => rmSync(path, { force: true }),
  };
}

/** Undefined when the claim is ours now, else who has it. */
async function tryClaim(path: string, clock: Clock): Promise<ProcessIdentity | undefined> {
  for (;;) {
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, JSON.stringify({ agent: identifyProcess(process.pid), processes: [] } satisfies ClaimFile), { mode: 0o600 });
    try {
      // Unlike a rename, a link fails when the name is taken: whoever makes it is the owner.
      linkSync(draft, path);
      return undefined;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw claimFault(path, error);
    } finally {
      rmSync(draft, { force: true });
    }
    const claim = readClaim(path);
    if (claim && isAlive(claim.agent)) return claim.agent;
    await clearStale(path, clock);
  }
}

async function clearStale(path: string, clock: Clock): Promise<void> {
  const aside = `${path}.stale-${process.pid}`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  const claim = readClaim(aside);
  if (isOwned(claim)) {
    // Another process took the name between our look and the rename: give it back.
    renameSync(aside, path);
    return;
  }
  await Promise.all((claim?.processes ?? []).map((leftover) => endLeftover(leftover, leftoverGraceMs, clock)));
  rmSync(aside, { force: true });
}

function isOwned(claim: ClaimFile | undefined): boolean {
  return claim !== undefined && isAlive(claim.agent);
}

function writeClaim(path: string, processes: readonly ProcessIdentity[]): void {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, JSON.stringify({ agent: identifyProcess(process.pid), processes } satisfies ClaimFile), { mode: 0o600 });
  renameSync(draft, path);
}

function readClaim(path: string): ClaimFile | undefined {
  try {
    const raw: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return decodeClaim(raw);
  } catch {
    return undefined;
  }
}

function decodeClaim(raw: unknown): ClaimFile | undefined {
  const claim = raw as Partial<ClaimFile> | null;
  return typeof claim?.agent?.pid === 'number' && Array.isArray(claim.processes)
    ? { agent: claim.agent, processes: claim.processes }
    : undefined;
}

/** Socket paths are short, names may have 253 characters: long ones become a hash. */
function shortName(namespace: string, name: string): string {
  const full = `${name}.${namespace}`;
  return full.length <= 40 ? full : createHash('sha256').update(full).digest('hex').slice(0, 24);
}

function claimFault(path: string, error: unknown): Fault {
  return new Fault('runtime-dir', `cannot write ${path}: ${codeOf(error) || String(error)}`, {
    cause: error,
    fix: codeOf(error) === 'ENOSPC' ? 'Free space on that disk.' : 'Set MESHWRIGHT_RUNTIME_DIR to a folder that you may write.',
  });
}

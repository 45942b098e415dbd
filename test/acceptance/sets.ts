/** Finds and runs the adapters of acceptance sets: one module per set in this folder. */
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** What became of one case. A skip names the feature that is missing. */
export interface CaseResult {
  readonly case: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** Why it failed or was skipped. */
  readonly reason?: string;
}

/** What an adapter module exports. */
export interface AcceptanceSet {
  /** Name of the set for the command line. */
  readonly name: string;
  /** `dir` is the folder of all acceptance data; any subset of cases may be there. */
  run(dir: string): Promise<readonly CaseResult[]>;
}

/** Files of this folder that are no adapters. */
const others: ReadonlySet<string> = new Set(['main.ts', 'sets.ts']);

/** The folder with the data: ACCEPTANCE_DIR, else one beside the checkout; undefined when it is not there. */
export function acceptanceDir(): string | undefined {
  const path = process.env.ACCEPTANCE_DIR
    ? resolve(process.env.ACCEPTANCE_DIR)
    : resolve(import.meta.dirname, '../../../shared/acceptance');
  return existsSync(path) ? path : undefined;
}

/** Every adapter here, sorted by name. */
export async function acceptanceSets(): Promise<readonly AcceptanceSet[]> {
  const files = readdirSync(import.meta.dirname).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !others.has(file));
  const sets: AcceptanceSet[] = [];
  for (const file of files) {
    const module: unknown = await import(join(import.meta.dirname, file));
    if (isSet(module)) sets.push(module);
  }
  return sets.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Counts by outcome. */
export function tally(results: readonly CaseResult[]): Readonly<Record<CaseResult['outcome'], number>> {
  const count = (outcome: CaseResult['outcome']) => results.filter((result) => result.outcome === outcome).length;
  return { passed: count('passed'), failed: count('failed'), skipped: count('skipped') };
}

function isSet(module: unknown): module is AcceptanceSet {
  return (
    typeof module === 'object' &&
    module !== null &&
    'name' in module &&
    typeof module.name === 'string' &&
    'run' in module &&
    typeof module.run === 'function'
  );
}

/** Adapter of the API version set: every version of a kind is accepted and means the same as its siblings. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deepEqual } from '#collection/equal.ts';
import { kinds } from '#resources/kinds.ts';
import { readResources } from '#resources/read.ts';
import type { CaseResult } from './sets.ts';

export const name = 'api-versions';

export async function run(dir: string): Promise<CaseResult[]> {
  const folder = join(dir, 'istio/api-versions');
  const index = join(folder, 'expectations.json');
  if (!existsSync(index)) return [];
  const files: { readonly cases: readonly string[] } = JSON.parse(readFileSync(index, 'utf8'));
  const seen = new Map<string, unknown>();
  return files.cases
    .filter((file) => existsSync(join(folder, file)))
    .map((file) => judge(file, readFileSync(join(folder, file), 'utf8'), seen));
}

function judge(file: string, text: string, seen: Map<string, unknown>): CaseResult {
  const kind =
    file
      .replace(/\.ya?ml$/, '')
      .split('-')
      .at(-1) ?? '';
  if (!kinds.some((one) => one.kind === kind)) return { case: file, outcome: 'skipped', reason: `kind ${kind} is not there yet` };
  const { resources, problems } = readResources(text, file);
  const errors = problems.filter((problem) => problem.severity === 'error');
  if (errors.length > 0 || resources.length === 0) {
    return {
      case: file,
      outcome: 'failed',
      reason: errors.map((problem) => `${problem.path}: ${problem.message}`).join('; ') || 'nothing was read',
    };
  }
  const specs = resources.map((resource) => resource.spec);
  const sibling = seen.get(kind);
  seen.set(kind, sibling ?? specs);
  if (sibling !== undefined && !deepEqual(sibling, specs))
    return { case: file, outcome: 'failed', reason: 'means something else than its sibling' };
  return { case: file, outcome: 'passed' };
}

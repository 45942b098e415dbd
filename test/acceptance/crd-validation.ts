/** Adapter of the CRD validation set: what the schemas and rules of a kind accept and refuse, document by document. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { kindFor } from '#resources/kinds.ts';
import { decodeAny } from '#resources/read.ts';
import { parseYaml } from '#yaml/document.ts';
import type { CaseResult } from './sets.ts';

export const name = 'crd-validation';

interface CrdCase {
  readonly file: string;
  readonly index: number;
  readonly name: string;
  readonly valid: boolean;
  readonly errorMentions?: string;
}

export async function run(dir: string): Promise<CaseResult[]> {
  const index = join(dir, 'istio/crd-validation/expectations.json');
  if (!existsSync(index)) return [];
  const { cases }: { readonly cases: readonly CrdCase[] } = JSON.parse(readFileSync(index, 'utf8'));
  const texts = new Map<string, readonly unknown[]>();
  return cases.map((one) => {
    const file = [join(dirname(index), one.file), join(dirname(index), 'testdata', one.file)].find(existsSync);
    const title = `${one.file}#${one.index} ${one.name}`;
    if (!file) return { case: title, outcome: 'skipped', reason: 'the file is not there' };
    const documents = texts.get(file) ?? parseYaml(readFileSync(file, 'utf8')).map((document) => document.value);
    texts.set(file, documents);
    return judge(title, documents[one.index], one);
  });
}

function judge(title: string, document: unknown, expected: CrdCase): CaseResult {
  const { _err: _, ...raw } = (document ?? {}) as { readonly _err?: string; readonly apiVersion?: string; readonly kind?: string };
  if (!kindFor(raw.apiVersion ?? '', raw.kind ?? ''))
    return { case: title, outcome: 'skipped', reason: `kind ${raw.kind} is not there yet` };
  const { problems } = decodeAny({ raw, origin: { source: 'file' } });
  const errors = problems.filter((problem) => problem.severity === 'error');
  if ((errors.length === 0) === expected.valid) return { case: title, outcome: 'passed' };
  const says = errors.map((problem) => `${problem.path}: ${problem.message}`).join('; ');
  return {
    case: title,
    outcome: 'failed',
    reason: expected.valid ? `refused: ${says}` : `accepted, expected: ${expected.errorMentions ?? 'a refusal'}`,
  };
}

/** Adapter of the validation set: whole resources, fragments in a wrapper, and scalars against the rules of our kinds. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { kinds } from '#resources/kinds.ts';
import { checkExportTo, collector } from '#resources/networking/checks.ts';
import { headerValueError, isHeaderName, isMatchHeaderName } from '#resources/networking/header-checks.ts';
import { isPortName } from '#resources/networking/workload-entry-rules.ts';
import { decodeAny } from '#resources/read.ts';
import type { CaseResult } from './sets.ts';

export const name = 'validation';

interface ResourceCase {
  readonly name: string;
  readonly group: string;
  readonly object: unknown;
  readonly expected: { readonly valid: boolean; readonly warning?: boolean };
}

interface FragmentCase extends Omit<ResourceCase, 'object'> {
  readonly type: string;
  readonly wrappedIn?: unknown;
}

const known: ReadonlySet<string> = new Set(kinds.map((kind) => kind.kind));

export async function run(dir: string): Promise<CaseResult[]> {
  const resources = read<{ cases: readonly ResourceCase[] }>(dir, 'resources.json')?.cases ?? [];
  const fragments = read<{ cases: readonly FragmentCase[] }>(dir, 'fragments.json')?.cases ?? [];
  const scalars = read<Scalars>(dir, 'scalars.json');
  return [
    ...resources.map((one) => judge(`resource ${one.group}/${one.name}`, one.object, one.expected)),
    ...fragments.map((one) => judge(`fragment ${one.type}/${one.group}/${one.name}`, one.wrappedIn, one.expected)),
    ...(scalars ? judgeScalars(scalars) : []),
  ];
}

function read<T>(dir: string, file: string): T | undefined {
  const path = join(dir, 'istio/validation', file);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}

/** Long texts are written `{"$repeat": text, "$count": n}`. */
function expand(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(expand);
  if (typeof value !== 'object' || value === null) return value;
  const { $repeat, $count, $base64 } = value as { $repeat?: string; $count?: number; $base64?: boolean };
  if ($repeat === undefined) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, expand(item)]));
  const text = $repeat.repeat($count ?? 0);
  return $base64 ? Buffer.from(text).toString('base64') : text;
}

function judge(title: string, object: unknown, expected: ResourceCase['expected']): CaseResult {
  const raw = expand(object) as { readonly kind?: string } | undefined;
  if (!raw) return { case: title, outcome: 'skipped', reason: 'the message belongs to no resource' };
  if (!known.has(raw.kind ?? '')) return { case: title, outcome: 'skipped', reason: `kind ${raw.kind} is not there yet` };
  const { problems } = decodeAny({ raw: { ...raw }, origin: { source: 'file' } });
  const errors = problems.filter((problem) => problem.severity === 'error');
  const says = problems.map((problem) => `${problem.code} ${problem.path}: ${problem.message}`).join('; ');
  if ((errors.length === 0) !== expected.valid) {
    return { case: title, outcome: 'failed', reason: expected.valid ? `refused: ${says}` : 'accepted' };
  }
  const isWarned = problems.some((problem) => problem.severity === 'warning' || problem.severity === 'info');
  if (expected.valid && expected.warning !== undefined && isWarned !== expected.warning) {
    return { case: title, outcome: 'failed', reason: expected.warning ? 'no warning' : `warned: ${says}` };
  }
  return { case: title, outcome: 'passed' };
}

interface Scalars {
  readonly scalars?: readonly { readonly type: string; readonly value: string | number; readonly valid: boolean }[];
  readonly exportTo?: readonly {
    readonly name: string;
    readonly namespace: string;
    readonly exportTo: readonly string[];
    readonly isServiceEntry: boolean;
    readonly isDestinationRuleWithSelector: boolean;
    readonly valid: boolean;
  }[];
}

const scalarRules: Readonly<Record<string, (value: string | number) => boolean>> = {
  'HTTP header name (strict)': (value) => isHeaderName(String(value)),
  'HTTP match header name (or JWT claim form)': (value) => isMatchHeaderName(String(value)),
  'HTTP status': (value) => Number(value) >= 200 && Number(value) <= 600,
  'port name': (value) => isPortName(String(value)),
  'HTTP header value format string': (value) => headerValueError(String(value)) === undefined,
};

function judgeScalars({ scalars = [], exportTo = [] }: Scalars): CaseResult[] {
  const ruled = scalars.map(({ type, value, valid }): CaseResult => {
    const title = `scalar ${type} ${JSON.stringify(value)}`;
    const rule = scalarRules[type];
    if (!rule) return { case: title, outcome: 'skipped', reason: `no rule for ${type}` };
    return rule(value) === valid
      ? { case: title, outcome: 'passed' }
      : { case: title, outcome: 'failed', reason: valid ? 'refused' : 'accepted' };
  });
  const exported = exportTo.map((one): CaseResult => {
    const { issues, report } = collector();
    checkExportTo(
      one.exportTo,
      { namespace: one.namespace, allowsNone: one.isServiceEntry, isOwnOnly: one.isDestinationRuleWithSelector },
      report,
    );
    const isValid = issues.length === 0;
    return { case: `exportTo ${one.name}`, outcome: isValid === one.valid ? 'passed' : 'failed' };
  });
  return [...ruled, ...exported];
}

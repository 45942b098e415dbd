import type { Problem } from '#base/problem.ts';
import type { YamlDocument } from '#yaml/document.ts';
import type { Change, WriteAnswer } from '../api.ts';
import { locate, toYaml } from '../object-text.ts';
import type { KubeObject, ObjectKey, ResourceAccess, WriteOptions, WriteOutcome } from '../sources.ts';
import { problemView, refOf } from '../state/views.ts';
import { type Refusal, refusal } from './refusal.ts';

/** Writes one object and says what it changes; a refused write throws the Refusal that explains it. */
export async function writeOne(
  resources: ResourceAccess,
  object: KubeObject,
  options: WriteOptions & { readonly generation?: number },
  document?: YamlDocument,
): Promise<{ change: Change; warnings: readonly string[] }> {
  const key = keyFor(resources, object);
  const stored = await resources.get(key);
  const placed = { ...object, metadata: { ...object.metadata, ...(key.namespace ? { namespace: key.namespace } : {}) } };
  const { generation, ...rest } = options;
  if (generation !== undefined && stored?.metadata.generation !== generation) {
    const message = `It has generation ${stored?.metadata.generation ?? 'none'}, expected ${generation}.`;
    throw refused({ ok: false, reason: 'conflict', message, problems: [] }, key);
  }
  // What was compared is what is replaced.
  const resourceVersion = rest.resourceVersion ?? (generation === undefined ? undefined : stored?.metadata.resourceVersion);
  const outcome = await resources.write(placed, { ...rest, ...(resourceVersion ? { resourceVersion } : {}) });
  if (!outcome.ok) throw refused(outcome, key, document);
  const before = stored ? toYaml(stored) : '';
  const after = toYaml(outcome.object);
  const change: Change = {
    ref: refOf(outcome.object),
    action: !stored ? 'create' : before === after ? 'unchanged' : 'update',
    before,
    after,
    resourceVersion: (options.dryRun ? stored : outcome.object)?.metadata.resourceVersion ?? '',
    generation: outcome.object.metadata.generation ?? 0,
  };
  return { change, warnings: outcome.warnings };
}

/** Where the object belongs. A namespaced object without a namespace goes to `default`, as with kubectl. */
function keyFor(resources: ResourceAccess, object: KubeObject): ObjectKey {
  const kind = resources.kinds().find((known) => known.kind === object.kind);
  if (!kind) {
    const known = resources.kinds().map((each) => each.kind);
    throw refusal(404, 'unknown_kind', `There is no kind ${object.kind} here.`, `Known kinds: ${known.join(', ')}.`);
  }
  return { kind: object.kind, namespace: kind.namespaced ? (object.metadata.namespace ?? 'default') : '', name: object.metadata.name };
}

/** The API's answer to a write that was refused, with problems placed in the typed text when there is one. */
export function refused(outcome: WriteOutcome & { readonly ok: false }, key: ObjectKey, document?: YamlDocument): Refusal {
  const name = `${key.kind} ${key.namespace ? `${key.namespace}/` : ''}${key.name}`;
  const problems: readonly Problem[] = document ? locate(outcome.problems, document) : outcome.problems;
  switch (outcome.reason) {
    case 'conflict':
      return refusal(
        409,
        'conflict',
        `${name} was changed by someone else meanwhile. ${outcome.message}`,
        'Read it again, then repeat your change.',
      );
    case 'not-found':
      return refusal(404, 'not_found', `${name} does not exist. ${outcome.message}`, 'Look at the list: it may have been deleted.');
    case 'invalid':
      return refusal(422, 'invalid', outcome.message, problems[0]?.fix ?? 'Mend the fields that are named and try again.', problems);
  }
}

export function writeAnswer(
  dryRun: boolean,
  changes: Change[],
  warnings: readonly string[],
  problems: readonly Problem[] = [],
): WriteAnswer {
  return { dryRun, changes, warnings: [...warnings], problems: problems.map(problemView) };
}

import type { Origin } from '#base/origin.ts';
import { type Problem, sortProblems } from '#base/problem.ts';
import type { MeshSnapshot } from '#mesh/snapshot.ts';
import { conflictProblems } from './rules/conflicts.ts';
import { destinationRuleProblems } from './rules/destination-rules.ts';
import type { Finding } from './rules/finding.ts';
import { referenceProblems } from './rules/references.ts';
import { unservedProblems } from './rules/unserved.ts';

/** Key of an object in the result: `VirtualService/default/reviews`. */
export function objectKey(object: { readonly kind: string; readonly namespace: string; readonly name: string }): string {
  return `${object.kind}/${object.namespace}/${object.name}`;
}

const rules: readonly ((snapshot: MeshSnapshot) => Iterable<Finding>)[] = [
  referenceProblems,
  conflictProblems,
  destinationRuleProblems,
  unservedProblems,
];

/**
 * What is wrong between objects that are each valid by themselves: references to nothing, conflicts, settings that this
 * version does not serve. Objects without problems are not in the map; problems of one object are sorted.
 */
export function analyzeSnapshot(snapshot: MeshSnapshot): ReadonlyMap<string, readonly Problem[]> {
  const byObject = new Map<string, Problem[]>();
  for (const rule of rules) {
    for (const { origin, problem } of rule(snapshot)) {
      const key = objectKey({ kind: kindOf(origin), namespace: origin.namespace ?? '', name: origin.name ?? '' });
      byObject.set(key, [...(byObject.get(key) ?? []), { ...problem, origin }]);
    }
  }
  return new Map([...byObject].map(([key, problems]) => [key, sortProblems(problems)]));
}

function kindOf(origin: Origin): string {
  return origin.kind?.split('/').at(-1) ?? '';
}

import { formatOrigin, type Origin } from '#base/origin.ts';
import type { Problem } from '#base/problem.ts';
import type { ObjectRef, OriginView, ProblemView } from '../api.ts';
import type { KubeObject } from '../sources.ts';

/** undefined: the origin is no object. */
export function originObject(origin: Origin): ObjectRef | undefined {
  if (!origin.kind || !origin.name) return undefined;
  return { kind: origin.kind.split('/').at(-1) ?? origin.kind, namespace: origin.namespace ?? '', name: origin.name };
}

export function originView(origin: Origin): OriginView {
  const object = originObject(origin);
  return { text: formatOrigin(origin), ...(object ? { object } : {}) };
}

export function problemView(problem: Problem): ProblemView {
  const { code, severity, path, message, fix, line, column, origin } = problem;
  return { code, severity, path, message, fix, line, column, ...(origin ? { origin: originView(origin) } : {}) };
}

export function refOf(object: KubeObject): ObjectRef {
  return { kind: object.kind, namespace: object.metadata.namespace ?? '', name: object.metadata.name };
}

export function isAbout(problem: Problem, ref: ObjectRef): boolean {
  const object = problem.origin && originObject(problem.origin);
  return object?.kind === ref.kind && object.name === ref.name && object.namespace === ref.namespace;
}

import type { Problem } from '#base/problem.ts';

type Json = Readonly<Record<string, unknown>>;

/** Condition that says whether the object's present generation is in effect. */
const conditionType = 'Reconciled';

/**
 * The status that an object should have: its own with the condition `Reconciled` and `validationMessages` brought up to
 * date (the shapes of Istio's status). Undefined when it has that already, times aside.
 */
export function statusFor(object: Json, problems: readonly Problem[], now: string): Json | undefined {
  const status = isObject(object.status) ? object.status : {};
  const generation = isObject(object.metadata) && typeof object.metadata.generation === 'number' ? object.metadata.generation : 0;
  const conditions = Array.isArray(status.conditions) ? status.conditions.filter(isObject) : [];
  const old = conditions.find((condition) => condition.type === conditionType);
  const wanted = conditionOf(problems, generation);
  const messages = problems.map(toMessage);
  const isSame =
    old !== undefined &&
    Object.entries(wanted).every(([name, value]) => old[name] === value) &&
    JSON.stringify(status.validationMessages ?? []) === JSON.stringify(messages) &&
    status.observedGeneration === generation;
  if (isSame) return undefined;
  const lastTransitionTime = old?.status === wanted.status && typeof old.lastTransitionTime === 'string' ? old.lastTransitionTime : now;
  const { validationMessages: _, ...rest } = status;
  return {
    ...rest,
    conditions: [...conditions.filter((condition) => condition !== old), { ...wanted, lastTransitionTime }],
    ...(messages.length > 0 ? { validationMessages: messages } : {}),
    observedGeneration: generation,
  };
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function conditionOf(problems: readonly Problem[], observedGeneration: number) {
  const errors = problems.filter((problem) => problem.severity === 'error');
  const isRefused = errors.some((problem) => problem.code === 'MW0301');
  const first = errors[0];
  return {
    type: conditionType,
    status: first ? 'False' : 'True',
    reason: first ? (isRefused ? 'RejectedByProxy' : 'Invalid') : 'Accepted',
    message: first
      ? `${first.path ? `${first.path}: ` : ''}${first.message}${errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''}`
      : '',
    observedGeneration,
  };
}

function toMessage(problem: Problem): Json {
  return {
    type: { code: problem.code },
    level: problem.severity.toUpperCase(),
    message: problem.message,
    ...(problem.path ? { path: problem.path } : {}),
    ...(problem.fix ? { fix: problem.fix } : {}),
  };
}

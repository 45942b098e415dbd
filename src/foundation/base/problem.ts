import type { Origin } from './origin.ts';

export type Severity = 'error' | 'warning' | 'info';

/** The user's input is wrong. A value, never thrown: all of an object's problems are collected and reported together. */
export interface Problem {
  /** `MW0101` or Istio's `IST0xxx`; declared once in `model/resources/problems.ts`. */
  readonly code: string;
  readonly severity: Severity;
  /** JSON path in the object (`spec.http[0].route[1].weight`); empty for the object as a whole. */
  readonly path: string;
  /** What was found and what was expected, one sentence. */
  readonly message: string;
  /** What to do next, one sentence. */
  readonly fix: string;
  readonly origin?: Origin;
  /** 1-based position of the value in its file, when known. */
  readonly line?: number;
  readonly column?: number;
}

/** By severity, then origin file and line, then path: the order in which people should read them. */
export function sortProblems(problems: readonly Problem[]): Problem[] {
  const rank = { error: 0, warning: 1, info: 2 } as const;
  return [...problems].sort(
    (a, b) =>
      rank[a.severity] - rank[b.severity] ||
      (a.origin?.file ?? '').localeCompare(b.origin?.file ?? '') ||
      (a.line ?? a.origin?.line ?? 0) - (b.line ?? b.origin?.line ?? 0) ||
      a.path.localeCompare(b.path),
  );
}

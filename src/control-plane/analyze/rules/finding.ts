import type { Origin } from '#base/origin.ts';
import type { Problem } from '#base/problem.ts';
import { type ProblemCode, problemTable } from '#resources/problems.ts';

/** A problem and the object that it belongs to. */
export interface Finding {
  readonly origin: Origin;
  readonly problem: Problem;
}

interface Told {
  readonly path: string;
  readonly message: string;
  /** Replaces the table's advice. */
  readonly fix?: string;
  /** Replaces the table's severity where the case is milder. */
  readonly severity?: Problem['severity'];
}

export function finding(code: ProblemCode, origin: Origin, { path, message, fix, severity }: Told): Finding {
  const entry = problemTable[code];
  return { origin, problem: { code, severity: severity ?? entry.severity, path, message, fix: fix ?? entry.fix } };
}

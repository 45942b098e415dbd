import type { ProblemCode } from './problems.ts';

/** Names and numbers of the path from an object's root to a value. */
export type Path = readonly (string | number)[];

/** A problem before the object's origin and positions are known: what the rules of one kind yield. */
export interface Issue {
  readonly code: ProblemCode;
  readonly path: Path;
  /** What was found and what was expected. */
  readonly message: string;
  /** Replaces the fix of the code's table entry. */
  readonly fix?: string;
}

/** `spec.http[0].match[1].uri`; names that are not plain words stand in brackets and quotes. */
export function formatPath(path: Path): string {
  let out = '';
  for (const step of path) {
    if (typeof step === 'number') out += `[${step}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(step)) out += out === '' ? step : `.${step}`;
    else out += `[${JSON.stringify(step)}]`;
  }
  return out;
}

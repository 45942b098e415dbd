import { formatOrigin } from '#base/origin.ts';
import { type Problem, sortProblems } from '#base/problem.ts';
import type { Io } from '../io.ts';

/** Problems as lines: `file:line:column: error MW0101 path: message`, the fix below. */
export function formatProblems(problems: readonly Problem[], io: Pick<Io, 'paint'>): string[] {
  return sortProblems(problems).flatMap((problem) => {
    const tone = problem.severity === 'error' ? 'bad' : problem.severity === 'warning' ? 'warn' : 'dim';
    const path = problem.path ? ` ${problem.path}:` : '';
    const line = `${placeOf(problem)}: ${io.paint(tone, problem.severity)} ${problem.code}${path} ${problem.message}`;
    return problem.fix ? [line, `    ${problem.fix}`] : [line];
  });
}

function placeOf({ origin, line, column }: Problem): string {
  if (origin?.file) return [origin.file, line ?? origin.line, column].filter((part) => part !== undefined).join(':');
  return origin ? formatOrigin(origin) : 'input';
}

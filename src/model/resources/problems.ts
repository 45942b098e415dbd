/** What people need to know of one sort of problem; docs, `meshwright explain` and the page read it. */
export interface ProblemEntry {
  readonly severity: 'error' | 'warning' | 'info';
  /** Few words that name the problem. */
  readonly title: string;
  /** Why it is one. */
  readonly cause: string;
  /** What to do about it. */
  readonly fix: string;
  readonly example: string;
}

function table<const T extends Readonly<Record<string, ProblemEntry>>>(entries: T): Readonly<Record<keyof T, ProblemEntry>> {
  return entries;
}

/** Every problem code. A code keeps its meaning for ever and is never given to another problem. */
export const problemTable = table({
  MW0101: {
    severity: 'error',
    title: 'Unreadable YAML',
    cause: 'The text is not valid YAML, so nothing in this document can be read.',
    fix: 'Correct the text at the position given.',
    example: 'a: [1, 2',
  },
});

export type ProblemCode = keyof typeof problemTable;

import { type DiffLine, diffLines } from './diff-lines.ts';
import { ScrollBox } from './scroll-box.tsx';

/** Lines beside each change that are shown with it. */
const around = 4;

/** What a write changes, line by line: signs beside the colour. */
export function Diff({ before, after, label }: { readonly before: string; readonly after: string; readonly label: string }) {
  const lines = diffLines(before, after);
  if (lines.every((line) => line.sign === ' ')) return <p className="muted">Nothing changes.</p>;
  return (
    <ScrollBox look="diff" label={label}>
      {shownLines(lines).map(({ at, line }) => (
        <span key={at} className={line ? looks[line.sign] : 'gap'}>
          {line ? `${line.sign} ${line.text}` : '⋯'}
        </span>
      ))}
    </ScrollBox>
  );
}

const looks = { '+': 'added', '-': 'removed', ' ': undefined } as const;

/** Lines near a change; what is left out becomes one line without text. */
function shownLines(lines: readonly DiffLine[]): { readonly at: number; readonly line?: DiffLine }[] {
  const near = (at: number) => lines.slice(Math.max(0, at - around), at + around + 1).some((line) => line.sign !== ' ');
  return lines.flatMap((line, at) => {
    if (near(at)) return [{ at, line }];
    return at === 0 || near(at - 1) ? [{ at }] : [];
  });
}

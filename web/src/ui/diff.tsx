import { type DiffLine, diffLines } from './diff-lines.ts';

/** What a write changes, line by line: signs and words beside the colour. */
export function Diff({ before, after, label }: { readonly before: string; readonly after: string; readonly label: string }) {
  const lines = withContext(diffLines(before, after), 4);
  if (!lines.some((line) => line !== 'gap' && line.sign !== ' ')) return <p className="muted">Nothing changes.</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
    <pre className="diff" role="region" aria-label={label} tabIndex={0}>
      {lines.map((line, index) =>
        line === 'gap' ? (
          <span key={`gap${index}`} className="gap">
            ⋯{'\n'}
          </span>
        ) : (
          <span key={`${index}${line.sign}`} className={line.sign === '+' ? 'added' : line.sign === '-' ? 'removed' : undefined}>
            {line.sign} {line.text}
            {'\n'}
          </span>
        ),
      )}
    </pre>
  );
}

/** Keeps `around` lines beside each change. */
function withContext(lines: readonly DiffLine[], around: number): (DiffLine | 'gap')[] {
  const near = lines.map((_, index) => lines.slice(Math.max(0, index - around), index + around + 1).some((line) => line.sign !== ' '));
  return lines.flatMap((line, index): (DiffLine | 'gap')[] => {
    if (near[index]) return [line];
    return index === 0 || near[index - 1] ? ['gap'] : [];
  });
}

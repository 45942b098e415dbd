export interface DiffLine {
  readonly sign: ' ' | '+' | '-';
  readonly text: string;
}

const largest = 4_000;

/** Shortest edit from one text to the other by longest common subsequence of lines; for very long texts all old, then all new. */
export function diffLines(before: string, after: string): DiffLine[] {
  const old = before ? before.replace(/\n$/, '').split('\n') : [];
  const fresh = after ? after.replace(/\n$/, '').split('\n') : [];
  let start = 0;
  while (start < old.length && start < fresh.length && old[start] === fresh[start]) start++;
  let end = 0;
  while (end < old.length - start && end < fresh.length - start && old[old.length - 1 - end] === fresh[fresh.length - 1 - end]) end++;
  const same = (texts: readonly string[]) => texts.map((text): DiffLine => ({ sign: ' ', text }));
  return [
    ...same(old.slice(0, start)),
    ...middle(old.slice(start, old.length - end), fresh.slice(start, fresh.length - end)),
    ...same(old.slice(old.length - end)),
  ];
}

function middle(old: readonly string[], fresh: readonly string[]): DiffLine[] {
  const removed = (text: string): DiffLine => ({ sign: '-', text });
  const added = (text: string): DiffLine => ({ sign: '+', text });
  if (old.length * fresh.length > largest * largest) return [...old.map(removed), ...fresh.map(added)];
  const width = fresh.length + 1;
  const common = new Uint16Array((old.length + 1) * width);
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = fresh.length - 1; j >= 0; j--) {
      common[i * width + j] =
        old[i] === fresh[j]
          ? (common[(i + 1) * width + j + 1] ?? 0) + 1
          : Math.max(common[(i + 1) * width + j] ?? 0, common[i * width + j + 1] ?? 0);
    }
  }
  const lines: DiffLine[] = [];
  let i = 0;
  let j = 0;
  while (i < old.length || j < fresh.length) {
    const from = old[i];
    const to = fresh[j];
    if (from !== undefined && from === to) {
      lines.push({ sign: ' ', text: from });
      i++;
      j++;
    } else if (from !== undefined && (to === undefined || (common[(i + 1) * width + j] ?? 0) >= (common[i * width + j + 1] ?? 0))) {
      lines.push(removed(from));
      i++;
    } else if (to !== undefined) {
      lines.push(added(to));
      j++;
    }
  }
  return lines;
}

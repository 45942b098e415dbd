/** The word that someone probably meant by `found`: equal but for case and separators, or at most two letters away. */
export function closest(found: string, words: readonly string[]): string | undefined {
  const plain = (text: string) => text.toLowerCase().replace(/[-_.]/g, '');
  const same = words.find((word) => plain(word) === plain(found));
  if (same) return same;
  let best: string | undefined;
  let bestDistance = Math.min(3, Math.ceil(found.length / 2));
  for (const word of words) {
    const distance = editDistance(plain(found), plain(word), bestDistance);
    if (distance < bestDistance) {
      best = word;
      bestDistance = distance;
    }
  }
  return best;
}

/** Insertions, deletions, replacements and swaps of neighbours between two words; stops counting at `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let value = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) value = Math.min(value, (before[j - 2] ?? 0) + 1);
      next.push(value);
    }
    before = row;
    row = next;
  }
  return Math.min(limit, row[b.length] ?? limit);
}

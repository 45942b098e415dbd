/** The text of one document and the 1-based line on which it begins. */
export interface Chunk {
  readonly text: string;
  readonly line: number;
}

/**
 * Splits a stream at its document markers. YAML forbids `---` and `...` at the start of a line inside any document
 * (YAML 1.2.2, c-forbidden), so a split by lines is exact, and an unclosed quote or bracket ends with its document.
 */
export function* chunksOf(text: string): Generator<Chunk> {
  const marker = /^(?:---|\.\.\.)(?=[ \t\r\n]|$)/gm;
  let from = 0;
  let line = 1;
  for (const found of text.matchAll(marker)) {
    const piece = text.slice(from, found.index);
    // Directives belong to the document that the marker begins.
    const isPrologue = found[0] === '---' && /^%/m.test(piece) && /^(?:[ \t]*(?:#.*)?\r?\n|%.*\r?\n)*$/.test(piece);
    if (isPrologue) continue;
    yield { text: piece, line };
    line += countLines(piece);
    // `...` is not part of any document; three blanks keep the columns of what follows on the line.
    from = found.index;
    if (found[0] === '...') from += 3;
  }
  yield { text: text.slice(from), line };
}

function countLines(text: string): number {
  let count = 0;
  for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) count++;
  return count;
}

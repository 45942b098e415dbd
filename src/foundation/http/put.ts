import './buffer-text.ts';

/** Below these lengths a loop is quicker than the call into Node. */
const fewBytes = 48;
const fewChars = 24;

/** Copies bytes [from, to) of `source` to `at`; returns where they end. */
export function putBytes(out: Buffer, at: number, source: Buffer, from: number, to: number): number {
  if (to - from > fewBytes) return at + source.copy(out, at, from, to);
  let end = at;
  for (let i = from; i < to; i++) out[end++] = source[i] ?? 0;
  return end;
}

/** Writes text of one byte per character at `at`; returns where it ends. */
export function putText(out: Buffer, at: number, text: string): number {
  const { length } = text;
  if (length > fewChars) return at + out.latin1Write(text, at);
  for (let i = 0; i < length; i++) out[at + i] = text.charCodeAt(i);
  return at + length;
}

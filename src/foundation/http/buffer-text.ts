/**
 * Node's typings leave out the methods of Buffer that read and write text of one encoding without choosing it by name
 * first. They are several times quicker than `toString` and `write` on short texts.
 */
declare global {
  interface Buffer {
    latin1Slice(start?: number, end?: number): string;
    latin1Write(text: string, offset: number): number;
    utf8Write(text: string, offset: number): number;
  }
}

export {};

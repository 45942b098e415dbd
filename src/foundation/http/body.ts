import { ChunkedBody } from './chunked.ts';

/** How a message says where its body ends. */
export type Framing = 'none' | 'length' | 'chunked' | 'until-close';

/** Follows one body of any framing. `advance` says how far the body reaches into the bytes at hand. */
export class BodyReader {
  framing: Framing = 'none';
  left = 0;
  done = true;
  bad = false;
  /** Bytes of the body seen so far, chunk framing included. */
  received = 0;
  readonly chunks = new ChunkedBody();

  start(framing: Framing, length: number): void {
    this.framing = framing;
    this.left = length;
    this.bad = false;
    this.received = 0;
    this.done = framing === 'none' || (framing === 'length' && length === 0);
    if (framing === 'chunked') this.chunks.reset();
  }

  /** The position after the last byte of [start, end) that belongs to the body; sets `done` or `bad` there. */
  advance(bytes: Uint8Array, start: number, end: number): number {
    if (this.done || this.bad) return start;
    let stop = end;
    if (this.framing === 'length') {
      stop = start + Math.min(this.left, end - start);
      this.left -= stop - start;
      this.done = this.left === 0;
    } else if (this.framing === 'chunked') {
      stop = this.chunks.advance(bytes, start, end);
      this.done = this.chunks.done;
      this.bad = this.chunks.bad;
    }
    this.received += stop - start;
    return stop;
  }
}

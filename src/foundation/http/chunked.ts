import { byteClass, hexValue, tokenBit, valueBit } from './ascii.ts';

const state = {
  size: 0,
  sizeEnd: 1,
  extension: 2,
  sizeLf: 3,
  data: 4,
  dataCr: 5,
  dataLf: 6,
  line: 7,
  name: 8,
  value: 9,
  valueLf: 10,
  endLf: 11,
  done: 12,
  bad: 13,
} as const;

/** A chunk's size line, extensions included, and all trailers together may each take this many bytes. */
const maxLineBytes = 4096;
const maxTrailerBytes = 8192;
const maxTrailers = 64;

/** Trailers that would change framing, routing or who the sender is are refused (RFC 9110, 6.5.1). */
const forbiddenTrailers: ReadonlySet<string> = new Set(
  'transfer-encoding content-length host connection trailer te upgrade keep-alive expect authorization content-encoding content-type content-range set-cookie cookie'.split(
    ' ',
  ),
);

/**
 * Follows the framing of one chunked body as its bytes pass, without moving them: `advance` returns the position after
 * the last byte that belongs to the body. Legal extensions and trailers pass; everything ambiguous is refused.
 */
export class ChunkedBody {
  private at: number = state.size;
  private digits = 0;
  private left = 0;
  private lineBytes = 0;
  private trailerBytes = 0;
  private trailers = 0;
  private trailerName = '';
  /** When set, `advance` appends the start and end of each run of payload bytes. */
  payload: number[] | undefined = undefined;

  reset(): void {
    this.at = state.size;
    this.digits = 0;
    this.left = 0;
    this.lineBytes = 0;
    this.trailerBytes = 0;
    this.trailers = 0;
    this.payload = undefined;
  }

  get done(): boolean {
    return this.at === state.done;
  }
  get bad(): boolean {
    return this.at === state.bad;
  }

  /** Reads [start, end) and returns where it stopped: `end`, or earlier when the body ended or was refused there. */
  advance(bytes: Uint8Array, start: number, end: number): number {
    let i = start;
    while (i < end) {
      if (this.at === state.data) {
        const run = Math.min(this.left, end - i);
        if (this.payload !== undefined) this.payload.push(i, i + run);
        this.left -= run;
        i += run;
        if (this.left === 0) this.at = state.dataCr;
        continue;
      }
      if (this.at >= state.done) return i;
      this.at = this.step(bytes[i] ?? 0);
      if (this.at === state.bad) return i;
      i++;
    }
    return i;
  }

  private step(byte: number): number {
    switch (this.at) {
      case state.size:
        return this.inSize(byte);
      case state.sizeEnd:
      case state.extension:
        return this.inExtension(byte);
      case state.sizeLf:
        if (byte !== 10) return state.bad;
        return this.left === 0 ? this.startLine() : this.startData();
      case state.dataCr:
        return byte === 13 ? state.dataLf : state.bad;
      case state.dataLf:
        this.digits = 0;
        return byte === 10 ? state.size : state.bad;
      case state.endLf:
        return byte === 10 ? state.done : state.bad;
      default:
        return this.inTrailer(byte);
    }
  }

  private inSize(byte: number): number {
    const digit = hexValue[byte] ?? 255;
    if (digit < 16) {
      if (this.digits === 0) {
        this.left = 0;
        this.lineBytes = 0;
      }
      // 12 digits stay exact in a double.
      if (++this.digits > 12) return state.bad;
      this.left = this.left * 16 + digit;
      return state.size;
    }
    if (this.digits === 0) return state.bad;
    return this.inExtension(byte);
  }

  private inExtension(byte: number): number {
    if (byte === 13) return state.sizeLf;
    if (++this.lineBytes > maxLineBytes || ((byteClass[byte] ?? 0) & valueBit) === 0) return state.bad;
    if (this.at === state.extension) return state.extension;
    if (byte === 59) return state.extension;
    return byte === 32 || byte === 9 ? state.sizeEnd : state.bad;
  }

  private startData(): number {
    return state.data;
  }
  private startLine(): number {
    this.trailerName = '';
    return state.line;
  }

  private inTrailer(byte: number): number {
    if (++this.trailerBytes > maxTrailerBytes) return state.bad;
    if (this.at === state.line && byte === 13) return state.endLf;
    if (this.at === state.line || this.at === state.name) {
      if (byte === 58 && this.trailerName !== '') {
        return ++this.trailers > maxTrailers || forbiddenTrailers.has(this.trailerName.toLowerCase()) ? state.bad : state.value;
      }
      if (((byteClass[byte] ?? 0) & tokenBit) === 0) return state.bad;
      this.trailerName += String.fromCharCode(byte);
      return state.name;
    }
    if (this.at === state.valueLf) return byte === 10 ? this.startLine() : state.bad;
    if (byte === 13) return state.valueLf;
    return ((byteClass[byte] ?? 0) & valueBit) === 0 ? state.bad : state.value;
  }
}

/**
 * Protobuf by hand, for the messages that are made in great numbers: a growing buffer with the few wire forms that
 * endpoints and repeated fragments need. Field numbers stand at the callers, named after their .proto.
 */

const encoder = new TextEncoder();

export class WireWriter {
  #bytes = new Uint8Array(1024);
  #length = 0;

  #reserve(extra: number): void {
    const needed = this.#length + extra;
    if (needed <= this.#bytes.length) return;
    const bigger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    bigger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = bigger;
  }

  /** Unsigned, up to 2^32 - 1. */
  varint(value: number): this {
    this.#reserve(5);
    let rest = value >>> 0;
    while (rest > 127) {
      this.#bytes[this.#length++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    this.#bytes[this.#length++] = rest;
    return this;
  }

  /** Field of a number, enum or bool; zero is left out. */
  number(field: number, value: number): this {
    return value === 0 ? this : this.varint(field << 3).varint(value);
  }

  /** Length-delimited field: a string, a message or bytes. */
  bytes(field: number, value: Uint8Array): this {
    this.varint((field << 3) | 2).varint(value.length);
    return this.raw(value);
  }

  /** Already encoded fields, appended as they are. */
  raw(value: Uint8Array): this {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  /** The empty string is left out. */
  string(field: number, value: string): this {
    if (value === '') return this;
    this.varint((field << 3) | 2);
    const start = this.#length;
    this.#reserve(value.length * 3 + 1);
    this.#length = start + 1;
    this.#length += encoder.encodeInto(value, this.#bytes.subarray(this.#length)).written;
    return this.#close(start);
  }

  /** A nested message, written by `fill` into this same writer. */
  message(field: number, fill: (writer: WireWriter) => void): this {
    this.varint((field << 3) | 2);
    const start = this.#length;
    this.#reserve(1);
    this.#length = start + 1;
    fill(this);
    return this.#close(start);
  }

  /** Puts the length of what follows `start` there: one byte was left for it, a longer length shifts the content. */
  #close(start: number): this {
    const size = this.#length - start - 1;
    if (size < 128) {
      this.#bytes[start] = size;
      return this;
    }
    const extra = size < 16_384 ? 1 : size < 2_097_152 ? 2 : size < 268_435_456 ? 3 : 4;
    this.#reserve(extra);
    this.#bytes.copyWithin(start + 1 + extra, start + 1, this.#length);
    const end = this.#length + extra;
    this.#length = start;
    this.varint(size);
    this.#length = end;
    return this;
  }

  /** A copy of what was written; the writer is empty then and can be used again. */
  finish(): Uint8Array {
    const result = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return result;
  }
}

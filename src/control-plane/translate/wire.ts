/**
 * Protobuf by hand, for the messages that are made in great numbers: a growing buffer with the few wire forms that
 * endpoints and repeated fragments need. Field numbers stand at the callers, named after their .proto.
 */

const encoder = new TextEncoder();

export class WireWriter {
  #bytes = new Uint8Array(256);
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

  string(field: number, value: string): this {
    return value === '' ? this : this.bytes(field, encoder.encode(value));
  }

  message(field: number, fill: (writer: WireWriter) => void): this {
    const inner = new WireWriter();
    fill(inner);
    return this.bytes(field, inner.finish());
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}

import { Fault } from '#base/fault.ts';

/** Wire types of protobuf's encoding. */
const varintType = 0;
const fixed64Type = 1;
const bytesType = 2;
const fixed32Type = 5;

/** Reads protobuf fields in place. Throws Fault XDS_MALFORMED when the bytes do not follow the encoding. */
export class ProtoReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #position: number;
  #wireType = 0;

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = end;
  }

  /** Number of the next field, 0 at the end. */
  next(): number {
    if (this.#position >= this.#end) return 0;
    const tag = this.#varint();
    this.#wireType = tag & 7;
    const field = tag >>> 3;
    if (field === 0) throw malformed('field number 0');
    return field;
  }

  skip(): void {
    if (this.#wireType === varintType) this.#varint();
    else if (this.#wireType === fixed64Type) this.#advance(8);
    else if (this.#wireType === bytesType) this.#advance(this.#varint());
    else if (this.#wireType === fixed32Type) this.#advance(4);
    else throw malformed(`wire type ${this.#wireType}`);
  }

  /** Low 32 bits of a number. */
  number(): number {
    this.#expect(varintType);
    return this.#varint();
  }

  string(): string {
    const start = this.#enter();
    return this.#bytes.toString('utf8', start, this.#position);
  }

  /** The field's bytes, sharing memory with the message. */
  bytes(): Buffer {
    const start = this.#enter();
    return this.#bytes.subarray(start, this.#position);
  }

  message(): ProtoReader {
    const start = this.#enter();
    return new ProtoReader(this.#bytes, start, this.#position);
  }

  #enter(): number {
    this.#expect(bytesType);
    const length = this.#varint();
    const start = this.#position;
    this.#advance(length);
    return start;
  }

  #expect(wireType: number): void {
    if (this.#wireType !== wireType) throw malformed(`wire type ${this.#wireType} where ${wireType} belongs`);
  }

  #advance(length: number): void {
    if (length > this.#end - this.#position) throw malformed('a field that ends behind its message');
    this.#position += length;
  }

  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#position >= this.#end) throw malformed('a number without end');
      const byte = this.#bytes[this.#position++] ?? 0;
      if (shift < 32) value |= (byte & 127) << shift;
      if (byte < 128) return value >>> 0;
    }
    throw malformed('a number of more than ten bytes');
  }
}

function malformed(what: string): Fault {
  return new Fault('XDS_MALFORMED', `the message is not valid protobuf: ${what}`);
}

export function varintBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
}

/** Bytes of a length-delimited field with `length` bytes in it; the field's number must be below 16. */
export function fieldBytes(length: number): number {
  return 1 + varintBytes(length) + length;
}

/** Bytes of a text field; an empty text is left out, as protobuf 3 does. */
export function textBytes(text: string): number {
  return text === '' ? 0 : fieldBytes(Buffer.byteLength(text));
}

/** Writes forwards into a buffer whose size was computed beforehand. Field numbers must be below 16. */
export class ProtoWriter {
  readonly bytes: Buffer;
  #position: number;

  constructor(bytes: Buffer, position = 0) {
    this.bytes = bytes;
    this.#position = position;
  }

  get position(): number {
    return this.#position;
  }

  /** Head of a length-delimited field; its `length` bytes must follow. */
  head(field: number, length: number): void {
    this.bytes[this.#position++] = (field << 3) | bytesType;
    this.#varint(length);
  }

  text(field: number, text: string): void {
    if (text === '') return;
    this.head(field, Buffer.byteLength(text));
    this.#position += this.bytes.write(text, this.#position, 'utf8');
  }

  field(field: number, bytes: Uint8Array): void {
    this.head(field, bytes.length);
    this.bytes.set(bytes, this.#position);
    this.#position += bytes.length;
  }

  number(field: number, value: number): void {
    if (value === 0) return;
    this.bytes[this.#position++] = field << 3;
    this.#varint(value);
  }

  #varint(value: number): void {
    let rest = value >>> 0;
    while (rest > 127) {
      this.bytes[this.#position++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    this.bytes[this.#position++] = rest;
  }
}

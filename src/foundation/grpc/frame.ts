import { GrpcFault, grpcCode } from './status.ts';

/** Bytes before each message: compressed flag and length (grpc/doc/PROTOCOL-HTTP2, "Length-Prefixed-Message"). */
export const prefixBytes = 5;

/** istiod's default limit for one received message. */
export const defaultMaxMessageBytes = 4 * 1024 * 1024;

/** A copy of `message` with its prefix, ready to be written to any number of streams. */
export function frameMessage(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(prefixBytes + message.length);
  writePrefix(framed, message.length);
  framed.set(message, prefixBytes);
  return framed;
}

/** Writes the prefix of an uncompressed message of `length` bytes into the first five bytes of `target`. */
export function writePrefix(target: Buffer, length: number): void {
  target[0] = 0;
  target.writeUInt32BE(length, 1);
}

/**
 * Cuts a byte stream into messages. `push` calls `onMessage` for each whole message; a message may be kept by the
 * receiver. Throws GrpcFault for a compressed message (we announce no encoding) and for one over the limit, before
 * any of its bytes are held.
 */
export class FrameReader {
  readonly #maxMessageBytes: number;
  readonly #onMessage: (message: Buffer) => void;
  #parts: Buffer[] = [];
  #held = 0;

  constructor(maxMessageBytes: number, onMessage: (message: Buffer) => void) {
    this.#maxMessageBytes = maxMessageBytes;
    this.#onMessage = onMessage;
  }

  /** True when a message has begun and not ended: the stream must not finish here. */
  get partial(): boolean {
    return this.#held > 0;
  }

  push(chunk: Buffer): void {
    let bytes = chunk;
    if (this.#held > 0) {
      this.#parts.push(chunk);
      this.#held += chunk.length;
      if (this.#held < this.#needed()) return;
      bytes = Buffer.concat(this.#parts, this.#held);
    }
    let offset = 0;
    while (bytes.length - offset >= prefixBytes) {
      const end = offset + prefixBytes + this.#lengthAt(bytes, offset);
      if (end > bytes.length) break;
      const start = offset + prefixBytes;
      offset = end;
      this.#onMessage(bytes.subarray(start, end));
    }
    this.#held = bytes.length - offset;
    if (this.#held > 0) this.#parts = [bytes.subarray(offset)];
    else if (this.#parts.length > 0) this.#parts = [];
  }

  /** Bytes that must be there before a look at them can bring anything. */
  #needed(): number {
    const first = this.#parts[0];
    if (!first || first.length < prefixBytes) return prefixBytes;
    return prefixBytes + this.#lengthAt(first, 0);
  }

  #lengthAt(bytes: Buffer, offset: number): number {
    const flag = bytes[offset];
    if (flag !== 0) {
      const message = `a message came with compressed flag ${flag}; this end announces no message encoding`;
      throw new GrpcFault({ code: flag === 1 ? grpcCode.unimplemented : grpcCode.internal, message });
    }
    const length = bytes.readUInt32BE(offset + 1);
    if (length > this.#maxMessageBytes) {
      const message = `a message of ${length} bytes is larger than the limit of ${this.#maxMessageBytes}`;
      throw new GrpcFault({ code: grpcCode.resourceExhausted, message });
    }
    return length;
  }
}

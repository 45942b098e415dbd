import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';

const shown = '[secret]';

/**
 * Bytes that must not be seen (private keys, tokens). Printing, inspecting, joining to text and JSON all give `[secret]`;
 * only `reveal` gives the content.
 */
export class SecretBytes {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array | string) {
    this.#bytes = typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : bytes;
  }

  /** A copy of the content. Call it only where the bytes leave the process or enter a cipher. */
  reveal(): Buffer {
    return Buffer.from(this.#bytes);
  }

  toString(): string {
    return shown;
  }

  toJSON(): string {
    return shown;
  }

  [inspect.custom](): string {
    return shown;
  }
}

/** A bearer token of 256 random bits in base64url. */
export function createToken(): SecretBytes {
  return new SecretBytes(randomBytes(32).toString('base64url'));
}

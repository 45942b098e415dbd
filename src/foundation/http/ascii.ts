import './buffer-text.ts';

/** Byte classes and comparisons for HTTP text that is read in place. No strings are made here. */

/** Token characters of RFC 9110. */
export const tokenBit = 1;
/** Bytes a field value may hold: HTAB, space, visible ASCII, obs-text. */
export const valueBit = 2;
/** Bytes a request target may hold: visible ASCII. */
export const targetBit = 4;
/** Bytes an authority (host and port) may hold. */
export const hostBit = 8;

/** One row of bits per byte value. */
export const byteClass: Uint8Array = makeClasses();

/** Value of a hex digit, 255 for everything else. */
export const hexValue: Uint8Array = makeHex();

function makeClasses(): Uint8Array {
  const table = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte++) {
    const char = String.fromCharCode(byte);
    let bits = 0;
    if (/[A-Za-z0-9!#$%&'*+\-.^_`|~]/.test(char)) bits |= tokenBit;
    if (byte === 9 || (byte >= 32 && byte !== 127)) bits |= valueBit;
    if (byte > 32 && byte < 127) bits |= targetBit;
    if (/[A-Za-z0-9\-._~%!$&'()*+,;=:[\]]/.test(char)) bits |= hostBit;
    table[byte] = bits;
  }
  return table;
}

function makeHex(): Uint8Array {
  const table = new Uint8Array(256).fill(255);
  for (let digit = 0; digit < 16; digit++) {
    table[digit.toString(16).charCodeAt(0)] = digit;
    table[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
  }
  return table;
}

/** Whether bytes [start, end) equal `lower` when ASCII letters are folded. `lower` must be lower case. */
export function equalsFolded(bytes: Uint8Array, start: number, end: number, lower: Uint8Array): boolean {
  if (end - start !== lower.length) return false;
  for (let i = 0; i < lower.length; i++) {
    let byte = bytes[start + i] ?? 0;
    if (byte >= 65 && byte <= 90) byte |= 32;
    if (byte !== lower[i]) return false;
  }
  return true;
}

/** Decimal number of [start, end): digits only, at most 15 of them; -1 for anything else. */
export function parseDecimal(bytes: Uint8Array, start: number, end: number): number {
  if (end <= start || end - start > 15) return -1;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = (bytes[i] ?? 0) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** The ASCII bytes of a lower-case name, for `equalsFolded`. */
export function lowerBytes(name: string): Uint8Array {
  return new TextEncoder().encode(name.toLowerCase());
}

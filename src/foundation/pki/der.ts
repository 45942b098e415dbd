/** Writer of DER (ITU-T X.690): each function gives one complete tag-length-value. */

const universal = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  sequence: 0x30,
  set: 0x31,
  utcTime: 0x17,
  generalizedTime: 0x18,
};

/** Any tag around the joined contents. */
export function tagged(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag]), lengthOf(body.length), body]);
}

/** Context-specific tag: constructed (`[n]` around an encoding) or primitive (`[n] IMPLICIT` bytes). */
export function context(number: number, constructed: boolean, ...contents: readonly Uint8Array[]): Buffer {
  return tagged((constructed ? 0xa0 : 0x80) | number, ...contents);
}

export function sequence(...items: readonly Uint8Array[]): Buffer {
  return tagged(universal.sequence, ...items);
}

export function setOf(...items: readonly Uint8Array[]): Buffer {
  return tagged(universal.set, ...[...items].sort(Buffer.compare));
}

/** A non-negative integer: a small number, or big-endian bytes of any length. */
export function integer(value: number | Uint8Array): Buffer {
  let bytes = typeof value === 'number' ? bytesOf(value) : Buffer.from(value);
  while (bytes.length > 1 && bytes[0] === 0 && ((bytes[1] ?? 0) & 0x80) === 0) bytes = bytes.subarray(1);
  return tagged(universal.integer, (bytes[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes);
}

/** DER encodes only `true` where the default is false, so callers leave false out. */
export function boolean(value: boolean): Buffer {
  return tagged(universal.boolean, Buffer.from([value ? 0xff : 0]));
}

export function octetString(bytes: Uint8Array): Buffer {
  return tagged(universal.octetString, bytes);
}

/** `unusedBits` is the count of low bits of the last byte that do not belong to the string. */
export function bitString(bytes: Uint8Array, unusedBits = 0): Buffer {
  return tagged(universal.bitString, Buffer.from([unusedBits]), bytes);
}

export function utf8String(text: string): Buffer {
  return tagged(universal.utf8, Buffer.from(text, 'utf8'));
}

/** Object identifier from its dotted form. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return tagged(universal.oid, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

/** UTCTime before 2050 and GeneralizedTime from then on (RFC 5280 4.1.2.5); whole seconds. */
export function time(epochMs: number): Buffer {
  const digits = new Date(epochMs)
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replace(/[-:T]/g, '');
  return new Date(epochMs).getUTCFullYear() < 2050
    ? tagged(universal.utcTime, Buffer.from(digits.slice(2)))
    : tagged(universal.generalizedTime, Buffer.from(digits));
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const bytes = bytesOf(length);
  return Buffer.concat([Buffer.from([0x80 | bytes.length]), bytes]);
}

function bytesOf(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Buffer.from(bytes.length > 0 ? bytes : [0]);
}

function base128(value: number): number[] {
  const bytes = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) bytes.unshift(0x80 | (rest % 128));
  return bytes;
}

import { ipv4ToNumber } from '#base/loopback.ts';

/** An IP address as bits, so that prefixes of both families compare alike. */
export interface ParsedAddress {
  readonly family: 4 | 6;
  readonly bits: bigint;
}

export function parseAddress(text: string): ParsedAddress | undefined {
  const v4 = ipv4ToNumber(text);
  if (v4 !== undefined) return { family: 4, bits: BigInt(v4) };
  if (!text.includes(':')) return undefined;
  const [head = '', tail] = text.split('::');
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const missing = 8 - left.length - right.length;
  if (tail === undefined ? missing !== 0 : missing < 0) return undefined;
  const all = [...left, ...new Array<number>(missing).fill(0), ...right];
  if (all.some((group) => !Number.isInteger(group) || group < 0 || group > 0xffff)) return undefined;
  return { family: 6, bits: all.reduce((bits, group) => (bits << 16n) | BigInt(group), 0n) };
}

/** 16-bit groups; NaN for what is none. A trailing IPv4 form counts as two. */
function groups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((part) => {
    const v4 = part.includes('.') ? ipv4ToNumber(part) : undefined;
    if (v4 !== undefined) return [v4 >>> 16, v4 & 0xffff];
    return [/^[0-9a-f]{1,4}$/i.test(part) ? Number.parseInt(part, 16) : Number.NaN];
  });
}

export function prefixCovers(prefix: string, length: number, address: ParsedAddress): boolean {
  const parsed = parseAddress(prefix);
  if (!parsed || parsed.family !== address.family) return false;
  const shift = BigInt((parsed.family === 4 ? 32 : 128) - length);
  return parsed.bits >> shift === address.bits >> shift;
}

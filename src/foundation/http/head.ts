import { byteClass, equalsFolded, hostBit, lowerBytes, parseDecimal, targetBit, tokenBit, valueBit } from './ascii.ts';
import { field, fieldId } from './field.ts';

/**
 * Why a head was refused. `status` is what a server answers with (for responses: what a proxy makes of it, 502).
 * `detail` is Envoy's word where it has one.
 */
export interface HeadError {
  readonly status: number;
  readonly detail: string;
}

/** Returned by the scanners when more bytes are needed. */
export const incomplete = 0;
/** Returned when the head is refused; `Head.error` says why. */
export const refused = -1;
/** Returned for the opening bytes of HTTP/2 with prior knowledge. */
export const http2Preface = -2;

export const httpMethods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'] as const;
const methodBytes = httpMethods.map((name) => new TextEncoder().encode(name));

const badRequest = (detail: string): HeadError => ({ status: 400, detail });
const errors = {
  method: badRequest('http1.invalid_method'),
  target: badRequest('http1.invalid_url'),
  version: { status: 505, detail: 'http1.unsupported_version' },
  lineEnd: badRequest('http1.bare_line_end'),
  name: badRequest('http1.invalid_characters'),
  value: badRequest('http1.invalid_characters'),
  host: badRequest('http1.invalid_host'),
  noHost: badRequest('missing_host_header'),
  twoHosts: badRequest('http1.duplicate_host'),
  length: badRequest('http1.invalid_content_length'),
  framing: badRequest('http1.content_length_and_chunked_not_allowed'),
  coding: { status: 501, detail: 'http1.invalid_transfer_encoding' },
  codingInOld: badRequest('http1.transfer_encoding_in_http10'),
  tooLarge: { status: 431, detail: 'http1.headers_too_large' },
  tooMany: { status: 431, detail: 'http1.too_many_headers' },
  status: { status: 502, detail: 'http1.invalid_status_line' },
} as const;

const chunked = lowerBytes('chunked');
const closeToken = lowerBytes('close');
const keepAliveToken = lowerBytes('keep-alive');
const upgradeToken = lowerBytes('upgrade');
const continueToken = lowerBytes('100-continue');
const teTrailers = lowerBytes('trailers');

/** Limits of one head: `maxBytes` from the first byte to the empty line, `maxFields` header lines. */
export interface HeadLimits {
  readonly maxBytes: number;
  readonly maxFields: number;
}

/**
 * A scanned head as offsets into the bytes it was read from, relative to the scan's start. One object is reused for
 * many messages; nothing in it outlives the next scan.
 */
export class Head {
  /** Four numbers per field: name start, name end, value start, value end. */
  offsets = new Int32Array(4 * 32);
  /** Id per field, see `field`. */
  ids = new Uint8Array(32);
  count = 0;
  /** Length of the whole head with its empty line. */
  length = 0;
  /** Where the header lines start (after the first line). */
  fieldsStart = 0;
  minorVersion = 1;
  /** -1 when absent. */
  contentLength = -1;
  chunked = false;
  /** `Connection: close` was said. */
  close = false;
  keepAlive = false;
  /** `Connection: upgrade` was said. */
  upgrade = false;
  /** Index of the field, -1 when absent. */
  upgradeField = -1;
  hostField = -1;
  expectContinue = false;
  /** `Connection` names further fields that must not be passed on. */
  namesOthers = false;
  error: HeadError = errors.name;

  /** Requests: index in `httpMethods`, or -1 for another token. */
  method = -1;
  methodStart = 0;
  methodEnd = 0;
  targetStart = 0;
  targetEnd = 0;

  /** Responses. */
  status = 0;
  reasonStart = 0;
  reasonEnd = 0;

  reset(): void {
    this.count = 0;
    this.contentLength = -1;
    this.chunked = false;
    this.close = false;
    this.keepAlive = false;
    this.upgrade = false;
    this.upgradeField = -1;
    this.hostField = -1;
    this.expectContinue = false;
    this.namesOthers = false;
  }

  nameStart(index: number): number {
    return this.offsets[index * 4] ?? 0;
  }
  nameEnd(index: number): number {
    return this.offsets[index * 4 + 1] ?? 0;
  }
  valueStart(index: number): number {
    return this.offsets[index * 4 + 2] ?? 0;
  }
  valueEnd(index: number): number {
    return this.offsets[index * 4 + 3] ?? 0;
  }
  /** Where the line after field `index` starts. */
  lineEnd(index: number): number {
    return index + 1 < this.count ? (this.offsets[(index + 1) * 4] ?? 0) : this.length - 2;
  }

  /** Index of the first field at or after `from` with this lower-case name, or -1. `bytes` is what was scanned, at `start`. */
  find(bytes: Uint8Array, start: number, lower: Uint8Array, from = 0): number {
    for (let i = from; i < this.count; i++) {
      const at = this.nameStart(i);
      const end = this.nameEnd(i);
      if (end - at === lower.length && equalsFolded(bytes, start + at, start + end, lower)) return i;
    }
    return -1;
  }
  /** Index of the first field with this id, or -1. */
  findId(id: number): number {
    for (let i = 0; i < this.count; i++) if (this.ids[i] === id) return i;
    return -1;
  }

  private grow(): void {
    const offsets = new Int32Array(this.offsets.length * 2);
    offsets.set(this.offsets);
    this.offsets = offsets;
    const ids = new Uint8Array(this.ids.length * 2);
    ids.set(this.ids);
    this.ids = ids;
  }
  add(nameStart: number, nameEnd: number, valueStart: number, valueEnd: number, id: number): void {
    if (this.count === this.ids.length) this.grow();
    const at = this.count * 4;
    this.offsets[at] = nameStart;
    this.offsets[at + 1] = nameEnd;
    this.offsets[at + 2] = valueStart;
    this.offsets[at + 3] = valueEnd;
    this.ids[this.count++] = id;
  }
  refuse(error: HeadError): number {
    this.error = error;
    return refused;
  }
}

/**
 * Reads a request head in place. Returns its length (> 0), `incomplete`, `refused` or `http2Preface`. Strict: every
 * form on which two readers could disagree about where a message ends is refused.
 */
export function scanRequest(head: Head, bytes: Uint8Array, start: number, end: number, limits: HeadLimits): number {
  head.reset();
  const stop = Math.min(end, start + limits.maxBytes);
  let i = start;
  // One empty line before a request is forgiven (RFC 9112, 2.2).
  if (i < stop && bytes[i] === 13) {
    if (i + 1 >= stop) return short(head, start, end, limits);
    if (bytes[i + 1] !== 10) return head.refuse(errors.lineEnd);
    i += 2;
  }
  const methodStart = i;
  while (i < stop && ((byteClass[bytes[i] ?? 0] ?? 0) & tokenBit) !== 0) i++;
  if (i >= stop) return i - methodStart > 32 ? head.refuse(errors.method) : short(head, start, end, limits);
  if (bytes[i] !== 32 || i === methodStart || i - methodStart > 32) return head.refuse(errors.method);
  head.methodStart = methodStart - start;
  head.methodEnd = i - start;
  head.method = methodAt(bytes, methodStart, i);
  const targetStart = ++i;
  while (i < stop && ((byteClass[bytes[i] ?? 0] ?? 0) & targetBit) !== 0) i++;
  if (i >= stop) return short(head, start, end, limits);
  if (bytes[i] !== 32 || i === targetStart) return head.refuse(errors.target);
  head.targetStart = targetStart - start;
  head.targetEnd = i - start;
  i++;
  if (stop - i < 10) {
    if (!versionMayFollow(bytes, i, stop)) return head.refuse(errors.version);
    return short(head, start, end, limits);
  }
  const minor = versionAt(bytes, i);
  if (minor < 0) return isPreface(bytes, methodStart, end) ? http2Preface : head.refuse(errors.version);
  if (bytes[i + 8] !== 13 || bytes[i + 9] !== 10) return head.refuse(errors.lineEnd);
  head.minorVersion = minor;
  head.fieldsStart = i + 10 - start;
  const length = scanFields(head, bytes, start, i + 10, stop, limits);
  if (length <= 0) return length === incomplete ? short(head, start, end, limits) : length;
  return checkRequest(head, bytes, start);
}

/** Reads a response head in place; results as `scanRequest`. */
export function scanResponse(head: Head, bytes: Uint8Array, start: number, end: number, limits: HeadLimits): number {
  head.reset();
  const stop = Math.min(end, start + limits.maxBytes);
  let i = start;
  if (stop - i < 13) return versionMayFollow(bytes, i, stop) ? short(head, start, end, limits) : head.refuse(errors.status);
  const minor = versionAt(bytes, i);
  if (minor < 0 || bytes[i + 8] !== 32) return head.refuse(errors.status);
  const status = parseDecimal(bytes, i + 9, i + 12);
  if (status < 100 || status > 999) return head.refuse(errors.status);
  head.minorVersion = minor;
  head.status = status;
  i += 12;
  if (bytes[i] === 32) i++;
  else if (bytes[i] !== 13) return head.refuse(errors.status);
  head.reasonStart = i - start;
  while (i < stop && ((byteClass[bytes[i] ?? 0] ?? 0) & valueBit) !== 0) i++;
  head.reasonEnd = i - start;
  if (i + 1 >= stop) return i < stop && bytes[i] !== 13 ? head.refuse(errors.status) : short(head, start, end, limits);
  if (bytes[i] !== 13 || bytes[i + 1] !== 10) return head.refuse(errors.lineEnd);
  head.fieldsStart = i + 2 - start;
  const length = scanFields(head, bytes, start, i + 2, stop, limits);
  if (length <= 0) return length === incomplete ? short(head, start, end, limits) : length;
  if (head.chunked && (head.contentLength >= 0 || head.minorVersion === 0)) return head.refuse(errors.framing);
  return length;
}

/** Incomplete, unless the bytes at hand already fill the allowance. */
function short(head: Head, start: number, end: number, limits: HeadLimits): number {
  return end - start >= limits.maxBytes ? head.refuse(errors.tooLarge) : incomplete;
}

function scanFields(head: Head, bytes: Uint8Array, start: number, from: number, stop: number, limits: HeadLimits): number {
  let i = from;
  for (;;) {
    if (i >= stop) return incomplete;
    if (bytes[i] === 13) {
      if (i + 1 >= stop) return incomplete;
      if (bytes[i + 1] !== 10) return head.refuse(errors.lineEnd);
      head.length = i + 2 - start;
      return head.length;
    }
    if (head.count >= limits.maxFields) return head.refuse(errors.tooMany);
    const nameStart = i;
    while (i < stop && ((byteClass[bytes[i] ?? 0] ?? 0) & tokenBit) !== 0) i++;
    if (i >= stop) return incomplete;
    if (bytes[i] !== 58 || i === nameStart) return head.refuse(errors.name);
    const nameEnd = i++;
    while (i < stop && (bytes[i] === 32 || bytes[i] === 9)) i++;
    const valueStart = i;
    while (i < stop && ((byteClass[bytes[i] ?? 0] ?? 0) & valueBit) !== 0) i++;
    if (i + 1 >= stop) return i < stop && bytes[i] !== 13 ? head.refuse(errors.value) : incomplete;
    if (bytes[i] !== 13) return head.refuse(bytes[i] === 10 ? errors.lineEnd : errors.value);
    if (bytes[i + 1] !== 10) return head.refuse(errors.lineEnd);
    let valueEnd = i;
    while (valueEnd > valueStart && (bytes[valueEnd - 1] === 32 || bytes[valueEnd - 1] === 9)) valueEnd--;
    i += 2;
    const id = fieldId(bytes, nameStart, nameEnd);
    head.add(nameStart - start, nameEnd - start, valueStart - start, valueEnd - start, id);
    if (id !== 0 && id < 8 && !note(head, bytes, valueStart, valueEnd, id)) return refused;
  }
}

/** Takes in what a framing field says; false when the head is refused. */
function note(head: Head, bytes: Uint8Array, start: number, end: number, id: number): boolean {
  switch (id) {
    case field.host:
      if (head.hostField >= 0) return head.refuse(errors.twoHosts) === 0;
      head.hostField = head.count - 1;
      for (let i = start; i < end; i++) if (((byteClass[bytes[i] ?? 0] ?? 0) & hostBit) === 0) return head.refuse(errors.host) === 0;
      return true;
    case field.contentLength: {
      const length = parseDecimal(bytes, start, end);
      if (length < 0 || head.contentLength >= 0) return head.refuse(errors.length) === 0;
      head.contentLength = length;
      return true;
    }
    case field.transferEncoding:
      if (head.chunked || !equalsFolded(bytes, start, end, chunked)) return head.refuse(errors.coding) === 0;
      head.chunked = true;
      return true;
    case field.connection:
      noteConnection(head, bytes, start, end);
      return true;
    case field.upgrade:
      head.upgradeField = head.count - 1;
      return true;
    case field.expect:
      head.expectContinue = equalsFolded(bytes, start, end, continueToken);
      return true;
    default:
      return true;
  }
}

function noteConnection(head: Head, bytes: Uint8Array, start: number, end: number): void {
  let i = start;
  while (i < end) {
    while (i < end && (bytes[i] === 32 || bytes[i] === 9 || bytes[i] === 44)) i++;
    const from = i;
    while (i < end && bytes[i] !== 44) i++;
    let to = i;
    while (to > from && (bytes[to - 1] === 32 || bytes[to - 1] === 9)) to--;
    if (to === from) continue;
    if (equalsFolded(bytes, from, to, closeToken)) head.close = true;
    else if (equalsFolded(bytes, from, to, keepAliveToken)) head.keepAlive = true;
    else if (equalsFolded(bytes, from, to, upgradeToken)) head.upgrade = true;
    else head.namesOthers = true;
  }
}

/** Calls `visit` with each name that `Connection` lists besides close, keep-alive and upgrade. Lower case. */
export function connectionNames(head: Head, bytes: Buffer, start: number, visit: (name: string) => void): void {
  for (let i = 0; i < head.count; i++) {
    if (head.ids[i] !== field.connection) continue;
    const value = bytes.latin1Slice(start + head.valueStart(i), start + head.valueEnd(i)).toLowerCase();
    for (const part of value.split(',')) {
      const name = part.trim();
      if (name !== '' && name !== 'close' && name !== 'keep-alive' && name !== 'upgrade') visit(name);
    }
  }
}

/** Whether a `TE` value may go to the next hop: only the word `trailers`. */
export function teMayPass(head: Head, bytes: Uint8Array, start: number, index: number): boolean {
  return equalsFolded(bytes, start + head.valueStart(index), start + head.valueEnd(index), teTrailers);
}

function checkRequest(head: Head, _bytes: Uint8Array, _start: number): number {
  if (head.chunked) {
    if (head.contentLength >= 0) return head.refuse(errors.framing);
    if (head.minorVersion === 0) return head.refuse(errors.codingInOld);
  }
  if (head.hostField < 0 && head.minorVersion === 1) return head.refuse(errors.noHost);
  return head.length;
}

function methodAt(bytes: Uint8Array, start: number, end: number): number {
  for (let m = 0; m < methodBytes.length; m++) {
    const name = methodBytes[m];
    if (name === undefined || name.length !== end - start || name[0] !== bytes[start]) continue;
    let same = true;
    for (let i = 1; i < name.length; i++) if (name[i] !== bytes[start + i]) same = false;
    if (same) return m;
  }
  return -1;
}

/** 0 or 1 for `HTTP/1.0` and `HTTP/1.1` at `i`, else -1. The caller has checked that 8 bytes are there. */
function versionAt(bytes: Uint8Array, i: number): number {
  if (bytes[i] !== 72 || bytes[i + 1] !== 84 || bytes[i + 2] !== 84 || bytes[i + 3] !== 80) return -1;
  if (bytes[i + 4] !== 47 || bytes[i + 5] !== 49 || bytes[i + 6] !== 46) return -1;
  const minor = (bytes[i + 7] ?? 0) - 48;
  return minor === 0 || minor === 1 ? minor : -1;
}

const versionText = lowerBytes('http/');
function versionMayFollow(bytes: Uint8Array, start: number, end: number): boolean {
  const length = Math.min(end - start, 5);
  return length <= 0 || equalsFolded(bytes, start, start + length, versionText.subarray(0, length));
}

const preface = new TextEncoder().encode('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
function isPreface(bytes: Uint8Array, start: number, end: number): boolean {
  const length = Math.min(end - start, preface.length);
  for (let i = 0; i < length; i++) if (bytes[start + i] !== preface[i]) return false;
  return length > 0;
}

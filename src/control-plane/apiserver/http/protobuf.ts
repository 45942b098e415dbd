import type { JsonObject } from '#kube/object.ts';
import { badRequest } from '../status.ts';
import { type Field, type FieldType, messages } from './protobuf-schema.ts';

export const protobufType = 'application/vnd.kubernetes.protobuf';

// Four bytes in front of every protobuf body of Kubernetes (apimachinery: runtime/serializer/protobuf).
const magic = Buffer.from('k8s\0', 'latin1');
const depthLimit = 32;

/**
 * Reads a Kubernetes protobuf body into the JSON object it stands for. Knows the kinds of `protobuf-schema.ts`; what it does
 * not know is refused, naming the field: nothing is dropped unseen.
 */
export function readProtobuf(bytes: Buffer): JsonObject {
  if (!bytes.subarray(0, 4).equals(magic)) throw badRequest('the body is no Kubernetes protobuf: it must begin with "k8s" and a zero byte');
  const envelope = new Map<number, Buffer>();
  for (const { number, value } of fieldsOf(bytes.subarray(4))) if (Buffer.isBuffer(value)) envelope.set(number, value);
  const type = new Map<number, string>();
  for (const { number, value } of fieldsOf(envelope.get(1) ?? Buffer.alloc(0)))
    if (Buffer.isBuffer(value)) type.set(number, value.toString('utf8'));
  const kind = type.get(2) ?? '';
  if (!messages[kind]) throw badRequest(`objects of kind ${JSON.stringify(kind)} cannot be read from protobuf, send JSON`);
  return { apiVersion: type.get(1) ?? '', kind, ...readMessage(kind, envelope.get(2) ?? Buffer.alloc(0), 0) };
}

function readMessage(name: string, bytes: Buffer, depth: number): JsonObject {
  if (depth > depthLimit) throw badRequest(`the body is nested more than ${depthLimit} levels deep`);
  const result = new Map<string, unknown>();
  for (const { number, value } of fieldsOf(bytes)) {
    const field = messages[name]?.[number];
    if (!field) {
      if (name === 'Empty') continue;
      throw badRequest(`field ${number} of ${name} cannot be read from protobuf, send JSON`);
    }
    const read = readValue(field.type, value, depth);
    if (typeof field.type === 'object' && 'map' in field.type)
      result.set(field.name, { ...(result.get(field.name) ?? {}), ...(read as object) });
    else if (field.repeated) result.set(field.name, [...((result.get(field.name) as readonly unknown[] | undefined) ?? []), read]);
    else if (!isZero(field, read)) result.set(field.name, read);
  }
  return Object.fromEntries(result);
}

/** Go writes the zero of every plain field; as JSON it would leave them out. */
function isZero(field: Field, value: unknown): boolean {
  if (value === undefined) return true;
  return !field.keepZero && (value === '' || value === 0 || value === false);
}

function readValue(type: FieldType, value: Buffer | number, depth: number): unknown {
  if (type === 'int') return asNumber(value);
  if (type === 'bool') return asNumber(value) !== 0;
  const bytes = asBytes(value);
  if (type === 'text') return bytes.toString('utf8');
  if (type === 'bytes') return bytes.toString('base64');
  if (type === 'time') return readTime(bytes);
  if (type === 'quantity') return readQuantity(bytes);
  if (type === 'int-or-text') return readIntOrText(bytes);
  if ('message' in type) return readMessage(type.message, bytes, depth + 1);
  let key = '';
  let inner: unknown = '';
  for (const { number, value: part } of fieldsOf(bytes)) {
    if (number === 1) key = asBytes(part).toString('utf8');
    else inner = readValue(type.map, part, depth + 1);
  }
  return Object.fromEntries([[key, inner]]);
}

function readTime(bytes: Buffer): string | undefined {
  let seconds: number | undefined;
  for (const { number, value } of fieldsOf(bytes)) if (number === 1) seconds = asNumber(value);
  if (seconds === undefined) return undefined;
  // Beyond this a Date has no text (ECMAScript: Time Values).
  if (Math.abs(seconds) > 8.64e12) throw badRequest('the protobuf body is damaged: a time is out of range');
  return new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z');
}

function readQuantity(bytes: Buffer): string {
  for (const { number, value } of fieldsOf(bytes)) if (number === 1) return asBytes(value).toString('utf8');
  return '0';
}

function readIntOrText(bytes: Buffer): number | string | undefined {
  const parts = new Map([...fieldsOf(bytes)].map(({ number, value }) => [number, value]));
  if (asNumber(parts.get(1) ?? 0) === 1) return asBytes(parts.get(3) ?? Buffer.alloc(0)).toString('utf8');
  return asNumber(parts.get(2) ?? 0) || undefined;
}

interface RawField {
  readonly number: number;
  readonly value: Buffer | number;
}

/** The fields of one message: varints as numbers, the rest as bytes. */
function* fieldsOf(bytes: Buffer): Generator<RawField> {
  let at = 0;
  const varint = (): number => {
    let result = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at];
      if (byte === undefined) break;
      at += 1;
      result |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number(BigInt.asIntN(64, result));
    }
    throw badRequest('the protobuf body is damaged');
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = tag >> 3;
    const wireType = tag & 7;
    if (wireType === 0) yield { number, value: varint() };
    else {
      const length = wireType === 2 ? varint() : wireType === 1 ? 8 : wireType === 5 ? 4 : -1;
      if (length < 0 || at + length > bytes.length) throw badRequest('the protobuf body is damaged');
      yield { number, value: bytes.subarray(at, at + length) };
      at += length;
    }
  }
}

function asNumber(value: Buffer | number): number {
  if (typeof value !== 'number') throw badRequest('the protobuf body is damaged: a number was expected');
  return value;
}

function asBytes(value: Buffer | number): Buffer {
  if (typeof value === 'number') throw badRequest('the protobuf body is damaged: bytes were expected');
  return value;
}

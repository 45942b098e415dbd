import type { DescMessage } from '@bufbuild/protobuf';
import { fromBinary, type MessageShape } from '@bufbuild/protobuf';
import type { Any, Duration } from '@bufbuild/protobuf/wkt';
import { checkCoverage } from './coverage.ts';

/** A resource cannot be honoured. The message names the field and goes back to the control plane. */
export class Rejection extends Error {
  constructor(field: string, reason: string) {
    super(`${field}: ${reason}`);
    this.name = 'Rejection';
  }
}

export function reject(field: string, reason: string): never {
  throw new Rejection(field, reason);
}

/** Decodes bytes and refuses every set field that the proxy does not know what to do with. */
export function decodeChecked<D extends DescMessage>(schema: D, bytes: Uint8Array): MessageShape<D> {
  const message = fromBinary(schema, bytes);
  const failure = checkCoverage(schema, message);
  if (failure !== undefined) reject(failure.field, failure.reason);
  return message;
}

export function typeOf(any: Any): string {
  return any.typeUrl.slice(any.typeUrl.lastIndexOf('/') + 1);
}

/** Opens an Any that must hold `schema`. */
export function unpack<D extends DescMessage>(any: Any | undefined, schema: D, field: string): MessageShape<D> {
  if (any === undefined) reject(field, 'is missing');
  if (typeOf(any) !== schema.typeName) reject(field, `holds ${typeOf(any) || 'nothing'}, which the embedded proxy does not know`);
  return decodeChecked(schema, any.value);
}

export function durationMs(duration: Duration | undefined, fallback: number): number {
  if (duration === undefined) return fallback;
  return Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}

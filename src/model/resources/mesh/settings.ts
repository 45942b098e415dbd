import { nodeOf } from '../decode-value.ts';
import type { Schema } from '../schema.ts';

/** The field takes this value where nothing is written. */
export function withDefault<T>(schema: Schema<T>, value: T): Schema<T> {
  return extended(schema, { default: value });
}

/** A field of Istio that nothing here reads yet: it is checked, kept, and said to have no effect. */
export function unused<T>(schema: Schema<T>): Schema<T> {
  return extended(schema, { description: `${nodeOf(schema).description ?? ''} Has no effect yet.`.trim(), 'x-unused': true });
}

function extended<T>(schema: Schema<T>, more: Readonly<Record<string, unknown>>): Schema<T> {
  return { ...schema, ...more };
}

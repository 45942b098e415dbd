import { type DescMessage, isFieldSet, type Message } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { fieldRules } from './field-rules.ts';

export interface Uncovered {
  /** `type.field` with proto names. */
  readonly field: string;
  readonly reason: string;
}

/** Types whose content means nothing until something reads it: free-form values. */
const open: ReadonlySet<string> = new Set([
  'google.protobuf.Struct',
  'google.protobuf.Value',
  'google.protobuf.ListValue',
  'google.protobuf.Any',
]);

/**
 * Walks a message and finds the first field that is set and stands in no rule: neither read by a compiler nor ignorable
 * for a stated reason. This is what keeps the proxy from quietly doing something else than it was told.
 */
export function checkCoverage(schema: DescMessage, message: Message): Uncovered | undefined {
  if (open.has(schema.typeName) || schema.typeName.startsWith('google.protobuf.')) return undefined;
  const rules = fieldRules[schema.typeName];
  const view = reflect(schema, message);
  for (const field of schema.fields) {
    if (!isFieldSet(message, field)) continue;
    const rule = rules?.[field.name];
    if (rule === undefined) return { field: `${schema.typeName}.${field.name}`, reason: 'the embedded proxy does not support this field' };
    if (rule !== 'read') continue;
    const value: unknown = view.get(field);
    const inner = innerOf(field, value);
    if (inner === undefined) continue;
    for (const part of inner.messages) {
      const failure = checkCoverage(inner.schema, part);
      if (failure !== undefined) return failure;
    }
  }
  return undefined;
}

interface Inner {
  readonly schema: DescMessage;
  readonly messages: readonly Message[];
}

interface Reflected {
  readonly message: Message;
}

function isReflected(value: unknown): value is Reflected {
  return typeof value === 'object' && value !== null && 'message' in value;
}

function innerOf(field: DescMessage['fields'][number], value: unknown): Inner | undefined {
  if (field.fieldKind === 'message') return isReflected(value) ? { schema: field.message, messages: [value.message] } : undefined;
  if (field.fieldKind === 'list' && field.listKind === 'message') {
    return { schema: field.message, messages: [...(value as Iterable<unknown>)].filter(isReflected).map((part) => part.message) };
  }
  if (field.fieldKind === 'map' && field.mapKind === 'message') {
    return {
      schema: field.message,
      messages: [...(value as Iterable<[unknown, unknown]>)]
        .map(([, part]) => part)
        .filter(isReflected)
        .map((part) => part.message),
    };
  }
  return undefined;
}

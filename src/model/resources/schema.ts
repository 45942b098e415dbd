import Type, { type TSchema, type TUnsafe } from 'typebox';

/**
 * The few building blocks in which every kind is described. Each makes a typebox schema (JSON Schema at run time) whose
 * static type is `T`, immutable. Decoding, OpenAPI, CRDs and the reference documentation read the same value.
 */
export type Schema<T> = TUnsafe<T>;

/** The immutable TypeScript type that a schema describes. */
export type Value<S> = S extends Schema<infer T> ? T : never;

type Fields = Readonly<Record<string, TSchema>>;

/** A message's type: the fields named in `Always` are always there (required, or filled with their default). */
type Message<F extends Fields, Always extends keyof F> = {
  readonly [K in keyof F as K extends Always ? K : never]: Value<F[K]>;
} & {
  readonly [K in keyof F as K extends Always ? never : K]?: Value<F[K]>;
};

type Flat<T> = { readonly [K in keyof T]: T[K] };

interface MessageOptions {
  /** Unknown fields are kept without a problem (kinds of which only a part is described). */
  readonly open?: boolean;
  /** Sets of fields of which at most one may be set. */
  readonly oneOf?: readonly (readonly string[])[];
}

/** An object with named fields. `always` lists those that a decoded value has for certain. */
export function message<F extends Fields, const Always extends keyof F & string = never>(
  description: string,
  fields: F,
  always: readonly Always[] = [],
  options: MessageOptions = {},
): Schema<Flat<Message<F, Always>>> {
  const properties: Record<string, TSchema> = {};
  const required = new Set<string>(always);
  for (const [name, field] of Object.entries(fields)) properties[name] = required.has(name) ? field : Type.Optional(field);
  return Type.Unsafe(
    Type.Object(properties, {
      description,
      additionalProperties: options.open ?? false,
      ...(options.oneOf ? { 'x-one-of': options.oneOf } : {}),
    }),
  );
}

export function text(
  description: string,
  options: { default?: string; pattern?: string; maxLength?: number; format?: string } = {},
): Schema<string> {
  return Type.Unsafe(Type.String({ description, ...options }));
}

/** Go-style duration text such as `1.5s`, `300ms`, `1h2m`; `durationMs` of `duration.ts` reads it. */
export function duration(description: string): Schema<string> {
  return Type.Unsafe(Type.String({ description, format: 'duration' }));
}

/** RFC 3339 time. */
export function timestamp(description: string): Schema<string> {
  return Type.Unsafe(Type.String({ description, format: 'date-time' }));
}

/** Base64 text. */
export function bytes(description: string): Schema<string> {
  return Type.Unsafe(Type.String({ description, format: 'byte' }));
}

export function flag(description: string, options: { default?: boolean } = {}): Schema<boolean> {
  return Type.Unsafe(Type.Boolean({ description, ...options }));
}

interface NumberOptions {
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default?: number;
  /** The field is another spelling of the one named; decoding moves its value there. */
  readonly 'x-same-as'?: string;
}

/** A 32-bit signed whole number unless `options` narrows it. */
export function integer(description: string, options: NumberOptions = {}): Schema<number> {
  return Type.Unsafe(Type.Integer({ description, format: 'int32', ...options }));
}

/** A 32-bit whole number, zero or more. */
export function unsigned(description: string, options: NumberOptions = {}): Schema<number> {
  return Type.Unsafe(Type.Integer({ description, format: 'int64', minimum: 0, maximum: 4294967295, ...options }));
}

export function long(description: string, options: NumberOptions = {}): Schema<number> {
  return Type.Unsafe(Type.Integer({ description, format: 'int64', ...options }));
}

export function decimal(description: string, options: NumberOptions = {}): Schema<number> {
  return Type.Unsafe(Type.Number({ description, format: 'double', ...options }));
}

/** One of a closed list of words. */
export function choice<const W extends string>(description: string, words: readonly W[], options: { default?: W } = {}): Schema<W> {
  return Type.Unsafe({ type: 'string', enum: [...words], description, ...options });
}

/** A whole number or text, as Kubernetes has it for target ports. */
export function integerOrText(description: string): Schema<number | string> {
  return Type.Unsafe({ description, 'x-kubernetes-int-or-string': true });
}

/** With `x-empty-items` an entry without a value (`- ` alone) counts as an empty object. */
export function list<T>(
  description: string,
  items: Schema<T>,
  options: { default?: readonly T[]; minItems?: number; 'x-empty-items'?: boolean } = {},
): Schema<readonly T[]> {
  return Type.Unsafe(Type.Array(items, { description, ...options }));
}

export function map<T>(
  description: string,
  values: Schema<T>,
  options: { default?: Readonly<Record<string, T>> } = {},
): Schema<Readonly<Record<string, T>>> {
  return Type.Unsafe({ type: 'object', additionalProperties: values, description, ...options });
}

/** Any JSON object; kept as written. */
export function anything(description: string): Schema<Readonly<Record<string, unknown>>> {
  return Type.Unsafe({ type: 'object', description, additionalProperties: true, 'x-kubernetes-preserve-unknown-fields': true });
}

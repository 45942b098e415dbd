/** Reads a kind's JSON Schema for people: names, types, descriptions, rules. */

export interface FieldView {
  readonly name: string;
  /** `string`, `[]Object`, `map[string]string`, ... */
  readonly type: string;
  readonly description: string;
  /** Must be written: a field with a default need not be. */
  readonly required: boolean;
  /** Defaults, allowed values, ranges; one line each. */
  readonly rules: readonly string[];
  readonly schema: SchemaObject;
}

type SchemaObject = Readonly<Record<string, unknown>>;

export function fieldView(name: string, schema: SchemaObject, required: boolean): FieldView {
  return {
    name,
    type: typeName(schema),
    description: typeof schema.description === 'string' ? schema.description : '',
    required,
    rules: rulesOf(schema),
    schema,
  };
}

/** Fields of an object, of the items of a list, or of the values of a map; empty for plain values. */
export function childrenOf(schema: SchemaObject): FieldView[] {
  const object = innermost(schema);
  const required = Array.isArray(object.required) ? object.required : [];
  return Object.entries(isObject(object.properties) ? object.properties : {}).flatMap(([name, field]) =>
    isObject(field) ? [fieldView(name, field, required.includes(name) && field.default === undefined)] : [],
  );
}

/** Follows names downwards from `root`. */
export function descend(
  root: FieldView,
  path: readonly string[],
): { readonly field: FieldView } | { readonly missing: string; readonly at: string; readonly known: readonly string[] } {
  let field = root;
  for (const [i, step] of path.entries()) {
    const children = childrenOf(field.schema);
    const name = step.replace(/\[.*\]$/, '');
    const next = children.find((child) => child.name === name) ?? children.find((child) => child.name.toLowerCase() === name.toLowerCase());
    if (!next) return { missing: step, at: path.slice(0, i).join('.'), known: children.map((child) => child.name) };
    field = next;
  }
  return { field };
}

function typeName(schema: SchemaObject): string {
  const { type } = schema;
  if (type === 'array') return `[]${isObject(schema.items) ? typeName(schema.items) : 'any'}`;
  if (type === 'object' && isObject(schema.additionalProperties)) return `map[string]${typeName(schema.additionalProperties)}`;
  if (type === 'object' && isObject(schema.patternProperties)) {
    const value = Object.values(schema.patternProperties)[0];
    return `map[string]${isObject(value) ? typeName(value) : 'any'}`;
  }
  if (type === 'object') return 'Object';
  if (typeof schema.const === 'string') return 'string';
  if (typeof type === 'string') return schema.format === 'duration' ? 'duration' : type;
  const options = Array.isArray(schema.anyOf) ? schema.anyOf.filter(isObject).map(typeName) : [];
  return options.length > 0 ? [...new Set(options)].join(' or ') : 'any';
}

function innermost(schema: SchemaObject): SchemaObject {
  if (schema.type === 'array' && isObject(schema.items)) return innermost(schema.items);
  if (isObject(schema.additionalProperties)) return innermost(schema.additionalProperties);
  if (!isObject(schema.properties) && isObject(schema.patternProperties)) {
    const value = Object.values(schema.patternProperties)[0];
    return isObject(value) ? innermost(value) : schema;
  }
  return schema;
}

function rulesOf(schema: SchemaObject): string[] {
  const rules: string[] = [];
  const values = allowedValues(schema);
  if (values.length > 0) rules.push(`one of: ${values.join(', ')}`);
  if (schema.default !== undefined) rules.push(`default: ${JSON.stringify(schema.default)}`);
  if (schema.minimum !== undefined || schema.maximum !== undefined) {
    rules.push(`range: ${schema.minimum ?? ''}..${schema.maximum ?? ''}`);
  }
  if (Array.isArray(schema['x-one-of'])) {
    for (const group of schema['x-one-of']) if (Array.isArray(group)) rules.push(`at most one of: ${group.join(', ')}`);
  }
  return rules;
}

function allowedValues(schema: SchemaObject): string[] {
  if (Array.isArray(schema.enum)) return schema.enum.map(String);
  if (!Array.isArray(schema.anyOf)) return [];
  const constants = schema.anyOf.filter(isObject).map((option) => option.const);
  return constants.every((value) => value !== undefined) ? constants.map(String) : [];
}

function isObject(value: unknown): value is SchemaObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

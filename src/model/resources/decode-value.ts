import { closest } from './closest.ts';
import { parseDuration } from './duration.ts';
import type { Issue, Path } from './issue.ts';
import type { Schema } from './schema.ts';

/** What `schema.ts` makes, as the walk sees it. */
export interface SchemaNode {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  readonly description?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | SchemaNode;
  readonly items?: SchemaNode;
  readonly minItems?: number;
  readonly enum?: readonly string[];
  readonly format?: string;
  readonly pattern?: string;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default?: unknown;
  readonly 'x-empty-items'?: boolean;
  /** The value belongs to the field of this name. */
  readonly 'x-same-as'?: string;
  /** Nothing reads the field. */
  readonly 'x-unused'?: boolean;
  readonly 'x-one-of'?: readonly (readonly string[])[];
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The schema as plain data. */
export function nodeOf(schema: Schema<unknown>): SchemaNode {
  return schema as SchemaNode;
}

/**
 * Checks a value against its schema and fills in defaults. What needs no default is returned as it is, not copied.
 * Undefined only when the value as a whole has the wrong type.
 */
export function walk<T>(schema: Schema<T>, value: unknown, path: Path, issues: Issue[]): T | undefined {
  return visit(nodeOf(schema), value, path, issues) as T | undefined;
}

function visit(node: SchemaNode, value: unknown, path: Path, issues: Issue[]): unknown {
  if (node['x-kubernetes-int-or-string']) {
    if (typeof value === 'string' || Number.isInteger(value)) return value;
    return wrongType('a whole number or text', value, path, issues);
  }
  switch (node.type) {
    case 'object':
      if (!isObject(value)) return wrongType('an object', value, path, issues);
      return node.properties ? visitMessage(node, node.properties, value, path, issues) : visitMap(node, value, path, issues);
    case 'array':
      return visitList(node, value, path, issues);
    case 'string':
      return visitText(node, value, path, issues);
    case 'integer':
    case 'number':
      return visitNumber(node, value, path, issues);
    case 'boolean':
      return typeof value === 'boolean' ? value : wrongType('true or false', value, path, issues);
    default:
      return value;
  }
}

function visitMessage(
  node: SchemaNode,
  properties: Readonly<Record<string, SchemaNode>>,
  value: Readonly<Record<string, unknown>>,
  path: Path,
  issues: Issue[],
): unknown {
  let out: Record<string, unknown> | undefined;
  for (const [name, item] of Object.entries(value)) {
    const field = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (item === null || item === undefined) {
      // A field without a value counts as not written.
      out ??= { ...value };
      delete out[name];
    }
    if (!field) {
      if (node.additionalProperties !== true) issues.push(unknownField(name, properties, path));
      continue;
    }
    if (item === null || item === undefined) continue;
    const decoded = visit(field, item, [...path, name], issues);
    const target = field['x-same-as'] ?? name;
    if (decoded === item && target === name) continue;
    out ??= { ...value };
    if (target !== name) delete out[name];
    out[target] = decoded;
  }
  const current = out ?? value;
  for (const name of node.required ?? []) {
    if (current[name] !== undefined || (Object.hasOwn(value, name) && value[name] !== null)) continue;
    const byDefault = properties[name]?.default;
    if (byDefault === undefined) {
      issues.push({ code: 'MW0112', path: [...path, name], message: `the field \`${name}\` is required here and missing` });
      continue;
    }
    out ??= { ...value };
    out[name] = byDefault;
  }
  for (const names of node['x-one-of'] ?? []) {
    const set = names.filter((name) => current[name] !== undefined);
    if (set.length > 1) issues.push({ code: 'MW0116', path, message: `${quoted(set, 'and')} are set together, at most one may be` });
  }
  return out ?? value;
}

function unknownField(name: string, properties: Readonly<Record<string, SchemaNode>>, path: Path): Issue {
  const near = closest(name, Object.keys(properties));
  const hint = near ? `, did you mean \`${near}\`?` : `; known here: ${quoted(Object.keys(properties).slice(0, 12), 'or')}`;
  return { code: 'MW0110', path: [...path, name], message: `unknown field \`${name}\`${hint}` };
}

function visitMap(node: SchemaNode, value: Readonly<Record<string, unknown>>, path: Path, issues: Issue[]): unknown {
  const items = node.additionalProperties;
  if (typeof items !== 'object') return value;
  let out: Record<string, unknown> | undefined;
  for (const [name, item] of Object.entries(value)) {
    const decoded = visit(items, item, [...path, name], issues);
    if (decoded !== item) {
      out ??= { ...value };
      out[name] = decoded;
    }
  }
  return out ?? value;
}

function visitList(node: SchemaNode, value: unknown, path: Path, issues: Issue[]): unknown {
  if (!Array.isArray(value)) return wrongType('a list', value, path, issues);
  const { items } = node;
  if (node.minItems !== undefined && value.length < node.minItems) {
    issues.push({ code: 'MW0112', path, message: `expected at least ${node.minItems} entries, found ${value.length}` });
  }
  if (!items) return value;
  let out: unknown[] | undefined;
  for (const [index, item] of value.entries()) {
    const given = item === null && node['x-empty-items'] ? {} : item;
    const decoded = visit(items, given, [...path, index], issues);
    if (decoded !== item) {
      out ??= [...value];
      out[index] = decoded;
    }
  }
  return out ?? value;
}

function visitText(node: SchemaNode, value: unknown, path: Path, issues: Issue[]): unknown {
  if (typeof value !== 'string') return wrongType(expectedText(node), value, path, issues);
  if (node.enum && !node.enum.includes(value)) {
    const near = closest(value, node.enum);
    const message = `expected ${quoted(node.enum, 'or')}, found \`${value}\`${near ? `; did you mean \`${near}\`?` : ''}`;
    issues.push({ code: 'MW0113', path, message });
  }
  if (node.format === 'duration' && parseDuration(value) === undefined) {
    issues.push({ code: 'MW0115', path, message: `expected a duration such as \`1.5s\`, \`300ms\` or \`1m\`, found \`${value}\`` });
  }
  if (node.format === 'byte' && !/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/.test(value)) {
    issues.push({ code: 'MW0115', path, message: 'expected base64 text' });
  }
  if (node.maxLength !== undefined && value.length > node.maxLength) {
    issues.push({ code: 'MW0114', path, message: `expected at most ${node.maxLength} characters, found ${value.length}` });
  }
  return value;
}

function expectedText(node: SchemaNode): string {
  if (node.enum) return quoted(node.enum, 'or');
  return node.format === 'duration' ? 'a duration such as `5s`' : 'text';
}

function visitNumber(node: SchemaNode, value: unknown, path: Path, issues: Issue[]): unknown {
  const expected = node.type === 'integer' ? 'a whole number' : 'a number';
  if (typeof value !== 'number' || !Number.isFinite(value) || (node.type === 'integer' && !Number.isInteger(value))) {
    return wrongType(expected, value, path, issues);
  }
  const least = node.minimum ?? (node.format === 'int32' ? -2147483648 : Number.NEGATIVE_INFINITY);
  const most = node.maximum ?? (node.format === 'int32' ? 2147483647 : Number.POSITIVE_INFINITY);
  if (value < least || value > most)
    issues.push({ code: 'MW0114', path, message: `expected ${expected} from ${least} to ${most}, found ${value}` });
  return value;
}

function wrongType(expected: string, value: unknown, path: Path, issues: Issue[]): undefined {
  const fix =
    expected === 'text' && (typeof value === 'number' || typeof value === 'boolean')
      ? { fix: `Put the value in quotes: "${value}".` }
      : typeof value === 'string' && value !== '' && expected.endsWith('number') && !Number.isNaN(Number(value))
        ? { fix: `Write ${Number(value)} without quotes.` }
        : {};
  issues.push({ code: 'MW0111', path, message: `expected ${expected}, found ${describe(value)}`, ...fix });
  return undefined;
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'string') return `the text \`${value.length > 40 ? `${value.slice(0, 40)}…` : value}\``;
  return `${typeof value === 'boolean' ? '' : 'the number '}${String(value)}`;
}

function quoted(words: readonly string[], last: 'and' | 'or'): string {
  const marked = words.map((word) => `\`${word}\``);
  return marked.length < 2 ? marked.join('') : `${marked.slice(0, -1).join(', ')} ${last} ${marked.at(-1)}`;
}

import { isJsonObject, type KubeObject } from '#kube/object.ts';
import type { ApiKind } from '../kinds.ts';
import { metadataFields } from './metadata.ts';

/** What the walker reads of a JSON Schema. */
interface Node {
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly additionalProperties?: unknown;
  readonly items?: unknown;
}

/** An object without the fields that its schema does not know, and the paths of those. */
export interface Pruned {
  readonly object: KubeObject;
  readonly unknown: readonly string[];
}

/** Drops unknown fields, as Kubernetes does before it stores an object. O(size). */
export function pruneUnknown(kind: ApiKind, object: KubeObject): Pruned {
  const unknown: string[] = [];
  const { apiVersion, kind: kindName, metadata, ...content } = object;
  for (const field of unknownMetadata(metadata)) unknown.push(`metadata.${field}`);
  const pruned = prune(wholeSchema(kind), content, '', unknown);
  return { object: { apiVersion, kind: kindName, metadata, ...(isJsonObject(pruned) ? pruned : {}) }, unknown };
}

/** Paths of metadata's fields that Kubernetes does not define. */
export function unknownMetadata(metadata: object): string[] {
  return Object.keys(metadata).filter((field) => !metadataFields.includes(field));
}

/** The schema of everything beside apiVersion, kind and metadata. */
export function wholeSchema(kind: ApiKind): unknown {
  const body = asNode(kind.schema);
  const status = kind.statusSchema ?? (kind.hasStatus ? {} : undefined);
  const properties = kind.body === 'spec' ? { spec: kind.schema } : (body?.properties ?? {});
  const open = kind.body === 'object' && body?.additionalProperties === true;
  return { type: 'object', properties: { ...properties, ...(status ? { status } : {}) }, additionalProperties: open };
}

function prune(schema: unknown, value: unknown, path: string, unknown: string[]): unknown {
  const node = asNode(schema);
  if (!node) return value;
  if (Array.isArray(value)) {
    return node.items === undefined ? value : value.map((item, index) => prune(node.items, item, `${path}[${index}]`, unknown));
  }
  if (!isJsonObject(value)) return value;
  const extra = node.additionalProperties;
  const closed = node.properties !== undefined && (extra === false || extra === undefined);
  const kept: [string, unknown][] = [];
  for (const [name, inner] of Object.entries(value)) {
    const at = path === '' ? name : `${path}.${name}`;
    const known = node.properties && Object.hasOwn(node.properties, name);
    if (known) kept.push([name, prune(node.properties?.[name], inner, at, unknown)]);
    else if (closed) unknown.push(at);
    else kept.push([name, isJsonObject(extra) ? prune(extra, inner, at, unknown) : inner]);
  }
  return Object.fromEntries(kept);
}

function asNode(schema: unknown): Node | undefined {
  return isJsonObject(schema) ? schema : undefined;
}

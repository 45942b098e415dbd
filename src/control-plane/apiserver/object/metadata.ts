import { isJsonObject, type KubeMetadata, type KubeObject, type OwnerReference } from '#kube/object.ts';
import { badRequest } from '../status.ts';

/** RFC 3339 with whole seconds, as Kubernetes writes times. */
export function timestamp(epochMs: number): string {
  return new Date(epochMs).toISOString().replace(/\.\d+Z$/, 'Z');
}

/**
 * Reads an object's frame from a request. Fields of metadata that Meshwright does not keep (managedFields, selfLink) and
 * nulls are left out; a wrong type is refused as BadRequest with its path.
 */
export function readObject(value: unknown): KubeObject {
  if (!isJsonObject(value)) throw badRequest(`the body must be a JSON object, found ${describe(value)}`);
  const { apiVersion, kind, metadata, ...rest } = value;
  if (typeof apiVersion !== 'string' || apiVersion === '')
    throw badRequest(`apiVersion must be text such as "v1", found ${describe(apiVersion)}`);
  if (typeof kind !== 'string' || kind === '') throw badRequest(`kind must be text such as "Service", found ${describe(kind)}`);
  return { apiVersion, kind, metadata: readMetadata(metadata ?? {}), ...rest };
}

export const metadataFields: readonly string[] = [
  'name',
  'generateName',
  'namespace',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'labels',
  'annotations',
  'finalizers',
  'ownerReferences',
  'managedFields',
  'selfLink',
];

function readMetadata(value: unknown): KubeMetadata {
  if (!isJsonObject(value)) throw badRequest(`metadata must be an object, found ${describe(value)}`);
  const text = (field: string) => optional(value[field], `metadata.${field}`, isText, 'text');
  const number = (field: string) => optional(value[field], `metadata.${field}`, isNumber, 'a number');
  const map = (field: string) => optional(value[field], `metadata.${field}`, isTextMap, 'an object of texts');
  return clean({
    name: text('name') ?? '',
    generateName: text('generateName'),
    namespace: text('namespace'),
    uid: text('uid'),
    resourceVersion: text('resourceVersion'),
    generation: number('generation'),
    creationTimestamp: text('creationTimestamp'),
    deletionTimestamp: text('deletionTimestamp'),
    deletionGracePeriodSeconds: number('deletionGracePeriodSeconds'),
    labels: map('labels'),
    annotations: map('annotations'),
    finalizers: optional(value.finalizers, 'metadata.finalizers', isTextList, 'a list of texts'),
    ownerReferences: optional(
      value.ownerReferences,
      'metadata.ownerReferences',
      isOwnerList,
      'a list of objects with apiVersion, kind, name and uid',
    ),
  });
}

/** Without fields that are undefined, or empty containers and texts (as Go's omitempty has it). */
export function clean(
  metadata: { readonly [K in keyof KubeMetadata]: KubeMetadata[K] | undefined } & { readonly name: string },
): KubeMetadata {
  const kept = Object.entries(metadata).filter(([, value]) => !isEmpty(value));
  return { ...Object.fromEntries(kept), name: metadata.name };
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === '') return true;
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

function optional<T>(value: unknown, path: string, is: (value: unknown) => value is T, expected: string): T | undefined {
  if (value === undefined || value === null) return undefined;
  if (!is(value)) throw badRequest(`${path} must be ${expected}, found ${describe(value)}`);
  return value;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number';
}

function isTextMap(value: unknown): value is Record<string, string> {
  return isJsonObject(value) && Object.values(value).every(isText);
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isText);
}

function isOwnerList(value: unknown): value is OwnerReference[] {
  return (
    Array.isArray(value) &&
    value.every((owner) => isJsonObject(owner) && ['apiVersion', 'kind', 'name', 'uid'].every((field) => isText(owner[field])))
  );
}

function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

import { isObject } from './decode-value.ts';
import type { Issue } from './issue.ts';
import type { ObjectMeta } from './object.ts';

interface MetaContext {
  readonly isNamespaced: boolean;
  readonly defaultNamespace: string;
}

const none: Readonly<Record<string, string>> = Object.freeze({});

/** Reads `metadata`: name and namespace checked, labels and annotations as text, the rest as an API server wrote it. */
export function decodeMeta(raw: unknown, context: MetaContext, issues: Issue[]): ObjectMeta {
  const meta = isObject(raw) ? raw : {};
  if (raw !== undefined && raw !== null && !isObject(raw)) {
    issues.push({ code: 'MW0109', path: ['metadata'], message: 'expected an object with a name' });
  }
  const name = textOf(meta.name);
  const nameError = nameProblem(name);
  if (nameError) issues.push({ code: 'MW0108', path: ['metadata', 'name'], message: nameError });
  const namespace = context.isNamespaced ? textOf(meta.namespace) || context.defaultNamespace : '';
  if (context.isNamespaced && !isLabel(namespace)) {
    issues.push({ code: 'MW0108', path: ['metadata', 'namespace'], message: `\`${namespace}\` is not a valid namespace name` });
  }
  return {
    name,
    namespace,
    labels: textMap(meta.labels, 'labels', issues),
    annotations: textMap(meta.annotations, 'annotations', issues),
    uid: textOf(meta.uid),
    resourceVersion: textOf(meta.resourceVersion),
    generation: typeof meta.generation === 'number' ? meta.generation : 0,
    creationTimestamp: textOf(meta.creationTimestamp),
    ...(typeof meta.deletionTimestamp === 'string' ? { deletionTimestamp: meta.deletionTimestamp } : {}),
  };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function isLabel(text: string): boolean {
  return text.length <= 63 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(text);
}

function nameProblem(name: string): string | undefined {
  if (name === '') return 'the object has no name';
  if (name.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name)) return undefined;
  return `\`${name}\` is not a valid name: expected lower-case letters, digits, dashes and dots, a letter or digit at both ends`;
}

function textMap(raw: unknown, field: string, issues: Issue[]): Readonly<Record<string, string>> {
  if (raw === undefined || raw === null) return none;
  const path = ['metadata', field];
  if (!isObject(raw)) {
    issues.push({ code: 'MW0109', path, message: 'expected a map of texts' });
    return none;
  }
  let isText = true;
  for (const [name, value] of Object.entries(raw)) {
    if (typeof value === 'string') continue;
    isText = false;
    const fix = typeof value === 'number' || typeof value === 'boolean' ? { fix: `Put the value in quotes: "${value}".` } : {};
    issues.push({
      code: 'MW0109',
      path: [...path, name],
      message: `expected text, found ${value === null ? 'nothing' : typeof value}`,
      ...fix,
    });
  }
  return isText ? (raw as Readonly<Record<string, string>>) : none;
}

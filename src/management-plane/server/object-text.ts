import type { Problem } from '#base/problem.ts';
import { parseYaml, type YamlDocument } from '#yaml/document.ts';
import { formatYaml } from '#yaml/text.ts';
import type { KubeObject } from './sources.ts';

/** One document of what a user typed. */
export interface TypedObject {
  readonly object: KubeObject;
  readonly document: YamlDocument;
}

/** The object as a person would write it: without what the API server manages, in the usual order. */
export function toYaml(object: KubeObject): string {
  const { apiVersion, kind, metadata, status: _, ...rest } = object;
  const { 'kubectl.kubernetes.io/last-applied-configuration': __, ...annotations } = metadata.annotations ?? {};
  const written = {
    apiVersion,
    kind,
    metadata: {
      name: metadata.name,
      ...(metadata.namespace ? { namespace: metadata.namespace } : {}),
      ...(metadata.labels && Object.keys(metadata.labels).length ? { labels: metadata.labels } : {}),
      ...(Object.keys(annotations).length ? { annotations } : {}),
    },
    ...rest,
  };
  return formatYaml(written);
}

export function statusYaml(object: KubeObject): string {
  return object.status === undefined ? '' : formatYaml(object.status);
}

/** Reads one or more YAML documents. All problems are reported at once; empty documents are left out. */
export function parseObjects(text: string): { readonly objects: readonly TypedObject[]; readonly problems: readonly Problem[] } {
  const objects: TypedObject[] = [];
  const problems: Problem[] = [];
  const documents = parseYaml(text);
  for (const document of documents) {
    problems.push(...document.problems);
    if (document.problems.length) continue;
    const object = asObject(document.value);
    if (object) objects.push({ object, document });
    else problems.push(notAnObject(document.line, 'The document is no Kubernetes object: apiVersion, kind or metadata.name is missing.'));
  }
  if (!documents.length) problems.push(notAnObject(1, 'There is no object in the text.'));
  return { objects, problems };
}

/** Gives problems of one object the line of their field in the typed text, so that an editor can mark it. */
export function locate(problems: readonly Problem[], document: YamlDocument): Problem[] {
  return problems.map((problem) => {
    if (problem.line || !problem.path) return problem;
    const steps = [...problem.path.matchAll(/[^.[\]]+/g)].map(([step]) => (/^\d+$/.test(step) ? Number(step) : step));
    const at = document.position(steps, 'key');
    return at ? { ...problem, line: at.line, column: at.column } : problem;
  });
}

function notAnObject(line: number, message: string): Problem {
  return {
    code: 'not_an_object',
    severity: 'error',
    path: '',
    message,
    fix: 'Give it apiVersion, kind and metadata.name.',
    line,
    column: 1,
  };
}

function asObject(value: unknown): KubeObject | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (!('apiVersion' in value) || typeof value.apiVersion !== 'string') return undefined;
  if (!('kind' in value) || typeof value.kind !== 'string') return undefined;
  if (!('metadata' in value) || typeof value.metadata !== 'object' || value.metadata === null) return undefined;
  if (!('name' in value.metadata) || typeof value.metadata.name !== 'string' || !value.metadata.name) return undefined;
  // What KubeObject promises is checked above; the rest is optional and the API server's to judge.
  return value as KubeObject;
}

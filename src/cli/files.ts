/** Reads the files that -f names into objects, with file, line and column of whatever is wrong in them. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { codeOf, Fault } from '#base/fault.ts';
import type { Problem } from '#base/problem.ts';
import type { KubeObject } from '#kube/object.ts';
import { isJsonObject } from '#kube/object.ts';
import { parseYaml } from '#yaml/document.ts';
import type { Io } from './io.ts';
import { servedKindFor } from './served-kinds.ts';

/** One document of a file. */
export interface FileObject {
  readonly object: KubeObject;
  /** As the user would name it: `mesh/reviews.yaml:12`. */
  readonly place: string;
}

export interface FileObjects {
  readonly objects: readonly FileObject[];
  readonly problems: readonly Problem[];
}

/**
 * All documents of the files and folders, in the order given; folders sorted by name. Unreadable files are Faults, bad
 * content is Problems. Objects of known kinds are decoded to find theirs, in this namespace when they name none.
 */
export async function readObjects(
  names: readonly string[],
  io: Io,
  options: { readonly recursive: boolean; readonly namespace: string },
): Promise<FileObjects> {
  const objects: FileObject[] = [];
  const problems: Problem[] = [];
  for (const name of names) {
    if (/^https?:/.test(name))
      throw new Fault('bad-file', `-f ${name}: addresses are not fetched`, { fix: 'Download it first and look at it.' });
    const files = name === '-' ? [{ path: '<stdin>', text: await io.readInput() }] : filesOf(name, io.cwd, options.recursive);
    for (const { path, text } of files) readFile(path, text, options.namespace, objects, problems);
  }
  return { objects, problems };
}

function readFile(path: string, text: string, namespace: string, objects: FileObject[], problems: Problem[]): void {
  for (const document of parseYaml(text, path)) {
    problems.push(...document.problems);
    if (document.value === undefined || document.value === null) continue;
    const whole = document.value;
    const list =
      isJsonObject(whole) && typeof whole.kind === 'string' && whole.kind.endsWith('List') && Array.isArray(whole.items)
        ? whole.items
        : undefined;
    for (const [i, value] of (list ?? [whole]).entries()) {
      const prefix = list ? ['items', i] : [];
      const at = document.position(prefix, 'value') ?? { line: document.line, column: 1 };
      if (!isKubeObject(value)) {
        problems.push(notAnObject(value, path, at.line, at.column));
        continue;
      }
      const kind = servedKindFor(value.apiVersion, value.kind);
      const object = kind?.namespaced && !value.metadata.namespace ? { ...value, metadata: { ...value.metadata, namespace } } : value;
      objects.push({ object, place: `${path}:${at.line}` });
      const origin = {
        source: 'file',
        kind: `${object.apiVersion}/${object.kind}`,
        name: object.metadata.name,
        namespace: object.metadata.namespace ?? '',
        file: path,
        line: at.line,
      } as const;
      problems.push(
        ...(kind?.decode(object, origin, { position: (where, part) => document.position([...prefix, ...where], part) }).problems ?? []),
      );
    }
  }
}

function isKubeObject(value: unknown): value is KubeObject {
  return (
    isJsonObject(value) &&
    typeof value.apiVersion === 'string' &&
    typeof value.kind === 'string' &&
    isJsonObject(value.metadata) &&
    typeof value.metadata.name === 'string'
  );
}

function notAnObject(value: unknown, file: string, line: number, column: number): Problem {
  const missing = isJsonObject(value) ? ['apiVersion', 'kind'].filter((key) => typeof value[key] !== 'string') : [];
  const found = isJsonObject(value) ? `${missing.length > 0 ? missing.join(' and ') : 'metadata.name'} missing` : `a ${typeof value}`;
  return {
    code: missing.length > 0 ? 'MW0106' : 'MW0105',
    severity: 'error',
    path: '',
    message: `this document is no object: ${found}; expected apiVersion, kind and metadata.name`,
    fix: 'Add what is missing, or remove the document.',
    origin: { source: 'file', file, line },
    line,
    column,
  };
}

function filesOf(name: string, cwd: string, recursive: boolean): { path: string; text: string }[] {
  const path = resolve(cwd, name);
  try {
    if (!statSync(path).isDirectory()) return [{ path: name, text: readFileSync(path, 'utf8') }];
    const entries = readdirSync(path, { withFileTypes: true, recursive })
      .filter((entry) => entry.isFile() && /\.(ya?ml|json)$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
      .sort();
    if (entries.length === 0)
      throw new Fault('bad-file', `-f ${name}: no .yaml, .yml or .json file is in it`, {
        fix: recursive ? '' : 'Folders inside are read with -R.',
      });
    return entries.map((file) => ({ path: relative(cwd, file), text: readFileSync(file, 'utf8') }));
  } catch (error) {
    if (error instanceof Fault) throw error;
    const why = { ENOENT: 'does not exist', EACCES: 'may not be read', EISDIR: 'is a folder' }[codeOf(error)] ?? codeOf(error);
    throw new Fault('bad-file', `-f ${name} ${why}`, { cause: error, fix: 'Check the path.' });
  }
}

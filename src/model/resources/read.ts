import type { Origin } from '#base/origin.ts';
import type { Problem } from '#base/problem.ts';
import { parseYaml, type YamlDocument } from '#yaml/document.ts';
import { closest } from './closest.ts';
import type { DecodeOptions } from './decode.ts';
import { isObject } from './decode-value.ts';
import { kindFor, kinds } from './kinds.ts';
import type { Decoded, Resource } from './object.ts';
import { problemTable } from './problems.ts';

/** One object as its source has it, before decoding. */
export interface RawObject {
  readonly raw: Readonly<Record<string, unknown>>;
  readonly origin: Origin;
  readonly position?: DecodeOptions['position'];
}

/** The objects of a text, and what could not be read as one. */
export interface ReadObjects {
  readonly objects: readonly RawObject[];
  readonly problems: readonly Problem[];
}

/** Reads every object of a YAML (or JSON) text, the items of lists included. Does not decode. Never throws. */
export function readObjects(text: string, file?: string): ReadObjects {
  const objects: RawObject[] = [];
  const problems: Problem[] = [];
  for (const document of parseYaml(text, file)) {
    problems.push(...document.problems);
    if (document.problems.length > 0) continue;
    const origin: Origin = file ? { source: 'file', file, line: document.line } : { source: 'file', line: document.line };
    if (!isObject(document.value))
      problems.push(shapeProblem('MW0105', 'expected an object with apiVersion, kind and metadata', origin, document));
    else if (isList(document.value)) objects.push(...listItems(document.value.items, document, origin, problems));
    else if (typeof document.value.apiVersion !== 'string' || typeof document.value.kind !== 'string') {
      const missing = ['apiVersion', 'kind'].filter((name) => typeof (document.value as Record<string, unknown>)[name] !== 'string');
      problems.push(shapeProblem('MW0106', `the object has no ${missing.join(' and no ')}`, origin, document));
    } else objects.push({ raw: document.value, origin, position: document.position });
  }
  return { objects, problems };
}

function isList(value: Readonly<Record<string, unknown>>): value is { readonly items: readonly unknown[] } {
  return typeof value.kind === 'string' && value.kind.endsWith('List') && Array.isArray(value.items);
}

function listItems(items: readonly unknown[], document: YamlDocument, origin: Origin, problems: Problem[]): RawObject[] {
  return items.flatMap((raw, i) => {
    const path = ['items', i];
    const line = document.position(path, 'value')?.line;
    const place: Origin = line === undefined ? origin : { ...origin, line };
    if (isObject(raw) && typeof raw.apiVersion === 'string' && typeof raw.kind === 'string') {
      return [{ raw, origin: place, position: (inner, part) => document.position([...path, ...inner], part) } satisfies RawObject];
    }
    problems.push(shapeProblem('MW0105', `items[${i}] is not an object with apiVersion and kind`, place, document));
    return [];
  });
}

/** Decodes one object by the kind it names; an unknown kind is a problem, not a resource. */
export function decodeAny({ raw, origin, position }: RawObject, options: DecodeOptions = {}): Decoded<unknown> {
  const apiVersion = String(raw.apiVersion ?? '');
  const name = String(raw.kind ?? '');
  const kind = kindFor(apiVersion, name);
  if (kind) return kind.decode(raw, origin, position ? { ...options, position } : options);
  return { problems: [{ ...unknownKind(apiVersion, name), origin, ...position?.(['kind'], 'value') }] };
}

function unknownKind(apiVersion: string, name: string): Problem {
  const others = kinds.filter((kind) => kind.kind === name);
  const near = closest(name, [...new Set(kinds.map((kind) => kind.kind))]);
  const hint =
    others.length > 0
      ? `; ${name} is known as ${others.flatMap((kind) => kind.versions.map((v) => (kind.group ? `${kind.group}/${v}` : v))).join(', ')}`
      : near
        ? `; did you mean \`${near}\`?`
        : '';
  const { severity, fix } = problemTable.MW0107;
  return {
    code: 'MW0107',
    severity,
    path: 'kind',
    message: `kind ${name || '(none)'} of ${apiVersion || '(no apiVersion)'} is not known${hint}`,
    fix,
  };
}

function shapeProblem(code: 'MW0105' | 'MW0106', message: string, origin: Origin, document: YamlDocument): Problem {
  return { code, severity: 'error', path: '', message, fix: problemTable[code].fix, origin, ...document.position([], 'value') };
}

/** Reads and decodes a whole text: every valid object, and every problem of the others. */
export function readResources(
  text: string,
  file?: string,
): { readonly resources: readonly Resource<unknown>[]; readonly problems: readonly Problem[] } {
  const { objects, problems } = readObjects(text, file);
  const decoded = objects.map((object) => decodeAny(object));
  return {
    resources: decoded.flatMap(({ resource }) => (resource ? [resource] : [])),
    problems: [...problems, ...decoded.flatMap((one) => one.problems)],
  };
}

import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
  Scalar,
  visit,
  type YAMLError,
} from 'yaml';
import { messageOf } from '#base/fault.ts';
import type { Problem } from '#base/problem.ts';
import { chunksOf } from './chunks.ts';
import { explain } from './errors.ts';

/** 1-based place in a text. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** One document of a YAML stream. */
export interface YamlDocument {
  /** Plain JSON-like value; undefined when the document has problems. Parts that the text shares by alias are shared. */
  readonly value: unknown;
  /** 1-based line of the first character of the content. */
  readonly line: number;
  /** Errors of the text, in order; empty when `value` is there. */
  readonly problems: readonly Problem[];
  /**
   * Where the value at a path stands, or with `key` its name; of the nearest ancestor when the path leads nowhere.
   * Costs a walk down the path. Keeps the syntax tree alive as long as it is referred to.
   */
  position(path: readonly (string | number)[], part: 'key' | 'value'): Position | undefined;
}

/** Texts larger than this are refused before parsing. */
const maxTextBytes = 32 * 1024 * 1024;

/** Aliases may make a document at most this many nodes larger. */
const maxAliasCount = 1000;

/**
 * Reads every document of a stream; empty documents are left out. Each document stands alone: an error in one never
 * hides another. Never throws. YAML 1.2 with merge keys; duplicate keys and non-text keys are errors.
 */
export function parseYaml(text: string, file?: string): YamlDocument[] {
  if (text.length > maxTextBytes) {
    return [broken(fileProblem('MW0104', `the text has ${text.length} characters, the limit is ${maxTextBytes}`, 'Split the file.', file))];
  }
  const documents: YamlDocument[] = [];
  for (const chunk of chunksOf(text.startsWith('\uFEFF') ? text.slice(1) : text)) {
    const document = readChunk(chunk.text, chunk.line, file);
    if (document) documents.push(document);
  }
  return documents;
}

function readChunk(text: string, firstLine: number, file: string | undefined): YamlDocument | undefined {
  const lines = new LineCounter();
  let parsed: Document.Parsed;
  try {
    parsed = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true, stringKeys: true, logLevel: 'silent' });
  } catch (error) {
    return broken(
      fileProblem('MW0104', `the document is too deeply nested to be read (${messageOf(error)})`, 'Write it flatter.', file, {
        line: firstLine,
        column: 1,
      }),
    );
  }
  const place = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: line + firstLine - 1, column: col };
  };
  if (parsed.errors.length > 0) {
    // One cause often gives several errors at its place; the first names it.
    const first = parsed.errors.filter((error, i) => parsed.errors.findIndex((other) => other.pos[0] === error.pos[0]) === i);
    const problems = first.map((error) => errorProblem(error, text, place, file));
    return { value: undefined, line: problems[0]?.line ?? firstLine, problems, position: () => undefined };
  }
  if (parsed.contents === null || (isScalar(parsed.contents) && parsed.contents.value === null)) return undefined;
  joinAddresses(parsed, text);
  const line = place(startOf(parsed.contents)).line;
  try {
    const value: unknown = parsed.toJS({ maxAliasCount });
    return { value, line, problems: [], position: (path, part) => positionIn(parsed, path, part, place) };
  } catch (error) {
    const lost = unresolvedAlias(parsed);
    if (lost) {
      const fix = 'Define the anchor (`&name`) earlier in the same document.';
      return broken(
        fileProblem('MW0101', `the alias *${lost.source} refers to no anchor defined before it`, fix, file, place(startOf(lost))),
      );
    }
    const isBomb = messageOf(error).includes('alias');
    const message = isBomb
      ? `aliases make the document more than ${maxAliasCount} nodes larger`
      : `the document cannot be read: ${messageOf(error)}`;
    return broken(fileProblem('MW0104', message, 'Write the values out instead of repeating them by alias.', file, { line, column: 1 }));
  }
}

function broken(problem: Problem): YamlDocument {
  return { value: undefined, line: problem.line ?? 1, problems: [problem], position: () => undefined };
}

function fileProblem(code: string, message: string, fix: string, file: string | undefined, at: Position = { line: 1, column: 1 }): Problem {
  return { code, severity: 'error', path: '', message, fix, ...at, ...(file ? { origin: { source: 'file', file, line: at.line } } : {}) };
}

/**
 * In `[::1, 2001:db8::]` YAML 1.2 reads a key without a value where kubectl's parser, and every reader, sees an address.
 * Such an entry of a list in brackets is the text as written.
 */
function joinAddresses(document: Document.Parsed, text: string): void {
  if (!/:\s*[\],]/.test(text)) return;
  visit(document, {
    Seq(_, list) {
      if (!list.flow) return;
      for (const [i, item] of list.items.entries()) {
        const pair = isMap(item) && item.items.length === 1 ? item.items[0] : undefined;
        if (!pair || !isScalar(pair.key) || text[startOf(item as Node)] === '{') continue;
        const key = String(pair.key.value);
        const isBare = pair.value === null || (isScalar(pair.value) && pair.value.value === null);
        if (!isBare || !/^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$/.test(`${key}:`)) continue;
        const scalar = new Scalar(`${key}:`);
        if (pair.key.range) scalar.range = pair.key.range;
        list.items[i] = scalar;
      }
    },
  });
}

function unresolvedAlias(document: Document.Parsed): Alias | undefined {
  let lost: Alias | undefined;
  visit(document, {
    Alias(_, node) {
      if (node.resolve(document)) return undefined;
      lost = node;
      return visit.BREAK;
    },
  });
  return lost;
}

function errorProblem(error: YAMLError, text: string, place: (offset: number) => Position, file: string | undefined): Problem {
  const { code, message, fix } = explain(error, text);
  return fileProblem(code, message, fix, file, place(error.pos[0]));
}

function startOf(node: Node | ParsedNode): number {
  return node.range?.[0] ?? 0;
}

function positionIn(
  document: Document.Parsed,
  path: readonly (string | number)[],
  part: 'key' | 'value',
  place: (offset: number) => Position,
): Position | undefined {
  let node: Node | null = document.contents;
  let best = node ? startOf(node) : 0;
  for (const [index, step] of path.entries()) {
    if (node && isAlias(node)) node = node.resolve(document) ?? null;
    let next: unknown;
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step));
      if (isNode(pair?.key) && (part === 'key' || !isNode(pair.value)) && index === path.length - 1) return place(startOf(pair.key));
      next = pair?.value;
    } else if (isSeq(node)) {
      next = node.items[Number(step)];
    }
    if (!isNode(next)) break;
    node = next;
    best = startOf(next);
  }
  return place(best);
}

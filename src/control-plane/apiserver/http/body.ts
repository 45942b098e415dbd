import { isJsonObject, type JsonObject } from '#kube/object.ts';
import { parseYaml } from '#yaml/document.ts';
import { duplicateKeys } from '../object/duplicates.ts';
import { badRequest, unsupportedMedia } from '../status.ts';
import { type Exchange, header, readBody } from './exchange.ts';
import { protobufType, readProtobuf } from './protobuf.ts';

/** Kubernetes' own limit. */
const bodyLimitBytes = 3 * 1024 * 1024;
/** Deeper values cannot be an object of any kind, and recursion over them must not exhaust the stack. */
const depthLimit = 256;

/** Media types of whole objects. */
export const objectTypes: readonly string[] = ['application/json', 'application/yaml', protobufType];

export interface Body {
  readonly value: unknown;
  readonly mediaType: string;
  /** Paths of keys that stand twice; found only when asked. */
  readonly duplicates: () => readonly string[];
}

/** Reads and parses a body of one of the accepted media types. Malformed text is BadRequest with the place. */
export async function parseBody(exchange: Exchange, accepted: readonly string[]): Promise<Body> {
  const mediaType = (header(exchange, 'content-type').split(';')[0] ?? '').trim().toLowerCase() || 'application/json';
  if (!accepted.includes(mediaType)) throw unsupportedMedia(mediaType, accepted);
  const bytes = await readBody(exchange, bodyLimitBytes);
  if (mediaType === protobufType && bytes.length > 0) return { value: readProtobuf(bytes), mediaType, duplicates: () => [] };
  const text = bytes.toString('utf8');
  if (text.trim() === '') return { value: undefined, mediaType, duplicates: () => [] };
  const isYaml = mediaType.endsWith('yaml') && !/^\s*[[{]/.test(text);
  if (isYaml) return { value: yamlValue(text), mediaType, duplicates: () => [] };
  const value = jsonValue(text);
  checkDepth(value);
  return { value, mediaType, duplicates: () => duplicateKeys(text) };
}

/** An optional JSON object body, such as DeleteOptions. */
export async function parseOptions(exchange: Exchange): Promise<JsonObject> {
  const { value } = await parseBody(exchange, objectTypes);
  if (value === undefined) return {};
  if (!isJsonObject(value)) throw badRequest('the body must be a JSON object');
  return value;
}

function jsonValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(`the body is not valid JSON: ${error instanceof Error ? error.message : 'unreadable'}`);
  }
}

function yamlValue(text: string): unknown {
  const documents = parseYaml(text);
  const problem = documents.flatMap((document) => document.problems)[0];
  if (problem) throw badRequest(`the body is not valid YAML: line ${problem.line ?? 1}, column ${problem.column ?? 1}: ${problem.message}`);
  if (documents.length !== 1) throw badRequest(`the body must be one YAML document, found ${documents.length}`);
  checkDepth(documents[0]?.value);
  return documents[0]?.value;
}

/** Refuses BadRequest what is nested deeper than any object can be. */
export function checkDepth(value: unknown, left = depthLimit): void {
  if (typeof value !== 'object' || value === null) return;
  if (left === 0) throw badRequest(`the body is nested more than ${depthLimit} levels deep`);
  for (const inner of Object.values(value)) checkDepth(inner, left - 1);
}

import { isDeepStrictEqual } from 'node:util';
import { isJsonObject } from '#kube/object.ts';
import { badRequest, refuse, tooLarge } from '../status.ts';

interface Operation {
  readonly op: 'add' | 'remove' | 'replace' | 'move' | 'copy' | 'test';
  readonly path: readonly string[];
  readonly from: readonly string[];
  readonly value: unknown;
  readonly text: string;
}

const names: readonly string[] = ['add', 'remove', 'replace', 'move', 'copy', 'test'];
/** More operations than this are refused, as Kubernetes does. */
const operationsLimit = 10_000;
/** Bytes that all copies of one patch may add, as in Kubernetes: copies of copies double with each operation. */
const copiedLimitBytes = 3 * 1024 * 1024;

/** RFC 6902. A malformed patch is BadRequest; one that does not fit the document is Invalid (422). The document is not changed. */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw badRequest('a JSON patch must be a list of operations');
  if (patch.length > operationsLimit)
    throw badRequest(`a JSON patch may have at most ${operationsLimit} operations, found ${patch.length}`);
  let copiedBytes = 0;
  return patch.map(readOperation).reduce((current, operation) => {
    if (operation.op === 'copy') {
      copiedBytes += JSON.stringify(find(current, operation.from, operation)).length;
      if (copiedBytes > copiedLimitBytes) throw tooLarge(copiedLimitBytes);
    }
    return perform(current, operation);
  }, document);
}

function readOperation(raw: unknown, index: number): Operation {
  if (!isJsonObject(raw)) throw badRequest(`operation ${index} of the JSON patch must be an object`);
  const { op, path, from, value } = raw;
  const isName = (name: unknown): name is Operation['op'] => typeof name === 'string' && names.includes(name);
  if (!isName(op)) throw badRequest(`operation ${index}: op must be one of ${names.join(', ')}, found ${JSON.stringify(op)}`);
  const needsFrom = op === 'move' || op === 'copy';
  if (['add', 'replace', 'test'].includes(op) && value === undefined) throw badRequest(`operation ${index}: ${op} needs a value`);
  return { op, path: pointer(path, index, 'path'), from: needsFrom ? pointer(from, index, 'from') : [], value, text: `${op} ${path}` };
}

/** RFC 6901. */
function pointer(text: unknown, index: number, field: string): readonly string[] {
  if (typeof text !== 'string' || (text !== '' && !text.startsWith('/'))) {
    throw badRequest(`operation ${index}: ${field} must be a JSON pointer such as /spec/hosts/0, found ${JSON.stringify(text)}`);
  }
  return text
    .split('/')
    .slice(1)
    .map((step) => step.replace(/~1/g, '/').replace(/~0/g, '~'));
}

function perform(document: unknown, operation: Operation): unknown {
  const { op, path, from, value } = operation;
  switch (op) {
    case 'add':
      return edit(document, path, operation, (_old, parent) => (Array.isArray(parent) ? { insert: value } : { set: value }));
    case 'replace':
      return edit(document, path, operation, (old) =>
        old === undefined ? fail(operation, 'there is nothing to replace') : { set: value },
      );
    case 'remove':
      return edit(document, path, operation, (old) =>
        old === undefined ? fail(operation, 'there is nothing to remove') : { remove: true },
      );
    case 'test':
      if (!isDeepStrictEqual(find(document, path, operation), value)) fail(operation, 'the value is another');
      return document;
    case 'copy':
      return perform(document, { ...operation, op: 'add', value: find(document, from, operation) });
    case 'move': {
      if (path.length > from.length && from.every((step, index) => path[index] === step))
        fail(operation, 'a value cannot be moved into itself');
      const moved = find(document, from, operation);
      return perform(perform(document, { ...operation, op: 'remove', path: from }), { ...operation, op: 'add', value: moved });
    }
  }
}

type Edit = { readonly set: unknown } | { readonly insert: unknown } | { readonly remove: true };

/** Rebuilds the spine down to the path; `change` sees the old value (undefined when absent) and its parent. */
function edit(document: unknown, path: readonly string[], operation: Operation, change: (old: unknown, parent: unknown) => Edit): unknown {
  const [step, ...rest] = path;
  if (step === undefined) {
    const outcome = change(document, undefined);
    return 'set' in outcome ? outcome.set : fail(operation, 'the whole document cannot be removed');
  }
  if (Array.isArray(document)) {
    const index = indexOf(document, step, operation, rest.length === 0);
    if (rest.length > 0) return document.with(index, edit(document[index], rest, operation, change));
    const outcome = change(document[index], document);
    if ('set' in outcome) return document.with(index, outcome.set);
    return 'insert' in outcome ? document.toSpliced(index, 0, outcome.insert) : document.toSpliced(index, 1);
  }
  if (!isJsonObject(document)) return fail(operation, `${JSON.stringify(step)} has no parent`);
  const old = Object.hasOwn(document, step) ? document[step] : undefined;
  if (rest.length > 0) {
    if (old === undefined) return fail(operation, `${JSON.stringify(step)} is missing`);
    return { ...document, [step]: edit(old, rest, operation, change) };
  }
  const outcome = change(old, document);
  if ('set' in outcome) return { ...document, [step]: outcome.set };
  const { [step]: _removed, ...others } = document;
  return others;
}

function find(document: unknown, path: readonly string[], operation: Operation): unknown {
  let value = document;
  for (const step of path) {
    if (Array.isArray(value)) value = value[indexOf(value, step, operation, false)];
    else if (isJsonObject(value) && Object.hasOwn(value, step)) value = value[step];
    else fail(operation, `${JSON.stringify(step)} is missing`);
  }
  return value;
}

function indexOf(list: readonly unknown[], step: string, operation: Operation, mayAppend: boolean): number {
  const isAdd = mayAppend && operation.op === 'add';
  if (step === '-' && isAdd) return list.length;
  const index = /^(0|[1-9]\d*)$/.test(step) ? Number(step) : -1;
  if (index < 0 || index >= list.length + (isAdd ? 1 : 0))
    fail(operation, `${JSON.stringify(step)} is no index of a list of ${list.length}`);
  return index;
}

function fail(operation: Operation, why: string): never {
  throw refuse({
    code: 422,
    reason: 'Invalid',
    message: `the server rejected our request due to an error in our request: JSON patch ${operation.text}: ${why}`,
  });
}

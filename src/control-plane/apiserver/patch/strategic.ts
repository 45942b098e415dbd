import { isDeepStrictEqual } from 'node:util';
import { isJsonObject, type JsonObject } from '#kube/object.ts';
import type { ApiKind } from '../kinds.ts';
import { badRequest } from '../status.ts';
import { listRule } from './list-keys.ts';

// Directives of a strategic merge patch (Kubernetes: strategic-merge-patch.md).
const directive = '$patch';
const retainKeys = '$retainKeys';
const elementOrder = '$setElementOrder/';
const deleteFromList = '$deleteFromPrimitiveList/';

/**
 * A strategic merge patch: like a merge patch, but lists with a merge key are merged item by item, and directives delete,
 * replace and order. The target is not changed. A patch that contradicts itself is BadRequest.
 */
export function applyStrategicPatch(kind: Pick<ApiKind, 'group' | 'kind'>, target: unknown, patch: unknown): unknown {
  if (!isJsonObject(patch)) throw badRequest('a strategic merge patch must be an object');
  return mergeObject({ kind, path: '' }, isJsonObject(target) ? target : {}, patch);
}

interface Place {
  readonly kind: Pick<ApiKind, 'group' | 'kind'>;
  /** Without indexes. */
  readonly path: string;
}

function inside(place: Place, name: string): Place {
  return { kind: place.kind, path: place.path === '' ? name : `${place.path}.${name}` };
}

function mergeObject(place: Place, target: JsonObject, patch: JsonObject): JsonObject {
  if (patch[directive] === 'replace') return withoutDirectives(patch);
  if (patch[directive] === 'delete') return {};
  if (patch[directive] !== undefined && patch[directive] !== 'merge')
    throw badRequest(`unknown ${directive} directive ${JSON.stringify(patch[directive])} at ${place.path}`);
  const merged = new Map(Object.entries(target));
  if (Array.isArray(patch[retainKeys])) {
    for (const name of merged.keys()) if (!patch[retainKeys].includes(name)) merged.delete(name);
  }
  for (const [name, value] of Object.entries(patch)) {
    if (!name.startsWith(deleteFromList) || !Array.isArray(value)) continue;
    const list = merged.get(name.slice(deleteFromList.length));
    if (Array.isArray(list))
      merged.set(
        name.slice(deleteFromList.length),
        list.filter((item) => !value.some((gone) => isDeepStrictEqual(gone, item))),
      );
  }
  for (const [name, value] of Object.entries(patch)) {
    if (name.startsWith('$')) continue;
    const old = merged.get(name);
    if (value === null) merged.delete(name);
    else if (Array.isArray(value)) merged.set(name, mergeList(inside(place, name), old, value));
    else if (isJsonObject(value)) {
      if (value[directive] === 'delete') merged.delete(name);
      else merged.set(name, mergeObject(inside(place, name), isJsonObject(old) ? old : {}, value));
    } else merged.set(name, value);
  }
  for (const [name, order] of Object.entries(patch)) {
    const list = name.startsWith(elementOrder) ? merged.get(name.slice(elementOrder.length)) : undefined;
    if (Array.isArray(list) && Array.isArray(order))
      merged.set(name.slice(elementOrder.length), reorder(inside(place, name.slice(elementOrder.length)), list, order));
  }
  return Object.fromEntries(merged);
}

function mergeList(place: Place, old: unknown, patch: readonly unknown[]): unknown {
  const rule = listRule(place.kind, place.path);
  const target = Array.isArray(old) ? old : [];
  if (rule === undefined) return patch;
  if (rule === 'set') return [...target, ...patch.filter((item) => !target.includes(item))];
  if (patch.some((item) => isJsonObject(item) && item[directive] === 'replace' && item[rule.key] === undefined)) {
    return patch.filter((item) => !(isJsonObject(item) && item[directive] === 'replace' && item[rule.key] === undefined));
  }
  let merged: unknown[] = [...target];
  for (const item of patch) {
    if (!isJsonObject(item)) throw badRequest(`items of ${place.path} must be objects`);
    const key = item[rule.key];
    if (key === undefined) throw badRequest(`an item of ${place.path} lacks its merge key ${rule.key}`);
    const at = merged.findIndex((one) => isJsonObject(one) && one[rule.key] === key);
    const existing = merged[at];
    if (item[directive] === 'delete') merged = merged.filter((one) => !(isJsonObject(one) && one[rule.key] === key));
    else if (isJsonObject(existing)) merged[at] = mergeObject(place, existing, item);
    else merged.push(mergeObject(place, {}, item));
  }
  return merged;
}

/** Items named in `order` take that order; each other item stays behind the one it followed. */
function reorder(place: Place, list: readonly unknown[], order: readonly unknown[]): unknown[] {
  const rule = listRule(place.kind, place.path);
  const keyOf = (item: unknown) => (typeof rule === 'object' && isJsonObject(item) ? item[rule.key] : item);
  const rank = new Map(order.map((item, index) => [keyOf(item), index]));
  const groups = new Map<number, unknown[]>();
  let current = -1;
  for (const item of list) {
    const named = rank.get(keyOf(item));
    if (named !== undefined) current = named;
    groups.set(current, [...(groups.get(current) ?? []), item]);
  }
  return [...groups].sort(([a], [b]) => a - b).flatMap(([, items]) => items);
}

function withoutDirectives(patch: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(patch).filter(([name]) => !name.startsWith('$')));
}

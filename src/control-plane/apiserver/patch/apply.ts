import { isJsonObject, type JsonObject } from '#kube/object.ts';
import type { ApiKind } from '../kinds.ts';
import type { AppliedSets, Entry } from '../storage/entry.ts';
import { listRule } from './list-keys.ts';

export interface AppliedMerge {
  readonly object: JsonObject;
  readonly applied: AppliedSets;
}

/**
 * Server-side apply of one manager's configuration: its fields are set; fields it applied before and leaves out now are
 * removed unless another manager applied them too. Conflicts between managers are not looked for: the last one wins.
 */
export function mergeApplied(
  kind: Pick<ApiKind, 'group' | 'kind'>,
  before: Entry,
  manager: string,
  configuration: JsonObject,
): AppliedMerge {
  const { [manager]: last, ...others } = before.applied;
  const withdrawn = isJsonObject(last)
    ? withdraw({ kind, path: '' }, before.object, last, [configuration, ...Object.values(others)])
    : before.object;
  const merged = merge({ kind, path: '' }, withdrawn, configuration);
  return { object: merged, applied: { ...others, [manager]: configuration } };
}

interface Place {
  readonly kind: Pick<ApiKind, 'group' | 'kind'>;
  readonly path: string;
}

function inside(place: Place, name: string): Place {
  return { kind: place.kind, path: place.path === '' ? name : `${place.path}.${name}` };
}

/** `live` without the fields of `last` that none of `kept` has. */
function withdraw(place: Place, live: JsonObject, last: JsonObject, kept: readonly unknown[]): JsonObject {
  const result = new Map(Object.entries(live));
  for (const [name, old] of Object.entries(last)) {
    const keepers = kept.flatMap((one) => (isJsonObject(one) && Object.hasOwn(one, name) ? [one[name]] : []));
    const value = result.get(name);
    if (isJsonObject(old) && isJsonObject(value)) {
      // An object that only this manager filled goes when nothing of others is left in it.
      const rest = withdraw(inside(place, name), value, old, keepers);
      if (keepers.length === 0 && Object.keys(rest).length === 0) result.delete(name);
      else result.set(name, rest);
    } else if (Array.isArray(old) && Array.isArray(value)) {
      const rest = withdrawItems(inside(place, name), value, old, keepers);
      if (rest === undefined || (keepers.length === 0 && rest.length === 0)) result.delete(name);
      else result.set(name, rest);
    } else if (keepers.length === 0) result.delete(name);
  }
  return Object.fromEntries(result);
}

/** undefined: the list as a whole goes. */
function withdrawItems(
  place: Place,
  live: readonly unknown[],
  last: readonly unknown[],
  keepers: readonly unknown[],
): readonly unknown[] | undefined {
  const rule = listRule(place.kind, place.path);
  if (rule === undefined) return keepers.length === 0 ? undefined : live;
  const kept = keepers.flatMap((list) => (Array.isArray(list) ? list : []));
  if (rule === 'set') return live.filter((item) => !last.includes(item) || kept.includes(item));
  const same = (a: unknown, b: unknown) => isJsonObject(a) && isJsonObject(b) && a[rule.key] === b[rule.key];
  return live.flatMap((item) => {
    const old = last.find((one) => same(one, item));
    if (!isJsonObject(old) || !isJsonObject(item)) return [item];
    const holders = kept.filter((one) => same(one, item));
    // An item belongs to those who applied it, with the defaults that were filled in.
    return holders.length === 0 ? [] : [{ [rule.key]: item[rule.key], ...withdraw(place, item, old, holders) }];
  });
}

function merge(place: Place, live: JsonObject, configuration: JsonObject): JsonObject {
  const result = new Map(Object.entries(live));
  for (const [name, value] of Object.entries(configuration)) {
    const old = result.get(name);
    if (isJsonObject(value) && isJsonObject(old)) result.set(name, merge(inside(place, name), old, value));
    else if (Array.isArray(value) && Array.isArray(old)) result.set(name, mergeItems(inside(place, name), old, value));
    else if (value === null) result.delete(name);
    else result.set(name, value);
  }
  return Object.fromEntries(result);
}

/** The applier's order for its items, the others' items behind. */
function mergeItems(place: Place, live: readonly unknown[], configuration: readonly unknown[]): readonly unknown[] {
  const rule = listRule(place.kind, place.path);
  if (rule === undefined) return configuration;
  if (rule === 'set') return [...live, ...configuration.filter((item) => !live.includes(item))];
  const same = (a: unknown, b: unknown) => isJsonObject(a) && isJsonObject(b) && a[rule.key] === b[rule.key];
  const mine = configuration.map((item) => {
    const old = live.find((one) => same(one, item));
    return isJsonObject(old) && isJsonObject(item) ? merge(place, old, item) : item;
  });
  return [...mine, ...live.filter((item) => !configuration.some((one) => same(one, item)))];
}

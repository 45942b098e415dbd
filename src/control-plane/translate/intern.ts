/**
 * Hash-consing: values with equal members become one value (===). Plan inputs are compared by identity, so whatever a
 * plan is given passes through here when it was made anew. Interned values are held weakly.
 */

let nextId = 1;
const ids = new WeakMap<object, number>();

function idOf(value: object): number {
  const known = ids.get(value);
  if (known !== undefined) return known;
  const id = nextId++;
  ids.set(value, id);
  return id;
}

/** Objects by identity, strings and numbers by value; 32 bit. */
function hashOf(value: unknown): number {
  if (typeof value === 'object' && value !== null) return idOf(value);
  const text = `${typeof value}:${String(value)}`;
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}

const lists = new Map<number, WeakRef<readonly unknown[]>[]>();
const forgotten = new FinalizationRegistry<number>((hash) => {
  const alive = (lists.get(hash) ?? []).filter((ref) => ref.deref() !== undefined);
  if (alive.length === 0) lists.delete(hash);
  else lists.set(hash, alive);
});

function sameMembers(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}

/** The one array that has exactly these members, in this order. O(length). The result is frozen. */
export function internList<T extends readonly unknown[]>(members: T): T {
  let hash = members.length;
  for (const member of members) hash = (Math.imul(hash, 31) + hashOf(member)) | 0;
  const bucket = lists.get(hash);
  for (const ref of bucket ?? []) {
    const known = ref.deref();
    if (known !== undefined && sameMembers(known, members)) return known as T;
  }
  Object.freeze(members);
  const ref = new WeakRef<readonly unknown[]>(members);
  if (bucket) bucket.push(ref);
  else lists.set(hash, [ref]);
  forgotten.register(members, hash);
  return members;
}

const records = new Map<string, WeakRef<object>>();
const forgottenRecords = new FinalizationRegistry<string>((key) => {
  if (records.get(key)?.deref() === undefined) records.delete(key);
});

/** The one record with this JSON text. For small records of plain data (traits of a proxy, a resolved setting). */
export function internRecord<T extends object>(record: T): T {
  const key = JSON.stringify(record);
  const known = records.get(key)?.deref();
  if (known !== undefined) return known as T;
  Object.freeze(record);
  records.set(key, new WeakRef(record));
  forgottenRecords.register(record, key);
  return record;
}

/** Remembers the result of `compute` for as long as the interned `key` lives. */
export function memoBy<K extends object, V>(compute: (key: K) => V): (key: K) => V {
  const results = new WeakMap<K, { readonly value: V }>();
  return (key) => {
    const known = results.get(key);
    if (known) return known.value;
    const value = compute(key);
    results.set(key, { value });
    return value;
  };
}

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

/** Texts get small numbers too. Emptied when it grows large: then some values are made anew, nothing else happens. */
const textIds = new Map<string, number>();
const maxTexts = 500_000;

function hashOf(value: unknown): number {
  if (typeof value === 'object' && value !== null) return idOf(value);
  if (typeof value === 'number') return value | 0;
  const text = typeof value === 'string' ? value : String(value);
  const known = textIds.get(text);
  if (known !== undefined) return known;
  if (textIds.size >= maxTexts) textIds.clear();
  const id = nextId++;
  textIds.set(text, id);
  return id;
}

/** 32-bit hash of the members: objects by identity, everything else by value. */
export function hashMembers(members: readonly unknown[], seed = 0): number {
  let hash = (seed + members.length) | 0;
  for (const member of members) hash = (Math.imul(hash, 31) + hashOf(member)) | 0;
  return hash;
}

export function sameMembers(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}

/** Weakly held values by hash. */
export class InternTable<T extends object> {
  readonly #buckets = new Map<number, WeakRef<T>[]>();
  readonly #forgotten = new FinalizationRegistry<number>((hash) => {
    const alive = (this.#buckets.get(hash) ?? []).filter((ref) => ref.deref() !== undefined);
    if (alive.length === 0) this.#buckets.delete(hash);
    else this.#buckets.set(hash, alive);
  });

  find(hash: number, isSame: (value: T) => boolean): T | undefined {
    const bucket = this.#buckets.get(hash);
    if (!bucket) return undefined;
    for (const ref of bucket) {
      const value = ref.deref();
      if (value !== undefined && isSame(value)) return value;
    }
    return undefined;
  }

  add(hash: number, value: T): void {
    const ref = new WeakRef(value);
    const bucket = this.#buckets.get(hash);
    if (bucket) bucket.push(ref);
    else this.#buckets.set(hash, [ref]);
    this.#forgotten.register(value, hash);
  }
}

const lists = new InternTable<readonly unknown[]>();

/** The one array that has exactly these members, in this order. O(length). The result is frozen. */
export function internList<T extends readonly unknown[]>(members: T): T {
  const hash = hashMembers(members);
  const known = lists.find(hash, (list) => sameMembers(list, members));
  // The table holds lists of every type; one with the same members is of the same type.
  if (known) return known as T;
  Object.freeze(members);
  lists.add(hash, members);
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

import { assert } from '#base/fault.ts';
import { deepEqual } from './equal.ts';
import {
  Cell,
  type Change,
  type Collection,
  type Dependant,
  type Derivation,
  type GraphState,
  type Group,
  type Index,
  type Read,
} from './graph.ts';

/** Which inputs of one derived collection have read which keys of one other collection. */
interface Readers {
  readonly byKey: Map<string, Set<string>>;
  /** Inputs that have read all of it. */
  readonly all: Set<string>;
}

/** A collection computed from another, input by input; only inputs whose own value or read values changed are computed again. */
export class DerivedCell<I, O> extends Cell<O> implements Dependant {
  private readonly source: Collection<I>;
  private readonly derivation: Derivation<I, O>;
  private readonly dirty = new Set<string>();
  /** Output keys by input key. */
  private readonly outputs = new Map<string, readonly string[]>();
  private readonly readers = new Map<object, Readers>();
  /** What each input has read, to forget it before the next run. */
  private readonly reads = new Map<string, { readonly from: Readers; readonly key: string | undefined }[]>();

  constructor(name: string, source: Collection<I>, derivation: Derivation<I, O>, graph: GraphState) {
    super(name, graph);
    this.source = source;
    this.derivation = derivation;
    const cell = cellOf(source);
    cell.dependants.add(this);
    for (const key of cell.members.keys()) this.dirty.add(key);
    this.update();
  }

  sourceChanged(source: object, changes: readonly Change<unknown>[]): void {
    if (source === this.source) for (const change of changes) this.dirty.add(change.key);
    const readers = this.readers.get(source);
    if (!readers) return;
    for (const input of readers.all) this.dirty.add(input);
    for (const change of changes) for (const input of readers.byKey.get(change.key) ?? []) this.dirty.add(input);
  }

  update(): void {
    const before = new Map<string, O | undefined>();
    // Outputs that go away are taken out first: another input may give the same key now.
    const inputs = [...this.dirty];
    this.dirty.clear();
    for (const input of inputs) {
      for (const key of this.outputs.get(input) ?? []) {
        before.set(key, this.members.get(key));
        this.members.delete(key);
      }
      this.outputs.delete(input);
      this.forget(input);
    }
    for (const input of inputs) this.compute(input, before);
    this.publish(this.changesSince(before));
  }

  private compute(input: string, before: Map<string, O | undefined>): void {
    const value = this.source.get(input);
    if (value === undefined) return;
    const result = this.derivation.transform(value, this.reader(input));
    const values: readonly O[] = result === undefined ? [] : Array.isArray(result) ? result : [result as O];
    const keys = values.map(this.derivation.keyOf);
    this.outputs.set(input, keys);
    for (const [i, key] of keys.entries()) {
      assert(!this.members.has(key), `two values with key ${key} in collection ${this.name}`);
      if (!before.has(key)) before.set(key, undefined);
      const next = values[i];
      if (next !== undefined) this.members.set(key, next);
    }
  }

  private changesSince(before: ReadonlyMap<string, O | undefined>): Change<O>[] {
    const equals = this.derivation.equals ?? deepEqual;
    const changes: Change<O>[] = [];
    for (const [key, old] of before) {
      const now = this.members.get(key);
      if (old !== undefined && now !== undefined && (old === now || equals(old, now))) this.members.set(key, old);
      else if (old !== now) changes.push({ key, before: old, after: now });
    }
    return changes;
  }

  private reader(input: string): Read {
    const note = (source: object, key: string | undefined) => this.note(input, source, key);
    return {
      get(collection, key) {
        note(collection, key);
        return collection.get(key);
      },
      lookup(index, key) {
        note(index.groups, key);
        return index.lookup(key);
      },
      all(collection) {
        note(collection, undefined);
        return [...collection.values()];
      },
    };
  }

  private note(input: string, source: object, key: string | undefined): void {
    let readers = this.readers.get(source);
    if (!readers) {
      readers = { byKey: new Map(), all: new Set() };
      this.readers.set(source, readers);
      const cell = cellOf(source);
      assert(cell.order < this.order, `collection ${this.name} reads ${cell.name}, which was made after it`);
      cell.dependants.add(this);
    }
    if (key === undefined) readers.all.add(input);
    else {
      const inputs = readers.byKey.get(key);
      if (inputs) inputs.add(input);
      else readers.byKey.set(key, new Set([input]));
    }
    const reads = this.reads.get(input);
    if (reads) reads.push({ from: readers, key });
    else this.reads.set(input, [{ from: readers, key }]);
  }

  private forget(input: string): void {
    for (const { from, key } of this.reads.get(input) ?? []) {
      if (key === undefined) from.all.delete(input);
      else {
        const inputs = from.byKey.get(key);
        inputs?.delete(input);
        if (inputs?.size === 0) from.byKey.delete(key);
      }
    }
    this.reads.delete(input);
  }
}

/** Groups of a collection's members; a group is made anew when one of its members changes. */
export class IndexCell<T> extends Cell<Group<T>> implements Dependant, Index<T> {
  private readonly keysOf: (value: T) => readonly string[];
  private readonly buckets = new Map<string, Map<string, T>>();
  private readonly touched = new Set<string>();

  constructor(name: string, source: Collection<T>, keysOf: (value: T) => readonly string[], graph: GraphState) {
    super(name, graph);
    this.keysOf = keysOf;
    const cell = cellOf(source) as Cell<T>;
    cell.dependants.add(this);
    for (const [key, value] of cell.members) this.put(key, value);
    this.update();
  }

  get groups(): Collection<Group<T>> {
    return this;
  }

  lookup(key: string): readonly T[] {
    return this.members.get(key)?.members ?? [];
  }

  sourceChanged(_source: object, changes: readonly Change<unknown>[]): void {
    for (const { key, before, after } of changes as readonly Change<T>[]) {
      if (before !== undefined) {
        for (const group of this.keysOf(before)) {
          this.buckets.get(group)?.delete(key);
          this.touched.add(group);
        }
      }
      if (after !== undefined) this.put(key, after);
    }
  }

  update(): void {
    const changes: Change<Group<T>>[] = [];
    for (const key of this.touched) {
      const before = this.members.get(key);
      const bucket = this.buckets.get(key);
      const after = bucket && bucket.size > 0 ? { key, members: [...bucket.values()] } : undefined;
      if (bucket?.size === 0) this.buckets.delete(key);
      this.write(key, after);
      if (before || after) changes.push({ key, before, after });
    }
    this.touched.clear();
    this.publish(changes);
  }

  private put(key: string, value: T): void {
    for (const group of this.keysOf(value)) {
      const bucket = this.buckets.get(group);
      if (bucket) bucket.set(key, value);
      else this.buckets.set(group, new Map([[key, value]]));
      this.touched.add(group);
    }
  }
}

/** Several collections as one. */
export class UnionCell<T> extends Cell<T> implements Dependant {
  private readonly parts: readonly Collection<T>[];
  private readonly touched = new Set<string>();

  constructor(name: string, parts: readonly Collection<T>[], graph: GraphState) {
    super(name, graph);
    this.parts = parts;
    for (const part of parts) {
      const cell = cellOf(part);
      cell.dependants.add(this);
      for (const key of cell.members.keys()) this.touched.add(key);
    }
    this.update();
  }

  sourceChanged(_source: object, changes: readonly Change<unknown>[]): void {
    for (const { key } of changes) this.touched.add(key);
  }

  update(): void {
    const changes: Change<T>[] = [];
    for (const key of this.touched) {
      const before = this.members.get(key);
      const after = this.parts.find((part) => part.get(key) !== undefined)?.get(key);
      if (before === after) continue;
      this.write(key, after);
      changes.push({ key, before, after });
    }
    this.touched.clear();
    this.publish(changes);
  }
}

function cellOf(source: object): Cell<unknown> {
  assert(source instanceof Cell, 'only collections of a graph can be read');
  return source;
}

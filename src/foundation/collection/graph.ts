import { assert } from '#base/fault.ts';
import { deepEqual } from './equal.ts';

/** One difference of a collection between two moments: `before` or `after` is undefined for what came or went. */
export interface Change<T> {
  readonly key: string;
  readonly before: T | undefined;
  readonly after: T | undefined;
}

/** A set of immutable values by key, always up to date. Reading inside a transaction sees inputs changed and the rest as before. */
export interface Collection<T> {
  readonly name: string;
  readonly size: number;
  get(key: string): T | undefined;
  /** In no particular order. */
  values(): IterableIterator<T>;
  /**
   * Calls `listener` once per transaction that changed the collection, with all its changes, when every collection of
   * the graph is up to date. Does not report what is there already. The returned function ends it.
   */
  subscribe(listener: (changes: readonly Change<T>[]) => void): () => void;
}

/** A collection that is written from outside. */
export interface InputCollection<T> extends Collection<T> {
  set(value: T): void;
  delete(key: string): void;
}

/** Members of a collection by keys that are computed from them. */
export interface Index<T> {
  readonly name: string;
  lookup(key: string): readonly T[];
  /** The index keys in use, each with its members, as a collection. */
  readonly groups: Collection<Group<T>>;
}

export interface Group<T> {
  readonly key: string;
  readonly members: readonly T[];
}

/** How a transformation reads other collections; what it reads is remembered, and a change there runs it again. */
export interface Read {
  get<T>(collection: Collection<T>, key: string): T | undefined;
  lookup<T>(index: Index<T>, key: string): readonly T[];
  /** Depends on every member: one change runs the transformation of every input that did this. */
  all<T>(collection: Collection<T>): readonly T[];
}

export interface Derivation<I, O> {
  readonly keyOf: (value: O) => string;
  /** Pure: from the input and what `read` gives, to any number of values. Keys of different inputs must differ. */
  readonly transform: (input: I, read: Read) => O | readonly O[] | undefined;
  /** Values that are equal cause no change downstream; deep equality unless said otherwise. */
  readonly equals?: (a: O, b: O) => boolean;
}

/** A family of collections that change together. */
export interface Graph {
  input<T>(name: string, keyOf: (value: T) => string, equals?: (a: T, b: T) => boolean): InputCollection<T>;
  derive<I, O>(name: string, source: Collection<I>, derivation: Derivation<I, O>): Collection<O>;
  index<T>(name: string, source: Collection<T>, keysOf: (value: T) => readonly string[]): Index<T>;
  /** The members of several collections together; of equal keys the member of the first part that has it. */
  union<T>(name: string, parts: readonly Collection<T>[]): Collection<T>;
  /** Runs `write`, then brings every derived collection up to date and tells subscribers, once. Nested calls join the outer one. */
  transaction(write: () => void): void;
}

/** What stands behind a collection: its members, and who must know of changes. */
export class Cell<T> implements Collection<T> {
  readonly name: string;
  /** Order of creation. A collection can read only what was there before it, so this order is a topological one. */
  readonly order: number;
  readonly members = new Map<string, T>();
  readonly dependants = new Set<Dependant>();
  private readonly listeners = new Set<(changes: readonly Change<T>[]) => void>();
  private readonly graph: GraphState;

  constructor(name: string, graph: GraphState) {
    this.name = name;
    this.graph = graph;
    this.order = graph.nextOrder();
  }

  get size(): number {
    return this.members.size;
  }

  get(key: string): T | undefined {
    return this.members.get(key);
  }

  values(): IterableIterator<T> {
    return this.members.values();
  }

  subscribe(listener: (changes: readonly Change<T>[]) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  write(key: string, value: T | undefined): void {
    if (value === undefined) this.members.delete(key);
    else this.members.set(key, value);
  }

  /** Hands changes to what depends on this collection now, and to subscribers at the end of the transaction. */
  publish(changes: readonly Change<T>[]): void {
    if (changes.length === 0) return;
    for (const dependant of this.dependants) {
      dependant.sourceChanged(this, changes);
      this.graph.schedule(dependant);
    }
    if (this.listeners.size > 0) {
      this.graph.atEnd(() => {
        for (const listener of [...this.listeners]) listener(changes);
      });
    }
  }
}

/** A derived collection or an index: told of changes at once, brought up to date in the order of creation. */
export interface Dependant {
  readonly order: number;
  sourceChanged(source: Cell<never> | object, changes: readonly Change<unknown>[]): void;
  update(): void;
}

/** The part of a graph that its cells share. */
export class GraphState {
  private order = 0;
  private depth = 0;
  private readonly inputs = new Set<() => void>();
  private readonly waiting: Dependant[] = [];
  private ending: (() => void)[] = [];

  nextOrder(): number {
    return this.order++;
  }

  schedule(dependant: Dependant): void {
    if (this.waiting.includes(dependant)) return;
    let at = this.waiting.length;
    while (at > 0 && (this.waiting[at - 1]?.order ?? 0) > dependant.order) at--;
    this.waiting.splice(at, 0, dependant);
  }

  atEnd(run: () => void): void {
    this.ending.push(run);
  }

  touched(publish: () => void): void {
    this.inputs.add(publish);
  }

  transaction(write: () => void): void {
    this.depth++;
    try {
      write();
    } finally {
      // What was written before an exception stays written, and everything derived from it must agree.
      if (this.depth === 1) this.settle();
      this.depth--;
    }
  }

  private settle(): void {
    const inputs = [...this.inputs];
    this.inputs.clear();
    for (const publish of inputs) publish();
    for (let next = this.waiting.shift(); next; next = this.waiting.shift()) next.update();
    const ending = this.ending;
    this.ending = [];
    for (const run of ending) run();
    // A subscriber may have written again.
    if (this.inputs.size > 0) this.settle();
  }
}

/** An input collection; writes outside a transaction are transactions of their own. */
export function createInput<T>(
  name: string,
  keyOf: (value: T) => string,
  graph: GraphState,
  equals: (a: T, b: T) => boolean = deepEqual,
): InputCollection<T> {
  const cell = new Cell<T>(name, graph);
  /** Values at the start of the transaction, of keys written since. */
  const before = new Map<string, T | undefined>();
  const publish = () => {
    const changes: Change<T>[] = [];
    for (const [key, old] of before) {
      const now = cell.members.get(key);
      if (old !== now && !(old !== undefined && now !== undefined && equals(old, now))) changes.push({ key, before: old, after: now });
      // Equal content keeps its identity, so that caches may compare by ===.
      else if (old !== undefined) cell.members.set(key, old);
    }
    before.clear();
    cell.publish(changes);
  };
  const put = (key: string, value: T | undefined) =>
    graph.transaction(() => {
      if (!before.has(key)) before.set(key, cell.members.get(key));
      cell.write(key, value);
      graph.touched(publish);
    });
  return Object.assign(cell, {
    set(value: T) {
      assert(value !== undefined, `collection ${name} holds no undefined`);
      put(keyOf(value), value);
    },
    delete: (key: string) => put(key, undefined),
  });
}

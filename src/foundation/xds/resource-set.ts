import type { EncodedResource } from './resource.ts';
import type { Selection } from './selection.ts';

/** All resources of one type for one group of clients, at one moment. Immutable; made anew when one of them changes. */
export class ResourceSet {
  /** When it came to be; grows. */
  readonly epoch: number;
  readonly resources: ReadonlyMap<string, EncodedResource>;
  readonly #views = new WeakMap<Selection, View>();
  #parent: ResourceSet | undefined;
  #changed: ReadonlySet<string> = new Set();

  constructor(epoch: number, resources: ReadonlyMap<string, EncodedResource>) {
    this.epoch = epoch;
    this.resources = resources;
  }

  static of(epoch: number, resources: Iterable<EncodedResource>): ResourceSet {
    return new ResourceSet(epoch, new Map([...resources].map((resource) => [resource.name, resource])));
  }

  /** This set with some resources exchanged (undefined = gone); itself when nothing really differs. O(size), once per group. */
  with(epoch: number, updates: ReadonlyMap<string, EncodedResource | undefined>): ResourceSet {
    const changed = new Set<string>();
    for (const [name, resource] of updates) {
      if (this.resources.get(name)?.version !== resource?.version) changed.add(name);
    }
    if (changed.size === 0) return this;
    const resources = new Map(this.resources);
    for (const name of changed) {
      const resource = updates.get(name);
      if (resource) resources.set(name, resource);
      else resources.delete(name);
    }
    const next = new ResourceSet(epoch, resources);
    next.#parent = this;
    next.#changed = changed;
    // One step back is all that is ever asked for: a longer chain would keep every past state in memory.
    this.#parent = undefined;
    return next;
  }

  /** Exactly these resources; itself when they are what it holds. */
  replace(epoch: number, resources: Iterable<EncodedResource>): ResourceSet {
    const updates = new Map<string, EncodedResource | undefined>();
    for (const resource of resources) updates.set(resource.name, resource);
    for (const name of this.resources.keys()) if (!updates.has(name)) updates.set(name, undefined);
    return this.with(epoch, updates);
  }

  /** Names that differ from `before`, when that is the set this one was made from. */
  changedFrom(before: ResourceSet): ReadonlySet<string> | undefined {
    return before === this.#parent ? this.#changed : undefined;
  }

  view(selection: Selection): View {
    let view = this.#views.get(selection);
    if (!view) {
      view = new View(this, selection);
      this.#views.set(selection, view);
    }
    return view;
  }
}

/** What one client sees of a set: its selection, and for a few clients single resources in another version or none. */
export class View {
  readonly set: ResourceSet;
  readonly selection: Selection;
  /** True for a view that still has what its set has no more. */
  readonly keepsRemoved: boolean;
  readonly #overrides: ReadonlyMap<string, EncodedResource | undefined> | undefined;
  readonly #keeping = new WeakMap<View, View>();

  constructor(set: ResourceSet, selection: Selection, overrides?: ReadonlyMap<string, EncodedResource | undefined>, keepsRemoved = false) {
    this.set = set;
    this.selection = selection;
    this.keepsRemoved = keepsRemoved;
    this.#overrides = overrides;
  }

  /** This view together with what only `before` has; itself when that is nothing. The same value for the same `before`. */
  keeping(before: View): View {
    const known = this.#keeping.get(before);
    if (known) return known;
    const gone = differenceOf(before, this).removed.filter((name) => before.get(name) !== undefined);
    const kept = new Map([...(this.#overrides ?? []), ...gone.map((name) => [name, before.get(name)] as const)]);
    const made = gone.length === 0 ? this : new View(this.set, this.selection, kept, true);
    this.#keeping.set(before, made);
    return made;
  }

  get plain(): boolean {
    return this.#overrides === undefined;
  }

  covers(name: string): boolean {
    return this.selection.wildcard || this.selection.names.has(name);
  }

  get(name: string): EncodedResource | undefined {
    if (!this.covers(name)) return undefined;
    if (this.#overrides?.has(name)) return this.#overrides.get(name);
    return this.set.resources.get(name);
  }

  /** Names that may have a resource. Some may have none. */
  names(): Iterable<string> {
    if (!this.selection.wildcard) return this.selection.names;
    if (!this.#overrides && this.selection.names.size === 0) return this.set.resources.keys();
    return new Set([...this.set.resources.keys(), ...(this.#overrides?.keys() ?? []), ...this.selection.names]);
  }
}

/** What changes between two views. */
export interface Difference {
  readonly changed: readonly EncodedResource[];
  /** Gone, or asked for by name and not there. */
  readonly removed: readonly string[];
}

/**
 * What a client that has `from` needs to have `to`; resources named in `again` go even when they are equal. Names that
 * `to` no longer covers are the client's own to forget.
 */
export function differenceOf(from: View, to: View, again: readonly string[] = []): Difference {
  const changed: EncodedResource[] = [];
  const removed: string[] = [];
  const forced = again.length > 0 ? new Set(again) : undefined;
  const look = (name: string) => {
    const now = to.get(name);
    if (now) {
      if (now.version !== from.get(name)?.version || forced?.has(name)) changed.push(now);
    } else if (
      to.covers(name) &&
      (from.get(name) !== undefined || forced?.has(name) || (!from.covers(name) && to.selection.names.has(name)))
    ) {
      removed.push(name);
    }
  };
  const near = from.plain && to.plain && from.selection === to.selection ? to.set.changedFrom(from.set) : undefined;
  if (near) {
    for (const name of near) look(name);
    if (forced) for (const name of forced) if (!near.has(name)) look(name);
    return { changed, removed };
  }
  const seen = new Set<string>();
  for (const names of [to.names(), from.names()]) {
    for (const name of names) {
      if (seen.has(name)) continue;
      seen.add(name);
      look(name);
    }
  }
  return { changed, removed };
}

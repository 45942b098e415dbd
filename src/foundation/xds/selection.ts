/** Which resources of a type a client wants. Equal selections are the same value, so that clients share what is made for them. */
export interface Selection {
  /** Everything there is, besides the names. */
  readonly wildcard: boolean;
  /** Asked for by name; `*` is not among them. Sorted. */
  readonly names: ReadonlySet<string>;
}

/** Makes selections unique. One per server. */
export class Selections {
  readonly #byKey = new Map<string, Selection>();
  readonly #steps = new WeakMap<Selection, Map<string, Selection>>();
  readonly none: Selection = this.#intern(false, []);

  /** Exactly these names; `*` among them means everything. */
  of(names: readonly string[], wildcard = false): Selection {
    return this.change(wildcard ? this.change(this.none, ['*'], []) : this.none, names, []);
  }

  /** `from` with names added and taken away (`*` stands for everything). O(1) when another client did the same before. */
  change(from: Selection, add: readonly string[], remove: readonly string[]): Selection {
    if (add.length === 0 && remove.length === 0) return from;
    let steps = this.#steps.get(from);
    if (!steps) {
      steps = new Map();
      this.#steps.set(from, steps);
    }
    const step = `${add.join('\n')}\t${remove.join('\n')}`;
    const known = steps.get(step);
    if (known) return known;
    const names = new Set(from.names);
    for (const name of add) names.add(name);
    for (const name of remove) names.delete(name);
    const wildcard = names.delete('*') || (from.wildcard && !remove.includes('*'));
    const made = this.#intern(wildcard, [...names].sort());
    if (steps.size >= maxSteps) steps.clear();
    steps.set(step, made);
    return made;
  }

  #intern(wildcard: boolean, sorted: readonly string[]): Selection {
    const key = `${wildcard ? '*' : ''}\t${sorted.join('\n')}`;
    const known = this.#byKey.get(key);
    if (known) return known;
    // Forgetting costs sharing, never correctness.
    if (this.#byKey.size >= maxSelections) this.#byKey.clear();
    const made: Selection = { wildcard, names: new Set(sorted) };
    this.#byKey.set(key, made);
    return made;
  }
}

const maxSelections = 20_000;
const maxSteps = 64;

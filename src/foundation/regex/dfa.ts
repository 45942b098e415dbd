import type { Positions } from './syntax.ts';

export interface Dfa {
  /** Whether the whole text matches; undefined when the text has characters beyond ASCII, which this machine does not read. */
  matches(text: string): boolean | undefined;
}

/** Beyond this many states the machine starts again from nothing, as RE2 does: memory stays bounded, time linear. */
const maxStates = 256;

const unknown = -1;
const dead = 0;

/**
 * A deterministic automaton made state by state as texts need it. A known step costs one table look-up per character; a
 * new one at most the number of positions.
 */
export function createDfa(positions: Positions): Dfa {
  const { classOf, classCount, representatives } = classesOf(positions);
  let states = new Map<string, number>();
  let members: (readonly number[])[] = [];
  let accepts: boolean[] = [];
  // Row by state, column by class: where the next state's row begins.
  let table = new Int32Array(0);
  let start = dead;

  const stateOf = (sorted: readonly number[], accepting: boolean): number => {
    const key = `${accepting}${sorted.join()}`;
    const known = states.get(key);
    if (known !== undefined) return known;
    const id = members.length;
    members.push(sorted);
    accepts.push(accepting);
    states.set(key, id);
    const end = (id + 1) * classCount;
    if (end > table.length) {
      const larger = new Int32Array(Math.max(end, table.length * 2)).fill(unknown);
      larger.set(table);
      table = larger;
    }
    return id;
  };

  const reset = () => {
    states = new Map();
    members = [];
    accepts = [];
    table = new Int32Array(classCount * 8).fill(unknown);
    stateOf([], false);
    // A position set stands for what may come next; the start state's is `first`.
    start = stateOf(
      [...positions.first].sort((a, b) => a - b),
      positions.matchesEmpty,
    );
  };

  const step = (state: number, cls: number): number => {
    const char = representatives[cls] ?? 0;
    const next = new Set<number>();
    let accepting = false;
    for (const position of members[state] ?? []) {
      if (!positions.sets[position]?.[char]) continue;
      if (positions.accepting.has(position)) accepting = true;
      for (const following of positions.follow[position] ?? []) next.add(following);
    }
    const sorted = [...next].sort((a, b) => a - b);
    const isFull = members.length >= maxStates && !states.has(`${accepting}${sorted.join()}`);
    if (isFull) reset();
    const id = stateOf(sorted, accepting);
    if (!isFull) table[state * classCount + cls] = id * classCount;
    return id;
  };

  reset();
  return {
    matches(text) {
      let row = start * classCount;
      let known = table;
      for (let i = 0; i < text.length; i++) {
        const code = text.charCodeAt(i);
        if (code > 127) return undefined;
        const cls = classOf[code] ?? 0;
        let next = known[row + cls] ?? unknown;
        if (next === unknown) {
          next = step(row / classCount, cls) * classCount;
          known = table;
        }
        if (next === dead) return false;
        row = next;
      }
      return accepts[row / classCount] ?? false;
    },
  };
}

/** Characters that no set tells apart share one column of the table. */
function classesOf(positions: Positions): { classOf: Uint8Array; classCount: number; representatives: number[] } {
  const classOf = new Uint8Array(128);
  const representatives: number[] = [];
  const seen = new Map<string, number>();
  const distinct = [...new Set(positions.sets)];
  for (let char = 0; char < 128; char++) {
    const signature = distinct.map((set) => set[char]).join('');
    let cls = seen.get(signature);
    if (cls === undefined) {
      cls = representatives.length;
      seen.set(signature, cls);
      representatives.push(char);
    }
    classOf[char] = cls;
  }
  return { classOf, classCount: representatives.length, representatives };
}

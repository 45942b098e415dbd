import type { Change } from '#collection/graph.ts';

/** What values are sorted by: creation time, then name, then namespace (Istio's order of precedence everywhere). */
export interface Order {
  readonly created: string;
  readonly name: string;
  readonly namespace: string;
}

/** An array that stays sorted while members come, go and are replaced. */
export interface SortedList<T> {
  /** The present members. The same array until the next change; never changed afterwards. */
  items(): readonly T[];
  apply(changes: readonly Change<T>[]): void;
}

/** Members are told apart by `keyOf`. A change costs one copy of the array per snapshot, plus a sort when members came or moved. */
export function createSortedList<T>(keyOf: (value: T) => string, orderOf: (value: T) => Order): SortedList<T> {
  const members = new Map<string, T>();
  let sorted: readonly T[] = [];
  let touched = new Set<string>();
  let isReordered = false;

  return {
    items() {
      if (isReordered) {
        sorted = [...members.values()].sort((a, b) => compare(orderOf(a), orderOf(b)) || (keyOf(a) < keyOf(b) ? -1 : 1));
      } else if (touched.size > 0) {
        sorted = sorted.map((value) => (touched.has(keyOf(value)) ? (members.get(keyOf(value)) ?? value) : value));
      }
      isReordered = false;
      touched = new Set();
      return sorted;
    },
    apply(changes) {
      for (const { before, after } of changes) {
        if (before !== undefined) members.delete(keyOf(before));
        if (after !== undefined) members.set(keyOf(after), after);
        if (before === undefined || after === undefined || compare(orderOf(before), orderOf(after)) !== 0) isReordered = true;
        else touched.add(keyOf(after));
      }
    },
  };
}

function compare(a: Order, b: Order): number {
  return compareText(a.created, b.created) || compareText(a.name, b.name) || compareText(a.namespace, b.namespace);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

import { DerivedCell, IndexCell, UnionCell } from './derived.ts';
import { createInput, type Graph, GraphState } from './graph.ts';

/** An empty graph of collections. Synchronous: after a transaction everything derived is up to date. */
export function createGraph(): Graph {
  const state = new GraphState();
  return {
    input: (name, keyOf, equals) => createInput(name, keyOf, state, equals),
    derive: (name, source, derivation) => new DerivedCell(name, source, derivation, state),
    index: (name, source, keysOf) => new IndexCell(name, source, keysOf, state),
    union: (name, parts) => new UnionCell(name, parts, state),
    transaction: (write) => state.transaction(write),
  };
}

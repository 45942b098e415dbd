import { formatOrigin } from '#base/origin.ts';
import type { Problem } from '#base/problem.ts';
import type { Graph, InputCollection } from '#collection/graph.ts';
import type { KindDefinition } from '#resources/kind.ts';
import { kindFor } from '#resources/kinds.ts';
import type { Resource } from '#resources/object.ts';
import { problemTable } from '#resources/problems.ts';
import { decodeAny, type RawObject } from '#resources/read.ts';
import { type ObjectRef, objectKey, type Sink } from './source.ts';

/** What is known of one object. */
export interface ObjectState {
  readonly key: string;
  readonly ref: ObjectRef;
  /** Index of the source whose object counts; -1 when the object is gone. */
  readonly source: number;
  readonly raw: Readonly<Record<string, unknown>>;
  readonly problems: readonly Problem[];
}

interface Claim {
  readonly source: number;
  readonly object: RawObject;
}

interface Entry {
  readonly ref: ObjectRef;
  readonly kind: KindDefinition | undefined;
  /** By source and place; several when the object is defined more than once. */
  readonly claims: Map<string, Claim>;
  /** The claim that was decoded last. */
  decoded: Claim | undefined;
  /** Problems of that decoding. */
  found: readonly Problem[];
  own: readonly Problem[];
  readonly reported: Map<string, readonly Problem[]>;
}

export interface HolderOptions {
  readonly graph: Graph;
  readonly inputs: ReadonlyMap<string, InputCollection<Resource<unknown>>>;
  /** Called once per batch with the objects whose state or problems may have changed. */
  readonly changed: (states: readonly ObjectState[]) => void;
}

export interface Holder {
  sink(source: number, synced: () => void): Sink;
  report(reporter: string, key: string, problems: readonly Problem[]): void;
  problems(): Problem[];
  problemsOf(key: string): readonly Problem[];
}

/** Keeps every object of every source, decides which definition counts, decodes it, and holds on to the last valid state. */
export function createHolder({ graph, inputs, changed }: HolderOptions): Holder {
  const entries = new Map<string, Entry>();
  /** Key of the object at each place. */
  const keys = new Map<string, string>();
  /** Problems of places that hold no object. */
  const placeProblems = new Map<string, readonly Problem[]>();
  const dirty = new Set<string>();
  let depth = 0;
  let isPlaceChanged = false;

  const batch = (run: () => void) => {
    depth++;
    try {
      run();
    } finally {
      depth--;
      if (depth === 0) settle();
    }
  };

  const settle = () => {
    if (dirty.size === 0 && !isPlaceChanged) return;
    const states: ObjectState[] = [];
    graph.transaction(() => {
      for (const key of dirty) {
        const entry = entries.get(key);
        if (!entry) continue;
        evaluate(entry, inputs.get(entry.ref.kind));
        states.push(stateOf(key, entry));
        if (entry.claims.size === 0) entries.delete(key);
      }
    });
    dirty.clear();
    isPlaceChanged = false;
    changed(states);
  };

  const release = (place: string) => {
    const key = keys.get(place);
    if (key === undefined) return;
    entries.get(key)?.claims.delete(place);
    keys.delete(place);
    dirty.add(key);
  };

  const claim = (place: string, one: Claim) => {
    const { raw } = one.object;
    const kind = kindFor(String(raw.apiVersion ?? ''), String(raw.kind ?? ''));
    const ref = refOf(raw, kind);
    const key = objectKey(ref);
    if (keys.get(place) !== key) release(place);
    let entry = entries.get(key);
    if (!entry) {
      entry = { ref, kind, claims: new Map(), decoded: undefined, found: [], own: [], reported: new Map() };
      entries.set(key, entry);
    }
    entry.claims.set(place, one);
    keys.set(place, key);
    dirty.add(key);
  };

  return {
    sink(source, synced) {
      const placeOf = (place: string) => `${source}|${place}`;
      return {
        batch,
        put: (place, object) => batch(() => claim(placeOf(place), { source, object })),
        remove: (place) => batch(() => release(placeOf(place))),
        report: (place, problems) =>
          batch(() => {
            if (problems.length === 0 && !placeProblems.has(placeOf(place))) return;
            if (problems.length > 0) placeProblems.set(placeOf(place), problems);
            else placeProblems.delete(placeOf(place));
            isPlaceChanged = true;
          }),
        synced,
      };
    },
    report: (reporter, key, problems) =>
      batch(() => {
        const entry = entries.get(key);
        if (!entry || (problems.length === 0 && !entry.reported.has(reporter))) return;
        if (problems.length > 0) entry.reported.set(reporter, problems);
        else entry.reported.delete(reporter);
        dirty.add(key);
      }),
    problems: () => [...[...placeProblems.values()].flat(), ...[...entries.values()].flatMap(allProblems)],
    problemsOf: (key) => {
      const entry = entries.get(key);
      return entry ? allProblems(entry) : [];
    },
  };
}

function allProblems(entry: Entry): Problem[] {
  return [...entry.own, ...[...entry.reported.values()].flat()];
}

function stateOf(key: string, entry: Entry): ObjectState {
  const { decoded } = entry;
  return { key, ref: entry.ref, source: decoded?.source ?? -1, raw: decoded?.object.raw ?? {}, problems: allProblems(entry) };
}

/** Objects without a usable name share one entry per kind, which never decodes; their problems name the place. */
function refOf(raw: Readonly<Record<string, unknown>>, kind: KindDefinition | undefined): ObjectRef {
  const { name, namespace } = (raw.metadata ?? {}) as { readonly name?: unknown; readonly namespace?: unknown };
  const own = typeof namespace === 'string' && namespace !== '' ? namespace : 'default';
  return {
    group: kind?.group ?? '',
    kind: kind?.kind ?? `${String(raw.apiVersion ?? '')}/${String(raw.kind ?? '')}`,
    namespace: kind && !kind.namespaced ? '' : own,
    name: typeof name === 'string' ? name : '',
  };
}

/** Decodes the claim that counts, unless that was done already. An invalid object leaves the last valid state where it is. */
function evaluate(entry: Entry, input: InputCollection<Resource<unknown>> | undefined): void {
  const ranked = [...entry.claims.values()].sort(byPrecedence);
  const [winner, ...others] = ranked;
  if (!winner) {
    input?.delete(`${entry.ref.namespace}/${entry.ref.name}`);
    entry.decoded = undefined;
    entry.own = [];
    return;
  }
  if (entry.decoded !== winner) {
    const isFile = winner.object.origin.source === 'file';
    const { resource, problems } = decodeAny(winner.object, isFile ? {} : { unknownFields: 'warning' });
    if (resource) input?.set(resource);
    entry.decoded = winner;
    entry.found = problems;
  }
  // Every API server has the namespaces `default` and `kube-system`; that two know one is no mistake of anybody.
  const rivals = entry.ref.kind === 'Namespace' ? others.filter((other) => other.source === winner.source) : others;
  entry.own = [...entry.found, ...rivals.map((other) => duplicate(winner, other))];
}

function byPrecedence(a: Claim, b: Claim): number {
  const [left, right] = [a.object.origin, b.object.origin];
  return a.source - b.source || (left.file ?? '').localeCompare(right.file ?? '') || (left.line ?? 0) - (right.line ?? 0);
}

function duplicate(winner: Claim, other: Claim): Problem {
  const { origin, position } = other.object;
  return {
    code: 'MW0117',
    severity: problemTable.MW0117.severity,
    path: 'metadata.name',
    message: `the object is defined in ${formatOrigin(winner.object.origin)} already; this definition is not used`,
    fix: problemTable.MW0117.fix,
    origin,
    ...position?.(['metadata', 'name'], 'value'),
  };
}

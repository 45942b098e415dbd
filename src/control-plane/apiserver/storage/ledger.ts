import { Fault, messageOf } from '#base/fault.ts';
import type { KubeObject } from '#kube/object.ts';
import type { Logger } from '#process/log.ts';
import { tooLarge } from '../status.ts';
import type { KindRef } from '../store.ts';
import type { Database, Row, RowChange } from './database.ts';
import type { AppliedSets, Change, Entry, LedgerEvent, LedgerLimits } from './entry.ts';
import { createHistory } from './history.ts';

/** All objects in memory, written through to the database, with the recent past for watches. */
export interface Ledger {
  version(): number;
  /** Oldest version from which events are known. */
  oldestVersion(): number;
  get(ref: Entry['ref']): Entry | undefined;
  /** Sorted by namespace, then name. */
  list(kind: KindRef, namespace?: string): readonly Entry[];
  /** The list as it was at a version, or undefined when that is forgotten. */
  listAt(kind: KindRef, namespace: string | undefined, version: number): readonly Entry[] | undefined;
  /** Everything in a namespace. O(all objects). */
  inNamespace(namespace: string): readonly Entry[];
  /** Objects whose ownerReferences name this uid. */
  ownedBy(uid: string): readonly Entry[];
  /** One transaction, then the events in order. Returns the new entries (of a removal its last state). Refuses RequestEntityTooLarge. */
  commit(changes: readonly Change[]): readonly Entry[];
  /** Events after `fromVersion` first; undefined when those are forgotten. Returns the end. */
  subscribe(listener: (event: LedgerEvent) => void, fromVersion?: number): (() => void) | undefined;
}

interface Shelf {
  readonly entries: Map<string, Entry>;
  sorted: readonly Entry[] | undefined;
}

export function kindKey(kind: KindRef): string {
  return `${kind.group}/${kind.kind}`;
}

/** Sorts like the listing: no namespace or name contains NUL. */
function objectKey(namespace: string, name: string): string {
  return `${namespace}\0${name}`;
}

/**
 * Loads every row; rows that are no JSON are left alone and reported. `apiVersionOf` names the version in which a kind is
 * kept now (undefined for kinds that are no longer served): objects kept in an older one are read as that.
 */
export function createLedger(
  database: Database,
  log: Logger,
  limits: LedgerLimits,
  apiVersionOf: (kind: KindRef) => string | undefined,
): Ledger {
  const shelves = new Map<string, Shelf>();
  const owners = new Map<string, Map<string, Entry['ref']>>();
  const listeners = new Set<(event: LedgerEvent) => void>();
  const pending: LedgerEvent[] = [];
  let delivering = false;
  let version = database.version();
  const history = createHistory(version, limits);

  const shelf = (kind: KindRef): Shelf => {
    const key = kindKey(kind);
    const found = shelves.get(key) ?? { entries: new Map<string, Entry>(), sorted: undefined };
    shelves.set(key, found);
    return found;
  };
  const place = (entry: Entry, present: boolean) => {
    const target = shelf(entry.ref);
    const key = objectKey(entry.ref.namespace, entry.ref.name);
    const before = target.entries.get(key);
    const ownedKey = `${kindKey(entry.ref)}\0${key}`;
    for (const uid of ownersOf(before)) {
      const owned = owners.get(uid);
      owned?.delete(ownedKey);
      if (owned?.size === 0) owners.delete(uid);
    }
    if (present) target.entries.set(key, entry);
    else target.entries.delete(key);
    for (const uid of ownersOf(present ? entry : undefined)) owners.set(uid, (owners.get(uid) ?? new Map()).set(ownedKey, entry.ref));
    // Replacing an object keeps the order, but the sorted array holds the old value.
    target.sorted = undefined;
  };
  const list = (kind: KindRef, namespace = ''): readonly Entry[] => {
    const target = shelf(kind);
    target.sorted ??= [...target.entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
    return namespace === '' ? target.sorted : target.sorted.filter((entry) => entry.ref.namespace === namespace);
  };
  const deliver = () => {
    if (delivering) return;
    delivering = true;
    for (let event = pending.shift(); event; event = pending.shift()) {
      for (const listener of listeners) {
        try {
          listener(event);
        } catch (error) {
          log.error('a listener of the object store failed', { error: messageOf(error), version: event.version });
        }
      }
    }
    delivering = false;
  };

  for (const row of database.rows()) {
    try {
      place(readRow(row, apiVersionOf(row)), true);
    } catch (error) {
      log.error('a stored object cannot be read and is left out', {
        kind: row.kind,
        namespace: row.namespace,
        name: row.name,
        error: messageOf(error),
      });
    }
  }

  return {
    version: () => version,
    oldestVersion: () => history.oldest(),
    get: (ref) => shelf(ref).entries.get(objectKey(ref.namespace, ref.name)),
    list,
    listAt(kind, namespace = '', at) {
      if (at === version) return list(kind, namespace);
      const undo = at < version ? history.after(at) : undefined;
      return undo && rewind(shelf(kind).entries, undo, kind, namespace);
    },
    inNamespace: (namespace) =>
      [...shelves.values()].flatMap((one) => [...one.entries.values()].filter((entry) => entry.ref.namespace === namespace)),
    ownedBy: (uid) =>
      [...(owners.get(uid)?.values() ?? [])].flatMap((ref) => shelf(ref).entries.get(objectKey(ref.namespace, ref.name)) ?? []),
    commit(changes) {
      const events = changes.map((change, index) => eventOf(change, version + 1 + index));
      // A body has a limit, but patches can add to what is there again and again.
      if (events.some((event) => event.type !== 'DELETED' && event.entry.json.length > limits.objectBytes))
        throw tooLarge(limits.objectBytes);
      database.write(events.map(rowOf), version + events.length);
      version += events.length;
      for (const event of events) {
        place(event.entry, event.type !== 'DELETED');
        history.add(event);
        pending.push(event);
      }
      deliver();
      return events.map((event) => event.entry);
    },
    subscribe(listener, fromVersion) {
      if (fromVersion !== undefined && fromVersion < version) {
        const missed = history.after(fromVersion);
        if (!missed) return undefined;
        // Inside a delivery the newest events are still pending: they will come by themselves.
        const next = pending[0]?.version ?? Number.POSITIVE_INFINITY;
        for (const event of missed) if (event.version < next) listener(event);
      }
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function readRow({ group, kind, namespace, name, json, applied }: Row, apiVersion: string | undefined): Entry {
  const ref = { group, kind, namespace, name };
  const sets = applied === '' ? {} : (JSON.parse(applied) as AppliedSets);
  const kept = JSON.parse(json) as KubeObject;
  if (apiVersion === undefined || kept.apiVersion === apiVersion) return { ref, object: kept, json, applied: sets };
  const object = { ...kept, apiVersion };
  return { ref, object, json: JSON.stringify(object), applied: sets };
}

function ownersOf(entry: Entry | undefined): readonly string[] {
  return (entry?.object.metadata.ownerReferences ?? []).map((owner) => owner.uid);
}

function eventOf(change: Change, version: number): LedgerEvent {
  const base = change.object ?? change.before?.object;
  if (!base) throw new Fault('STORE_FAILED', 'a change names neither an old nor a new object');
  const object: KubeObject = { ...base, metadata: { ...base.metadata, resourceVersion: String(version) } };
  const applied = change.applied ?? change.before?.applied ?? {};
  const entry: Entry = { ref: change.ref, object, json: JSON.stringify(object), applied };
  const type = change.object === undefined ? 'DELETED' : change.before ? 'MODIFIED' : 'ADDED';
  return { type, entry, ...(change.before ? { previous: change.before } : {}), version };
}

function rowOf({ type, entry }: LedgerEvent): RowChange {
  if (type === 'DELETED') return entry.ref;
  const applied = Object.keys(entry.applied).length > 0 ? JSON.stringify(entry.applied) : '';
  return { ...entry.ref, json: entry.json, applied };
}

/** Takes back the given events, newest first. */
function rewind(present: ReadonlyMap<string, Entry>, events: readonly LedgerEvent[], kind: KindRef, namespace: string): readonly Entry[] {
  const entries = new Map(present);
  for (const event of events.toReversed()) {
    if (kindKey(event.entry.ref) !== kindKey(kind)) continue;
    const key = objectKey(event.entry.ref.namespace, event.entry.ref.name);
    if (event.previous) entries.set(key, event.previous);
    else entries.delete(key);
  }
  return [...entries]
    .filter(([, entry]) => namespace === '' || entry.ref.namespace === namespace)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, entry]) => entry);
}

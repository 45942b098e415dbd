import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '#base/clock.ts';
import type { JsonObject, KubeObject } from '#kube/object.ts';
import { splitApiVersion } from '#kube/object.ts';
import { type ApiKind, type KindTable, storedApiVersion } from './kinds.ts';
import { admit } from './object/admission.ts';
import type { ObjectsContext } from './object/context.ts';
import { clean, readObject, timestamp } from './object/metadata.ts';
import { removal } from './object/removal.ts';
import { mergeApplied } from './patch/apply.ts';
import { alreadyExists, badRequest, conflict, expired, invalid, modifiedMeanwhile, notFound, pathNotFound } from './status.ts';
import type { AppliedSets, Change, Entry } from './storage/entry.ts';
import type { Ledger } from './storage/ledger.ts';
import type { DeleteOptions, ObjectRef, ObjectStore, WriteOptions } from './store.ts';

/** What the HTTP side can ask for beyond the public store. */
export interface InternalWrite extends WriteOptions {
  /** Told what is questionable but accepted. */
  readonly warn?: (message: string) => void;
}

/** The store's rules over the ledger: names, versions, admission, lifecycle. The HTTP side and the public face use the same. */
export interface Objects extends ObjectStore {
  readonly kinds: KindTable;
  readonly ledger: Ledger;
  create(object: KubeObject, options?: InternalWrite): KubeObject;
  update(object: KubeObject, options?: InternalWrite): KubeObject;
  updateStatus(object: KubeObject, options?: InternalWrite): KubeObject;
  apply(object: KubeObject, manager: string, options?: InternalWrite): KubeObject;
  /** Server-side apply of the status subresource. */
  applyStatus(object: KubeObject, manager: string, options?: InternalWrite): KubeObject;
}

export function createObjects(context: ObjectsContext): Objects {
  const { ledger, kinds } = context;
  return {
    kinds,
    ledger,
    version: () => ledger.version(),
    get: (ref) => ledger.get(fullRef(ref))?.object,
    list: (kind, namespace) => ledger.list(kind, namespace).map((entry) => entry.object),
    create: (object, options = {}) => create(context, stored(kinds, object), {}, options),
    update: (object, options = {}) => update(context, stored(kinds, object), undefined, options),
    updateStatus: (object, options = {}) => updateStatus(context, stored(kinds, object), undefined, options),
    apply: (object, manager, options = {}) => apply(context, stored(kinds, object), manager, options),
    applyStatus: (object, manager, options = {}) => applyStatus(context, stored(kinds, object), manager, options),
    delete: (ref, options = {}) => remove(context, ref, options),
    subscribe(listener, options = {}) {
      const wanted = options.kinds && new Set(options.kinds.map((kind) => `${kind.group}/${kind.kind}`));
      const end = ledger.subscribe((event) => {
        const { ref, object } = event.entry;
        if (wanted && !wanted.has(`${ref.group}/${ref.kind}`)) return;
        listener({ type: event.type, object, version: event.version, ...(event.previous ? { previous: event.previous.object } : {}) });
      }, options.fromVersion);
      if (!end) throw expired(`too old resource version: ${options.fromVersion} (${ledger.oldestVersion()})`);
      return end;
    },
  };
}

interface Incoming {
  readonly kind: ApiKind;
  readonly ref: Entry['ref'];
  /** In the stored version. */
  readonly object: KubeObject;
}

/** Checks an object's frame and brings it into the stored version (all versions of a kind have one schema). */
function stored(kinds: KindTable, raw: KubeObject): Incoming {
  const object = readObject(raw);
  const { group, version } = splitApiVersion(object.apiVersion);
  const kind = kinds.byKind(group, object.kind);
  if (!kind?.versions.includes(version)) throw pathNotFound();
  const { namespace = '', name } = object.metadata;
  if (!kind.namespaced && namespace !== '')
    throw badRequest(`${kind.kind} has no namespace, found metadata.namespace ${JSON.stringify(namespace)}`);
  if (kind.namespaced && namespace === '') throw badRequest(`an object of kind ${kind.kind} needs metadata.namespace`);
  const metadata = clean({ ...object.metadata, namespace: kind.namespaced ? namespace : undefined });
  // Order matters: the encoded object begins with apiVersion and kind.
  const { apiVersion: _version, kind: _kind, metadata: _metadata, ...content } = object;
  return {
    kind,
    ref: { group, kind: kind.kind, namespace, name },
    object: { apiVersion: storedApiVersion(kind), kind: kind.kind, metadata, ...content },
  };
}

function fullRef(ref: ObjectRef): Entry['ref'] {
  return { group: ref.group, kind: ref.kind, namespace: ref.namespace ?? '', name: ref.name };
}

function create(context: ObjectsContext, incoming: Incoming, applied: AppliedSets, options: InternalWrite): KubeObject {
  const { kind } = incoming;
  const { generateName, ...given } = incoming.object.metadata;
  const name = given.name !== '' ? given.name : generateName ? `${generateName.slice(0, 58)}${suffix(context.clock)}` : '';
  if (name === '')
    throw invalid(kind, '', [
      { reason: 'FieldValueRequired', message: 'Required value: name or generateName is required', field: 'metadata.name' },
    ]);
  if (given.resourceVersion !== undefined && given.resourceVersion !== '0')
    throw badRequest('resourceVersion should not be set on objects to be created');
  const ref = { ...incoming.ref, name };
  if (context.ledger.get(ref)) throw alreadyExists(kind, name);
  const metadata = clean({
    ...given,
    name,
    generateName,
    uid: randomUUID(),
    resourceVersion: undefined,
    generation: 1,
    creationTimestamp: timestamp(context.clock.now()),
    deletionTimestamp: undefined,
    deletionGracePeriodSeconds: undefined,
  });
  const { status: _status, ...withoutStatus } = incoming.object;
  const draft: KubeObject = { ...(kind.hasStatus ? withoutStatus : incoming.object), metadata };
  const object = admit(context, kind, draft, undefined, options.warn);
  if (options.dryRun) return object;
  return only(context.ledger.commit([{ ref, object, applied }]));
}

/** `applied` is the new set of the applying manager, when this is an apply. */
function update(context: ObjectsContext, incoming: Incoming, applied: AppliedSets | undefined, options: InternalWrite): KubeObject {
  const { kind, ref, object } = incoming;
  const before = mustExist(context, incoming);
  checkPreconditions(kind, before.object, object.metadata);
  // Kubernetes lets its own old kinds be replaced blindly; for all others a lost update would go unseen.
  if (object.metadata.resourceVersion === undefined && applied === undefined && isExtension(kind)) {
    throw invalid(kind, ref.name, [
      { reason: 'FieldValueInvalid', message: 'Invalid value: 0: must be specified for an update', field: 'metadata.resourceVersion' },
    ]);
  }
  const old = before.object;
  const { status: _status, ...withoutStatus } = object;
  const content = kind.hasStatus ? { ...withoutStatus, ...(old.status === undefined ? {} : { status: old.status }) } : object;
  const draft = { ...content, metadata: carriedMetadata(object.metadata, old.metadata) };
  const admitted = admit(context, kind, draft, old, options.warn);
  const changed = !isDeepStrictEqual(contentOf(admitted), contentOf(old));
  const generation = (old.metadata.generation ?? 0) + (changed ? 1 : 0);
  return replace(context, before, { ...admitted, metadata: { ...admitted.metadata, generation } }, applied, options);
}

function updateStatus(context: ObjectsContext, incoming: Incoming, applied: AppliedSets | undefined, options: InternalWrite): KubeObject {
  const { kind, object } = incoming;
  if (!kind.hasStatus) throw pathNotFound();
  const before = mustExist(context, incoming);
  checkPreconditions(kind, before.object, object.metadata);
  const { status: _status, ...rest } = before.object;
  const next = { ...rest, ...(object.status === undefined ? {} : { status: object.status }) };
  return replace(context, before, next, applied, options);
}

function replace(
  context: ObjectsContext,
  before: Entry,
  next: KubeObject,
  applied: AppliedSets | undefined,
  options: InternalWrite,
): KubeObject {
  const same = isDeepStrictEqual(withoutVersion(next), withoutVersion(before.object));
  if (options.dryRun) return same ? before.object : next;
  if (next.metadata.deletionTimestamp !== undefined && (next.metadata.finalizers ?? []).length === 0) {
    const changes = removal(context.ledger, { ...before, object: next }, 'Background', context.clock);
    if (changes.length > 0) return commitFor(context, before.ref, changes) ?? next;
  }
  // Writing nothing makes no new version, so that watchers are not woken and a second apply says "unchanged".
  if (same && (applied === undefined || isDeepStrictEqual(applied, before.applied))) return before.object;
  const change: Change = { ref: before.ref, before, object: next, ...(applied ? { applied } : {}) };
  return only(context.ledger.commit([change]));
}

function apply(context: ObjectsContext, incoming: Incoming, manager: string, options: InternalWrite): KubeObject {
  const { kind, ref, object } = incoming;
  if (ref.name === '') throw badRequest('name is required for server-side apply');
  const { status: _status, ...configuration } = object;
  const wanted = kind.hasStatus ? configuration : object;
  const before = context.ledger.get(ref);
  if (!before) {
    const fresh = { ...object, metadata: clean({ ...object.metadata, uid: undefined }) };
    if (object.metadata.uid)
      throw conflict(
        kind,
        ref.name,
        `uid mismatch: the provided object specified uid ${object.metadata.uid}, and no existing object was found`,
      );
    return create(context, { ...incoming, object: fresh }, { [manager]: appliedSet(wanted) }, options);
  }
  const merged = mergeApplied(kind, before, manager, appliedSet(wanted));
  const next = frame(merged.object, before.object, object);
  return update(context, { ...incoming, object: next }, merged.applied, options);
}

function applyStatus(context: ObjectsContext, incoming: Incoming, manager: string, options: InternalWrite): KubeObject {
  const before = mustExist(context, incoming);
  // Its own slot: what a manager applied to the spec is not withdrawn by applying the status.
  const merged = mergeApplied(incoming.kind, before, `${manager}/status`, { status: incoming.object.status ?? {} });
  return updateStatus(context, { ...incoming, object: frame(merged.object, before.object, incoming.object) }, merged.applied, options);
}

function remove(context: ObjectsContext, ref: ObjectRef, options: DeleteOptions): KubeObject {
  const kind = context.kinds.byKind(ref.group, ref.kind);
  if (!kind) throw pathNotFound();
  const entry = context.ledger.get(fullRef(ref));
  if (!entry) throw notFound(kind, ref.name);
  const { uid, resourceVersion } = entry.object.metadata;
  if (options.uid !== undefined && options.uid !== uid) {
    throw conflict(kind, ref.name, `Precondition failed: UID in precondition: ${options.uid}, UID in object meta: ${uid}`);
  }
  if (options.resourceVersion !== undefined && options.resourceVersion !== resourceVersion) {
    throw conflict(
      kind,
      ref.name,
      `Precondition failed: ResourceVersion in precondition: ${options.resourceVersion}, ResourceVersion in object meta: ${resourceVersion}`,
    );
  }
  const changes = removal(context.ledger, entry, options.propagationPolicy ?? 'Background', context.clock);
  if (options.dryRun || changes.length === 0) return entry.object;
  return commitFor(context, entry.ref, changes) ?? entry.object;
}

/** Commits changes of several objects; gives the new state of one of them, when it is among them. */
function commitFor(context: ObjectsContext, ref: Entry['ref'], changes: readonly Change[]): KubeObject | undefined {
  const at = changes.findIndex((change) => change.ref === ref);
  return context.ledger.commit(changes)[at]?.object;
}

function mustExist(context: ObjectsContext, incoming: Incoming): Entry {
  const entry = context.ledger.get(incoming.ref);
  if (!entry) throw notFound(incoming.kind, incoming.ref.name);
  return entry;
}

function checkPreconditions(kind: ApiKind, current: KubeObject, given: KubeObject['metadata']): void {
  if (given.uid !== undefined && given.uid !== current.metadata.uid) {
    throw conflict(kind, given.name, `Precondition failed: UID in precondition: ${given.uid}, UID in object meta: ${current.metadata.uid}`);
  }
  if (given.resourceVersion !== undefined && given.resourceVersion !== '0' && given.resourceVersion !== current.metadata.resourceVersion)
    throw modifiedMeanwhile(kind, given.name);
}

/** The fields that only the server sets come from the stored object. */
function carriedMetadata(given: KubeObject['metadata'], old: KubeObject['metadata']): KubeObject['metadata'] {
  const { uid, resourceVersion, generation, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, generateName } = old;
  return clean({
    ...given,
    uid,
    resourceVersion,
    generation,
    creationTimestamp,
    deletionTimestamp,
    deletionGracePeriodSeconds,
    generateName,
  });
}

/** What an apply's merge result needs before it is an update: the stored identity, the applier's preconditions. */
function frame(merged: JsonObject, old: KubeObject, given: KubeObject): KubeObject {
  const { uid, resourceVersion } = given.metadata;
  const object = readObject(merged);
  const metadata = clean({ ...object.metadata, name: old.metadata.name, namespace: old.metadata.namespace, uid, resourceVersion });
  return { ...object, apiVersion: old.apiVersion, kind: old.kind, metadata };
}

/** What an applied configuration claims: labels, annotations, finalizers, owners and the content. */
function appliedSet(object: KubeObject): Readonly<Record<string, unknown>> {
  const { labels, annotations, finalizers, ownerReferences } = object.metadata;
  const { apiVersion: _version, kind: _kind, metadata: _metadata, ...content } = object;
  const metadata = Object.fromEntries(
    Object.entries({ labels, annotations, finalizers, ownerReferences }).filter(([, value]) => value !== undefined),
  );
  return { ...(Object.keys(metadata).length > 0 ? { metadata } : {}), ...content };
}

/** Content that counts for the generation: everything but metadata and status. */
function contentOf(object: KubeObject): Readonly<Record<string, unknown>> {
  const { metadata: _metadata, status: _status, ...content } = object;
  return content;
}

function withoutVersion(object: KubeObject): KubeObject {
  const { resourceVersion: _version, ...metadata } = object.metadata;
  return { ...object, metadata };
}

function isExtension(kind: ApiKind): boolean {
  return kind.group.includes('.') && !kind.group.endsWith('.k8s.io');
}

// No vowels and no look-alikes, as Kubernetes' generated names.
const alphabet = 'bcdfghjklmnpqrstvwxz2456789';

function suffix(clock: Clock): string {
  return Array.from({ length: 5 }, () => alphabet[Math.floor(clock.random() * alphabet.length)]).join('');
}

function only(entries: readonly Entry[]): KubeObject {
  const [first] = entries;
  if (!first) throw badRequest('nothing was written');
  return first.object;
}

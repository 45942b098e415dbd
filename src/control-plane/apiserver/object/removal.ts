import type { Clock } from '#base/clock.ts';
import type { KubeObject } from '#kube/object.ts';
import { forbidden } from '../status.ts';
import type { Change, Entry } from '../storage/entry.ts';
import type { Ledger } from '../storage/ledger.ts';
import type { DeleteOptions } from '../store.ts';
import { timestamp } from './metadata.ts';

type Policy = NonNullable<DeleteOptions['propagationPolicy']>;

const protectedNamespaces = ['default', 'kube-system'];

/**
 * The changes by which an object goes: at once, or marked when finalizers must act before; with what it
 * owns, and for a namespace with everything inside. Empty when it is marked already and still waited for.
 */
export function removal(ledger: Ledger, entry: Entry, policy: Policy, clock: Clock): readonly Change[] {
  const plan = createPlan(ledger, timestamp(clock.now()));
  if (isNamespace(entry)) {
    if (protectedNamespaces.includes(entry.ref.name)) {
      throw forbidden(`namespaces "${entry.ref.name}" is forbidden: this namespace may not be deleted`, {
        name: entry.ref.name,
        kind: 'namespaces',
      });
    }
    plan.removeNamespace(entry);
  } else plan.remove(entry, policy);
  plan.finishNamespaces();
  return plan.changes();
}

/** Collects changes; an object changes at most once, removal winning over marking. */
function createPlan(ledger: Ledger, now: string) {
  const changes = new Map<string, Change>();
  const pending = (entry: Entry) => changes.get(keyOf(entry));
  const isGone = (entry: Entry) => changes.has(keyOf(entry)) && pending(entry)?.object === undefined;
  const change = (entry: Entry, object: KubeObject | undefined) =>
    changes.set(keyOf(entry), { ref: entry.ref, before: entry, ...(object ? { object } : {}) });

  const remove = (entry: Entry, policy: Policy) => {
    if (isGone(entry)) return;
    if (hasFinalizers(entry)) {
      if (entry.object.metadata.deletionTimestamp === undefined) change(entry, marked(entry.object, now));
      return;
    }
    change(entry, undefined);
    const uid = entry.object.metadata.uid ?? '';
    for (const owned of ledger.ownedBy(uid)) {
      if (isGone(owned)) continue;
      const object = pending(owned)?.object ?? owned.object;
      const ownerReferences = (object.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== uid);
      if (policy !== 'Orphan' && ownerReferences.length === 0) remove(owned, policy);
      else change(owned, { ...object, metadata: { ...object.metadata, ownerReferences } });
    }
  };
  const isEmptied = (name: string) => ledger.inNamespace(name).every(isGone);

  return {
    remove,
    removeNamespace(entry: Entry) {
      for (const inside of ledger.inNamespace(entry.ref.name)) remove(inside, 'Background');
      if (isEmptied(entry.ref.name) && !hasFinalizers(entry)) change(entry, undefined);
      else if (entry.object.metadata.deletionTimestamp === undefined) change(entry, marked(entry.object, now));
    },
    /** A namespace that waited for the last object inside goes with it. */
    finishNamespaces() {
      for (const name of new Set([...changes.values()].map((one) => one.ref.namespace))) {
        const namespace = ledger.get({ group: '', kind: 'Namespace', namespace: '', name });
        if (namespace?.object.metadata.deletionTimestamp === undefined || isGone(namespace)) continue;
        if (!hasFinalizers(namespace) && isEmptied(name)) change(namespace, undefined);
      }
    },
    changes: () => [...changes.values()],
  };
}

function keyOf({ ref }: Entry): string {
  return `${ref.group}/${ref.kind}/${ref.namespace}/${ref.name}`;
}

function hasFinalizers(entry: Entry): boolean {
  return (entry.object.metadata.finalizers ?? []).length > 0;
}

function isNamespace(entry: Entry): boolean {
  return entry.ref.group === '' && entry.ref.kind === 'Namespace';
}

function marked(object: KubeObject, now: string): KubeObject {
  const { metadata, ...rest } = object;
  const generation = (metadata.generation ?? 0) + 1;
  const terminating = object.kind === 'Namespace' ? { status: { phase: 'Terminating' } } : {};
  return {
    ...rest,
    apiVersion: object.apiVersion,
    kind: object.kind,
    metadata: { ...metadata, generation, deletionTimestamp: now, deletionGracePeriodSeconds: 0 },
    ...terminating,
  };
}

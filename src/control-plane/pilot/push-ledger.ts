import type { SnapshotChange } from '#mesh/snapshot.ts';

/** One push: what caused it, whom it reached and what it cost. Times are epoch milliseconds. */
export interface PushRecord {
  readonly epoch: number;
  readonly at: number;
  /** `endpoint`, `service`, `config`, `global`: Istio's words. */
  readonly triggers: readonly string[];
  /** `<sort> <namespace/name>`, at most 50. */
  readonly objects: readonly string[];
  readonly objectCount: number;
  /** Changes that went out together. */
  readonly merged: number;
  /** From the first change to the start of the push, and the making of it. */
  readonly queuedMs: number;
  buildMs: number;
  /** Groups of proxies in which something changed. */
  groups: number;
  proxies: number;
  responses: number;
  bytes: number;
  acked: number;
  rejected: number;
  /** From the first change to the last answer so far. */
  lastAnswerMs: number;
}

const kept = 256;
const namedObjects = 50;

/** The last pushes, newest last. */
export class PushLedger {
  readonly #records: PushRecord[] = [];

  add(record: PushRecord): void {
    this.#records.push(record);
    if (this.#records.length > kept) this.#records.shift();
  }

  /** The record of the state with this epoch. Looks at the newest first. */
  find(epoch: number): PushRecord | undefined {
    for (let i = this.#records.length - 1; i >= 0; i--) {
      const record = this.#records[i];
      if (record && record.epoch <= epoch) return record.epoch === epoch ? record : undefined;
    }
    return undefined;
  }

  /** Oldest first. */
  records(): readonly PushRecord[] {
    return this.#records;
  }
}

/** Istio's names for what can cause a push. */
export function triggersOf(change: SnapshotChange): string[] {
  const triggers: string[] = [];
  if (change.mesh) triggers.push('global');
  if (change.services.size > 0) triggers.push('service');
  if (change.virtualServices.size + change.destinationRules.size > 0) triggers.push('config');
  if (change.namespaces.size > 0) triggers.push('namespace');
  if (change.endpoints.size > 0) triggers.push('endpoint');
  return triggers;
}

export function objectsOf(change: SnapshotChange): { objects: string[]; objectCount: number } {
  const sorts: readonly (readonly [string, ReadonlySet<string>])[] = [
    ['VirtualService', change.virtualServices],
    ['DestinationRule', change.destinationRules],
    ['Service', change.services],
    ['Namespace', change.namespaces],
    ['Endpoints', change.endpoints],
  ];
  const objects = sorts.flatMap(([sort, keys]) => [...keys].slice(0, namedObjects).map((key) => `${sort} ${key}`));
  if (change.mesh) objects.unshift('MeshConfig');
  const objectCount = sorts.reduce((sum, [, keys]) => sum + keys.size, change.mesh ? 1 : 0);
  return { objects: objects.slice(0, namedObjects), objectCount };
}

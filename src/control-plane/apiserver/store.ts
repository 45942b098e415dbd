import type { KubeObject } from '#kube/object.ts';

/** A kind without version: objects are kept in the newest one. */
export interface KindRef {
  /** Empty for the core group. */
  readonly group: string;
  readonly kind: string;
}

export interface ObjectRef extends KindRef {
  /** Empty or absent for cluster-scoped kinds. */
  readonly namespace?: string;
  readonly name: string;
}

export interface StoreEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  /** In the kind's newest version; of a deleted object its last state under the deletion's resourceVersion. Never mutate it. */
  readonly object: KubeObject;
  /** The state before; absent for ADDED. */
  readonly previous?: KubeObject;
  /** Grows with every change of any object. */
  readonly version: number;
}

export interface SubscribeOptions {
  /** Only these kinds; all when absent. */
  readonly kinds?: readonly KindRef[];
  /** Events after this version are delivered before `subscribe` returns; from now on when absent. Throws `KUBE_EXPIRED` when they are forgotten. */
  readonly fromVersion?: number;
}

export interface WriteOptions {
  /** Everything is checked and the result returned, nothing is kept. */
  readonly dryRun?: boolean;
}

export interface DeleteOptions extends WriteOptions {
  readonly uid?: string;
  readonly resourceVersion?: string;
  /** What happens to objects owned by this one; `Background` when absent. */
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
}

/**
 * The objects of one API server, for code in its process: no network, no encoding. Reads are from memory; a write returns
 * after its commit to disk and after every subscriber has seen it. Refusals are thrown as `StatusFault`
 * (`#kube/status.ts`), failing disks as `Fault`.
 */
export interface ObjectStore {
  /** Version of the last change. */
  version(): number;
  get(ref: ObjectRef): KubeObject | undefined;
  /** Sorted by namespace, then name; of all namespaces when `namespace` is absent or empty. */
  list(kind: KindRef, namespace?: string): readonly KubeObject[];
  /** Refuses AlreadyExists, Invalid, NotFound (no such namespace). Returns the object as stored. */
  create(object: KubeObject, options?: WriteOptions): KubeObject;
  /** Replaces all but status. With a `metadata.resourceVersion` that is not the stored one: Conflict. */
  update(object: KubeObject, options?: WriteOptions): KubeObject;
  /** Replaces `status` and nothing else. */
  updateStatus(object: KubeObject, options?: WriteOptions): KubeObject;
  /** Server-side apply: creates or merges; fields this manager applied before and left out now are removed. */
  apply(object: KubeObject, manager: string, options?: WriteOptions): KubeObject;
  /** The last state; with finalizers it is still there, marked with a deletionTimestamp. Refuses NotFound, Conflict. */
  delete(ref: ObjectRef, options?: DeleteOptions): KubeObject;
  /**
   * Calls `listener` synchronously after each commit, in order of versions. A listener may write: those events follow
   * after the present one has reached everybody. What a listener throws is logged and stops nobody. Returns the end.
   */
  subscribe(listener: (event: StoreEvent) => void, options?: SubscribeOptions): () => void;
}

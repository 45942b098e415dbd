import type { KubeObject } from '#kube/object.ts';
import type { KindRef } from '../store.ts';

/** What each manager applied last (server-side apply), by manager. */
export type AppliedSets = Readonly<Record<string, unknown>>;

/** One stored object. Immutable; `json` is `object` encoded once for every reader, beginning with apiVersion. */
export interface Entry {
  readonly ref: Required<KindRef> & { readonly namespace: string; readonly name: string };
  readonly object: KubeObject;
  readonly json: string;
  readonly applied: AppliedSets;
}

export interface LedgerEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly entry: Entry;
  readonly previous?: Entry;
  readonly version: number;
}

/** `object` absent: the object is removed. Metadata's resourceVersion is stamped by `commit`. */
export interface Change {
  readonly ref: Entry['ref'];
  readonly before?: Entry;
  readonly object?: KubeObject;
  readonly applied?: AppliedSets;
}

export interface LedgerLimits {
  /** Past events kept for watches and paging. */
  readonly historyEvents: number;
  /** Bytes of JSON those may refer to. */
  readonly historyBytes: number;
  /** Bytes of one object's JSON. */
  readonly objectBytes: number;
}

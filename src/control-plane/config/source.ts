import type { Problem } from '#base/problem.ts';
import type { RawObject } from '#resources/read.ts';

/** Where a source puts what it reads. One per source; calls outside `batch` are batches of their own. */
export interface Sink {
  /** Everything put inside becomes visible at once. */
  batch(run: () => void): void;
  /** The object that stands at a place of this source now. A place holds one object; the source chooses its name. */
  put(place: string, object: RawObject): void;
  remove(place: string): void;
  /** Replaces the problems of a place that is no object (a file). */
  report(place: string, problems: readonly Problem[]): void;
  /** What was there at the start has been put. Called once. */
  synced(): void;
}

/** Something that configuration objects come from. */
export interface Source {
  /** For logs and problems: `files`, `apiserver`, `kubernetes`. */
  readonly name: string;
  /** Puts what is there, then what changes, until the signal aborts. Rejects with a Fault only when it cannot start. */
  run(sink: Sink, signal: AbortSignal): Promise<void>;
  /**
   * Changes the status of an object of this source. `change` gets the newest status and returns the wanted one, or
   * undefined to leave it. Absent for sources that keep no status (files).
   */
  readonly writeStatus?: (ref: ObjectRef, change: (object: Readonly<Record<string, unknown>>) => unknown) => Promise<void>;
}

export interface ObjectRef {
  /** Empty for the core group. */
  readonly group: string;
  readonly kind: string;
  /** Empty for cluster-scoped kinds. */
  readonly namespace: string;
  readonly name: string;
}

/** `VirtualService/default/reviews`: how problems and reports name an object. The group is left out: kinds are unique. */
export function objectKey(ref: Pick<ObjectRef, 'kind' | 'namespace' | 'name'>): string {
  return `${ref.kind}/${ref.namespace}/${ref.name}`;
}

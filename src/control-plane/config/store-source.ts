import type { KindDefinition } from '#resources/kind.ts';
import type { RawObject } from '#resources/read.ts';
import { type ObjectRef, objectKey, type Source } from './source.ts';

type Json = Readonly<Record<string, unknown>>;

/** An object as a store in this process keeps it. */
export interface StoredObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly [field: string]: unknown;
}

/** What is needed of an API server's store in the same process; the embedded one has it. */
export interface ConfigStore<T extends StoredObject = StoredObject> {
  get(ref: { group: string; kind: string; namespace: string; name: string }): T | undefined;
  list(kind: { group: string; kind: string }): readonly T[];
  /** Calls `listener` synchronously after each commit. */
  subscribe(
    listener: (event: { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }) => void,
    options: { readonly kinds: readonly { group: string; kind: string }[] },
  ): () => void;
  updateStatus(object: T): unknown;
}

/** Configuration from a store in this process: no network, a change is visible as soon as it is committed. */
export function storeSource<T extends StoredObject>(store: ConfigStore<T>, kinds: readonly KindDefinition[]): Source {
  return {
    name: 'apiserver',
    async run(sink, signal) {
      const refs = kinds.map(({ group, kind }) => ({ group, kind }));
      const stop = store.subscribe(
        ({ type, object }) => {
          if (type === 'DELETED') sink.remove(placeOf(object));
          else sink.put(placeOf(object), rawOf(object));
        },
        { kinds: refs },
      );
      sink.batch(() => {
        for (const ref of refs) for (const object of store.list(ref)) sink.put(placeOf(object), rawOf(object));
      });
      sink.synced();
      await new Promise<void>((resolve) =>
        signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true }),
      );
      stop();
    },
    async writeStatus(ref: ObjectRef, change: (object: Json) => unknown) {
      // Read and written in one step: nobody can write in between.
      const object = store.get(ref);
      const status = object ? change(object) : undefined;
      if (object && status !== undefined) store.updateStatus({ ...object, status });
    },
  };
}

function placeOf({ kind, metadata }: StoredObject): string {
  return objectKey({ kind, namespace: metadata.namespace ?? '', name: metadata.name });
}

function rawOf(raw: StoredObject): RawObject {
  return { raw, origin: { source: 'kubernetes' } };
}

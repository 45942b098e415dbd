import { useSyncExternalStore } from 'react';
import type { Change, WriteAnswer } from '#server/api.ts';
import { request } from './api.ts';
import { invalidate } from './query.ts';

/** The latest write of this page, for the bar that shows how far it came and takes it back. */
let latest: { readonly changes: readonly Change[]; readonly undone: boolean } | undefined;
const listeners = new Set<() => void>();

function set(next: typeof latest): void {
  latest = next;
  for (const listener of listeners) listener();
}

export function useLatestWrite(): typeof latest {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => latest,
  );
}

/** Call with the answer of every write that was not a dry run. */
export function noteWrite(answer: WriteAnswer, undone = false): void {
  const changes = answer.changes.filter((change) => change.action !== 'unchanged');
  if (!changes.length) return;
  set({ changes, undone });
  invalidate('/resources', '/splits', '/problems', '/events');
}

export function dismissWrite(): void {
  set(undefined);
}

/** Puts back what stood before each change, last first. Refused when somebody changed an object since. */
export async function undo(changes: readonly Change[]): Promise<void> {
  const back: Change[] = [];
  for (const change of changes.toReversed()) {
    const answer =
      change.action === 'create'
        ? await request<WriteAnswer>('DELETE', resourcePath(change.ref))
        : await request<WriteAnswer>('POST', '/resources', {
            yaml: change.before,
            fieldValidation: 'Warn',
            ...(change.action === 'update' ? { generation: change.generation } : {}),
          });
    back.push(...answer.changes);
  }
  noteWrite({ dryRun: false, changes: back, warnings: [], problems: [] }, true);
}

export function resourcePath({ kind, namespace, name }: Change['ref']): string {
  return `/resources/${kind}/${namespace || '-'}/${encodeURIComponent(name)}`;
}

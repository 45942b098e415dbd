import { useEffect, useSyncExternalStore } from 'react';
import type { ApiError } from '#server/api.ts';
import { errorOf, request } from './api.ts';

/** What is known of one path: data stays while it is read again or when reading fails. */
export interface Answer<T> {
  readonly data: T | undefined;
  readonly error: ApiError | undefined;
  readonly loading: boolean;
}

interface Entry {
  answer: Answer<unknown>;
  readonly listeners: Set<() => void>;
  running: boolean;
  again: boolean;
}

const entries = new Map<string, Entry>();
const kept = 200;
const idle: Answer<unknown> = { data: undefined, error: undefined, loading: true };
const dataListeners = new Set<(path: string, data: unknown) => void>();

function entryOf(path: string): Entry {
  let entry = entries.get(path);
  if (!entry) {
    entry = { answer: idle, listeners: new Set(), running: false, again: false };
    entries.set(path, entry);
    for (const [old, { listeners }] of entries) if (entries.size > kept && listeners.size === 0 && old !== path) entries.delete(old);
  }
  return entry;
}

async function load(path: string): Promise<void> {
  const entry = entryOf(path);
  if (entry.running) {
    entry.again = true;
    return;
  }
  entry.running = true;
  let next: Answer<unknown>;
  try {
    const data = await request<unknown>('GET', path);
    for (const listener of dataListeners) listener(path, data);
    next = { data, error: undefined, loading: false };
  } catch (thrown) {
    next = { data: entry.answer.data, error: errorOf(thrown), loading: false };
  }
  entry.running = false;
  entry.answer = next;
  for (const listener of entry.listeners) listener();
  if (entry.again) {
    entry.again = false;
    void load(path);
  }
}

/** Reads a path, and again whenever it is invalidated. An undefined path reads nothing. */
export function useQuery<T>(path: string | undefined): Answer<T> & { readonly reload: () => void } {
  useEffect(() => {
    if (path) void load(path);
  }, [path]);
  const answer = useSyncExternalStore(
    (listener) => {
      if (!path) return () => undefined;
      const { listeners } = entryOf(path);
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => (path ? entryOf(path).answer : idle),
  );
  return { ...(answer as Answer<T>), reload: () => path && void load(path) };
}

/** Reads again what is on the screen and begins with one of the prefixes; forgets the rest of them. */
export function invalidate(...prefixes: readonly string[]): void {
  for (const [path, { listeners }] of entries) {
    if (!prefixes.some((prefix) => path.startsWith(prefix))) continue;
    if (listeners.size) void load(path);
    else entries.delete(path);
  }
}

/** Calls `listener` with every answer, before those who wait for it. */
export function onData(listener: (path: string, data: unknown) => void): void {
  dataListeners.add(listener);
}

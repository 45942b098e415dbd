import { useSyncExternalStore } from 'react';
import type { SessionView } from '#server/api.ts';
import { request } from './api.ts';

let writable: boolean | undefined;
const listeners = new Set<() => void>();

function set(next: boolean): void {
  writable = next;
  for (const listener of listeners) listener();
}

/** Uses the one-time code of the link that opened the page (and removes it from the address), else asks what is allowed. */
export async function openSession(): Promise<void> {
  const code = /^#code=([\w-]+)$/.exec(window.location.hash)?.[1];
  if (code) window.history.replaceState(null, '', window.location.pathname + window.location.search);
  try {
    const view = code ? await request<SessionView>('POST', '/session', { code }) : await request<SessionView>('GET', '/session');
    set(view.writable);
  } catch {
    // The code was used before (a reload, a bookmark): the cookie may still be good.
    const view = await request<SessionView>('GET', '/session').catch(() => undefined);
    set(view?.writable ?? false);
  }
}

/** Rejects with RequestFailed when the token is wrong. */
export async function openWithToken(token: string): Promise<void> {
  const view = await request<SessionView>('POST', '/session', { token });
  set(view.writable);
}

/** Whether the page may write; undefined until known. */
export function useWritable(): boolean | undefined {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => writable,
  );
}

import { useSyncExternalStore } from 'react';

/** The address as the page reads it: all of a view's state is here, so every view is a link. */
export interface Place {
  readonly path: string;
  /** Path split at slashes, decoded, without empty ends. */
  readonly steps: readonly string[];
  readonly params: URLSearchParams;
}

const listeners = new Set<() => void>();
let place = readPlace();

function readPlace(): Place {
  const { pathname, search } = window.location;
  return { path: pathname, steps: pathname.split('/').filter(Boolean).map(decodeURIComponent), params: new URLSearchParams(search) };
}

function changed(): void {
  place = readPlace();
  for (const listener of listeners) listener();
}
window.addEventListener('popstate', changed);

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function usePlace(): Place {
  return useSyncExternalStore(subscribe, () => place);
}

/** A link to a view; keeps the namespace that is in scope. Parameters with an empty value are left out. */
export function hrefTo(path: string, params: Readonly<Record<string, string>> = {}): string {
  const next = new URLSearchParams();
  const scope = place.params.get('ns');
  if (scope) next.set('ns', scope);
  for (const [name, value] of Object.entries(params)) if (value) next.set(name, value);
  const query = next.toString();
  return query ? `${path}?${query}` : path;
}

export function go(href: string, how: 'push' | 'replace' = 'push'): void {
  if (how === 'push') window.history.pushState(null, '', href);
  else window.history.replaceState(null, '', href);
  changed();
}

/** Changes parameters of this view; an empty value removes one. */
export function setParams(changes: Readonly<Record<string, string>>, how: 'push' | 'replace' = 'replace'): void {
  const next = new URLSearchParams(place.params);
  for (const [name, value] of Object.entries(changes)) {
    if (value) next.set(name, value);
    else next.delete(name);
  }
  const query = next.toString();
  go(query ? `${place.path}?${query}` : place.path, how);
}

/** Address of an object's page. */
export function objectHref({
  kind,
  namespace,
  name,
}: {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}): string {
  return hrefTo(`/config/${kind}/${namespace || '-'}/${encodeURIComponent(name)}`);
}

/** Address of the page of a graph node (`service/ns/name`, `workload/ns/name`); undefined when it has none. */
export function nodeHref(id: string): string | undefined {
  const [sort, namespace, name] = id.split('/');
  if (!namespace || !name) return undefined;
  if (sort === 'service') return hrefTo(`/services/${namespace}/${name}`);
  return sort === 'workload' ? hrefTo(`/workloads/${namespace}/${name}`) : undefined;
}

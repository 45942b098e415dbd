import type { Numbers } from '../api.ts';
import { createTrafficWindow, noNumbers, type TrafficWindow } from './window.ts';

/** Ends of one request as Istio's labels name them; absent when unknown. */
export interface Ends {
  readonly source?: { readonly namespace: string; readonly name: string };
  readonly service?: { readonly namespace: string; readonly name: string };
  readonly destination?: { readonly namespace: string; readonly name: string };
  /** The service's host as the client named it, for what is outside the mesh. */
  readonly host: string;
}

export const meshKey = 'mesh';
export const outsideClients = 'outside/clients';

export const serviceId = (namespace: string, name: string) => `service/${namespace}/${name}`;
export const workloadId = (namespace: string, name: string) => `workload/${namespace}/${name}`;
export const edgeId = (source: string, target: string) => `${source}>${target}`;
/** What a workload sends, beside its own id for what it receives. */
export const outOf = (workload: string) => `out:${workload}`;

/** All keys that one request counts for: three edges, its service, its workloads, the mesh. */
export function keysFor(ends: Ends): readonly string[] {
  const source = ends.source ? workloadId(ends.source.namespace, ends.source.name) : outsideClients;
  const service = ends.service ? serviceId(ends.service.namespace, ends.service.name) : `outside/${ends.host}`;
  const keys = [meshKey, edgeId(source, service), service, outOf(source)];
  if (ends.destination) {
    const destination = workloadId(ends.destination.namespace, ends.destination.name);
    keys.push(edgeId(service, destination), edgeId(source, destination), destination);
  }
  return keys;
}

/** Windows by key. Holds at most `limit`; what was idle longest goes first. */
export interface TrafficTable {
  window(key: string): TrafficWindow;
  numbers(key: string, nowMs: number): Numbers;
  keys(): IterableIterator<string>;
  /** Forgets what had no traffic for a minute; returns the keys. */
  prune(nowMs: number): readonly string[];
}

const forgetAfterMs = 60_000;

export function createTrafficTable(limit = 40_000): TrafficTable {
  const windows = new Map<string, TrafficWindow>();
  return {
    window(key) {
      let found = windows.get(key);
      if (!found) {
        if (windows.size >= limit) windows.delete(idlest(windows));
        found = createTrafficWindow();
        windows.set(key, found);
      }
      return found;
    },
    numbers: (key, nowMs) => windows.get(key)?.numbers(nowMs) ?? noNumbers,
    keys: () => windows.keys(),
    prune(nowMs) {
      const gone: string[] = [];
      for (const [key, window] of windows) if (nowMs - window.touchedAt > forgetAfterMs) gone.push(key);
      for (const key of gone) windows.delete(key);
      return gone;
    },
  };
}

function idlest(windows: ReadonlyMap<string, TrafficWindow>): string {
  let oldest = '';
  let at = Number.POSITIVE_INFINITY;
  for (const [key, window] of windows) {
    if (window.touchedAt >= at) continue;
    at = window.touchedAt;
    oldest = key;
  }
  return oldest;
}

import { useEffect, useSyncExternalStore } from 'react';
import type { Finding, LiveMessage, Numbers, ProxyRow } from '#server/api.ts';
import { invalidate, onData, useQuery } from './query.ts';

/** `live`: messages come. `connecting`: the first try. `stale`: they did and stopped; data stays on the screen. */
export interface Connection {
  readonly state: 'live' | 'connecting' | 'stale';
  /** When it stopped, epoch milliseconds; 0 while live. */
  readonly since: number;
}

interface Held<T> {
  readonly value: T;
  /** Number of the message (or answer) it came from: an older one never replaces a newer. */
  readonly seq: number;
}

const numbers = new Map<string, Held<Numbers>>();
const numberListeners = new Map<string, Set<() => void>>();
let connection: Connection = { state: 'connecting', since: 0 };
const connectionListeners = new Set<() => void>();
let findings: { readonly items: readonly Finding[]; readonly seq: number } | undefined;
const findingListeners = new Set<() => void>();
let socket: WebSocket | undefined;
let wantsEdges = 0;
let retryMs = 500;

const nothing: Numbers = { rps: 0, errors: 0, p50: null, p95: null, p99: null, bps: 0 };

function putNumbers(id: string, value: Numbers, seq: number): void {
  const held = numbers.get(id);
  if (held && held.seq > seq) return;
  numbers.set(id, { value, seq });
  for (const listener of numberListeners.get(id) ?? []) listener();
}

/** Answers carry numbers too; they enter the same store, so that a cell has one truth. */
onData((path, data) => {
  if (typeof data !== 'object' || data === null || !('seq' in data) || typeof data.seq !== 'number') return;
  const { seq } = data;
  if (path.startsWith('/overview') && 'findings' in data && 'numbers' in data) {
    putNumbers('mesh', data.numbers as Numbers, seq);
    if (!findings || findings.seq <= seq) setFindings(data.findings as Finding[], seq);
    return;
  }
  const lists = data as { items?: readonly Row[]; nodes?: readonly Row[]; edges?: readonly Row[] };
  for (const list of [lists.items, lists.nodes, lists.edges]) {
    for (const row of list ?? []) {
      if (!row.numbers) continue;
      // A graph node of a workload that only sends shows what it sends; its own id means what it receives.
      if (list !== lists.nodes) putNumbers(row.id, row.numbers, seq);
      if (row.out) putNumbers(`out:${row.id}`, row.out, seq);
    }
  }
});
interface Row {
  readonly id: string;
  readonly numbers?: Numbers;
  readonly out?: Numbers;
}

function setFindings(items: readonly Finding[], seq: number): void {
  const rank = { bad: 0, warn: 1, info: 2 } as const;
  findings = { items: [...items].sort((a, b) => rank[a.severity] - rank[b.severity] || (a.id < b.id ? -1 : 1)), seq };
  for (const listener of findingListeners) listener();
}

function setConnection(state: Connection['state']): void {
  if (connection.state === state) return;
  connection = { state, since: state === 'live' ? 0 : Date.now() };
  for (const listener of connectionListeners) listener();
}

function receive(message: LiveMessage): void {
  switch (message.type) {
    case 'hello':
    case 'resync':
      // Whatever was missed is in the answers.
      numbers.clear();
      findings = undefined;
      invalidate('/');
      return;
    case 'traffic':
      for (const [id, value] of Object.entries(message.set)) putNumbers(id, value, message.seq);
      for (const id of message.gone) putNumbers(id, nothing, message.seq);
      return;
    case 'findings': {
      if (!findings) return;
      const next = new Map(findings.items.map((finding) => [finding.id, finding]));
      for (const id of message.gone) next.delete(id);
      for (const finding of message.set) next.set(finding.id, finding);
      setFindings([...next.values()], message.seq);
      return;
    }
    case 'proxies':
      noteProxies(message.set);
      return;
    case 'resources':
      invalidate(
        '/events',
        ...new Set(message.changes.flatMap(({ ref }) => [`/resources/${ref.kind}`, ...(ref.kind === 'VirtualService' ? ['/splits'] : [])])),
      );
      return;
    case 'mesh':
      if (message.shape) invalidate('/services', '/workloads', '/graph', '/splits', '/problems');
      return;
  }
}

let proxyTimer = 0;
/** Rows of proxies change in bursts with every push; one reading after the burst is enough. */
function noteProxies(_: readonly ProxyRow[]): void {
  window.clearTimeout(proxyTimer);
  proxyTimer = window.setTimeout(() => invalidate('/proxies', '/overview'), 150);
}

const topics = () => `traffic,findings,proxies,resources,mesh${wantsEdges ? ',edges' : ''}`;

/** Opens the socket and keeps it open for as long as the page lives. */
export function connect(): void {
  const next = new WebSocket(`${window.location.origin.replace(/^http/, 'ws')}/api/v1/live?topics=${topics()}`);
  socket = next;
  next.onmessage = (event) => {
    retryMs = 500;
    setConnection('live');
    receive(JSON.parse(String(event.data)));
  };
  // What is wanted may have changed while it was opened.
  next.onopen = () => next.send(topics());
  next.onclose = () => {
    setConnection('stale');
    window.setTimeout(connect, retryMs);
    retryMs = Math.min(retryMs * 2, 5_000);
  };
}

/** While mounted, numbers of edges are kept up to date too. */
export function useEdges(): void {
  useQuery('/graph');
  useEffect(() => {
    const tell = () => socket?.readyState === WebSocket.OPEN && socket.send(topics());
    wantsEdges++;
    tell();
    return () => {
      wantsEdges--;
      tell();
    };
  }, []);
}

/** The newest numbers of an object, an edge, or `mesh`. */
export function useNumbers(id: string): Numbers {
  return useSyncExternalStore(
    (listener) => onNumbers(id, listener),
    () => numbersOf(id),
  );
}

export function numbersOf(id: string): Numbers {
  return numbers.get(id)?.value ?? nothing;
}

/** Calls `listener` when the numbers of `id` change. */
export function onNumbers(id: string, listener: () => void): () => void {
  const listeners = numberListeners.get(id) ?? new Set();
  numberListeners.set(id, listeners);
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (!listeners.size) numberListeners.delete(id);
  };
}

export function useConnection(): Connection {
  return useSyncExternalStore(
    (listener) => {
      connectionListeners.add(listener);
      return () => connectionListeners.delete(listener);
    },
    () => connection,
  );
}

/** Sorted, worst first; undefined before the first answer. */
export function useFindings(): readonly Finding[] | undefined {
  return useSyncExternalStore(
    (listener) => {
      findingListeners.add(listener);
      return () => findingListeners.delete(listener);
    },
    () => findings?.items,
  );
}

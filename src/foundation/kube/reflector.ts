import { createBackoff } from '#base/backoff.ts';
import type { Clock } from '#base/clock.ts';
import { messageOf } from '#base/fault.ts';
import type { Logger } from '#process/log.ts';
import type { KubeClient, KubeResource, Selection } from './client.ts';
import type { KubeObject } from './object.ts';
import { hasReason, StatusFault } from './status.ts';

export interface ReflectorEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: KubeObject;
  /** The state before; absent for ADDED. */
  readonly previous?: KubeObject;
}

/** A copy of one kind's objects that follows the server, shared by everyone who reads that kind. */
export interface Reflector {
  /** Follows until the signal aborts; never rejects: failures are logged and retried with growing pauses. */
  run(signal: AbortSignal): Promise<void>;
  /** True from the first complete list on, or the answer that the kind is not served; stays true when the server goes away. */
  isSynced(): boolean;
  get(namespace: string, name: string): KubeObject | undefined;
  /** In no particular order. */
  list(): readonly KubeObject[];
  /** Events from now on, synchronously and in order; `onSynced` is called once, at once when that is past. Returns the end. */
  subscribe(listener: (event: ReflectorEvent) => void, onSynced?: () => void): () => void;
}

export interface ReflectorOptions {
  readonly client: KubeClient;
  readonly resource: KubeResource;
  readonly selection?: Selection;
  readonly clock: Clock;
  readonly log: Logger;
}

// As Kubernetes' own clients: a watch lives 5 to 10 minutes; pauses grow from 0.8 to 30 s.
const watchSeconds = 300;
const overdueSeconds = 30;
const pauseMs = { first: 800, most: 30_000 };

export function createReflector(options: ReflectorOptions): Reflector {
  const { client, resource, clock, log } = options;
  const selection = options.selection ?? {};
  const objects = new Map<string, KubeObject>();
  const listeners = new Set<(event: ReflectorEvent) => void>();
  const waiting = new Set<() => void>();
  let synced = false;
  /** Empty: the next step is a list. */
  let version = '';

  const put = (object: KubeObject) => {
    const key = keyOf(object);
    const previous = objects.get(key);
    if (previous && isSame(previous, object)) return;
    objects.set(key, object);
    emit(previous ? { type: 'MODIFIED', object, previous } : { type: 'ADDED', object });
  };
  const drop = (object: KubeObject) => {
    const previous = objects.get(keyOf(object));
    if (!previous) return;
    objects.delete(keyOf(object));
    emit({ type: 'DELETED', object, previous });
  };
  const emit = (event: ReflectorEvent) => {
    for (const listener of listeners) {
      try {
        listener(event);
      } catch (error) {
        log.error('a listener of a reflector failed', { resource: resource.plural, error: messageOf(error) });
      }
    }
  };

  const relist = async () => {
    const list = await client.list(resource, selection);
    const present = new Set(list.items.map(keyOf));
    for (const [key, object] of objects) if (!present.has(key)) drop(object);
    for (const object of list.items) put(object);
    version = list.resourceVersion;
    markSynced();
  };
  const markSynced = () => {
    synced = true;
    for (const done of waiting) done();
    waiting.clear();
  };
  const follow = async (signal: AbortSignal) => {
    const timeoutSeconds = Math.round(watchSeconds * (1 + clock.random()));
    // The server ends a watch in time; one that does not is dead behind an open connection.
    const overdue = new AbortController();
    const cancel = clock.after((timeoutSeconds + overdueSeconds) * 1000, () => overdue.abort());
    const either = AbortSignal.any([signal, overdue.signal]);
    try {
      for await (const event of client.watch(resource, selection, { resourceVersion: version, timeoutSeconds }, either)) {
        if (event.type === 'DELETED') drop(event.object);
        else if (event.type !== 'BOOKMARK') put(event.object);
        version = event.object.metadata.resourceVersion ?? version;
      }
    } finally {
      cancel();
    }
  };

  return {
    async run(signal) {
      const backoff = createBackoff(pauseMs.first, pauseMs.most, clock.random);
      while (!signal.aborted) {
        const startedAt = clock.monotonic();
        try {
          if (version === '') await relist();
          await follow(signal);
          // A server that ends every watch at once must not be asked without pause.
          if (clock.monotonic() - startedAt > 1000) backoff.reset();
          else await pause(clock, backoff.next(), signal);
        } catch (error) {
          if (signal.aborted) return;
          const relist = isVersionLost(error);
          if (relist) version = '';
          // A kind that the server does not serve (its definition may yet come) is a kind without objects: nobody need wait for it.
          if (!synced && version === '' && hasReason(error, 'NotFound')) markSynced();
          if (clock.monotonic() - startedAt > pauseMs.most) backoff.reset();
          log.warn('a watch was interrupted', { resource: resource.plural, error: messageOf(error), relist });
          await pause(clock, backoff.next(), signal);
        }
      }
    },
    isSynced: () => synced,
    get: (namespace, name) => objects.get(`${namespace}/${name}`),
    list: () => [...objects.values()],
    subscribe(listener, onSynced) {
      listeners.add(listener);
      if (onSynced) synced ? onSynced() : waiting.add(onSynced);
      return () => {
        listeners.delete(listener);
        if (onSynced) waiting.delete(onSynced);
      };
    },
  };
}

/** The reflectors of one server: one per kind and selection, however many ask. */
export interface Reflectors {
  /** The same value for the same question; it follows the server from the start of `run` on. */
  of(resource: KubeResource, selection?: Selection): Omit<Reflector, 'run'>;
  /** Runs those asked for and those that will be; ends when the signal aborts and all have stopped. */
  run(signal: AbortSignal): Promise<void>;
}

export function createReflectors(options: Omit<ReflectorOptions, 'resource' | 'selection'>): Reflectors {
  const shared = new Map<string, Reflector>();
  const running: Promise<void>[] = [];
  let active: AbortSignal | undefined;
  return {
    of(resource, selection = {}) {
      const { namespace = '', labelSelector = '', fieldSelector = '' } = selection;
      const key = JSON.stringify([resource.group, resource.plural, namespace, labelSelector, fieldSelector]);
      const known = shared.get(key);
      if (known) return known;
      const reflector = createReflector({ ...options, resource, selection });
      shared.set(key, reflector);
      if (active && !active.aborted) running.push(reflector.run(active));
      return reflector;
    },
    async run(signal) {
      active = signal;
      running.push(...[...shared.values()].map((reflector) => reflector.run(signal)));
      await new Promise<void>((resolve) =>
        signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true }),
      );
      await Promise.all(running);
    },
  };
}

/**
 * True when the server cannot go on from where we are: the version is too old, or newer than all it has (its store was
 * replaced by an older one), or the kind was taken away, and would come back without what we know.
 */
function isVersionLost(error: unknown): boolean {
  if (!(error instanceof StatusFault)) return false;
  const { reason, details } = error.status;
  return (
    ['Expired', 'Gone', 'NotFound', 'Invalid'].includes(reason) ||
    (details?.causes ?? []).some((cause) => cause.reason === 'ResourceVersionTooLarge')
  );
}

function keyOf(object: KubeObject): string {
  return `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
}

function isSame(a: KubeObject, b: KubeObject): boolean {
  return (
    a.metadata.uid === b.metadata.uid &&
    a.metadata.resourceVersion !== undefined &&
    a.metadata.resourceVersion === b.metadata.resourceVersion
  );
}

function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.after(delayMs, done);
    signal.addEventListener('abort', done, { once: true });
  });
}

import type { Clock } from '#base/clock.ts';
import type { KubeObject } from '#kube/object.ts';
import type { Objects } from '../objects.ts';
import { badRequest, expired } from '../status.ts';
import type { LedgerEvent } from '../storage/entry.ts';
import { kindKey } from '../storage/ledger.ts';
import { type Exchange, finish, start } from './exchange.ts';
import { selectorOf, wholeNumber } from './list.ts';
import { createOutlet } from './outlet.ts';
import type { Target } from './target.ts';
import type { View } from './view.ts';

/** Running watches of one server. */
export interface Watches {
  /** Streams events until the client goes, time is up, or it falls behind. */
  open(exchange: Exchange, target: Target, view: View): void;
  count(): number;
  close(): void;
}

const bookmarkEveryMs = 60_000;
/** Kubernetes' default: half an hour, with a random half more so that clients do not return together. */
const shortestMs = 30 * 60_000;
/** Timers reach no further than 2^31 ms: a longer wish would end the watch at once. */
const longestMs = 24 * 60 * 60_000;
/** A watcher with more new events than this unread is cut off; it resumes where it was, or lists anew. */
const unreadLimitBytes = 8 * 1024 * 1024;

type EventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';

export function createWatches(objects: Objects, clock: Clock): Watches {
  const running = new Set<() => void>();
  const lines = createLineCache(clock);

  const open: Watches['open'] = (exchange, target, view) => {
    const { query, response } = exchange;
    const begin = readBegin(query, objects);
    const matches = selectorOf(query, target);
    const key = kindKey(target.kind);
    const timeoutMs = Math.min(wholeNumber(query, 'timeoutSeconds') * 1000 || shortestMs * (1 + clock.random()), longestMs);
    const wantsBookmarks = query.get('allowWatchBookmarks') === 'true';
    let ended = false;
    let end: (() => void) | undefined;
    let stopBookmarks = () => {};
    // What the client missed comes however much it is: cut off for it, it would come back for the same.
    let isPast = true;

    const stop = () => {
      if (ended) return;
      ended = true;
      running.delete(stop);
      end?.();
      stopTimeout();
      stopBookmarks();
      if (!response.writableEnded) finish(response);
    };
    const outlet = createOutlet(response, unreadLimitBytes, () => {
      response.destroy();
      stop();
    });
    const bookmark = (annotations: Readonly<Record<string, string>> = {}) => {
      // Of this moment, wherever it stands in the queue: the events before it have been sent when it is.
      const line = Buffer.from(`{"type":"BOOKMARK","object":${view.bookmark(objects.ledger.version(), annotations)}}\n`);
      if (!ended) outlet.send(() => line, line.length);
    };
    const scheduleBookmark = () => {
      stopBookmarks = clock.after(bookmarkEveryMs, () => {
        bookmark();
        if (!ended) scheduleBookmark();
      });
    };
    const onEvent = (event: LedgerEvent) => {
      if (kindKey(event.entry.ref) !== key || (target.namespace !== '' && event.entry.ref.namespace !== target.namespace)) return;
      const type = seenAs(event, matches);
      if (!type || ended) return;
      const line = () => lines.of(event, type, view);
      if (isPast) outlet.replay(line);
      else outlet.send(line, event.entry.json.length);
    };

    start(exchange, 200, { 'content-type': view.contentType });
    const stopTimeout = clock.after(timeoutMs, () => {
      if (wantsBookmarks) bookmark();
      stop();
    });
    running.add(stop);
    response.on('close', stop);
    response.on('error', stop);
    if (begin.initial) {
      const now = clock.now();
      for (const entry of objects.ledger.list(target.kind, target.namespace)) {
        if (matches(entry.object)) outlet.replay(() => Buffer.from(`{"type":"ADDED","object":${view.entry(entry, now)}}\n`));
      }
      if (begin.announceEnd) bookmark({ 'k8s.io/initial-events-end': 'true' });
    }
    end = objects.ledger.subscribe(onEvent, begin.version);
    isPast = false;
    // The head goes out even when no event is there: clients wait for it.
    if (!response.headersSent || response.writableLength === 0) flush(exchange);
    if (wantsBookmarks && !ended) scheduleBookmark();
    if (ended) end?.();
  };

  return {
    open,
    count: () => running.size,
    close() {
      for (const stop of [...running]) stop();
    },
  };
}

interface Begin {
  /** Whether the present objects come first, as ADDED. */
  readonly initial: boolean;
  readonly announceEnd: boolean;
  readonly version: number;
}

function readBegin(query: URLSearchParams, objects: Objects): Begin {
  const { ledger } = objects;
  const current = ledger.version();
  const wanted = wholeNumber(query, 'resourceVersion');
  const asked = query.get('sendInitialEvents');
  if (asked !== null && query.get('resourceVersionMatch') !== 'NotOlderThan') {
    throw badRequest('sendInitialEvents requires setting resourceVersionMatch to NotOlderThan');
  }
  if (asked === 'true') {
    if (query.get('allowWatchBookmarks') !== 'true') throw badRequest('sendInitialEvents requires allowWatchBookmarks');
    return { initial: true, announceEnd: true, version: current };
  }
  if (wanted === 0) return { initial: asked === null, announceEnd: false, version: current };
  // A version from the future was given by a store that is gone: the client must list anew.
  if (wanted > current) throw expired(`resource version ${wanted} is newer than this server's ${current}: the store was replaced`);
  if (wanted < ledger.oldestVersion()) throw expired(`too old resource version: ${wanted} (${ledger.oldestVersion()})`);
  return { initial: false, announceEnd: false, version: wanted };
}

/** What an event means to a watcher that sees only some objects. */
function seenAs(event: LedgerEvent, matches: (object: KubeObject) => boolean): EventType | undefined {
  const before = event.previous !== undefined && matches(event.previous.object);
  if (event.type === 'DELETED') return before ? 'DELETED' : undefined;
  const now = matches(event.entry.object);
  if (now) return before ? 'MODIFIED' : 'ADDED';
  return before ? 'DELETED' : undefined;
}

/** The line of the newest event, encoded once per form however many watch. */
function createLineCache(clock: Clock) {
  let newest: LedgerEvent | undefined;
  const lines = new Map<string, Buffer>();
  return {
    of(event: LedgerEvent, type: EventType, view: View): Buffer {
      if (event !== newest) {
        newest = event;
        lines.clear();
      }
      const key = `${type} ${view.key}`;
      const line = lines.get(key) ?? Buffer.from(`{"type":"${type}","object":${view.entry(event.entry, clock.now())}}\n`);
      lines.set(key, line);
      return line;
    },
  };
}

function flush({ response }: Exchange): void {
  if ('stream' in response) {
    if (!response.headersSent) response.writeHead(response.statusCode);
  } else response.flushHeaders();
}

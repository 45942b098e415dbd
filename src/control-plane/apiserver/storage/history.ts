import type { LedgerEvent, LedgerLimits } from './entry.ts';

/** The recent events, bounded by count and by the bytes they hold on to. */
export interface History {
  add(event: LedgerEvent): void;
  /** The version before the oldest kept event. */
  oldest(): number;
  /** Events after a version in order; undefined when some of them are forgotten. */
  after(version: number): readonly LedgerEvent[] | undefined;
}

export function createHistory(startVersion: number, limits: LedgerLimits): History {
  let events: LedgerEvent[] = [];
  let first = 0;
  let bytes = 0;
  let forgotten = startVersion;
  return {
    add(event) {
      events.push(event);
      bytes += event.entry.json.length;
      while (events.length - first > limits.historyEvents || (bytes > limits.historyBytes && events.length - first > 1)) {
        const oldest = events[first];
        if (!oldest) break;
        bytes -= oldest.entry.json.length;
        forgotten = oldest.version;
        first += 1;
      }
      // Dropping the dead front in large steps keeps adding O(1).
      if (first > 256) {
        events = events.slice(first);
        first = 0;
      }
    },
    oldest: () => forgotten,
    // Versions grow by one per event, so the place of each is known.
    after: (version) => (version < forgotten ? undefined : events.slice(first + version - forgotten)),
  };
}

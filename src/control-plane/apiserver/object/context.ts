import type { Clock } from '#base/clock.ts';
import type { Logger } from '#process/log.ts';
import type { KindTable } from '../kinds.ts';
import type { Ledger } from '../storage/ledger.ts';

/** What the rules of writing read. */
export interface ObjectsContext {
  readonly ledger: Ledger;
  readonly kinds: KindTable;
  readonly clock: Clock;
  readonly log: Logger;
}

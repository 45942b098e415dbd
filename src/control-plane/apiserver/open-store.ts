import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#process/log.ts';
import { type ApiKind, createKindTable, storedApiVersion } from './kinds.ts';
import { createObjects, type Objects } from './objects.ts';
import { plainKinds } from './plain-kinds.ts';
import { type Durability, openDatabase } from './storage/database.ts';
import { createLedger } from './storage/ledger.ts';
import { lockFolder } from './storage/lock.ts';

export interface StoreOptions {
  /** Holds `apiserver.db`; made with mode 0700 when missing. One process at a time. */
  readonly stateDir: string;
  readonly kinds: readonly ApiKind[];
  readonly clock: Clock;
  readonly log: Logger;
  /** `process` when absent: acknowledged writes survive kill -9 but not always a power cut; `power` survives both. */
  readonly durability?: Durability;
  /** Upper bound of the database in bytes; none when absent. */
  readonly maxBytes?: number;
  /** Past events kept for watches and paging; 10 000 when absent. */
  readonly historyEvents?: number;
}

export interface OpenedStore {
  readonly objects: Objects;
  close(): void;
}

const pageBytes = 4096;
const historyBytes = 64 * 1024 * 1024;
/** As much as one request may carry. */
const objectBytes = 3 * 1024 * 1024;
const initialNamespaces = ['default', 'kube-system', 'istio-system'];

/** Opens the objects of a state folder. Throws the Faults `STATE_IN_USE`, `STATE_UNUSABLE`, `STORE_FAILED`, `STORE_FULL`, `STORE_NEWER`. */
export function openStore(options: StoreOptions): OpenedStore {
  const unlock = lockFolder(options.stateDir);
  try {
    const database = openDatabase({
      path: join(options.stateDir, 'apiserver.db'),
      durability: options.durability ?? 'process',
      ...(options.maxBytes === undefined ? {} : { maxPages: options.maxBytes / pageBytes }),
    });
    const limits = { historyEvents: options.historyEvents ?? 10_000, historyBytes, objectBytes };
    const kinds = createKindTable(withPlainKinds(options.kinds));
    const ledger = createLedger(database, options.log, limits, ({ group, kind }) => {
      const known = kinds.byKind(group, kind);
      return known && storedApiVersion(known);
    });
    const objects = createObjects({ ledger, kinds, clock: options.clock, log: options.log });
    for (const name of kinds.byKind('', 'Namespace') ? initialNamespaces : []) {
      if (!objects.get({ group: '', kind: 'Namespace', name })) objects.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    }
    return {
      objects,
      close() {
        database.close();
        unlock();
      },
    };
  } catch (error) {
    unlock();
    throw error;
  }
}

function withPlainKinds(kinds: readonly ApiKind[]): readonly ApiKind[] {
  const given = new Set(kinds.map((kind) => `${kind.group}/${kind.kind}`));
  return [...kinds, ...plainKinds.filter((kind) => !given.has(`${kind.group}/${kind.kind}`))];
}

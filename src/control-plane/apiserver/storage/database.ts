import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { codeOf, Fault, messageOf } from '#base/fault.ts';

/** What a write is worth: `process` survives kill -9 of this process, `power` also a power cut (one fsync per commit). */
export type Durability = 'process' | 'power';

export interface Row {
  readonly group: string;
  readonly kind: string;
  /** Empty for cluster-scoped objects. */
  readonly namespace: string;
  readonly name: string;
  /** The object as JSON. */
  readonly json: string;
  /** What each manager applied last, as JSON; empty when nobody did. */
  readonly applied: string;
}

/** `json` absent: the object is removed. */
export type RowChange = Omit<Row, 'json' | 'applied'> & Partial<Pick<Row, 'json' | 'applied'>>;

/** One SQLite file holding every object and the version of the last change. */
export interface Database {
  version(): number;
  rows(): IterableIterator<Row>;
  /** All changes or none. Throws the Fault `STORE_FULL` or `STORE_FAILED`; then nothing has changed. */
  write(changes: readonly RowChange[], version: number): void;
  close(): void;
}

export interface DatabaseOptions {
  readonly path: string;
  readonly durability: Durability;
  /** Upper bound of the file in pages of 4096 bytes; for quotas and tests. */
  readonly maxPages?: number;
}

const schemaVersion = 1;
const schema = `
  CREATE TABLE IF NOT EXISTS object (
    "group" TEXT NOT NULL, kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    json TEXT NOT NULL, applied TEXT NOT NULL, PRIMARY KEY ("group", kind, namespace, name));
  CREATE TABLE IF NOT EXISTS state (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL);
  INSERT OR IGNORE INTO state (id, version) VALUES (1, 0);`;

/**
 * Opens or creates the file. WAL lets a commit be one append. With synchronous=NORMAL the append reaches the kernel
 * before the commit returns, so a killed process loses nothing; after a power cut the file is consistent but may lack the
 * commits since the last checkpoint. With FULL each commit is fsynced and lacks nothing.
 */
export function openDatabase(options: DatabaseOptions): Database {
  const fail = (error: unknown) => storageFault(options.path, error);
  const database = attempt(() => open(options), fail);
  const upsert = database.prepare(
    'INSERT INTO object ("group", kind, namespace, name, json, applied) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET json = excluded.json, applied = excluded.applied',
  );
  const remove = database.prepare('DELETE FROM object WHERE "group" = ? AND kind = ? AND namespace = ? AND name = ?');
  const setVersion = database.prepare('UPDATE state SET version = ?');
  const begin = database.prepare('BEGIN IMMEDIATE');
  const commit = database.prepare('COMMIT');
  return {
    version: () => Number(database.prepare('SELECT version FROM state').get()?.version ?? 0),
    *rows() {
      for (const row of database.prepare('SELECT * FROM object').iterate()) {
        yield {
          group: String(row.group),
          kind: String(row.kind),
          namespace: String(row.namespace),
          name: String(row.name),
          json: String(row.json),
          applied: String(row.applied),
        };
      }
    },
    write(changes, version) {
      try {
        begin.run();
        for (const { group, kind, namespace, name, json, applied } of changes) {
          if (json === undefined) remove.run(group, kind, namespace, name);
          else upsert.run(group, kind, namespace, name, json, applied ?? '');
        }
        setVersion.run(version);
        commit.run();
      } catch (error) {
        if (database.isTransaction) database.exec('ROLLBACK');
        throw fail(error);
      }
    },
    close() {
      if (database.isOpen) database.close();
    },
  };
}

function open(options: DatabaseOptions): DatabaseSync {
  // SQLite gives its log the mode of the database, and objects may be secrets.
  closeSync(openSync(options.path, 'a', 0o600));
  const database = new DatabaseSync(options.path, { timeout: 200 });
  try {
    // The kernel's lock on the file, gone with the process however it ends: a second server cannot write.
    database.exec('PRAGMA locking_mode = EXCLUSIVE;');
    database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${options.durability === 'power' ? 'FULL' : 'NORMAL'};`);
    // A burst (a large namespace removed) must not leave its log on the disk for ever.
    database.exec('PRAGMA journal_size_limit = 16777216;');
    if (options.maxPages !== undefined) database.exec(`PRAGMA max_page_count = ${Math.floor(options.maxPages)}`);
    const found = Number(database.prepare('PRAGMA user_version').get()?.user_version ?? 0);
    if (found > schemaVersion) {
      throw new Fault(
        'STORE_NEWER',
        `${options.path} was written by a newer Meshwright (format ${found}, this one reads ${schemaVersion})`,
        {
          fix: 'Start the newer version, or use another state folder.',
        },
      );
    }
    database.exec(`${schema} PRAGMA user_version = ${schemaVersion};`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function attempt<T>(work: () => T, fail: (error: unknown) => Fault): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof Fault ? error : fail(error);
  }
}

// SQLite result codes: https://sqlite.org/rescode.html
const sqliteFull = 13;
const sqliteCorrupt = [11, 26];
const sqliteBusy = 5;

function storageFault(path: string, error: unknown): Fault {
  const number = error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : 0;
  if (number === sqliteFull || codeOf(error) === 'ENOSPC') {
    return new Fault('STORE_FULL', `no space is left to write ${path}`, {
      cause: error,
      retryable: true,
      fix: 'Free space on its disk or delete objects; nothing was changed and no restart is needed.',
    });
  }
  if (number === sqliteBusy) {
    return new Fault('STATE_IN_USE', `${path} is in use by another process`, {
      cause: error,
      fix: 'Stop that process or use another state folder.',
    });
  }
  const fix = sqliteCorrupt.includes(number)
    ? 'Move the file away to start with an empty store, or restore it from a copy.'
    : 'Check that the file and its folder are writable.';
  return new Fault('STORE_FAILED', `${path}: ${messageOf(error)}`, { cause: error, fix });
}

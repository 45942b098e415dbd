import { type FSWatcher, watch } from 'node:fs';
import type { Clock } from '#base/clock.ts';
import { messageOf } from '#base/fault.ts';
import type { Logger } from '#process/log.ts';

/** The folders are looked at this often anyway: no system tells of every change (network file systems, full watch tables). */
const pollMs = 5000;

export interface FolderWatch {
  /** The folders to watch from now on. True when one is new: what happened in it before now went unnoticed. */
  update(folders: ReadonlySet<string>): boolean;
  stop(): void;
}

/**
 * Calls `changed` when an entry of a folder has come, gone or been written. One watch per folder: Node's recursive watch
 * follows files, and loses those that an editor has put in place by renaming.
 */
export function watchFolders(changed: () => void, clock: Clock, log: Logger): FolderWatch {
  const watchers = new Map<string, FSWatcher>();
  let isTold = false;
  let cancel = () => {};

  const drop = (folder: string) => {
    watchers.get(folder)?.close();
    watchers.delete(folder);
  };
  const fail = (folder: string, error: unknown) => {
    drop(folder);
    if (!isTold) log.warn('a folder cannot be watched, it is looked at from time to time instead', { folder, error: messageOf(error) });
    isTold = true;
  };
  const poll = () => {
    cancel = clock.after(pollMs, () => {
      changed();
      poll();
    });
  };
  poll();

  return {
    update(folders) {
      let isNew = false;
      for (const folder of [...watchers.keys()]) if (!folders.has(folder)) drop(folder);
      for (const folder of folders) {
        if (watchers.has(folder)) continue;
        try {
          const watcher = watch(folder, { persistent: false }, (_, name) => {
            changed();
            // The folder itself may have been replaced by another of the same name.
            if (name !== null && folder.endsWith(`/${name}`)) drop(folder);
          });
          watcher.on('error', (error) => fail(folder, error));
          watchers.set(folder, watcher);
          isNew = true;
        } catch (error) {
          fail(folder, error);
        }
      }
      return isNew;
    },
    stop() {
      cancel();
      for (const folder of [...watchers.keys()]) drop(folder);
    },
  };
}

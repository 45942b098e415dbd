import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Clock } from '#base/clock.ts';
import { codeOf, Fault, messageOf } from '#base/fault.ts';
import { detach } from '#base/task.ts';
import type { Logger } from '#process/log.ts';
import { problemTable } from '#resources/problems.ts';
import { type RawObject, readObjects } from '#resources/read.ts';
import { watchFolders } from './folder-watch.ts';
import type { Sink, Source } from './source.ts';

export interface FileSourceOptions {
  /** Folder with YAML or JSON files, read with its subfolders; names that begin with a dot are left out. */
  readonly dir: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Editors write a file in several steps; a change is read when this long nothing more has happened. */
const settleMs = 40;

interface KnownFile {
  /** Changes when the file does: size, time, inode. */
  readonly stamp: string;
  readonly places: ReadonlySet<string>;
}

/** Configuration from a folder of files. A file that becomes unreadable keeps its last valid objects. */
export function fileSource({ dir, clock, log }: FileSourceOptions): Source {
  const known = new Map<string, KnownFile>();

  const scan = async (sink: Sink, found: ReadonlyMap<string, string>) => {
    const changed = [...found].filter(([file, stamp]) => known.get(file)?.stamp !== stamp);
    const texts = await Promise.all(changed.map(async ([file, stamp]) => ({ file, stamp, text: await readText(join(dir, file)) })));
    sink.batch(() => {
      for (const [file, { places }] of known) {
        if (found.has(file)) continue;
        for (const place of places) sink.remove(place);
        sink.report(file, []);
        known.delete(file);
      }
      for (const { file, stamp, text } of texts) known.set(file, { stamp, places: update(sink, file, text) });
    });
  };

  /** Puts the objects of a file; returns their places. */
  const update = (sink: Sink, file: string, text: FileText): ReadonlySet<string> => {
    const before = known.get(file)?.places ?? new Set();
    if (text.error !== undefined) {
      sink.report(file, [unreadable(join(dir, file), text.error)]);
      return before;
    }
    const { objects, problems } = readObjects(text.content, join(dir, file));
    const places = new Set<string>();
    for (const object of objects) {
      const place = placeOf(file, object, places);
      places.add(place);
      sink.put(place, object);
    }
    const isComplete = problems.every((problem) => problem.severity !== 'error');
    for (const place of before) {
      // An object that is missing may stand in the part that cannot be read: its last state stays until all can be read.
      if (places.has(place)) continue;
      if (isComplete) sink.remove(place);
      else places.add(place);
    }
    sink.report(file, problems);
    return places;
  };

  return {
    name: `files in ${dir}`,
    async run(sink, signal) {
      await checkFolder(dir);
      let isScanning = false;
      let isAgain = false;
      let cancel = () => {};
      const rescan = async () => {
        if (isScanning) {
          isAgain = true;
          return;
        }
        isScanning = true;
        try {
          const listing = await listFiles(dir);
          if (watching.update(listing.folders)) isAgain = true;
          await scan(sink, listing.files);
        } finally {
          isScanning = false;
        }
        if (isAgain) {
          isAgain = false;
          soon();
        }
      };
      const soon = () => {
        cancel();
        cancel = clock.after(settleMs, () =>
          detach(rescan(), (message) => log.warn('the folder could not be read', { dir, error: message })),
        );
      };
      const watching = watchFolders(soon, clock, log);
      watching.update(new Set([dir]));
      await rescan();
      sink.synced();
      await new Promise<void>((resolve) =>
        signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true }),
      );
      cancel();
      watching.stop();
    },
  };
}

async function checkFolder(dir: string): Promise<void> {
  const found = await stat(dir).catch(() => undefined);
  if (found?.isDirectory()) return;
  throw new Fault('CONFIG_FOLDER', `the configuration folder ${dir} ${found ? 'is no folder' : 'does not exist'}`, {
    fix: `Create it: mkdir -p ${dir}`,
  });
}

interface Listing {
  /** Files by path relative to the folder, each with a stamp that changes with its content. */
  readonly files: ReadonlyMap<string, string>;
  readonly folders: ReadonlySet<string>;
}

/** What is below `dir`. Links are followed, each folder once. */
async function listFiles(dir: string): Promise<Listing> {
  const files = new Map<string, string>();
  const folders = new Set<string>();
  const seen = new Set<string>();
  const visit = async (folder: string): Promise<void> => {
    const real = await realpath(folder).catch(() => undefined);
    if (real === undefined || seen.has(real)) return;
    seen.add(real);
    folders.add(folder);
    const names = (await readdir(folder).catch(() => [])).filter((name) => !name.startsWith('.')).sort();
    for (const name of names) {
      const path = join(folder, name);
      const found = await stat(path).catch(() => undefined);
      if (found?.isDirectory()) await visit(path);
      else if (found?.isFile() && /\.(ya?ml|json)$/i.test(name)) {
        files.set(relative(dir, path), `${found.ino}:${found.size}:${found.mtimeMs}:${found.ctimeMs}`);
      }
    }
  };
  await visit(dir);
  return { files, folders };
}

type FileText = { readonly content: string; readonly error?: undefined } | { readonly content?: undefined; readonly error: string };

async function readText(path: string): Promise<FileText> {
  try {
    return { content: new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path)) };
  } catch (error) {
    return { error: codeOf(error) === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'it is not UTF-8 text' : messageOf(error) };
  }
}

function unreadable(file: string, why: string) {
  const { severity, fix } = problemTable.MW0118;
  return { code: 'MW0118', severity, path: '', message: `the file cannot be read: ${why}`, fix, origin: { source: 'file', file } } as const;
}

/** By the object's names, so that a place keeps its object when others in the file come and go. */
function placeOf(file: string, { raw }: RawObject, taken: ReadonlySet<string>): string {
  const { name, namespace } = (raw.metadata ?? {}) as { readonly name?: unknown; readonly namespace?: unknown };
  const base = `${file}#${String(raw.kind)}/${String(namespace ?? '')}/${String(name ?? '')}`;
  let place = base;
  for (let i = 2; taken.has(place); i++) place = `${base}#${i}`;
  return place;
}

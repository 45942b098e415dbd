import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '#base/clock.ts';
import { codeOf, Fault, messageOf } from '#base/fault.ts';
import type { Origin } from '#base/origin.ts';
import type { Problem } from '#base/problem.ts';
import { detach } from '#base/task.ts';
import type { Collection } from '#collection/graph.ts';
import { defaultMeshConfig, type MeshConfig } from '#mesh/mesh-config.ts';
import type { Logger } from '#process/log.ts';
import { type ConfigMap, isMeshConfigMap, meshConfigMap } from '#resources/core/config-map.ts';
import { decodeMeshConfig, readMeshText } from '#resources/mesh/decode-mesh-config.ts';
import type { Resource } from '#resources/object.ts';
import { problemTable } from '#resources/problems.ts';
import { watchFolders } from './folder-watch.ts';
import type { Sink, Source } from './source.ts';

/** Editors write a file in several steps; a change is read when this long nothing more has happened. */
const settleMs = 40;

/** Where the mesh configuration comes from. The ConfigMap `istio` counts as a whole before the file, the file before the defaults. */
export interface MeshConfigSource {
  /** To be among the sources of the configuration: the file, when there is one. Its problems are reported there. */
  readonly sources: readonly Source[];
  /**
   * Calls `listener` with what is in force when that has become another than the defaults, and at every change from then
   * on. What became invalid stays in force as it was last valid. Returns the end.
   */
  follow(configMaps: Collection<Resource<ConfigMap>>, listener: (mesh: MeshConfig) => void): () => void;
}

export interface MeshConfigSourceOptions {
  /** Path of a file with a mesh configuration, watched; none when absent. */
  readonly file?: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The mesh configuration of the ConfigMap `istio` in `istio-system`, of a file, or of nobody. */
export function meshConfigSource({ file, clock, log }: MeshConfigSourceOptions): MeshConfigSource {
  let fromFile: MeshConfig | undefined;
  let fromObject: MeshConfig | undefined;
  let inForce = defaultMeshConfig;
  const listeners = new Set<(mesh: MeshConfig) => void>();
  const settle = () => {
    const next = fromObject ?? fromFile ?? defaultMeshConfig;
    // Equal settings must stay the same value: everything that proxies get is built from it.
    if (isDeepStrictEqual(next, inForce)) return;
    inForce = next;
    log.info('the mesh configuration has changed', { from: fromObject ? 'ConfigMap' : fromFile ? (file ?? '') : 'defaults' });
    for (const listener of [...listeners]) listener(next);
  };
  const put = (mesh: MeshConfig) => {
    fromFile = mesh;
    settle();
  };
  return {
    sources: file ? [fileOf({ file, clock, log, put })] : [],
    follow(configMaps, listener) {
      listeners.add(listener);
      const key = `${meshConfigMap.namespace}/${meshConfigMap.name}`;
      const read = (resource: Resource<ConfigMap> | undefined) => {
        fromObject = resource && meshOf(resource.spec);
        settle();
      };
      const end = configMaps.subscribe((changes) => {
        for (const change of changes) if (change.key === key) read(change.after);
      });
      read(configMaps.get(key));
      return () => {
        end();
        listeners.delete(listener);
      };
    },
  };
}

/** Whether a problem is one of a mesh configuration, whichever place it has it from. */
export function isAboutMeshConfig({ origin }: Problem): boolean {
  if (origin?.kind === meshConfigFileKind) return true;
  return origin?.kind === 'v1/ConfigMap' && isMeshConfigMap({ namespace: origin.namespace ?? '', name: origin.name ?? '' });
}

/** Of a ConfigMap that was accepted, so that its text is known to be valid. */
function meshOf({ data }: ConfigMap): MeshConfig | undefined {
  return readMeshText(data?.[meshConfigMap.key] ?? '').mesh;
}

interface MeshConfigFile extends MeshConfigSourceOptions {
  readonly file: string;
  readonly put: (mesh: MeshConfig) => void;
}

/** Reads the file now and after every change. While it cannot be read, or is invalid, its last valid content counts. */
function fileOf({ file, clock, log, put }: MeshConfigFile): Source {
  let last: string | undefined;
  const read = async (sink: Sink) => {
    const { content, error } = await textOf(file);
    const found = content === undefined ? `error: ${error}` : `text: ${content}`;
    if (found === last) return;
    last = found;
    if (content === undefined) {
      sink.report(file, [unreadable(file, error)]);
      return;
    }
    const { mesh, problems } = decodeMeshConfig(content, originOf(file));
    sink.report(file, problems);
    if (mesh) put(mesh);
  };
  return {
    name: `mesh configuration in ${file}`,
    async run(sink, signal) {
      await checkFile(file);
      let cancel = () => {};
      // One reading after the other: the newest text is reported last.
      let reading = Promise.resolve();
      const readAgain = () => {
        reading = reading.then(() => read(sink));
        return reading;
      };
      const soon = () => {
        cancel();
        cancel = clock.after(settleMs, () => {
          watching.update(new Set([dirname(file)]));
          detach(readAgain(), (message) => log.warn('the mesh configuration could not be read', { file, error: message }));
        });
      };
      const watching = watchFolders(soon, clock, log);
      watching.update(new Set([dirname(file)]));
      await readAgain();
      sink.synced();
      await new Promise<void>((resolve) =>
        signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true }),
      );
      cancel();
      watching.stop();
    },
  };
}

async function checkFile(file: string): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (found?.isFile()) return;
  throw new Fault('MESH_CONFIG_FILE', `the mesh configuration ${file} ${found ? 'is no file' : 'does not exist'}`, {
    fix: 'Name a file with a mesh configuration with --mesh-config or MESHWRIGHT_MESH_CONFIG, or leave it out.',
  });
}

type FileText = { readonly content: string; readonly error?: undefined } | { readonly content?: undefined; readonly error: string };

async function textOf(file: string): Promise<FileText> {
  try {
    return { content: new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file)) };
  } catch (error) {
    return { error: codeOf(error) === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'it is not UTF-8 text' : messageOf(error) };
  }
}

/** What a problem's origin says the file is; it is no object, so that it has no name. */
const meshConfigFileKind = 'MeshConfig';

function originOf(file: string): Origin {
  return { source: 'file', file, kind: meshConfigFileKind };
}

function unreadable(file: string, why: string): Problem {
  const { severity, fix } = problemTable.MW0118;
  return { code: 'MW0118', severity, path: '', message: `the file cannot be read: ${why}`, fix, origin: originOf(file) };
}

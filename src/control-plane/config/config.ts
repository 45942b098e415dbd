import type { Clock } from '#base/clock.ts';
import { messageOf } from '#base/fault.ts';
import { type Problem, sortProblems } from '#base/problem.ts';
import { createGraph } from '#collection/collection.ts';
import type { Collection, Graph, InputCollection } from '#collection/graph.ts';
import type { Logger } from '#process/log.ts';
import type { KindDefinition } from '#resources/kind.ts';
import { kinds } from '#resources/kinds.ts';
import type { Resource } from '#resources/object.ts';
import { createHolder } from './holder.ts';
import type { Source } from './source.ts';
import { createStatusWriter } from './status-writer.ts';

/** Every configuration object, decoded and kept up to date, with its problems. */
export interface Config {
  /** The graph that the collections belong to; derive from them in it. */
  readonly graph: Graph;
  /** The valid resources of a kind by `namespace/name`. Of an object that has become invalid the last valid state stays. */
  collection<Spec>(kind: KindDefinition<Spec>): Collection<Resource<Spec>>;
  /** All problems: of files, of objects, and those reported. Sorted for people. */
  problems(): readonly Problem[];
  /** Problems of one object (`VirtualService/default/reviews`), errors first. */
  problemsOf(key: string): readonly Problem[];
  /** Calls back after problems have changed; the listener asks for what it needs. */
  onProblems(listener: () => void): () => void;
  /** Replaces what one reporter (`analyze`, `proxy`) has to say of an object; it reaches the object's status. */
  report(reporter: string, key: string, problems: readonly Problem[]): void;
  /** Resolves once every source has put what was there at its start. */
  readonly synced: Promise<void>;
  /** Runs the sources until the signal aborts. Rejects with the Fault of a source that cannot start. */
  run(signal: AbortSignal): Promise<void>;
}

export interface ConfigOptions {
  /** Of an object that stands in several, the first in this order counts. */
  readonly sources: readonly Source[];
  readonly clock: Clock;
  readonly log: Logger;
  /** How long changes of an object's problems are gathered before its status is written; 300 ms when absent. */
  readonly statusDelayMs?: number;
}

export function createConfig(options: ConfigOptions): Config {
  const { sources, clock, log } = options;
  const graph = createGraph();
  const inputs = new Map<string, InputCollection<Resource<unknown>>>();
  for (const kind of kinds)
    inputs.set(
      kind.kind,
      graph.input(kind.plural, (resource) => `${resource.metadata.namespace}/${resource.metadata.name}`),
    );

  const listeners = new Set<() => void>();
  const writer = createStatusWriter({ sources, clock, log, delayMs: options.statusDelayMs ?? 300 });
  const holder = createHolder({
    graph,
    inputs,
    changed(states) {
      for (const state of states) writer.update(state);
      for (const listener of [...listeners]) listener();
    },
  });

  const unsynced = new Set(sources);
  const ready = Promise.withResolvers<void>();
  if (unsynced.size === 0) ready.resolve();

  return {
    graph,
    // Resources of a kind have the type that the kind's decoder gave them.
    collection: <Spec>(kind: KindDefinition<Spec>) => {
      const input = inputs.get(kind.kind);
      if (!input) throw new TypeError(`kind ${kind.kind} is not among the kinds of configuration`);
      return input as Collection<Resource<unknown>> as Collection<Resource<Spec>>;
    },
    problems: () => sortProblems(holder.problems()),
    problemsOf: (key) => sortProblems(holder.problemsOf(key)),
    onProblems(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    report: (reporter, key, problems) => holder.report(reporter, key, problems),
    synced: ready.promise,
    async run(signal) {
      const sinkOf = (source: Source) =>
        holder.sink(sources.indexOf(source), () => {
          unsynced.delete(source);
          log.info('configuration source is complete', { source: source.name });
          if (unsynced.size === 0) ready.resolve();
        });
      signal.addEventListener('abort', () => writer.stop(), { once: true });
      await Promise.all(
        sources.map(async (source) => {
          try {
            await source.run(sinkOf(source), signal);
          } catch (error) {
            log.error('a configuration source has failed', { source: source.name, error: messageOf(error) });
            throw error;
          }
        }),
      );
    },
  };
}

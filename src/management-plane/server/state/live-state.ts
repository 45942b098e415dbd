import type { Clock } from '#base/clock.ts';
import { detach } from '#base/task.ts';
import type { SnapshotChange } from '#mesh/snapshot.ts';
import type { Logger } from '#process/log.ts';
import type { ChangeEvent, Finding, Numbers, ProxyRow } from '../api.ts';
import type { ResourceChange, Sources } from '../sources.ts';
import { type AgentState, createCollector } from '../traffic/collector.ts';
import { createTrafficHistory, historyStepMs, type TrafficHistory } from '../traffic/history.ts';
import { createTrafficTable, meshKey } from '../traffic/table.ts';
import { noNumbers } from '../traffic/window.ts';
import { createEpochs, type Epochs } from './epochs.ts';
import { findAll } from './findings.ts';
import type { LiveHub } from './live-hub.ts';
import { type MeshView, viewMesh } from './mesh-view.ts';
import { refOf } from './views.ts';

/** What every reader of the API sees: the same state that the live messages up to `hub.seq` describe. */
export interface LiveState {
  mesh(): MeshView;
  /** As of the last second. */
  numbers(id: string): Numbers;
  /** Ids (objects and edges) with traffic in the last minute. */
  trafficIds(): IterableIterator<string>;
  findings(): readonly Finding[];
  agents(): readonly AgentState[];
  readonly history: TrafficHistory;
  readonly epochs: Epochs;
  /** Newest first; at most 500. */
  events(): readonly ChangeEvent[];
  /** Begins to watch, ask and tick; ends when `signal` aborts. */
  run(signal: AbortSignal): void;
}

const tickMs = 1_000;
const resyncMs = 30_000;
const eventsKept = 500;

export function createLiveState(options: { sources: Sources; clock: Clock; hub: LiveHub; log: Logger }): LiveState {
  const { sources, clock, hub, log } = options;
  const table = createTrafficTable();
  const history = createTrafficHistory();
  const collector = createCollector({ clock, agents: sources.agents, table });
  const epochs = createEpochs(sources.mesh);
  const events: ChangeEvent[] = [];
  let numbers = new Map<string, Numbers>();
  let findings = new Map<string, Finding>();
  let proxies = new Map<string, { row: ProxyRow; text: string }>();
  let view: MeshView | undefined;
  let recordedAt = 0;

  const mesh = () => {
    const snapshot = sources.mesh.current();
    if (view?.epoch !== snapshot.epoch) view = viewMesh(snapshot);
    return view;
  };
  const numbersOf = (id: string) => numbers.get(id) ?? noNumbers;

  const tickTraffic = (now: number) => {
    const gone = table.prune(now);
    const next = new Map<string, Numbers>();
    const set: Record<string, Numbers> = {};
    const edges: Record<string, Numbers> = {};
    for (const id of table.keys()) {
      const was = numbers.get(id);
      const is = table.numbers(id, now);
      const same = was !== undefined && sameNumbers(was, is);
      next.set(id, same ? was : is);
      if (!same) (id.includes('>') ? edges : set)[id] = is;
    }
    numbers = next;
    if (Object.keys(set).length || gone.length) hub.publish('traffic', { type: 'traffic', at: now, set, gone });
    if (Object.keys(edges).length) hub.publish('edges', { type: 'traffic', at: now, set: edges, gone: [] });
    if (now - recordedAt >= historyStepMs) {
      recordedAt = now;
      history.record(
        now,
        numbersOf,
        [...next.keys()].filter((id) => id === meshKey || (id.startsWith('service/') && !id.includes('>'))),
      );
    }
  };

  const tickFindings = (now: number) => {
    const observed = {
      now,
      problems: sources.problems.list(),
      proxies: sources.proxies.list(),
      agents: collector.agents(),
      mesh: mesh(),
      numbers: numbersOf,
    };
    const next = new Map<string, Finding>();
    const set: Finding[] = [];
    for (const found of findAll(observed)) {
      const was = findings.get(found.id);
      const is = { ...found, since: was?.since ?? now };
      next.set(found.id, is);
      if (!was || was.title !== is.title || was.severity !== is.severity || was.why !== is.why) set.push(is);
    }
    const gone = [...findings.keys()].filter((id) => !next.has(id));
    findings = next;
    if (set.length || gone.length) hub.publish('findings', { type: 'findings', set, gone });
  };

  const tickProxies = () => {
    const next = new Map<string, { row: ProxyRow; text: string }>();
    const set: ProxyRow[] = [];
    for (const row of sources.proxies.list()) {
      const text = JSON.stringify(row);
      if (proxies.get(row.id)?.text !== text) set.push(row);
      next.set(row.id, { row, text });
    }
    const gone = [...proxies.keys()].filter((id) => !next.has(id));
    proxies = next;
    if (set.length || gone.length) hub.publish('proxies', { type: 'proxies', set, gone });
  };

  const onResource = ({ type, object }: ResourceChange) => {
    if (object.kind === 'WorkloadEntry') {
      if (type === 'deleted') collector.remove(object);
      else collector.upsert(object);
    }
    const by = newestManager(object.metadata.managedFields ?? []);
    const event: ChangeEvent = { at: clock.now(), type, ref: refOf(object), generation: object.metadata.generation ?? 0, by };
    events.unshift(event);
    if (events.length > eventsKept) events.length = eventsKept;
    hub.publish('resources', { type: 'resources', changes: [event] });
  };

  const readEntries = async () => {
    let continueToken: string | undefined;
    do {
      const page = await sources.resources.list('WorkloadEntry', { limit: 500, continueToken });
      for (const entry of page.items) collector.upsert(entry);
      continueToken = page.continueToken;
    } while (continueToken);
  };

  const every = (ms: number, signal: AbortSignal, work: () => void) => {
    const again = () => {
      if (signal.aborted) return;
      try {
        work();
      } catch (error) {
        log.error('a periodic update failed', { error: String(error) });
      }
      clock.after(ms, again);
    };
    again();
  };

  return {
    mesh,
    numbers: numbersOf,
    trafficIds: () => numbers.keys(),
    findings: () => [...findings.values()],
    agents: () => collector.agents(),
    history,
    epochs,
    events: () => events,
    run(signal) {
      const stops = [
        sources.resources.watch(onResource),
        sources.mesh.subscribe((snapshot, change) => {
          epochs.note(snapshot, change);
          hub.publish('mesh', { type: 'mesh', epoch: snapshot.epoch, shape: changesShape(change) });
        }),
        once(clock, sources.proxies.subscribe, tickProxies),
        once(clock, sources.problems.subscribe, () => tickFindings(clock.now())),
      ];
      every(resyncMs, signal, () => detach(readEntries(), (message) => log.warn('cannot list workload entries', { message })));
      every(tickMs, signal, () => {
        tickTraffic(clock.now());
        tickProxies();
        tickFindings(clock.now());
      });
      signal.addEventListener('abort', () => {
        for (const stop of stops) stop();
        collector.close();
      });
    },
  };
}

/** Runs `work` soon after any number of calls, at most every 50 ms. */
function once(clock: Clock, subscribe: (listener: () => void) => () => void, work: () => void): () => void {
  let pending = false;
  return subscribe(() => {
    if (pending) return;
    pending = true;
    clock.after(50, () => {
      pending = false;
      work();
    });
  });
}

function changesShape(change: SnapshotChange): boolean {
  return change.services.size + change.endpoints.size + change.virtualServices.size + change.destinationRules.size > 0;
}

function newestManager(fields: readonly { readonly manager?: string; readonly time?: string }[]): string {
  let newest: { readonly manager?: string; readonly time?: string } | undefined;
  for (const field of fields) if (!newest || (field.time ?? '') >= (newest.time ?? '')) newest = field;
  return newest?.manager ?? '';
}

function sameNumbers(a: Numbers, b: Numbers): boolean {
  return a.rps === b.rps && a.errors === b.errors && a.p50 === b.p50 && a.p95 === b.p95 && a.p99 === b.p99 && a.bps === b.bps;
}

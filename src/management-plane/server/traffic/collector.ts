import type { Clock } from '#base/clock.ts';
import { messageOf } from '#base/fault.ts';
import { detach } from '#base/task.ts';
import type { AgentClient, KubeObject } from '../sources.ts';
import { forEachSample, parseSeries } from './exposition.ts';
import { type Ends, keysFor, type TrafficTable, workloadId } from './table.ts';
import { bounds, type TrafficWindow } from './window.ts';

/** Annotation of a WorkloadEntry that says how to reach its agent. */
export const agentAnnotation = 'meshwright.io/agent';

export interface AgentState {
  /** `unix:<path>` or `http://127.a.b.1:port`. */
  readonly address: string;
  /** Graph id of the workload it serves. */
  readonly workload: string;
  /** Epoch milliseconds of the last answer; 0 before the first. */
  readonly answeredAt: number;
  /** Why the last question failed; empty when it did not. */
  readonly error: string;
  /** Since when it fails; 0 when it does not. */
  readonly silentSince: number;
}

/** Asks every agent for its counters, each in a loop of its own, so that a slow or dead one delays nobody. */
export interface Collector {
  /** Follows one WorkloadEntry as it comes, changes and goes. */
  upsert(entry: KubeObject): void;
  remove(entry: KubeObject): void;
  agents(): readonly AgentState[];
  close(): void;
}

const timeoutMs = 2_000;
const seriesPerAgent = 20_000;
/** Agents asked per second in all, whatever their number. */
const questionsPerSecond = 200;

/** A series as it counts: where to, and what its last value was. `skip` when of no interest. */
interface Tracked {
  readonly kind: 'requests' | 'errors' | 'duration' | 'bytes' | 'skip';
  readonly keys: readonly string[];
  readonly bucket: number;
  /** Set on what the destination reports: the source's workload, whose own report counts when it answers. */
  readonly sourceWorkload: string;
  readonly byDestination: boolean;
  value: number;
  /** Bucket below in the same histogram (cumulative counts are subtracted). */
  readonly histogram: string;
}

interface Agent extends AgentState {
  answeredAt: number;
  error: string;
  silentSince: number;
  readonly series: Map<string, Tracked>;
  readonly stop: AbortController;
}

export function createCollector(options: { clock: Clock; agents: AgentClient; table: TrafficTable }): Collector {
  const { clock, agents: client, table } = options;
  const byEntry = new Map<string, Agent>();
  const answering = new Set<string>();

  const loop = async (agent: Agent) => {
    const timeout = new AbortController();
    const cancel = clock.after(timeoutMs, () => timeout.abort());
    try {
      const text = await client.stats(agent.address, AbortSignal.any([agent.stop.signal, timeout.signal]));
      const at = clock.now();
      ingest(agent, text, at, (workload) => answering.has(workload), table);
      Object.assign(agent, { answeredAt: at, error: '', silentSince: 0 });
      answering.add(agent.workload);
    } catch (error) {
      agent.error = timeout.signal.aborted ? `no answer within ${timeoutMs / 1000} s` : messageOf(error);
      agent.silentSince ||= clock.now();
      answering.delete(agent.workload);
    } finally {
      cancel();
    }
    if (agent.stop.signal.aborted) return;
    const pace = Math.max(1000, (byEntry.size / questionsPerSecond) * 1000);
    const pause = agent.error ? Math.min(pace * 5, 10_000) : pace;
    clock.after(pause * (0.95 + clock.random() * 0.1), () => run(agent));
  };
  const run = (agent: Agent) => {
    if (!agent.stop.signal.aborted) detach(loop(agent), () => undefined);
  };
  const forget = (key: string) => {
    const agent = byEntry.get(key);
    if (!agent) return;
    agent.stop.abort();
    byEntry.delete(key);
    answering.delete(agent.workload);
  };

  return {
    upsert(entry) {
      const key = entryKey(entry);
      const address = entry.metadata.annotations?.[agentAnnotation];
      const workload = workloadId(entry.metadata.namespace ?? '', entry.metadata.name);
      if (byEntry.get(key)?.address === address) return;
      forget(key);
      if (!address) return;
      const agent: Agent = { address, workload, answeredAt: 0, error: '', silentSince: 0, series: new Map(), stop: new AbortController() };
      byEntry.set(key, agent);
      run(agent);
    },
    remove: (entry) => forget(entryKey(entry)),
    agents: () => [...byEntry.values()],
    close() {
      for (const key of [...byEntry.keys()]) forget(key);
    },
  };
}

function entryKey(entry: KubeObject): string {
  return `${entry.metadata.namespace ?? ''}/${entry.metadata.name}`;
}

/** Adds the increments since the agent's last answer. The first answer only sets the base: what was before is unknown. */
function ingest(agent: Agent, text: string, at: number, answers: (workload: string) => boolean, table: TrafficTable): void {
  const from = agent.answeredAt;
  const cumulative = new Map<string, number>();
  const windows = new Map<string, TrafficWindow>();
  const windowOf = (key: string) => {
    const window = windows.get(key) ?? table.window(key);
    windows.set(key, window);
    return window;
  };
  forEachSample(text, (identity, value) => {
    let tracked = agent.series.get(identity);
    if (!tracked) {
      if (agent.series.size >= seriesPerAgent) return;
      // A series that appears between two answers started at zero.
      tracked = { ...track(identity), value: from > 0 ? 0 : value };
      agent.series.set(identity, tracked);
    }
    if (tracked.kind === 'skip') return;
    // A counter that fell was started again.
    const grown = value >= tracked.value ? value - tracked.value : value;
    tracked.value = value;
    if (from === 0 || (tracked.byDestination && tracked.sourceWorkload && answers(tracked.sourceWorkload))) return;
    if (tracked.kind === 'duration') {
      const below = cumulative.get(tracked.histogram) ?? 0;
      cumulative.set(tracked.histogram, grown);
      if (grown > below) for (const key of tracked.keys) windowOf(key).addDuration(at, tracked.bucket, grown - below);
      return;
    }
    if (grown <= 0) return;
    for (const key of tracked.keys) {
      const window = windowOf(key);
      if (tracked.kind === 'bytes') window.add(from, at, 'bytes', grown);
      else window.add(from, at, 'requests', grown);
      if (tracked.kind === 'errors') window.add(from, at, 'errors', grown);
    }
  });
}

const uninteresting = { kind: 'skip', keys: [], bucket: 0, sourceWorkload: '', byDestination: false, histogram: '' } as const;

function track(identity: string): Omit<Tracked, 'value'> {
  const series = parseSeries(identity);
  if (!series) return uninteresting;
  const { labels } = series;
  const ends = endsOf(labels);
  const base = {
    keys: keysFor(ends),
    bucket: 0,
    sourceWorkload: ends.source ? workloadId(ends.source.namespace, ends.source.name) : '',
    byDestination: labels.reporter === 'destination',
    histogram: '',
  };
  if (series.metric === 'bytes') return { ...base, kind: 'bytes' };
  if (series.metric === 'requests') return { ...base, kind: failed(labels) ? 'errors' : 'requests' };
  const bound = labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels.le);
  const bucket = bounds.findIndex((limit) => limit >= bound);
  return { ...base, kind: 'duration', bucket, histogram: identity.replace(/le="[^"]*"/, '') };
}

function endsOf(labels: Readonly<Record<string, string>>): Ends {
  const named = (namespace: string | undefined, name: string | undefined) =>
    name && name !== 'unknown' ? { name, namespace: namespace && namespace !== 'unknown' ? namespace : 'default' } : undefined;
  const inMesh = (labels.destination_service_namespace ?? 'unknown') !== 'unknown';
  return {
    source: named(labels.source_workload_namespace, labels.source_workload),
    service: inMesh ? named(labels.destination_service_namespace, labels.destination_service_name) : undefined,
    destination: named(labels.destination_workload_namespace, labels.destination_workload),
    host: labels.destination_service_name || labels.destination_service || 'unknown',
  };
}

/** gRPC codes that are the server's or the network's fault. Source: gRPC status codes (google.golang.org/grpc/codes). */
const grpcFailures = new Set(['1', '2', '4', '8', '10', '12', '13', '14', '15']);

function failed(labels: Readonly<Record<string, string>>): boolean {
  const code = Number(labels.response_code);
  return code === 0 || code >= 500 || grpcFailures.has(labels.grpc_response_status ?? '');
}

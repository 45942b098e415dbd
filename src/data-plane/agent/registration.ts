import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '#base/clock.ts';
import { messageOf } from '#base/fault.ts';
import { detach } from '#base/task.ts';
import { isJsonObject, joinApiVersion, type KubeObject } from '#kube/object.ts';
import type { Logger } from '#process/log.ts';
import { type MeshObjects, workloadEntryPath } from './mesh-objects.ts';

/** Labels and annotations of entries that agents write. */
export const entryMarks = {
  managedBy: 'app.kubernetes.io/managed-by',
  /** `pid:start` of the agent. */
  process: 'meshwright.io/pid',
  host: 'meshwright.io/host',
  /** How to reach the agent: `unix:<path>`. */
  agent: 'meshwright.io/agent',
  /** Admin URL of the proxy. */
  admin: 'meshwright.io/admin',
  engine: 'meshwright.io/engine',
} as const;

/** Value of `managedBy`. */
export const entryManager = 'meshwright-run';

/** Istio: only entries with this annotation are judged by their Healthy condition. */
const healthAnnotation = 'proxy.istio.io/health-checks-enabled';

export interface EntryFacts {
  readonly namespace: string;
  readonly name: string;
  readonly workload: string;
  readonly address: string;
  /** Inbound listener port by service port name. */
  readonly ports: Readonly<Record<string, number>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Keys of `entryMarks` but `managedBy`. */
  readonly marks: Readonly<Record<Exclude<keyof typeof entryMarks, 'managedBy'>, string>>;
}

/** Keeps one WorkloadEntry as long as its workload lives. */
export interface Registration {
  /** First write; a Fault when the API server refuses or cannot be reached. */
  register(): Promise<void>;
  setHealthy(healthy: boolean): void;
  /** Deletes the entry and ends; an unreachable API server is logged only. */
  remove(): Promise<void>;
}

/** How often the entry is compared with what it should be: it comes back after a lost database or a hand that deleted it. */
const compareEveryMs = 5_000;
const retryMs = 500;
/** Others write the entry too (labels by hand, status by the control plane). */
const conflictRetries = 5;

export function createRegistration(objects: MeshObjects, facts: EntryFacts, clock: Clock, log: Logger): Registration {
  const entry = entryOf(facts);
  let healthy: boolean | undefined;
  let removed = false;
  let failing = false;
  let cancel = () => {};
  let running: Promise<void> | undefined;
  let again = false;

  async function reconcile(): Promise<void> {
    for (let n = 0; n < conflictRetries && !removed; n++) {
      const stored = await ensureEntry(objects, entry);
      if (!stored) continue;
      if (healthy === undefined || conditionOf(stored) === healthy) return;
      if (await writeHealth(objects, stored, healthy, clock)) return;
    }
  }

  async function round(): Promise<void> {
    try {
      do {
        again = false;
        await reconcile();
      } while (again && !removed);
      if (failing) log.info('the workload is registered again', { entry: facts.name });
      failing = false;
    } catch (error) {
      if (!failing) log.warn('the API server cannot be reached; the workload goes on and tries again', { error: messageOf(error) });
      failing = true;
    }
    if (!removed) cancel = clock.after(failing ? retryMs : compareEveryMs, trigger);
  }

  /** One reconciliation at a time; a trigger meanwhile makes it run once more. */
  function trigger(): void {
    cancel();
    if (removed) return;
    if (running) {
      again = true;
      return;
    }
    running = round().finally(() => {
      running = undefined;
    });
    detach(running, (message) => log.error('registration failed', { error: message }));
  }

  return {
    async register() {
      await reconcile();
      trigger();
    },
    setHealthy(now) {
      healthy = now;
      trigger();
    },
    async remove() {
      removed = true;
      cancel();
      await running;
      try {
        await objects.remove(workloadEntryPath, facts.namespace, facts.name);
      } catch (error) {
        log.warn('the WorkloadEntry cannot be deleted now; the control plane removes it later', { error: messageOf(error) });
      }
    },
  };
}

function entryOf(facts: EntryFacts): KubeObject {
  return {
    apiVersion: joinApiVersion(workloadEntryPath.group, workloadEntryPath.version),
    kind: 'WorkloadEntry',
    metadata: {
      name: facts.name,
      namespace: facts.namespace,
      labels: { ...facts.labels, [entryMarks.managedBy]: entryManager },
      annotations: {
        [healthAnnotation]: 'true',
        [entryMarks.process]: facts.marks.process,
        [entryMarks.host]: facts.marks.host,
        [entryMarks.agent]: facts.marks.agent,
        [entryMarks.admin]: facts.marks.admin,
        [entryMarks.engine]: facts.marks.engine,
      },
    },
    spec: {
      address: facts.address,
      ports: { ...facts.ports },
      labels: { ...facts.labels, 'security.istio.io/tlsMode': 'disabled', 'service.istio.io/workload-name': facts.workload },
    },
  };
}

/** The stored entry, made or corrected; undefined when somebody else wrote meanwhile (the next round looks again). */
async function ensureEntry(objects: MeshObjects, entry: KubeObject): Promise<KubeObject | undefined> {
  const { name, namespace = '' } = entry.metadata;
  const stored = await objects.get(workloadEntryPath, namespace, name);
  if (!stored) {
    const created = await objects.create(workloadEntryPath, entry);
    return created === 'exists' ? undefined : created;
  }
  if (isDeepStrictEqual(stored.spec, entry.spec) && hasMarks(stored, entry)) return stored;
  const { metadata } = stored;
  const replaced = await objects.replace(workloadEntryPath, {
    ...entry,
    metadata: {
      ...metadata,
      labels: { ...metadata.labels, ...entry.metadata.labels },
      annotations: { ...metadata.annotations, ...entry.metadata.annotations },
    },
  });
  return replaced === 'conflict' ? undefined : replaced;
}

function hasMarks(stored: KubeObject, entry: KubeObject): boolean {
  const has = (found: Readonly<Record<string, string>> = {}, wanted: Readonly<Record<string, string>> = {}) =>
    Object.entries(wanted).every(([name, value]) => found[name] === value);
  return has(stored.metadata.annotations, entry.metadata.annotations) && has(stored.metadata.labels, entry.metadata.labels);
}

function conditionOf(stored: KubeObject): boolean | undefined {
  const conditions =
    isJsonObject(stored.status) && Array.isArray(stored.status.conditions) ? stored.status.conditions.filter(isJsonObject) : [];
  const found = conditions.find((condition) => condition.type === 'Healthy');
  return found ? found.status === 'True' : undefined;
}

async function writeHealth(objects: MeshObjects, stored: KubeObject, healthy: boolean, clock: Clock): Promise<boolean> {
  const status = isJsonObject(stored.status) ? stored.status : {};
  const others = Array.isArray(status.conditions) ? status.conditions.filter((c) => isJsonObject(c) && c.type !== 'Healthy') : [];
  const now = new Date(clock.now()).toISOString();
  const condition = { type: 'Healthy', status: healthy ? 'True' : 'False', lastProbeTime: now, lastTransitionTime: now };
  const written = { ...stored, status: { ...status, conditions: [...others, condition] } };
  return (await objects.replace(workloadEntryPath, written, 'status')) !== 'conflict';
}

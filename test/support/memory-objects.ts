/** An API server's objects in memory, for tests of those who read and write them. */
import type { MeshObjects } from '#agent/mesh-objects.ts';
import { Fault } from '#base/fault.ts';
import type { KubeObject } from '#kube/object.ts';

export interface MemoryObjects extends MeshObjects {
  readonly stored: Map<string, KubeObject>;
  /** Every call fails while true, as when the API server is down. */
  down: boolean;
  /** Names of the calls that changed something, in order. */
  readonly writes: string[];
}

export function memoryObjects(...initial: readonly KubeObject[]): MemoryObjects {
  let version = 0;
  const plurals: Record<string, string> = { Service: 'services', WorkloadEntry: 'workloadentries', Namespace: 'namespaces' };
  const keyOf = (plural: string, namespace: string, name: string) => `${plural}/${namespace}/${name}`;
  const stored = new Map<string, KubeObject>();
  const put = (plural: string, object: KubeObject): KubeObject => {
    version++;
    const { name, namespace = '' } = object.metadata;
    const kept = structuredClone({ ...object, metadata: { ...object.metadata, resourceVersion: String(version) } });
    stored.set(keyOf(plural, namespace, name), kept);
    return kept;
  };
  for (const object of initial) put(plurals[object.kind] ?? '', object);
  const checkUp = () => {
    if (memory.down) throw new Fault('unreachable', 'connect ECONNREFUSED', { retryable: true });
  };
  const memory: MemoryObjects = {
    stored,
    down: false,
    writes: [],
    async list(kind, namespace) {
      checkUp();
      const prefix = namespace === undefined ? `${kind.plural}/` : `${kind.plural}/${namespace}/`;
      return [...stored].filter(([key]) => key.startsWith(prefix)).map(([, object]) => object);
    },
    async get(kind, namespace, name) {
      checkUp();
      return stored.get(keyOf(kind.plural, namespace, name));
    },
    async create(kind, object) {
      checkUp();
      if (stored.has(keyOf(kind.plural, object.metadata.namespace ?? '', object.metadata.name))) return 'exists';
      memory.writes.push(`create ${kind.plural} ${object.metadata.name}`);
      return put(kind.plural, object);
    },
    async replace(kind, object, subresource) {
      checkUp();
      const { name, namespace = '', resourceVersion } = object.metadata;
      const before = stored.get(keyOf(kind.plural, namespace, name));
      if (!before || before.metadata.resourceVersion !== resourceVersion) return 'conflict';
      memory.writes.push(`replace ${kind.plural} ${name}${subresource ? ` ${subresource}` : ''}`);
      return put(kind.plural, subresource === 'status' ? { ...before, status: object.status } : { ...object, status: before.status });
    },
    async remove(kind, namespace, name) {
      checkUp();
      if (stored.delete(keyOf(kind.plural, namespace, name))) memory.writes.push(`delete ${kind.plural} ${name}`);
    },
  };
  return memory;
}

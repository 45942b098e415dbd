import { hash } from 'node:crypto';
import { blockSize, ipv4ToNumber, numberToIpv4 } from '#base/loopback.ts';
import { isJsonObject, type JsonObject, type KubeObject } from '#kube/object.ts';
import type { StatusCause } from '#kube/status.ts';
import type { Entry } from '../storage/entry.ts';

// 10.96.0.0/16, the usual range of a cluster's services.
const rangeStart = 0x0a600000;
const rangeSize = 0x10000;
/** The first addresses of a loopback block belong to the workload itself. */
const firstOffset = 10;

export interface Admitted {
  readonly object: KubeObject;
  readonly causes: readonly StatusCause[];
}

/**
 * A Service with Kubernetes' defaults and a cluster IP. While there is room every service has an offset of its own in
 * the loopback blocks (`base/loopback.ts`): addresses that agree modulo the block size come last.
 */
export function admitService(object: KubeObject, before: KubeObject | undefined, others: () => readonly Entry[]): Admitted {
  const given = isJsonObject(object.spec) ? object.spec : {};
  const type = typeof given.type === 'string' ? given.type : 'ClusterIP';
  const ports = Array.isArray(given.ports) ? given.ports.map(withPortDefaults) : undefined;
  const common: JsonObject = { ...given, type, sessionAffinity: given.sessionAffinity ?? 'None', ...(ports ? { ports } : {}) };
  if (type === 'ExternalName') return { object: { ...object, spec: common }, causes: [] };
  const address = chooseAddress(object, textOf(given.clusterIP), textOf(clusterIpOf(before)), others);
  if ('cause' in address) return { object, causes: [address.cause] };
  const spec = {
    ...common,
    clusterIP: address.ip,
    clusterIPs: [address.ip],
    internalTrafficPolicy: given.internalTrafficPolicy ?? 'Cluster',
    ipFamilies: given.ipFamilies ?? ['IPv4'],
    ipFamilyPolicy: given.ipFamilyPolicy ?? 'SingleStack',
  };
  return { object: { ...object, spec }, causes: [] };
}

function withPortDefaults(port: unknown): unknown {
  return isJsonObject(port) ? { ...port, protocol: port.protocol ?? 'TCP', targetPort: port.targetPort ?? port.port } : port;
}

function chooseAddress(
  object: KubeObject,
  wanted: string,
  held: string,
  others: () => readonly Entry[],
): { ip: string } | { cause: StatusCause } {
  const refusal = (why: string) => ({
    cause: { reason: 'FieldValueInvalid', message: `Invalid value: ${JSON.stringify(wanted)}: ${why}`, field: 'spec.clusterIP' },
  });
  if (held !== '') return wanted === '' || wanted === held ? { ip: held } : refusal('field is immutable');
  if (wanted === 'None') return { ip: 'None' };
  const taken = new Set<number>();
  for (const entry of others()) {
    const ip = ipv4ToNumber(textOf(clusterIpOf(entry.object)));
    if (ip !== undefined) taken.add(ip);
  }
  if (wanted !== '') {
    const ip = ipv4ToNumber(wanted);
    if (ip === undefined || ip < rangeStart || ip >= rangeStart + rangeSize)
      return refusal('the provided IP is not in the valid range 10.96.0.0/16');
    return taken.has(ip) ? refusal('provided IP is already allocated') : { ip: wanted };
  }
  const free = freeAddress(taken, `${object.metadata.namespace}/${object.metadata.name}`);
  return free === undefined ? refusal('the range 10.96.0.0/16 is full') : { ip: numberToIpv4(free) };
}

/** Starts at an offset made from the name, so that a service made anew gets its old address when that is still free. */
function freeAddress(taken: ReadonlySet<number>, name: string): number | undefined {
  const offsets = blockSize - firstOffset;
  const start = hash('sha256', name, 'buffer').readUInt32BE() % offsets;
  const takenOffsets = new Set([...taken].map((ip) => ip % blockSize));
  const candidate = (row: number, step: number) => rangeStart + row * blockSize + firstOffset + ((start + step) % offsets);
  for (let step = 0; step < offsets; step += 1) if (!takenOffsets.has(candidate(0, step) % blockSize)) return candidate(0, step);
  for (let row = 0; row < rangeSize / blockSize; row += 1) {
    for (let step = 0; step < offsets; step += 1) if (!taken.has(candidate(row, step))) return candidate(row, step);
  }
  return undefined;
}

function clusterIpOf(object: KubeObject | undefined): unknown {
  return isJsonObject(object?.spec) ? object.spec.clusterIP : undefined;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

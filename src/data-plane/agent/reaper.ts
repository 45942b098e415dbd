import { hostname } from 'node:os';
import { isJsonObject, type KubeObject } from '#kube/object.ts';
import { isAlive, parseIdentity } from '#process/process-identity.ts';
import { portIsTaken } from './loopback-block.ts';
import { type MeshObjects, workloadEntryPath } from './mesh-objects.ts';
import { entryManager, entryMarks } from './registration.ts';

/**
 * Deletes the WorkloadEntries of this machine's workloads whose agent is gone (kill -9) and whose inbound listener is gone
 * as well: an Envoy that outlived its agent still serves. Resolves with the names that were deleted. Called from time to
 * time by the control plane.
 */
export async function reapWorkloadEntries(objects: MeshObjects): Promise<string[]> {
  const entries = await objects.list(workloadEntryPath);
  const dead: string[] = [];
  for (const entry of entries) {
    if (!isOrphan(entry) || (await isServed(entry))) continue;
    const { name, namespace = '' } = entry.metadata;
    await objects.remove(workloadEntryPath, namespace, name);
    dead.push(`${namespace}/${name}`);
  }
  return dead;
}

function isOrphan(entry: KubeObject): boolean {
  const { labels = {}, annotations = {} } = entry.metadata;
  if (labels[entryMarks.managedBy] !== entryManager || annotations[entryMarks.host] !== hostname()) return false;
  const owner = parseIdentity(annotations[entryMarks.process] ?? '');
  return owner !== undefined && !isAlive(owner);
}

async function isServed(entry: KubeObject): Promise<boolean> {
  const spec = isJsonObject(entry.spec) ? entry.spec : {};
  const ports = isJsonObject(spec.ports) ? Object.values(spec.ports) : [];
  for (const port of ports) {
    if (typeof spec.address === 'string' && typeof port === 'number' && (await portIsTaken(spec.address, port))) return true;
  }
  return false;
}

import type { MeshSnapshot, SnapshotChange } from '#mesh/snapshot.ts';
import type { MeshSource, ObjectKey } from '../sources.ts';

/** Which epoch first contained which generation of an object. */
export interface Epochs {
  note(snapshot: MeshSnapshot, change: SnapshotChange): void;
  /** undefined: the control plane has not taken this generation in (yet, or because it is invalid or no mesh object). */
  epochOf(key: ObjectKey, generation: number): number | undefined;
}

const kept = 1_000;

/** Remembers the latest thousand changed rules; what is older counts as contained since the beginning. */
export function createEpochs(mesh: MeshSource): Epochs {
  const seen = new Map<string, { generation: number; epoch: number }>();
  const put = (key: string, generation: number, epoch: number) => {
    if (seen.get(key)?.generation === generation) return;
    seen.delete(key);
    seen.set(key, { generation, epoch });
    if (seen.size > kept) seen.delete(seen.keys().next().value ?? '');
  };
  return {
    note(snapshot, change) {
      const sorts = [
        ['VirtualService', change.virtualServices, snapshot.virtualServices],
        ['DestinationRule', change.destinationRules, snapshot.destinationRules],
      ] as const;
      for (const [kind, changed, objects] of sorts) {
        if (!changed.size) continue;
        for (const { metadata } of objects) {
          const key = `${metadata.namespace}/${metadata.name}`;
          if (changed.has(key)) put(`${kind}/${key}`, metadata.generation, snapshot.epoch);
        }
      }
    },
    epochOf({ kind, namespace, name }, generation) {
      const noted = seen.get(`${kind}/${namespace}/${name}`);
      if (noted && noted.generation >= generation) return noted.epoch;
      const snapshot = mesh.current();
      return heldGeneration(snapshot, { kind, namespace, name }) >= generation ? snapshot.epoch : undefined;
    },
  };
}

function heldGeneration(snapshot: MeshSnapshot, { kind, namespace, name }: ObjectKey): number {
  const metadata = { VirtualService: snapshot.virtualServices, DestinationRule: snapshot.destinationRules }[kind]?.find(
    (object) => object.metadata.name === name && object.metadata.namespace === namespace,
  )?.metadata;
  if (metadata) return metadata.generation;
  const origin = snapshot.services.find(
    ({ origin }) => origin.kind?.endsWith(`/${kind}`) && origin.name === name && (origin.namespace ?? '') === namespace,
  )?.origin;
  return origin?.generation ?? (origin ? 0 : -1);
}

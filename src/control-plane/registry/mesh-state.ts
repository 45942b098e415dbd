import type { Graph } from '#collection/graph.ts';
import type { MeshConfig } from '#mesh/mesh-config.ts';
import type { MeshSnapshot, SnapshotChange } from '#mesh/snapshot.ts';
import { deriveMesh, type MeshInputs } from './derive.ts';
import { createSnapshotBuilder } from './snapshot-builder.ts';

/** The mesh at present, and who wants to know when it changes. */
export interface MeshState {
  /** The newest snapshot; includes every change made so far, also those whose listeners have not been called yet. */
  current(): MeshSnapshot;
  /** Calls `listener` at most once per event-loop turn with the new snapshot and all that differs from the last one it was called with. */
  subscribe(listener: (snapshot: MeshSnapshot, change: SnapshotChange) => void): () => void;
  /** Replaces the mesh configuration. */
  setMesh(mesh: MeshConfig): void;
}

export interface MeshStateOptions {
  readonly graph: Graph;
  readonly inputs: MeshInputs;
  readonly mesh: MeshConfig;
  /** Name of the cluster (or machine) that endpoints belong to; Istio's default is `Kubernetes`. */
  readonly clusterId?: string;
  /** Runs a function once the present event-loop turn has ended; `setImmediate` when absent. */
  readonly schedule?: (run: () => void) => void;
}

/**
 * Keeps a snapshot of the mesh over the input collections. What did not change between two snapshots is shared; building
 * one costs a copy of the maps and lists that changed, not a look at every object.
 */
export function createMeshState(options: MeshStateOptions): MeshState {
  const { graph, inputs } = options;
  const schedule = options.schedule ?? ((run: () => void) => void setImmediate(run));
  const derived = deriveMesh(graph, inputs, options.mesh, options.clusterId ?? 'Kubernetes');
  const listeners = new Set<(snapshot: MeshSnapshot, change: SnapshotChange) => void>();
  let isScheduled = false;

  const notify = () => {
    isScheduled = false;
    const change = builder.takeChange();
    if (!change) return;
    const snapshot = builder.current();
    for (const listener of [...listeners]) listener(snapshot, change);
  };
  const builder = createSnapshotBuilder(options.mesh, derived, () => {
    if (isScheduled) return;
    isScheduled = true;
    schedule(notify);
  });

  return {
    current: () => builder.current(),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    setMesh(mesh) {
      graph.transaction(() => {
        builder.setMesh(mesh);
        derived.setMesh(mesh);
      });
    },
  };
}

import { createGraph } from '#collection/collection.ts';
import type { Collection, Graph } from '#collection/graph.ts';
import { defaultMeshConfig, type MeshConfig } from '#mesh/mesh-config.ts';
import type { MeshSnapshot } from '#mesh/snapshot.ts';
import { endpointSliceKind } from '#resources/core/endpoint-slice.ts';
import { namespaceKind } from '#resources/core/namespace.ts';
import { podKind } from '#resources/core/pod.ts';
import { serviceKind } from '#resources/core/service.ts';
import type { KindDefinition } from '#resources/kind.ts';
import { destinationRuleKind } from '#resources/networking/destination-rule-kind.ts';
import { serviceEntryKind } from '#resources/networking/service-entry-kind.ts';
import { virtualServiceKind } from '#resources/networking/virtual-service-kind.ts';
import { workloadEntryKind } from '#resources/networking/workload-entry-kind.ts';
import type { Resource } from '#resources/object.ts';
import { deriveMesh, type MeshInputs } from './derive.ts';
import { createSnapshotBuilder } from './snapshot-builder.ts';

/** The collection of one kind's resources, wherever they come from. */
export type CollectionOf = <Spec>(kind: KindDefinition<Spec>) => Collection<Resource<Spec>>;

/** The inputs of the mesh, each taken from the collection of its kind. */
export function meshInputs(collectionOf: CollectionOf): MeshInputs {
  return {
    services: collectionOf(serviceKind),
    endpointSlices: collectionOf(endpointSliceKind),
    pods: collectionOf(podKind),
    namespaces: collectionOf(namespaceKind),
    workloadEntries: collectionOf(workloadEntryKind),
    serviceEntries: collectionOf(serviceEntryKind),
    virtualServices: collectionOf(virtualServiceKind),
    destinationRules: collectionOf(destinationRuleKind),
  };
}

/** Collections for resources that are at hand already, filled; resources of kinds that the mesh does not read are ignored. */
export function inputsOf(graph: Graph, resources: readonly Resource<unknown>[]): MeshInputs {
  const byKind = Map.groupBy(resources, (resource) => resource.kind);
  return meshInputs(<Spec>(kind: KindDefinition<Spec>) => {
    const input = graph.input<Resource<Spec>>(kind.plural, ({ metadata }) => `${metadata.namespace}/${metadata.name}`);
    graph.transaction(() => {
      // Resources of a kind have the type that the kind's decoder gave them.
      for (const resource of byKind.get(kind.kind) ?? []) input.set(resource as Resource<Spec>);
    });
    return input;
  });
}

/** One snapshot of some resources, for what looks at a mesh once: analysis, previews, tests. */
export function snapshotOf(
  resources: readonly Resource<unknown>[],
  mesh: MeshConfig = defaultMeshConfig,
  clusterId = 'Kubernetes',
): MeshSnapshot {
  const graph = createGraph();
  return createSnapshotBuilder(mesh, deriveMesh(graph, inputsOf(graph, resources), mesh, clusterId), () => {}).current();
}

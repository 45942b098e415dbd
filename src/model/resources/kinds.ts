import { configMapKind } from './core/config-map.ts';
import { endpointSliceKind } from './core/endpoint-slice.ts';
import { namespaceKind } from './core/namespace.ts';
import { podKind } from './core/pod.ts';
import { serviceKind } from './core/service.ts';
import { apiVersionOf, type KindDefinition } from './kind.ts';
import { destinationRuleKind } from './networking/destination-rule-kind.ts';
import { serviceEntryKind } from './networking/service-entry-kind.ts';
import { virtualServiceKind } from './networking/virtual-service-kind.ts';
import { workloadEntryKind } from './networking/workload-entry-kind.ts';

/** Every kind that Meshwright knows. The one list: API server, decoding, CRDs, CLI and docs read it. */
export const kinds: readonly KindDefinition[] = [
  serviceKind,
  namespaceKind,
  podKind,
  endpointSliceKind,
  configMapKind,
  virtualServiceKind,
  destinationRuleKind,
  serviceEntryKind,
  workloadEntryKind,
];

const byVersionAndKind = new Map(
  kinds.flatMap((kind) => kind.versions.map((version) => [`${apiVersionOf(kind, version)}/${kind.kind}`, kind] as const)),
);

/** The kind of an object by its `apiVersion` and `kind`; undefined when Meshwright does not know it. */
export function kindFor(apiVersion: string, kind: string): KindDefinition | undefined {
  return byVersionAndKind.get(`${apiVersion}/${kind}`);
}

import type { Proxy as MeshProxy } from '#mesh/proxy.ts';
import type { MeshSnapshot, SnapshotChange } from '#mesh/snapshot.ts';
import { typeUrls } from '#proto/type-url.ts';
import { planClusters } from '#translate/clusters.ts';
import { planEndpoints } from '#translate/endpoints.ts';
import { planListeners } from '#translate/listeners.ts';
import type { ResourcePlan } from '#translate/plan.ts';
import { planRoutes } from '#translate/routes.ts';
import { type Scope, scopeFor, scopeKey } from '#translate/scope.ts';

/** From snapshot and proxy to plans of resources: the face of `translate`, or a small stand-in in tests. Pure. */
export interface Translator<ScopeOf> {
  /** Equal keys mean equal configuration. */
  scopeKey(snapshot: MeshSnapshot, proxy: MeshProxy): string;
  /** Types whose plans a change can alter for a scope that keeps its key, in the order of pushing; undefined = any. */
  typesReachedBy(change: SnapshotChange): readonly string[] | undefined;
  scopeFor(snapshot: MeshSnapshot, proxy: MeshProxy): ScopeOf;
  planClusters(scope: ScopeOf): readonly ResourcePlan[];
  planListeners(scope: ScopeOf): readonly ResourcePlan[];
  /** Those with the given names, or all that the scope's listeners refer to. */
  planRoutes(scope: ScopeOf, names?: Iterable<string>): readonly ResourcePlan[];
  planEndpoints(scope: ScopeOf, clusterNames: Iterable<string>): readonly ResourcePlan[];
}

export const meshTranslator: Translator<Scope> = {
  ...{ scopeKey, scopeFor, planClusters, planListeners, planRoutes, planEndpoints },
  typesReachedBy: (change) => (onlyRoutes(change) ? routingTypes : undefined),
};

const routingTypes: readonly string[] = [typeUrls.listener, typeUrls.route];

/** VirtualServices say where requests go among clusters, and nothing about the clusters. */
function onlyRoutes({ mesh, services, endpoints, destinationRules, namespaces }: SnapshotChange): boolean {
  return !mesh && services.size + endpoints.size + destinationRules.size + namespaces.size === 0;
}

import { type MeshObjects, meshObjects as objectsOf } from '#agent/mesh-objects.ts';
import { createKubeClient } from '#kube/client.ts';
import { loadKubeconfig } from '#kube/kubeconfig.ts';

/** The objects of the API server that a kubeconfig names, as agents use them. Nothing is asked yet. */
export async function meshObjects(where: { readonly kubeconfig: string; readonly context?: string }): Promise<MeshObjects> {
  const options = where.context === undefined ? {} : { context: where.context };
  return objectsOf(createKubeClient(loadKubeconfig([where.kubeconfig], options)));
}

import type { KubeClient, KubeResource } from '#kube/client.ts';
import type { KubeObject } from '#kube/object.ts';
import { hasReason } from '#kube/status.ts';

export const servicePath: KubeResource = { group: '', version: 'v1', plural: 'services', kind: 'Service', namespaced: true };
export const namespacePath: KubeResource = { group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace', namespaced: false };
export const workloadEntryPath: KubeResource = {
  group: 'networking.istio.io',
  version: 'v1',
  plural: 'workloadentries',
  kind: 'WorkloadEntry',
  namespaced: true,
};

/** The Kubernetes client as the agent uses it: outcomes that are no failure for it are values. Failures are Faults. */
export interface MeshObjects {
  /** Every object, of one namespace when given. */
  list(kind: KubeResource, namespace?: string): Promise<readonly KubeObject[]>;
  get(kind: KubeResource, namespace: string, name: string): Promise<KubeObject | undefined>;
  /** `exists` when the name is taken. */
  create(kind: KubeResource, object: KubeObject): Promise<KubeObject | 'exists'>;
  /** `conflict` when its resourceVersion is not the stored one, or it is gone. */
  replace(kind: KubeResource, object: KubeObject, subresource?: 'status'): Promise<KubeObject | 'conflict'>;
  /** Not being there is success. */
  remove(kind: KubeResource, namespace: string, name: string): Promise<void>;
}

export function meshObjects(client: KubeClient): MeshObjects {
  return {
    list: async (kind, namespace) => (await client.list(kind, namespace === undefined ? {} : { namespace })).items,
    get: (kind, namespace, name) => unless('NotFound', undefined, () => client.get(kind, { namespace, name })),
    create: (kind, object) => unless('AlreadyExists', 'exists', () => client.create(kind, object)),
    replace: (kind, object, subresource) =>
      unless('Conflict', 'conflict', () =>
        unless('NotFound', 'conflict', () => client.update(kind, object, subresource ? { subresource } : {})),
      ),
    remove: async (kind, namespace, name) => void (await client.delete(kind, { namespace, name })),
  };
}

/** What `run` gives, or `value` when the API server refused for this reason. */
async function unless<Good, Value>(reason: string, value: Value, run: () => Promise<Good>): Promise<Good | Value> {
  try {
    return await run();
  } catch (error) {
    if (hasReason(error, reason)) return value;
    throw error;
  }
}

import type { KubeObject } from '#kube/object.ts';

/** A kind by its place in the API. */
export interface KindPath {
  /** `v1`, `networking.istio.io/v1`. */
  readonly apiVersion: string;
  readonly plural: string;
}

export const servicePath: KindPath = { apiVersion: 'v1', plural: 'services' };
export const namespacePath: KindPath = { apiVersion: 'v1', plural: 'namespaces' };
export const workloadEntryPath: KindPath = { apiVersion: 'networking.istio.io/v1', plural: 'workloadentries' };

/** What the agent needs of an API server; `apps` joins it to the Kubernetes client. Failures of the world are Faults. */
export interface MeshObjects {
  /** Every object, of one namespace when given. */
  list(kind: KindPath, namespace?: string): Promise<readonly KubeObject[]>;
  get(kind: KindPath, namespace: string, name: string): Promise<KubeObject | undefined>;
  /** `exists` when the name is taken. */
  create(kind: KindPath, object: KubeObject): Promise<KubeObject | 'exists'>;
  /** `conflict` when its resourceVersion is not the stored one, or it is gone. */
  replace(kind: KindPath, object: KubeObject, subresource?: 'status'): Promise<KubeObject | 'conflict'>;
  /** Not being there is success. */
  remove(kind: KindPath, namespace: string, name: string): Promise<void>;
}

import type { KubeObject } from '#kube/object.ts';
import type { KindName } from './kind-name.ts';

/** What a request needs to know of a kind. */
export type ApiKind = Pick<KindName, 'group' | 'versions' | 'kind' | 'plural' | 'namespaced'>;

export interface ListQuery {
  /** Absent: all namespaces. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface ObjectList {
  readonly items: readonly KubeObject[];
  readonly resourceVersion: string;
}

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: KubeObject;
}

/** What commands do with objects. Failures of the world and refusals of the server are Faults. */
export interface ObjectApi {
  /** Namespace of the kubeconfig's context, else `default`. */
  readonly defaultNamespace: string;
  list(kind: ApiKind, query: ListQuery): Promise<ObjectList>;
  get(kind: ApiKind, namespace: string, name: string): Promise<KubeObject | undefined>;
  /** Server-side apply as field manager `meshwright`. */
  apply(kind: ApiKind, object: KubeObject, options: { readonly dryRun: boolean }): Promise<KubeObject>;
  /** False when there was nothing to delete. */
  remove(kind: ApiKind, namespace: string, name: string, options: { readonly dryRun: boolean }): Promise<boolean>;
  /** Changes after `resourceVersion` until `signal` aborts. */
  watch(kind: ApiKind, query: ListQuery, resourceVersion: string, signal: AbortSignal): AsyncIterable<WatchEvent>;
}

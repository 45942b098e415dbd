/**
 * Who a workload is, as peers tell each other in the header `x-envoy-peer-metadata-id`, in endpoint metadata and in access
 * records: `workload;namespace;app;version;cluster`.
 */
export interface WorkloadIdentity {
  readonly workload: string;
  readonly namespace: string;
  readonly app: string;
  readonly version: string;
  readonly cluster: string;
}

/** `;` inside a part becomes `_`: the text must split again into the same five parts. */
export function formatPeer(identity: WorkloadIdentity): string {
  return [identity.workload, identity.namespace, identity.app, identity.version, identity.cluster]
    .map((part) => part.replaceAll(';', '_'))
    .join(';');
}

/** Absent parts are empty; a text of another shape (`-`, a foreign id) gives undefined. */
export function parsePeer(text: string): WorkloadIdentity | undefined {
  const parts = text.split(';');
  const [workload = '', namespace = '', app = '', version = '', cluster = ''] = parts;
  return parts.length === 5 ? { workload, namespace, app, version, cluster } : undefined;
}

/** `outbound|9080|v1|reviews.default.svc.cluster.local` names its service; PassthroughCluster and the like are named as they are. */
export function calledHost(cluster: string): string {
  const parts = cluster.split('|');
  return parts[0] === 'outbound' && parts.length === 4 ? (parts[3] ?? '') : cluster;
}

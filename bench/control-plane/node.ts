import type { NodeDescription } from '#mesh/proxy-node.ts';

/** Node of the i-th simulated proxy: a pod of Kubernetes with its own address. */
export function nodeOf(i: number, namespace: string): NodeDescription {
  const address = `10.200.${i >> 8}.${i & 255}`;
  return {
    id: `sidecar~${address}~client-${i}.${namespace}~${namespace}.svc.cluster.local`,
    metadata: {
      NAMESPACE: namespace,
      CLUSTER_ID: 'Kubernetes',
      INSTANCE_IPS: address,
      ISTIO_VERSION: '1.30.0',
      WORKLOAD_NAME: `client-${i}`,
      LABELS: { app: `client-${i}`, version: 'v1' },
    },
  };
}

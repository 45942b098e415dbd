import type { Proxy as MeshProxy } from '#mesh/proxy.ts';

/** A sidecar that redirects traffic, with everything that a case or scenario does not say left empty. */
export function describedProxy(said: Partial<MeshProxy> = {}): MeshProxy {
  const namespace = said.namespace ?? 'default';
  const [address = '1.1.1.1'] = said.ipAddresses ?? [];
  return {
    id: `sidecar~${address}~${said.workloadName ?? 'app'}.${namespace}~${namespace}.svc.cluster.local`,
    type: 'sidecar',
    ipAddresses: [address],
    namespace,
    dnsDomain: `${namespace}.svc.cluster.local`,
    labels: {},
    serviceAccount: '',
    clusterId: 'Kubernetes',
    network: '',
    locality: '',
    nodeName: '',
    workloadName: 'app',
    interceptionMode: 'REDIRECT',
    istioVersion: '',
    inbound: [],
    engine: 'envoy',
    ...said,
  };
}

import type { KubernetesService } from '#resources/core/service.ts';
import type { Resource } from '#resources/object.ts';
import { kubernetesProtocol } from './protocol.ts';
import type { Resolution, Service, ServicePort } from './service.ts';

/** Names of the mesh as a whole that conversions need. */
export interface MeshNames {
  readonly clusterDomain: string;
  readonly trustDomain: string;
  /** Name of the cluster (or machine) that objects come from. */
  readonly clusterId: string;
}

export function spiffeId(trustDomain: string, namespace: string, serviceAccount: string): string {
  return `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
}

const exportToAnnotation = 'networking.istio.io/exportTo';
const distributionAnnotation = 'networking.istio.io/traffic-distribution';
const spiffeAccountsAnnotation = 'alpha.istio.io/canonical-serviceaccounts';
const kubernetesAccountsAnnotation = 'alpha.istio.io/kubernetes-serviceaccounts';

/** A Kubernetes service as the mesh sees it. `namespaceAnnotations` give the traffic distribution when the service says none. */
export function fromKubernetesService(
  resource: Resource<KubernetesService>,
  names: MeshNames,
  namespaceAnnotations: Readonly<Record<string, string>> = {},
): Service {
  const { metadata, spec, origin } = resource;
  const isAlias = spec.type === 'ExternalName';
  const distribution = trafficDistribution(spec.trafficDistribution, metadata.annotations, namespaceAnnotations);
  return {
    hostname: `${metadata.name}.${metadata.namespace}.svc.${names.clusterDomain}`,
    name: metadata.name,
    namespace: metadata.namespace,
    registry: 'kubernetes',
    ports: spec.ports.map(toPort),
    addresses: isAlias ? [] : clusterIps(spec),
    resolution: resolutionOf(spec),
    meshExternal: isAlias,
    exportTo: words(metadata.annotations[exportToAnnotation]),
    ...(spec.selector && Object.keys(spec.selector).length > 0 ? { selector: spec.selector } : {}),
    labels: metadata.labels,
    annotations: metadata.annotations,
    subjectAltNames: [
      ...words(metadata.annotations[spiffeAccountsAnnotation]),
      ...words(metadata.annotations[kubernetesAccountsAnnotation]).map((account) =>
        spiffeId(names.trustDomain, metadata.namespace, account),
      ),
    ],
    ...(isAlias && spec.externalName ? { externalName: spec.externalName } : {}),
    publishNotReady: spec.publishNotReadyAddresses ?? false,
    nodeLocal: spec.internalTrafficPolicy === 'Local',
    ...(distribution ? { trafficDistribution: distribution } : {}),
    createdAt: metadata.creationTimestamp,
    origin,
  };
}

function resolutionOf(spec: KubernetesService): Resolution {
  if (spec.type === 'ExternalName') return 'alias';
  return spec.clusterIP === 'None' ? 'passthrough' : 'static';
}

function clusterIps(spec: KubernetesService): readonly string[] {
  const all = spec.clusterIPs?.length ? spec.clusterIPs : [spec.clusterIP ?? ''];
  return all.filter((ip) => ip !== '' && ip !== 'None');
}

function toPort(port: KubernetesService['ports'][number]): ServicePort {
  return {
    name: port.name,
    number: port.port,
    protocol: kubernetesProtocol(port),
    ...(port.targetPort ? { targetPort: port.targetPort } : {}),
  };
}

function words(list: string | undefined): readonly string[] {
  return (list ?? '')
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
}

/** By field, else annotation of the service, else of its namespace; unknown words count as nothing said. */
export function trafficDistribution(
  field: string | undefined,
  ...annotations: readonly Readonly<Record<string, string>>[]
): Service['trafficDistribution'] {
  for (const word of [field, ...annotations.map((map) => map[distributionAnnotation])]) {
    if (word === 'PreferClose' || word === 'PreferSameZone' || word === 'PreferSameNode' || word === 'Any') return word;
  }
  return undefined;
}

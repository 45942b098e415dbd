/** Adapter of the inbound cluster cases: which clusters lead to the proxy's own program. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { configFor, type ProxyConfig } from '#analyze/proxy-config.ts';
import { metadataHosts } from '#analyze/simulate.ts';
import type { Endpoint, ServiceEndpoints } from '#mesh/endpoint.ts';
import { defaultMeshConfig } from '#mesh/mesh-config.ts';
import { type Protocol, type Service, serviceKey } from '#mesh/service.ts';
import type { MeshSnapshot } from '#mesh/snapshot.ts';
import type { Cluster } from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import { describedProxy } from '../sim/described-proxy.ts';
import type { CaseResult } from './sets.ts';

export const name = 'inbound-clusters';

interface Instance {
  readonly service: string;
  readonly servicePort: number;
  readonly endpointPort: number;
  readonly addresses: readonly string[];
}

interface InboundCase {
  readonly name: string;
  readonly services: readonly {
    readonly hostname: string;
    readonly address: string;
    readonly ports: readonly { readonly name: string; readonly port: number; readonly protocol: string }[];
  }[];
  readonly instances: readonly Instance[];
  readonly sidecarIngress: readonly unknown[];
  readonly expectedClusters: Readonly<Record<string, readonly string[] | null>>;
  readonly expectedServicesMetadata: Readonly<Record<string, readonly string[]>>;
  readonly inboundPassthrough?: boolean;
}

export async function run(dir: string): Promise<CaseResult[]> {
  const file = join(dir, 'istio/simulation/inbound-clusters.json');
  if (!existsSync(file)) return [];
  const data: { readonly proxy: { readonly ipAddresses: string[] }; readonly cases: readonly InboundCase[] } = JSON.parse(
    readFileSync(file, 'utf8'),
  );
  return data.cases.map((item, i) => ({ case: `${i}-${item.name}`, ...runCase(item, data.proxy.ipAddresses) }));
}

function runCase(item: InboundCase, ipAddresses: readonly string[]): Omit<CaseResult, 'case'> {
  if (item.sidecarIngress.length > 0) return { outcome: 'skipped', reason: 'the Sidecar kind (ingress) is not served yet' };
  const config = configFor(snapshotOf(item), describedProxy({ ipAddresses }));
  const wrong = [...clusterDifferences(config, item), ...metadataDifferences(config, item)];
  return wrong.length === 0 ? { outcome: 'passed' } : { outcome: 'failed', reason: wrong.join('; ') };
}

function clusterDifferences(config: ProxyConfig, item: InboundCase): string[] {
  const inbound = [...config.clusters.values()].filter((cluster) => cluster.name.startsWith('inbound|'));
  const found = Object.fromEntries(inbound.map((cluster) => [cluster.name, addressesOf(cluster)]).sort());
  const wanted = Object.fromEntries(Object.entries(item.expectedClusters).sort());
  return JSON.stringify(found) === JSON.stringify(wanted)
    ? []
    : [`clusters: expected ${JSON.stringify(wanted)}, found ${JSON.stringify(found)}`];
}

function metadataDifferences(config: ProxyConfig, item: InboundCase): string[] {
  return Object.entries(item.expectedServicesMetadata).flatMap(([name, hosts]) => {
    const cluster = config.clusters.get(name);
    const found = cluster ? [...metadataHosts(cluster)].sort() : [];
    return JSON.stringify(found) === JSON.stringify([...hosts].sort())
      ? []
      : [`${name}: expected hosts ${hosts.join()}, found ${found.join()}`];
  });
}

function addressesOf(cluster: Cluster): string[] | null {
  if (!cluster.loadAssignment) return null;
  return cluster.loadAssignment.endpoints.flatMap((locality) =>
    locality.lbEndpoints.flatMap(({ hostIdentifier }) => {
      const address = hostIdentifier.case === 'endpoint' ? hostIdentifier.value.address?.address : undefined;
      return address?.case === 'socketAddress' ? [`${address.value.address}:${address.value.portSpecifier.value}`] : [];
    }),
  );
}

function snapshotOf(item: InboundCase): MeshSnapshot {
  const services = item.services.map((service): Service => {
    const [name = '', namespace = ''] = service.hostname.split('.');
    return {
      hostname: service.hostname,
      name,
      namespace,
      registry: 'kubernetes',
      ports: service.ports.map((port) => ({ name: port.name, number: port.port, protocol: protocolOf(port.protocol) })),
      addresses: [service.address],
      resolution: 'static',
      meshExternal: false,
      exportTo: [],
      labels: {},
      annotations: {},
      subjectAltNames: [],
      publishNotReady: false,
      nodeLocal: false,
      createdAt: '',
      origin: { source: 'generated' },
    };
  });
  const endpoints = new Map<string, ServiceEndpoints>();
  for (const service of services) {
    const own = item.instances
      .filter((instance) => instance.service === service.hostname)
      .flatMap((instance) => endpointsOf(service, instance));
    endpoints.set(serviceKey(service), { key: serviceKey(service), endpoints: own });
  }
  const mode = item.inboundPassthrough === false ? 'LOCALHOST' : 'PASSTHROUGH';
  return {
    epoch: 1,
    mesh: { ...defaultMeshConfig, inboundTrafficPolicy: { mode } },
    services,
    endpoints,
    virtualServices: [],
    destinationRules: [],
    namespaces: new Map(),
  };
}

function protocolOf(text: string): Protocol {
  return text === 'HTTP' ? 'http' : text === 'TCP' ? 'tcp' : 'auto';
}

function endpointsOf(service: Service, instance: Instance): Endpoint[] {
  const port = service.ports.find((candidate) => candidate.number === instance.servicePort);
  return instance.addresses.map((address) => ({
    address,
    port: instance.endpointPort,
    servicePortName: port?.name ?? '',
    labels: {},
    health: 'healthy',
    weight: 1,
    locality: '',
    network: '',
    clusterId: 'Kubernetes',
    nodeName: '',
    serviceAccount: '',
    tlsMode: 'disabled',
    workloadName: '',
    namespace: service.namespace,
    origin: { source: 'generated' },
  }));
}

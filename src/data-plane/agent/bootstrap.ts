import type { ReportingWorkload } from './access.ts';
import { formatPeer, type WorkloadIdentity } from './workload-identity.ts';

/** The Istio version whose behaviour the node asks for (node metadata ISTIO_VERSION). */
const istioVersion = '1.30.0';

export type ProxyEngine = 'embedded' | 'envoy';

/** Where a listener takes traffic for the program's own port. */
export interface InboundPort {
  /** The program's own port. */
  readonly targetPort: number;
  readonly bind: string;
  readonly port: number;
  /** Where the program listens: `127.0.0.1` or `[::1]`. */
  readonly defaultEndpoint: string;
}

/** What a proxy of either engine must know before its first xDS message. */
export interface ProxyBootstrap {
  readonly engine: ProxyEngine;
  /** Name of this instance, unique in its namespace (the WorkloadEntry's). */
  readonly instance: string;
  readonly identity: WorkloadIdentity;
  /** Host name of the service it serves. */
  readonly serviceHost: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The workload's own address: identity, source of upstream connections, admin. */
  readonly address: string;
  readonly inbound: readonly InboundPort[];
  readonly outbound: { readonly block: string } | { readonly bind: string; readonly portBase: number };
  readonly httpProxy: { readonly bind: string; readonly port: number };
  readonly adminPort: number;
  readonly xds: { readonly host: string; readonly port: number };
  /** Unix socket of the agent's access-log service (Envoy only). */
  readonly alsSocket: string;
}

/** How accesses of this workload are told. */
export function reportingOf(bootstrap: ProxyBootstrap): ReportingWorkload {
  return {
    peer: peerText(bootstrap),
    serviceHost: bootstrap.serviceHost,
    inbound: new Set(bootstrap.inbound.map(({ bind, port }) => `${bind}:${port}`)),
  };
}

/** Value of the environment variable MESHWRIGHT_PEER, which routes read by `%ENVIRONMENT(MESHWRIGHT_PEER)%`. */
export function peerText(bootstrap: ProxyBootstrap): string {
  return formatPeer(bootstrap.identity);
}

/** `sidecar~<ip>~<instance>.<namespace>~<namespace>.svc.cluster.local` (Istio: node id). */
export function nodeId(bootstrap: ProxyBootstrap): string {
  const { namespace } = bootstrap.identity;
  return `sidecar~${bootstrap.address}~${bootstrap.instance}.${namespace}~${namespace}.svc.cluster.local`;
}

/** Envoy's `node` as JSON, the same for both engines. */
export function nodeOf(bootstrap: ProxyBootstrap): {
  readonly id: string;
  readonly cluster: string;
  readonly metadata: Record<string, unknown>;
} {
  const { identity } = bootstrap;
  return {
    id: nodeId(bootstrap),
    cluster: `${identity.app || identity.workload}.${identity.namespace}`,
    metadata: {
      NAME: bootstrap.instance,
      NAMESPACE: identity.namespace,
      WORKLOAD_NAME: identity.workload,
      CLUSTER_ID: identity.cluster,
      LABELS: { ...bootstrap.labels },
      INTERCEPTION_MODE: 'NONE',
      ISTIO_VERSION: istioVersion,
      INSTANCE_IPS: bootstrap.address,
      HTTP_PROXY_PORT: String(bootstrap.httpProxy.port),
      MESHWRIGHT_HTTP_PROXY_BIND: bootstrap.httpProxy.bind,
      MESHWRIGHT_INBOUND: bootstrap.inbound.map((port) => ({ ...port })),
      MESHWRIGHT_OUTBOUND: { ...bootstrap.outbound },
      MESHWRIGHT_ENGINE: bootstrap.engine,
      MESHWRIGHT_ALS: 'true',
    },
  };
}

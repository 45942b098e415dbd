export type ProxyType = 'sidecar' | 'router' | 'waypoint';
export type InterceptionMode = 'REDIRECT' | 'TPROXY' | 'NONE';

/** Where a NONE-mode proxy listens for one of its workload's services (node metadata MESHWRIGHT_INBOUND). */
export interface InboundBind {
  /** The program's own port (the service's target port). */
  readonly targetPort: number;
  /** Address and port of the mesh-facing listener. */
  readonly bind: string;
  readonly port: number;
  /** Where the program listens: `127.0.0.1`, `[::1]`... */
  readonly defaultEndpoint: string;
}

/**
 * Where a NONE-mode proxy listens for its program's outbound traffic (node metadata MESHWRIGHT_OUTBOUND). `block`: each
 * service with a cluster IP has the address block + low bits of that IP (`base/loopback.ts`), on its own port numbers.
 * `ports` (systems with one loopback address): each service port has a port of its own on `bind`.
 */
export type OutboundBind = { readonly block: string } | { readonly bind: string; readonly portBase: number };

/** One proxy as its node message describes it. Immutable; a changed node makes a new value. */
export interface Proxy {
  readonly id: string;
  readonly type: ProxyType;
  /** First is primary. */
  readonly ipAddresses: readonly string[];
  readonly namespace: string;
  /** `<ns>.svc.<clusterDomain>`. */
  readonly dnsDomain: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly clusterId: string;
  readonly network: string;
  /** `region/zone/subzone`; empty when unknown. */
  readonly locality: string;
  readonly nodeName: string;
  readonly workloadName: string;
  readonly interceptionMode: InterceptionMode;
  /** `[major, minor, patch]`-able text from ISTIO_VERSION; empty when unknown. */
  readonly istioVersion: string;
  /** Loopback HTTP proxy listener (HTTP_PROXY_PORT and its bind address); absent when not asked for. */
  readonly httpProxy?: { readonly bind: string; readonly port: number };
  readonly inbound: readonly InboundBind[];
  readonly outbound?: OutboundBind;
  /** Which engine reads the configuration. */
  readonly engine: 'envoy' | 'embedded' | 'grpc';
  /** Unix socket path of the agent's access-log service (node metadata MESHWRIGHT_ALS); absent = no gRPC access log. */
  readonly alsSocket?: string;
}

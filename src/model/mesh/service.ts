import type { Origin } from '#base/origin.ts';

/** Application protocol of a port; `auto` = to be detected from the first bytes (sniffed). */
export type Protocol =
  | 'http'
  | 'http2'
  | 'grpc'
  | 'grpc-web'
  | 'http_proxy'
  | 'https'
  | 'tls'
  | 'tcp'
  | 'mongo'
  | 'redis'
  | 'mysql'
  | 'udp'
  | 'auto';

export interface ServicePort {
  readonly name: string;
  readonly number: number;
  readonly protocol: Protocol;
  /** Kubernetes targetPort as written: number, name of a container port, or absent (= `number`). */
  readonly targetPort?: number | string;
}

/** How endpoints are found. Istio names in brackets. */
export type Resolution =
  | 'static' /* ClientSideLB: EDS */
  | 'passthrough' /* headless, or ServiceEntry NONE: ORIGINAL_DST */
  | 'dns' /* DNSLB: STRICT_DNS */
  | 'dns-round-robin' /* LOGICAL_DNS */
  | 'dynamic-dns'
  | 'alias' /* ExternalName */;

export type Registry = 'kubernetes' | 'service-entry' | 'consul';

/** A service as the mesh sees it, free of any vendor. One per hostname and namespace. Immutable. */
export interface Service {
  /** FQDN for Kubernetes services, the host as written for ServiceEntry (may be a wildcard). */
  readonly hostname: string;
  /** Object name of the Kubernetes service; for ServiceEntry the host. */
  readonly name: string;
  readonly namespace: string;
  readonly registry: Registry;
  readonly ports: readonly ServicePort[];
  /** Virtual IPs or CIDRs, first is primary; empty when the service has none (headless, no address). */
  readonly addresses: readonly string[];
  readonly resolution: Resolution;
  readonly meshExternal: boolean;
  /** `*`, `.`, `~` or namespaces; empty means the mesh default. */
  readonly exportTo: readonly string[];
  /** Workload selector; undefined when endpoints come from elsewhere. */
  readonly selector?: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** SPIFFE ids or SANs that servers may present. */
  readonly subjectAltNames: readonly string[];
  /** Target host of an `alias`. */
  readonly externalName?: string;
  readonly publishNotReady: boolean;
  readonly nodeLocal: boolean;
  readonly trafficDistribution?: 'PreferClose' | 'PreferSameZone' | 'PreferSameNode' | 'Any';
  /** RFC 3339; order of precedence between conflicting services. */
  readonly createdAt: string;
  readonly origin: Origin;
}

/** `namespace/hostname`: the key of a service's endpoints. */
export type ServiceKey = string;

export function serviceKey(service: Pick<Service, 'namespace' | 'hostname'>): ServiceKey {
  return `${service.namespace}/${service.hostname}`;
}

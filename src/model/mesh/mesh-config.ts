import type { LocalityLbSetting, TcpKeepalive } from '#resources/networking/destination-rule.ts';
import type { HttpRetry } from '#resources/networking/virtual-service.ts';

/** Settings of the whole mesh, under the names of Istio's MeshConfig. Durations are text as in the YAML (`10s`). */
export interface MeshConfig {
  /** Namespace of the control plane; configuration there applies to every namespace. */
  readonly rootNamespace: string;
  readonly trustDomain: string;
  readonly trustDomainAliases: readonly string[];
  /** Domain of Kubernetes services: `<name>.<namespace>.svc.<clusterDomain>`. */
  readonly clusterDomain: string;
  readonly outboundTrafficPolicy: { readonly mode: 'ALLOW_ANY' | 'REGISTRY_ONLY' };
  readonly inboundTrafficPolicy: { readonly mode: 'PASSTHROUGH' | 'LOCALHOST' };
  readonly connectTimeout: string;
  /** Time to wait for the first bytes of a connection; `0s` waits for ever. */
  readonly protocolDetectionTimeout: string;
  /** Retry policy of routes that name none; unset: Istio's default (2 attempts). */
  readonly defaultHttpRetryPolicy?: HttpRetry;
  readonly h2UpgradePolicy: 'DO_NOT_UPGRADE' | 'UPGRADE';
  readonly tcpKeepalive?: TcpKeepalive;
  readonly localityLbSetting?: LocalityLbSetting;
  /** File of the access log; empty turns it off. */
  readonly accessLogFile: string;
  /** Own format; empty means the default of the encoding. */
  readonly accessLogFormat: string;
  readonly accessLogEncoding: 'TEXT' | 'JSON';
  readonly defaultServiceExportTo: readonly string[];
  readonly defaultVirtualServiceExportTo: readonly string[];
  readonly defaultDestinationRuleExportTo: readonly string[];
  /** Port of the outbound HTTP proxy listener of every sidecar; 0 = none. */
  readonly proxyHttpPort: number;
  readonly proxyListenPort: number;
  readonly proxyInboundListenPort: number;
  readonly enableTracing: boolean;
  readonly enableAutoMtls: boolean;
  readonly enablePrometheusMerge: boolean;
  readonly verifyCertificateAtClient: boolean;
  readonly pathNormalization: { readonly normalization: 'DEFAULT' | 'NONE' | 'BASE' | 'MERGE_SLASHES' | 'DECODE_AND_MERGE_SLASHES' };
  readonly dnsRefreshRate: string;
  readonly hboneIdleTimeout?: string;
}

/** Istio 1.30's values where nothing else is said. */
export const defaultMeshConfig: MeshConfig = {
  rootNamespace: 'istio-system',
  trustDomain: 'cluster.local',
  trustDomainAliases: [],
  clusterDomain: 'cluster.local',
  outboundTrafficPolicy: { mode: 'ALLOW_ANY' },
  inboundTrafficPolicy: { mode: 'PASSTHROUGH' },
  connectTimeout: '10s',
  protocolDetectionTimeout: '0s',
  h2UpgradePolicy: 'DO_NOT_UPGRADE',
  localityLbSetting: { enabled: true },
  accessLogFile: '',
  accessLogFormat: '',
  accessLogEncoding: 'TEXT',
  defaultServiceExportTo: ['*'],
  defaultVirtualServiceExportTo: ['*'],
  defaultDestinationRuleExportTo: ['*'],
  proxyHttpPort: 0,
  proxyListenPort: 15001,
  proxyInboundListenPort: 15006,
  enableTracing: true,
  enableAutoMtls: true,
  enablePrometheusMerge: true,
  verifyCertificateAtClient: true,
  pathNormalization: { normalization: 'DEFAULT' },
  dnsRefreshRate: '60s',
};

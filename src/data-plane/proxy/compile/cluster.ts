import type { Any } from '@bufbuild/protobuf/wkt';
import {
  type Cluster,
  ClusterSchema,
  Cluster_DiscoveryType as Discovery,
  Cluster_DnsLookupFamily as Family,
  Cluster_LbPolicy as Policy,
} from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { Address, BindConfig } from '#proto/gen/envoy/config/core/v3/address_pb.js';
import { HealthStatus } from '#proto/gen/envoy/config/core/v3/health_check_pb.js';
import type { HttpProtocolOptions as CommonOptions } from '#proto/gen/envoy/config/core/v3/protocol_pb.js';
import type { LbEndpoint, LocalityLbEndpoints } from '#proto/gen/envoy/config/endpoint/v3/endpoint_components_pb.js';
import { type ClusterLoadAssignment, ClusterLoadAssignmentSchema } from '#proto/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { HttpProtocolOptionsSchema } from '#proto/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import type { ClusterTable, HostTable, OutlierTable, SlowStartTable } from '../table.ts';
import { flatMetadata } from './matchers.ts';
import { decodeChecked, durationMs, reject, unpack } from './rejection.ts';
import { upstreamTls } from './tls.ts';

const httpOptionsKey = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const hourMs = 3_600_000;

const types: Readonly<Record<number, ClusterTable['type']>> = {
  [Discovery.STATIC]: 'static',
  [Discovery.EDS]: 'eds',
  [Discovery.STRICT_DNS]: 'strict-dns',
  [Discovery.LOGICAL_DNS]: 'logical-dns',
  [Discovery.ORIGINAL_DST]: 'original-dst',
};

/** `sourceAddress` binds upstream connections of clusters that name none themselves. */
export function clusterFromBytes(bytes: Uint8Array, version: string, sourceAddress: string): ClusterTable {
  const cluster = decodeChecked(ClusterSchema, bytes);
  const discovery = cluster.clusterDiscoveryType;
  const type = discovery.case === 'type' ? types[discovery.value] : discovery.case === undefined ? 'static' : undefined;
  if (type === undefined)
    return reject('envoy.config.cluster.v3.Cluster.cluster_discovery_type', `${discovery.case ?? ''} is not supported`);
  const options = upstreamOptions(cluster);
  return {
    name: cluster.name,
    version,
    type,
    serviceName: cluster.edsClusterConfig?.serviceName || cluster.name,
    hosts: cluster.loadAssignment === undefined ? [] : hostsOf(cluster.loadAssignment),
    ...balancing(cluster, type),
    connectTimeoutMs: durationMs(cluster.connectTimeout, 5000),
    ...limits(cluster, options.common),
    outlier: outlier(cluster),
    ...keepAlive(cluster),
    sourceAddress: bindAddress(cluster.upstreamBindConfig) || sourceAddress,
    dnsRefreshMs: Math.max(1000, durationMs(cluster.dnsRefreshRate, 5000)),
    dnsFamily: cluster.dnsLookupFamily === Family.V4_ONLY ? 4 : cluster.dnsLookupFamily === Family.V6_ONLY ? 6 : 0,
    refusal: options.refusal,
    tls: upstreamTls(cluster, { autoSni: options.autoSni, autoSan: options.autoSan, http2: options.refusal !== '' }),
    portOverride: cluster.lbConfig.case === 'originalDstLbConfig' ? (cluster.lbConfig.value.upstreamPortOverride ?? 0) : 0,
    metadata: flatMetadata(cluster.metadata),
    addedByApi: true,
  };
}

export function endpointsFromBytes(bytes: Uint8Array): { name: string; hosts: HostTable[] } {
  const assignment = decodeChecked(ClusterLoadAssignmentSchema, bytes);
  return { name: assignment.clusterName, hosts: hostsOf(assignment) };
}

export function hostsOf(assignment: ClusterLoadAssignment): HostTable[] {
  return assignment.endpoints.flatMap((locality) => locality.lbEndpoints.map((endpoint) => hostOf(endpoint, locality)));
}

const healths: Readonly<Record<number, HostTable['health']>> = {
  [HealthStatus.UNHEALTHY]: 'unhealthy',
  [HealthStatus.TIMEOUT]: 'unhealthy',
  [HealthStatus.DRAINING]: 'draining',
  [HealthStatus.DEGRADED]: 'degraded',
};

function hostOf(entry: LbEndpoint, locality: LocalityLbEndpoints): HostTable {
  const identifier = entry.hostIdentifier;
  if (identifier.case !== 'endpoint')
    return reject('envoy.config.endpoint.v3.LbEndpoint.host_identifier', `${identifier.case ?? 'nothing'} is not supported`);
  const { region, zone, subZone } = locality.locality ?? { region: '', zone: '', subZone: '' };
  return {
    ...addressOf(identifier.value.address),
    hostname: identifier.value.hostname,
    weight: entry.loadBalancingWeight ?? 1,
    priority: locality.priority,
    locality: [region, zone, subZone].filter((part) => part !== '').join('/'),
    localityWeight: locality.loadBalancingWeight ?? 0,
    health: healths[entry.healthStatus] ?? 'healthy',
    metadata: flatMetadata(entry.metadata),
  };
}

function addressOf(address: Address | undefined): { address: string; port: number } {
  const value = address?.address;
  if (value?.case === 'pipe') return { address: value.value.path, port: 0 };
  if (value?.case === 'socketAddress' && value.value.portSpecifier.case === 'portValue') {
    return { address: value.value.address, port: value.value.portSpecifier.value };
  }
  return reject('envoy.config.endpoint.v3.Endpoint.address', `${value?.case ?? 'nothing'} is not supported`);
}

function bindAddress(bind: BindConfig | undefined): string {
  return bind?.sourceAddress?.address ?? '';
}

function keepAlive(cluster: Cluster) {
  const probing = cluster.upstreamConnectionOptions?.tcpKeepalive;
  return {
    // Presence alone switches keepalive on with the system's time.
    keepAliveMs: probing === undefined ? 0 : (probing.keepaliveTime ?? 7200) * 1000,
    keepAliveIntervalMs: (probing?.keepaliveInterval ?? 0) * 1000,
    keepAliveProbes: probing?.keepaliveProbes ?? 0,
  };
}

function balancing(cluster: Cluster, type: ClusterTable['type']) {
  const balancers: Readonly<Record<number, ClusterTable['balancer']>> = {
    [Policy.ROUND_ROBIN]: 'round-robin',
    [Policy.LEAST_REQUEST]: 'least-request',
    [Policy.RING_HASH]: 'ring-hash',
    [Policy.RANDOM]: 'random',
    [Policy.MAGLEV]: 'maglev',
    [Policy.CLUSTER_PROVIDED]: 'round-robin',
  };
  const balancer = balancers[cluster.lbPolicy];
  if (balancer === undefined || (cluster.lbPolicy === Policy.CLUSTER_PROVIDED && type !== 'original-dst')) {
    return reject('envoy.config.cluster.v3.Cluster.lb_policy', `${Policy[cluster.lbPolicy] ?? cluster.lbPolicy} is not supported`);
  }
  const config = cluster.lbConfig;
  const common = cluster.commonLbConfig;
  const tableSize = config.case === 'maglevLbConfig' ? Number(config.value.tableSize ?? 65537n) : 65537;
  return {
    balancer,
    choices: config.case === 'leastRequestLbConfig' ? (config.value.choiceCount ?? 2) : 2,
    activeRequestBias: config.case === 'leastRequestLbConfig' ? (config.value.activeRequestBias?.defaultValue ?? 1) : 1,
    slowStart: slowStart(cluster),
    ringSize: config.case === 'ringHashLbConfig' ? Number(config.value.minimumRingSize ?? 1024n) : 1024,
    tableSize,
    localityWeighted: common?.localityConfigSpecifier.case === 'localityWeightedLbConfig',
    panicPercent: common?.healthyPanicThreshold?.value ?? 50,
  };
}

function slowStart(cluster: Cluster): SlowStartTable | undefined {
  const config = cluster.lbConfig;
  if (config.case !== 'roundRobinLbConfig' && config.case !== 'leastRequestLbConfig') return undefined;
  const settings = config.value.slowStartConfig;
  const windowMs = durationMs(settings?.slowStartWindow, 0);
  if (settings === undefined || windowMs <= 0) return undefined;
  const aggression = settings.aggression?.defaultValue ?? 1;
  return { windowMs, aggression: aggression > 0 ? aggression : 1, minWeightPercent: settings.minWeightPercent?.value ?? 10 };
}

function limits(cluster: Cluster, common: CommonOptions | undefined) {
  const threshold = cluster.circuitBreakers?.thresholds.find((entry) => entry.priority === 0);
  const budget = threshold?.retryBudget;
  const timeouts = common ?? cluster.commonHttpProtocolOptions;
  return {
    maxConnections: threshold?.maxConnections ?? 1024,
    maxPending: threshold?.maxPendingRequests ?? 1024,
    maxRequests: threshold?.maxRequests ?? 1024,
    maxRetries: threshold?.maxRetries ?? 3,
    retryBudget:
      budget === undefined ? undefined : { percent: budget.budgetPercent?.value ?? 20, minimum: budget.minRetryConcurrency ?? 3 },
    idleTimeoutMs: durationMs(timeouts?.idleTimeout, hourMs),
    maxConnectionMs: durationMs(timeouts?.maxConnectionDuration, 0),
    maxRequestsPerConnection: timeouts?.maxRequestsPerConnection ?? cluster.maxRequestsPerConnection ?? 0,
  };
}

function outlier(cluster: Cluster): OutlierTable | undefined {
  const detection = cluster.outlierDetection;
  if (detection === undefined) return undefined;
  const on = (value: number | undefined, field: string) => {
    if ((value ?? 0) > 0) reject(`envoy.config.cluster.v3.OutlierDetection.${field}`, 'ejection by rates is not supported; set it to 0');
  };
  // Envoy enforces success rates unless told not to; here only an explicit demand is refused.
  on(detection.enforcingSuccessRate, 'enforcing_success_rate');
  on(detection.enforcingLocalOriginSuccessRate, 'enforcing_local_origin_success_rate');
  on(detection.enforcingFailurePercentage, 'enforcing_failure_percentage');
  on(detection.enforcingFailurePercentageLocalOrigin, 'enforcing_failure_percentage_local_origin');
  const baseEjectionMs = durationMs(detection.baseEjectionTime, 30_000);
  return {
    consecutive5xx: detection.consecutive5xx ?? 5,
    enforce5xx: detection.enforcingConsecutive5xx ?? 100,
    consecutiveGateway: detection.consecutiveGatewayFailure ?? 5,
    enforceGateway: detection.enforcingConsecutiveGatewayFailure ?? 0,
    consecutiveLocal: detection.consecutiveLocalOriginFailure ?? 5,
    enforceLocal: detection.enforcingConsecutiveLocalOriginFailure ?? 100,
    splitLocal: detection.splitExternalLocalOriginErrors,
    intervalMs: durationMs(detection.interval, 10_000),
    baseEjectionMs,
    maxEjectionMs: Math.max(baseEjectionMs, durationMs(detection.maxEjectionTime, 300_000)),
    maxEjectionPercent: detection.maxEjectionPercent ?? 10,
    alwaysEjectOne: detection.alwaysEjectOneHost ?? true,
  };
}

interface UpstreamOptions {
  readonly common: CommonOptions | undefined;
  readonly refusal: string;
  readonly autoSni: boolean;
  readonly autoSan: boolean;
}

function upstreamOptions(cluster: Cluster): UpstreamOptions {
  const any: Any | undefined = cluster.typedExtensionProtocolOptions[httpOptionsKey];
  const refusal = `cluster ${cluster.name} is reached over HTTP/2 only, which the embedded proxy does not speak yet; use --proxy envoy for it`;
  for (const key of Object.keys(cluster.typedExtensionProtocolOptions)) {
    if (key !== httpOptionsKey) reject('envoy.config.cluster.v3.Cluster.typed_extension_protocol_options', `${key} is not supported`);
  }
  if (any === undefined)
    return { common: undefined, refusal: cluster.http2ProtocolOptions === undefined ? '' : refusal, autoSni: false, autoSan: false };
  const options = unpack(any, HttpProtocolOptionsSchema, httpOptionsKey);
  const protocol = options.upstreamProtocolOptions;
  const explicit = protocol.case === 'explicitHttpConfig' ? protocol.value.protocolConfig.case : undefined;
  const speaksNewer = explicit === 'http2ProtocolOptions' || explicit === 'http3ProtocolOptions';
  return {
    common: options.commonHttpProtocolOptions,
    refusal: speaksNewer ? refusal : '',
    autoSni: options.upstreamHttpProtocolOptions?.autoSni ?? false,
    autoSan: options.upstreamHttpProtocolOptions?.autoSanValidation ?? false,
  };
}

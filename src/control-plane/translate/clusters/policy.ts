import type { MeshConfig } from '#mesh/mesh-config.ts';
import type { Protocol } from '#mesh/service.ts';
import { Cluster_LbPolicy, type ClusterSchema } from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { OutlierDetectionSchema } from '#proto/gen/envoy/config/cluster/v3/outlier_detection_pb.js';
import { HttpProtocolOptionsSchema } from '#proto/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import { durationMs } from '#resources/duration.ts';
import type {
  ConnectionPoolSettings,
  LoadBalancerSettings,
  OutlierDetection,
  TcpKeepalive,
} from '#resources/networking/destination-rule.ts';
import type { AutomaticTls } from '../client-tls.ts';
import { duration, durationOf, type InitOf, packed } from '../messages.ts';
import type { Settings } from '../traffic-policy.ts';

export type ClusterInit = InitOf<typeof ClusterSchema>;

export const httpOptionsKey = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** Istio's "no limit". */
const unlimited = 4294967295;

const http2Protocols: ReadonlySet<Protocol> = new Set(['http2', 'grpc', 'grpc-web']);
const httpProtocols: ReadonlySet<Protocol> = new Set(['http', 'http2', 'grpc', 'grpc-web', 'http_proxy']);

export function isHttp(protocol: Protocol): boolean {
  return httpProtocols.has(protocol);
}

export function isTls(protocol: Protocol): boolean {
  return protocol === 'https' || protocol === 'tls';
}

/** Zero (and less) and absent mean "not set" in Istio's counts. */
function limit(value: number | undefined): number {
  return value !== undefined && value > 0 ? value : unlimited;
}

/** Circuit breakers, connect timeout and TCP keepalive. */
export function connectionSettings(mesh: MeshConfig, settings: Settings): ClusterInit {
  const { tcp, http } = settings.connectionPool ?? {};
  const budget = settings.retryBudget;
  const keepalive = mergeKeepalive(mesh.tcpKeepalive, tcp?.tcpKeepalive);
  return {
    connectTimeout: durationOf(tcp?.connectTimeout ?? mesh.connectTimeout),
    circuitBreakers: {
      thresholds: [
        {
          maxConnections: limit(tcp?.maxConnections),
          maxPendingRequests: limit(http?.http1MaxPendingRequests),
          maxRequests: limit(http?.http2MaxRequests),
          maxRetries: limit(http?.maxRetries),
          retryBudget: budget && {
            budgetPercent: { value: budget.percent ?? 20 },
            minRetryConcurrency: budget.minRetryConcurrency ?? 3,
          },
        },
      ],
    },
    upstreamConnectionOptions: keepalive && {
      tcpKeepalive: {
        keepaliveProbes: keepalive.probes,
        keepaliveTime: keepalive.time === undefined ? undefined : Math.round(durationMs(keepalive.time) / 1000),
        keepaliveInterval: keepalive.interval === undefined ? undefined : Math.round(durationMs(keepalive.interval) / 1000),
      },
    },
  };
}

function mergeKeepalive(mesh: TcpKeepalive | undefined, own: TcpKeepalive | undefined): TcpKeepalive | undefined {
  return mesh || own ? { ...mesh, ...own } : undefined;
}

/** The HTTP version spoken upstream and the limits of a connection; nothing when Envoy's defaults say it all. */
export function httpOptions(mesh: MeshConfig, settings: Settings, protocol: Protocol, auto?: AutomaticTls): ClusterInit {
  const { tcp, http } = settings.connectionPool ?? {};
  const upstream = upstreamProtocol(mesh, http, protocol);
  const idleTimeout = http?.idleTimeout ?? tcp?.idleTimeout;
  const limits = idleTimeout !== undefined || tcp?.maxConnectionDuration !== undefined || (http?.maxRequestsPerConnection ?? 0) > 0;
  if (!limits && !auto && upstream === 'default') return {};
  const common = limits
    ? {
        idleTimeout: durationOf(idleTimeout),
        maxConnectionDuration: durationOf(tcp?.maxConnectionDuration),
        maxRequestsPerConnection: http?.maxRequestsPerConnection || undefined,
      }
    : undefined;
  const http2 = {
    maxConcurrentStreams: upstream === 'http2' ? http?.maxConcurrentStreams : undefined,
    connectionKeepalive: http?.http2KeepAlive && {
      interval: durationOf(http.http2KeepAlive.interval),
      timeout: durationOf(http.http2KeepAlive.timeout),
    },
  };
  return {
    typedExtensionProtocolOptions: {
      [httpOptionsKey]: packed(HttpProtocolOptionsSchema, {
        commonHttpProtocolOptions: common,
        upstreamHttpProtocolOptions: auto,
        upstreamProtocolOptions:
          upstream === 'downstream'
            ? { case: 'useDownstreamProtocolConfig', value: { httpProtocolOptions: {}, http2ProtocolOptions: http2 } }
            : {
                case: 'explicitHttpConfig',
                value: {
                  protocolConfig:
                    upstream === 'http2' ? { case: 'http2ProtocolOptions', value: http2 } : { case: 'httpProtocolOptions', value: {} },
                },
              },
      }),
    },
  };
}

export function upstreamProtocol(
  mesh: MeshConfig,
  http: ConnectionPoolSettings['http'],
  protocol: Protocol,
): 'default' | 'http2' | 'downstream' {
  if (http?.useClientProtocol) return 'downstream';
  if (http2Protocols.has(protocol)) return 'http2';
  const policy = http?.h2UpgradePolicy ?? 'DEFAULT';
  if (policy === 'UPGRADE' || (policy === 'DEFAULT' && protocol === 'http' && mesh.h2UpgradePolicy === 'UPGRADE')) return 'http2';
  return protocol === 'auto' ? 'downstream' : 'default';
}

/** Envoy ejects only for what Istio's block names; success-rate ejection is always off. */
export function outlierSettings(outlier: OutlierDetection | undefined): ClusterInit {
  if (!outlier) return {};
  const errors = outlier.consecutive5xxErrors ?? (outlier.consecutiveErrors || undefined);
  const detection: InitOf<typeof OutlierDetectionSchema> = {
    interval: durationOf(outlier.interval),
    baseEjectionTime: durationOf(outlier.baseEjectionTime),
    maxEjectionPercent: outlier.maxEjectionPercent || undefined,
    enforcingSuccessRate: 0,
    ...(errors === undefined ? {} : { consecutive5xx: errors === 0 ? undefined : errors, enforcingConsecutive5xx: errors === 0 ? 0 : 100 }),
    ...(outlier.consecutiveGatewayErrors === undefined
      ? {}
      : {
          consecutiveGatewayFailure: outlier.consecutiveGatewayErrors || undefined,
          enforcingConsecutiveGatewayFailure: outlier.consecutiveGatewayErrors === 0 ? 0 : 100,
        }),
    ...(outlier.splitExternalLocalOriginErrors
      ? {
          splitExternalLocalOriginErrors: true,
          consecutiveLocalOriginFailure: outlier.consecutiveLocalOriginFailures || undefined,
          enforcingConsecutiveLocalOriginFailure: outlier.consecutiveLocalOriginFailures === 0 ? 0 : 100,
          enforcingLocalOriginSuccessRate: 0,
        }
      : {}),
  };
  return { outlierDetection: detection };
}

/** Panic routing stays off (all endpoints are used only when `minHealthPercent` says so); locality weights only when asked for. */
export function commonBalancing(settings: Settings, localityWeighted: boolean): ClusterInit {
  return {
    commonLbConfig: {
      healthyPanicThreshold: { value: Math.max(0, settings.outlierDetection?.minHealthPercent ?? 0) },
      localityConfigSpecifier: localityWeighted ? { case: 'localityWeightedLbConfig', value: {} } : undefined,
    },
  };
}

/** The balancing algorithm. `PASSTHROUGH` is the caller's business, it changes the cluster's type. */
export function balancing(balancer: LoadBalancerSettings | undefined): ClusterInit {
  const hash = balancer?.consistentHash;
  if (hash) {
    if (hash.maglev) {
      const tableSize = hash.maglev.tableSize ? BigInt(hash.maglev.tableSize) : undefined;
      return { lbPolicy: Cluster_LbPolicy.MAGLEV, lbConfig: { case: 'maglevLbConfig', value: { tableSize } } };
    }
    const minimumRingSize = BigInt(hash.ringHash?.minimumRingSize || hash.minimumRingSize || 1024);
    return { lbPolicy: Cluster_LbPolicy.RING_HASH, lbConfig: { case: 'ringHashLbConfig', value: { minimumRingSize } } };
  }
  const slowStartConfig = slowStart(balancer);
  switch (balancer?.simple) {
    case 'RANDOM':
      return { lbPolicy: Cluster_LbPolicy.RANDOM };
    case 'ROUND_ROBIN':
      return {
        lbPolicy: Cluster_LbPolicy.ROUND_ROBIN,
        ...(slowStartConfig ? { lbConfig: { case: 'roundRobinLbConfig', value: { slowStartConfig } } } : {}),
      };
    default:
      return {
        lbPolicy: Cluster_LbPolicy.LEAST_REQUEST,
        ...(slowStartConfig ? { lbConfig: { case: 'leastRequestLbConfig', value: { slowStartConfig } } } : {}),
      };
  }
}

function slowStart(balancer: LoadBalancerSettings | undefined) {
  const window = balancer?.warmup?.duration ?? balancer?.warmupDurationSecs;
  if (window === undefined || durationMs(window) <= 0) return undefined;
  return {
    slowStartWindow: duration(durationMs(window)),
    aggression: { defaultValue: balancer?.warmup?.aggression ?? 1, runtimeKey: 'meshwright.slow_start.aggression' },
    minWeightPercent: { value: balancer?.warmup?.minimumPercent ?? 10 },
  };
}

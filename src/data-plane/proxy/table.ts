import type { TlsOptions } from '#http/tls-transport.ts';

/**
 * The compiled form of Envoy's resources: plain values that cross to the data-plane threads by structured clone. Nothing
 * here changes after it was made; an update replaces whole tables. Times are milliseconds, 0 meaning "none" unless said.
 */

/** A name and value pair with Envoy's append action. `value` may hold %OPERATORS%. */
export interface HeaderOperation {
  readonly name: string;
  readonly value: string;
  readonly action: 'append' | 'add-if-absent' | 'overwrite' | 'overwrite-if-exists';
  readonly keepEmpty: boolean;
}

export interface HeaderOperations {
  /** Lower case. Removed before anything is added. */
  readonly remove: readonly string[];
  readonly add: readonly HeaderOperation[];
}

export type StringRule =
  | { readonly kind: 'exact' | 'prefix' | 'suffix' | 'contains'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'regex'; readonly value: string; readonly ignoreCase: boolean };

export interface HeaderRule {
  /** Lower case; `:path`, `:method`, `:authority` and `:scheme` name parts of the request line. */
  readonly name: string;
  readonly test:
    | { readonly kind: 'present'; readonly present: boolean }
    | { readonly kind: 'range'; readonly from: number; readonly to: number }
    | { readonly kind: 'string'; readonly rule: StringRule };
  readonly invert: boolean;
  readonly missingIsEmpty: boolean;
}

export interface QueryRule {
  readonly name: string;
  readonly rule: StringRule | undefined;
}

export type PathRule =
  | { readonly kind: 'prefix' | 'path' | 'separated-prefix'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'regex'; readonly value: string }
  | { readonly kind: 'connect' };

/** Millionths; 1000000 is always. */
export type Millionths = number;

export interface RouteMatchTable {
  readonly path: PathRule;
  readonly headers: readonly HeaderRule[];
  readonly query: readonly QueryRule[];
  readonly fraction: Millionths;
}

export interface RegexSubstitution {
  readonly pattern: string;
  /** RE2 form, `\1` naming a group. */
  readonly substitution: string;
}

export interface RetryTable {
  /** Envoy's `retry_on` words. */
  readonly on: readonly string[];
  readonly attempts: number;
  readonly perTryTimeoutMs: number;
  readonly statusCodes: readonly number[];
  readonly headers: readonly HeaderRule[];
  readonly requestHeaders: readonly HeaderRule[];
  readonly previousHosts: boolean;
  readonly previousPriorities: boolean;
  readonly hostAttempts: number;
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
}

export interface MirrorTable {
  readonly cluster: string;
  readonly fraction: Millionths;
  readonly suffix: boolean;
}

export type HashRule =
  | { readonly kind: 'header'; readonly name: string; readonly terminal: boolean }
  | { readonly kind: 'query'; readonly name: string; readonly terminal: boolean }
  | { readonly kind: 'source'; readonly terminal: boolean }
  | {
      readonly kind: 'cookie';
      readonly name: string;
      readonly path: string;
      /** undefined: only read, never set. */
      readonly ttlSeconds: number | undefined;
      readonly attributes: readonly string[];
      readonly terminal: boolean;
    };

export interface FaultTable {
  readonly delayMs: number;
  readonly delayFraction: Millionths;
  readonly abortStatus: number;
  /** -1 when the abort is an HTTP status. */
  readonly abortGrpcStatus: number;
  readonly abortFraction: Millionths;
  readonly headers: readonly HeaderRule[];
  /** Active faults allowed at a time. */
  readonly maxActive: number;
}

export interface CorsTable {
  readonly origins: readonly StringRule[];
  readonly allowMethods: string;
  readonly allowHeaders: string;
  readonly exposeHeaders: string;
  readonly maxAge: string;
  readonly allowCredentials: boolean;
  readonly allowPrivateNetwork: boolean;
  readonly forwardNotMatching: boolean;
  readonly enabled: Millionths;
}

/** `typed_per_filter_config` of one level; undefined: the level says nothing about that filter. */
export interface FilterOverrides {
  readonly fault: FaultTable | undefined;
  readonly cors: CorsTable | undefined;
}

export interface ClusterTarget {
  readonly cluster: string;
  readonly weight: number;
  readonly requestHeaders: HeaderOperations;
  readonly responseHeaders: HeaderOperations;
  readonly hostRewrite: string;
  readonly filters: FilterOverrides;
}

export interface ForwardTable {
  readonly kind: 'forward';
  readonly targets: readonly ClusterTarget[];
  /** Sum of weights; a request whose number falls beyond the last target goes to the last. */
  readonly totalWeight: number;
  /** The request header that names the cluster, or empty. */
  readonly clusterHeader: string;
  /** Answer when the cluster is unknown. */
  readonly notFoundStatus: number;
  readonly prefixRewrite: string;
  readonly regexRewrite: RegexSubstitution | undefined;
  readonly hostRewrite: string;
  readonly hostRewriteHeader: string;
  readonly autoHostRewrite: boolean;
  readonly appendForwardedHost: boolean;
  readonly timeoutMs: number;
  /** -1: the connection manager's stream idle timeout holds. */
  readonly idleTimeoutMs: number;
  readonly maxStreamDurationMs: number;
  readonly retry: RetryTable | undefined;
  readonly mirrors: readonly MirrorTable[];
  readonly hash: readonly HashRule[];
  /** Lower-case upgrade types switched on (true) or off at this route. */
  readonly upgrades: Readonly<Record<string, boolean>>;
  /** CONNECT ends here: the tunnel's bytes go to the cluster as they are. */
  readonly terminateConnect: boolean;
}

export interface RedirectTable {
  readonly kind: 'redirect';
  readonly status: number;
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly prefixRewrite: string;
  readonly regexRewrite: RegexSubstitution | undefined;
  readonly stripQuery: boolean;
}

export interface DirectTable {
  readonly kind: 'direct';
  readonly status: number;
  readonly body: string;
}

export interface RouteTable {
  readonly name: string;
  readonly match: RouteMatchTable;
  readonly action: ForwardTable | RedirectTable | DirectTable;
  readonly requestHeaders: HeaderOperations;
  readonly responseHeaders: HeaderOperations;
  readonly filters: FilterOverrides;
  /** Metadata as `namespace:key` (dots between deeper keys) to text. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly decorator: string;
  readonly bufferLimit: number;
}

export interface VirtualHostTable {
  readonly name: string;
  /** Lower case. */
  readonly domains: readonly string[];
  readonly routes: readonly RouteTable[];
  readonly requestHeaders: HeaderOperations;
  readonly responseHeaders: HeaderOperations;
  readonly filters: FilterOverrides;
  readonly attemptCount: boolean;
  readonly attemptCountInResponse: boolean;
  readonly requireTls: boolean;
  readonly bufferLimit: number;
}

export interface RouteConfigTable {
  readonly name: string;
  readonly virtualHosts: readonly VirtualHostTable[];
  readonly ignorePort: boolean;
  readonly requestHeaders: HeaderOperations;
  readonly responseHeaders: HeaderOperations;
  readonly filters: FilterOverrides;
  readonly mostSpecificWins: boolean;
}

/** One access log of a listener or filter. */
export interface LogTable {
  readonly kind: 'file' | 'stdout' | 'stderr' | 'grpc';
  readonly path: string;
  /** Text format, or for JSON a nested record of formats. */
  readonly format: string | JsonFormat;
  readonly omitEmpty: boolean;
  readonly filter: LogFilterTable | undefined;
  /** gRPC: names of what the record carries besides the common fields. */
  readonly requestHeaders: readonly string[];
  readonly responseHeaders: readonly string[];
  readonly tags: readonly LogTag[];
}
export interface JsonFormat {
  readonly [key: string]: string | JsonFormat;
}
export interface LogTag {
  readonly name: string;
  readonly source: 'literal' | 'header' | 'environment' | 'request' | 'route' | 'cluster' | 'host';
  /** Literal, header or variable name, or `namespace:key`. */
  readonly value: string;
  readonly fallback: string;
}
export type LogFilterTable =
  | { readonly kind: 'status'; readonly op: 'EQ' | 'GE' | 'LE' | 'NE'; readonly value: number }
  | { readonly kind: 'duration'; readonly op: 'EQ' | 'GE' | 'LE' | 'NE'; readonly value: number }
  | { readonly kind: 'flags'; readonly flags: readonly string[] }
  | { readonly kind: 'header'; readonly rule: HeaderRule }
  | { readonly kind: 'fraction'; readonly fraction: Millionths }
  | { readonly kind: 'and' | 'or'; readonly filters: readonly LogFilterTable[] };

export interface HttpFilterTable {
  readonly kind: 'fault' | 'cors' | 'router';
  readonly name: string;
  readonly fault: FaultTable | undefined;
}

export interface HttpChainTable {
  readonly kind: 'http';
  readonly statPrefix: string;
  /** Set when routes come by RDS. */
  readonly routeName: string;
  readonly routes: RouteConfigTable | undefined;
  readonly serverName: string;
  readonly serverHeader: 'overwrite' | 'append-if-absent' | 'pass-through';
  readonly useRemoteAddress: boolean;
  readonly skipForwardedForAppend: boolean;
  readonly generateRequestId: boolean;
  readonly preserveRequestId: boolean;
  readonly requestIdInResponse: boolean;
  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  readonly escapedSlashes: 'keep' | 'reject' | 'redirect' | 'forward';
  readonly stripPort: 'no' | 'matching' | 'any';
  readonly stripTrailingDot: boolean;
  readonly upgrades: Readonly<Record<string, boolean>>;
  readonly acceptHttp10: boolean;
  readonly defaultHost: string;
  readonly pass100Continue: boolean;
  readonly via: string;
  readonly maxHeadBytes: number;
  readonly maxFields: number;
  readonly streamIdleTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly headTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maxConnectionMs: number;
  readonly maxRequestsPerConnection: number;
  readonly suppressEnvoyHeaders: boolean;
  readonly filters: readonly HttpFilterTable[];
  readonly logs: readonly LogTable[];
  readonly underscores: 'allow' | 'reject' | 'drop';
}

export interface TcpChainTable {
  readonly kind: 'tcp';
  readonly statPrefix: string;
  readonly targets: readonly { readonly cluster: string; readonly weight: number }[];
  readonly totalWeight: number;
  readonly idleTimeoutMs: number;
  readonly maxDurationMs: number;
  readonly maxConnectAttempts: number;
  readonly hashSource: boolean;
  /** `host:port` asked for with CONNECT before bytes pass; empty: bytes pass at once. */
  readonly tunnel: string;
  readonly logs: readonly LogTable[];
}

export interface AddressRange {
  readonly address: string;
  readonly bits: number;
}

export interface ChainTable {
  readonly name: string;
  readonly destinationPort: number;
  readonly prefixes: readonly AddressRange[];
  readonly sourcePrefixes: readonly AddressRange[];
  /** Lower case; `*.x` allowed. */
  readonly serverNames: readonly string[];
  readonly transportProtocol: string;
  readonly applicationProtocols: readonly string[];
  readonly filter: HttpChainTable | TcpChainTable;
}

export interface ListenerTable {
  readonly name: string;
  readonly version: string;
  readonly addresses: readonly { readonly address: string; readonly port: number }[];
  readonly bind: boolean;
  readonly direction: 'inbound' | 'outbound' | '';
  readonly inspectTls: boolean;
  readonly inspectHttp: boolean;
  /** 0: wait as long as it takes. */
  readonly inspectTimeoutMs: number;
  readonly continueOnTimeout: boolean;
  readonly chains: readonly ChainTable[];
  readonly defaultChain: ChainTable | undefined;
  readonly backlog: number;
  readonly bufferLimit: number;
}

export interface HostTable {
  /** IP address, host name of a DNS cluster, or path of a Unix socket (then port is 0). */
  readonly address: string;
  readonly port: number;
  readonly hostname: string;
  readonly weight: number;
  readonly priority: number;
  readonly locality: string;
  readonly localityWeight: number;
  readonly health: 'healthy' | 'degraded' | 'unhealthy' | 'draining';
  readonly metadata: Readonly<Record<string, string>>;
}

export interface OutlierTable {
  readonly consecutive5xx: number;
  readonly enforce5xx: number;
  readonly consecutiveGateway: number;
  readonly enforceGateway: number;
  readonly consecutiveLocal: number;
  readonly enforceLocal: number;
  readonly splitLocal: boolean;
  readonly intervalMs: number;
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  readonly maxEjectionPercent: number;
  readonly alwaysEjectOne: boolean;
}

export interface TlsTable extends TlsOptions {
  readonly sni: string;
  /** The server name sent, and the name demanded of the certificate, are the host each request is for. */
  readonly autoSni: boolean;
  readonly autoSan: boolean;
}

/** New endpoints get little and growing traffic at first. */
export interface SlowStartTable {
  readonly windowMs: number;
  readonly aggression: number;
  /** Least share of the weight, in percent. */
  readonly minWeightPercent: number;
}

export interface ClusterTable {
  readonly name: string;
  readonly version: string;
  readonly type: 'static' | 'eds' | 'strict-dns' | 'logical-dns' | 'original-dst';
  /** The name asked for by EDS. */
  readonly serviceName: string;
  readonly hosts: readonly HostTable[];
  readonly balancer: 'round-robin' | 'least-request' | 'random' | 'ring-hash' | 'maglev';
  readonly choices: number;
  readonly activeRequestBias: number;
  readonly slowStart: SlowStartTable | undefined;
  readonly ringSize: number;
  readonly tableSize: number;
  readonly localityWeighted: boolean;
  readonly panicPercent: number;
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
  /** Age at which a connection is not used again. */
  readonly maxConnectionMs: number;
  readonly maxRequestsPerConnection: number;
  readonly maxConnections: number;
  readonly maxPending: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
  /** Percent of active requests; undefined: maxRetries holds. */
  readonly retryBudget: { readonly percent: number; readonly minimum: number } | undefined;
  readonly outlier: OutlierTable | undefined;
  readonly keepAliveMs: number;
  /** 0: the system's. */
  readonly keepAliveIntervalMs: number;
  readonly keepAliveProbes: number;
  readonly sourceAddress: string;
  readonly dnsRefreshMs: number;
  readonly dnsFamily: 0 | 4 | 6;
  /** Non-empty: requests cannot be served, and this says why (HTTP/2-only upstreams). */
  readonly refusal: string;
  readonly tls: TlsTable | undefined;
  readonly portOverride: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly addedByApi: boolean;
}

/** What the control thread sends; applied whole between two requests. */
export interface TableUpdate {
  /** Parts of the data plane that are loaded only when some table uses them. */
  readonly needs: { readonly regex: boolean; readonly tls: boolean };
  readonly clusters: readonly ClusterTable[];
  readonly removedClusters: readonly string[];
  /** By EDS service name. */
  readonly endpoints: readonly { readonly name: string; readonly hosts: readonly HostTable[] }[];
  readonly removedEndpoints: readonly string[];
  readonly routes: readonly RouteConfigTable[];
  readonly removedRoutes: readonly string[];
  readonly listeners: readonly ListenerTable[];
  readonly removedListeners: readonly string[];
}

export const emptyUpdate: TableUpdate = {
  needs: { regex: false, tls: false },
  clusters: [],
  removedClusters: [],
  endpoints: [],
  removedEndpoints: [],
  routes: [],
  removedRoutes: [],
  listeners: [],
  removedListeners: [],
};

export const noOperations: HeaderOperations = { remove: [], add: [] };
export const noOverrides: FilterOverrides = { fault: undefined, cors: undefined };

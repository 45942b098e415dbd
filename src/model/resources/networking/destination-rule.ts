import { choice, decimal, duration, flag, integer, list, long, map, message, text, unsigned, type Value } from '../schema.ts';
import { portSelector } from './destination.ts';

export const keepalive = message('TCP keepalive probes.', {
  probes: unsigned('Unanswered probes after which the connection counts as dead. Unset: the setting of the operating system.'),
  time: duration('Idle time before the first probe.'),
  interval: duration('Time between probes.'),
});
export type TcpKeepalive = Value<typeof keepalive>;

const connectionPoolSettings = message('Limits on the connections to each endpoint of the host.', {
  tcp: message('Settings for HTTP and TCP connections alike.', {
    maxConnections: integer('Greatest number of connections to the host; 2^32-1 when unset.'),
    connectTimeout: duration('Time limit for a TCP connection to be made; 10s when unset.'),
    tcpKeepalive: keepalive,
    maxConnectionDuration: duration('Greatest age of a connection.'),
    idleTimeout: duration('Idle time after which a TCP connection is closed; 1h when unset, 0s turns it off.'),
  }),
  http: message('Settings for HTTP connections.', {
    http1MaxPendingRequests: integer('Greatest number of requests that wait for a connection; 2^32-1 when unset.'),
    http2MaxRequests: integer('Greatest number of requests under way to the host; 2^32-1 when unset.'),
    maxRequestsPerConnection: integer('Requests after which a connection is closed; 1 turns keep-alive off, 0 means no limit.'),
    maxRetries: integer('Greatest number of repetitions under way to the host; 2^32-1 when unset.'),
    idleTimeout: duration('Idle time after which an HTTP connection is closed; 1h when unset.'),
    h2UpgradePolicy: choice('Whether HTTP/1.1 requests are carried over HTTP/2.', ['DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE']),
    useClientProtocol: flag('Speak to the endpoint with the HTTP version that the caller used.'),
    maxConcurrentStreams: integer('Greatest number of streams on one HTTP/2 connection.'),
    http2KeepAlive: message('HTTP/2 ping frames that test a connection.', {
      interval: duration('Time between pings.'),
      timeout: duration('Time without an answer after which the connection is closed.'),
    }),
  }),
});
export type ConnectionPoolSettings = Value<typeof connectionPoolSettings>;

const localityLbSetting = message('How traffic prefers or is spread over localities.', {
  distribute: list(
    'Explicit shares by locality of the caller. Not together with `failover` or `failoverPriority`.',
    message('Shares for callers of one locality.', {
      from: text('Locality of the caller, `region/zone/subzone`; `*` may stand for the rest.'),
      to: map('Share in per cent by locality of the endpoint; the shares add up to 100.', unsigned('Per cent, 1 to 100.')),
    }),
  ),
  failover: list(
    'Where traffic of a region goes when its endpoints are unhealthy.',
    message('Next region for one region.', { from: text('Region of the caller.'), to: text('Region to go to.') }),
  ),
  failoverPriority: list(
    'Labels (or `label=value`) by which endpoints near the caller are preferred, most important first.',
    text('Label name or `label=value`.'),
  ),
  enabled: flag('Turns locality load balancing on or off for the host; unset: the setting of the mesh.'),
});
export type LocalityLbSetting = Value<typeof localityLbSetting>;
export { localityLbSetting };

const httpCookie = message(
  'A cookie that holds the choice; the proxy sets it when absent and a lifetime is given.',
  {
    name: text('Name of the cookie.'),
    path: text('Path attribute.'),
    ttl: duration('Lifetime; 0s makes a session cookie.'),
    attributes: list(
      'Further attributes of the cookie.',
      message('One attribute.', { name: text('Name.'), value: text('Value; may be empty.') }),
    ),
  },
  ['name'],
);

const consistentHashLb = message(
  'Requests with the same key go to the same endpoint as long as the endpoints stay the same.',
  {
    httpHeaderName: text('The key is this header.'),
    httpCookie,
    useSourceIp: flag('The key is the address of the caller.'),
    httpQueryParameterName: text('The key is this query parameter.'),
    ringHash: message('Hash ring.', { minimumRingSize: long('Least number of points on the ring; 1024 when unset.', { minimum: 0 }) }),
    maglev: message('Maglev table: cheaper to look up, moves more keys when endpoints change.', {
      tableSize: long('Size of the table, a prime number below 5000011; 65537 when unset.', { minimum: 0 }),
    }),
    minimumRingSize: long('Least number of points on the ring. Deprecated: use `ringHash`.', { minimum: 0 }),
  },
  [],
  {
    oneOf: [
      ['httpHeaderName', 'httpCookie', 'useSourceIp', 'httpQueryParameterName'],
      ['ringHash', 'maglev'],
    ],
  },
);
export type ConsistentHashLb = Value<typeof consistentHashLb>;

const loadBalancerSettings = message(
  'How an endpoint is chosen.',
  {
    simple: choice('An algorithm without a key.', ['UNSPECIFIED', 'LEAST_CONN', 'RANDOM', 'PASSTHROUGH', 'ROUND_ROBIN', 'LEAST_REQUEST']),
    consistentHash: consistentHashLb,
    localityLbSetting,
    zoneAwareLbSetting: message('Keeps traffic within the zone of the caller as far as the endpoints there can carry it.', {
      enabled: flag('Turns zone-aware balancing on or off.'),
      routingEnabled: decimal('Share of requests, in per cent, to which it applies.'),
      minClusterSize: unsigned('Least number of endpoints for which it applies.'),
      forceLocalZone: message('Keeps all traffic in the own zone when it has enough endpoints.', {
        enabled: flag('Turns it on.'),
        minHosts: unsigned('Least number of endpoints in the own zone.'),
      }),
    }),
    warmupDurationSecs: duration('Time in which a new endpoint is brought to full load. Deprecated: use `warmup`.'),
    warmup: message('Brings new endpoints to full load gradually.', {
      duration: duration('How long it takes.'),
      minimumPercent: decimal('Share of the load at the start, per cent; 10 when unset.'),
      aggression: decimal('How the load grows: 1 linearly, more than 1 slower at first.'),
    }),
  },
  [],
  { oneOf: [['simple', 'consistentHash']] },
);
export type LoadBalancerSettings = Value<typeof loadBalancerSettings>;

const outlierDetection = message('Endpoints that fail repeatedly are left out for a while.', {
  consecutiveErrors: integer('Failures in a row. Deprecated: use `consecutive5xxErrors` or `consecutiveGatewayErrors`.'),
  splitExternalLocalOriginErrors: flag('Count failures to connect apart from error answers of the endpoint.'),
  consecutiveLocalOriginFailures: unsigned('Failures to connect in a row after which an endpoint is left out; 5 when unset.'),
  consecutiveGatewayErrors: unsigned('Answers 502, 503 or 504 in a row after which an endpoint is left out; 0 turns it off.'),
  consecutive5xxErrors: unsigned('Answers 5xx in a row after which an endpoint is left out; 5 when unset, 0 turns it off.'),
  interval: duration('Time between checks; 10s when unset.'),
  baseEjectionTime: duration('How long an endpoint is left out the first time; grows with each time; 30s when unset.'),
  maxEjectionPercent: integer('Greatest share of endpoints left out at a time, per cent; 10 when unset.'),
  minHealthPercent: integer('Share of healthy endpoints, per cent, below which nothing is left out and all are used; 0 when unset.'),
});
export type OutlierDetection = Value<typeof outlierDetection>;

const clientTlsSettings = message('TLS towards the endpoints.', {
  mode: choice('No TLS, TLS, TLS with own certificate, or the TLS of the mesh.', ['DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL']),
  clientCertificate: text('File of the certificate to present (MUTUAL).'),
  privateKey: text('File of its private key (MUTUAL).'),
  caCertificates: text('File of the authorities that servers are checked against.'),
  credentialName: text('Name of the Secret that holds key, certificate and authorities.'),
  subjectAltNames: list('Names of which the server must present one.', text('Name.')),
  sni: text('Server name of the handshake.'),
  insecureSkipVerify: flag('Do not check the certificate of the server.'),
  caCrl: text('File of certificates that are no longer valid.'),
});
export type ClientTlsSettings = Value<typeof clientTlsSettings>;

const portTrafficPolicy = message('Settings for one port; they replace those for all ports as a whole.', {
  port: portSelector,
  loadBalancer: loadBalancerSettings,
  connectionPool: connectionPoolSettings,
  outlierDetection,
  tls: clientTlsSettings,
});
export type PortTrafficPolicy = Value<typeof portTrafficPolicy>;

const trafficPolicy = message('Settings for the connections to a host.', {
  loadBalancer: loadBalancerSettings,
  connectionPool: connectionPoolSettings,
  outlierDetection,
  tls: clientTlsSettings,
  portLevelSettings: list('Settings by port.', portTrafficPolicy),
  tunnel: message(
    'Carries TCP connections inside HTTP requests.',
    {
      protocol: text('`CONNECT` (when unset) or `POST`.'),
      targetHost: text('Host to which the tunnel leads.'),
      targetPort: unsigned('Port to which the tunnel leads.'),
    },
    ['targetHost', 'targetPort'],
  ),
  proxyProtocol: message('Announces the address of the caller to the endpoint by the PROXY protocol.', {
    version: choice('Version of the protocol.', ['V1', 'V2']),
  }),
  retryBudget: message('Limits repetitions to a share of the requests under way.', {
    percent: decimal('Share of the requests under way, per cent; 20 when unset.'),
    minRetryConcurrency: unsigned('Repetitions allowed in any case; 3 when unset.'),
  }),
});
export type TrafficPolicy = Value<typeof trafficPolicy>;

const subset = message(
  'A named part of the endpoints of the host.',
  {
    name: text('Name that routes use.'),
    labels: map('Labels that the endpoints carry.', text('Label value.')),
    trafficPolicy,
  },
  ['name'],
);
export type Subset = Value<typeof subset>;

export const destinationRuleSchema = message(
  'What happens to traffic for a host after routing has chosen it.',
  {
    host: text(
      'Host of a service in the registry; `*.` may stand at the start. A short name means the service in the namespace of this object.',
    ),
    trafficPolicy,
    subsets: list('Named parts of the endpoints.', subset),
    exportTo: list('Namespaces that see this object: `.` own, `*` all. Unset: the default of the mesh.', text('Namespace, `.` or `*`.')),
    workloadSelector: message('Workloads of the own namespace whose proxies apply this object. Unset: all.', {
      matchLabels: map('Labels that the workload carries.', text('Label value.')),
    }),
  },
  ['host'],
);

/** Spec of a DestinationRule. */
export type DestinationRule = Value<typeof destinationRuleSchema>;

import { bytes, choice, duration, flag, integer, list, map, message, text, unsigned, type Value } from '../schema.ts';
import { destination, headers, percent, routeDestination } from './destination.ts';

const stringMatch = message(
  'How a text is compared: equal, by its start, or by a regular expression that must match the whole of it. Case matters.',
  {
    exact: text('The whole text.'),
    prefix: text('The start of the text.'),
    regex: text('RE2 expression that must match the whole text.'),
  },
  [],
  { oneOf: [['exact', 'prefix', 'regex']] },
);
export type StringMatch = Value<typeof stringMatch>;

const httpMatchRequest = message('Conditions on a request; all of them must hold.', {
  name: text('Name of the match; appears with the route name in access logs and metrics.'),
  uri: stringMatch,
  scheme: stringMatch,
  method: stringMatch,
  authority: stringMatch,
  headers: map('Headers by lower-case name. An empty condition asks only that the header is there.', stringMatch),
  port: unsigned('Port number of the service or listener that was addressed.'),
  sourceLabels: map('Labels that the calling workload must carry. Applies only where the gateway list has `mesh`.', text('Label value.')),
  gateways: list(
    'Gateways for which this condition counts; overrides the list of the VirtualService.',
    text('`name`, `namespace/name` or `mesh`.'),
  ),
  queryParams: map('Query parameters by name. An empty condition asks only that the parameter is there.', stringMatch),
  ignoreUriCase: flag('Compare the path without regard to case (exact and prefix only).'),
  withoutHeaders: map('Headers that must not match. An empty condition asks that the header is absent.', stringMatch),
  sourceNamespace: text('Namespace of the calling workload.'),
  statPrefix: text('Prefix of the statistics that the proxy keeps for the resulting route.'),
});
export type HttpMatchRequest = Value<typeof httpMatchRequest>;

const httpRouteDestination = message(
  'One destination of an HTTP route and its share of the requests.',
  {
    destination,
    weight: integer('Share of the requests, relative to the sum of the weights in the route. A single destination takes all.'),
    headers,
  },
  ['destination'],
);
export type HttpRouteDestination = Value<typeof httpRouteDestination>;

const httpRedirect = message(
  'Answer with a redirect instead of forwarding.',
  {
    uri: text('Path to put in place of the whole request path.'),
    prefixRewrite: text('Text to put in place of the matched path prefix; every condition of the route must match the path by prefix.'),
    authority: text('Host to put in place of the request host.'),
    port: unsigned('Port to put in the answer.', { maximum: 65535 }),
    derivePort: choice('Where the port of the answer comes from when `port` is not set.', ['FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT']),
    scheme: text('`http` or `https`.'),
    redirectCode: unsigned('Status code of the answer, 301 when unset.'),
  },
  [],
  { oneOf: [['port', 'derivePort']] },
);
export type HttpRedirect = Value<typeof httpRedirect>;

const httpDirectResponse = message(
  'Answer with a fixed status and body instead of forwarding.',
  {
    status: unsigned('Status code of the answer.'),
    body: message('Body of the answer.', { string: text('Body as text.'), bytes: bytes('Body as base64.') }, [], {
      oneOf: [['string', 'bytes']],
    }),
  },
  ['status'],
);
export type HttpDirectResponse = Value<typeof httpDirectResponse>;

const delegate = message('The VirtualService whose HTTP routes take the place of this one.', {
  name: text('Its name.'),
  namespace: text('Its namespace; unset: that of this object.'),
});
export type Delegate = Value<typeof delegate>;

const httpRewrite = message('Changes to the request before it is forwarded.', {
  uri: text('Takes the place of the path, or of the matched prefix when the condition was a prefix.'),
  authority: text('Takes the place of the request host.'),
  uriRegexRewrite: message('Rewrites the path by an RE2 expression.', {
    match: text('RE2 expression searched for in the path.'),
    rewrite: text('Replacement; `\\1` to `\\9` stand for capture groups.'),
  }),
});
export type HttpRewrite = Value<typeof httpRewrite>;

export const httpRetry = message('When and how often a failed request is tried again.', {
  attempts: integer('Number of repetitions; 0 turns retries off.'),
  perTryTimeout: duration('Time limit of each try, the first included; at least 1ms. Unset: the timeout of the route.'),
  retryOn: text('Comma-separated conditions of Envoy (`5xx,reset,connect-failure`) or status codes under which to repeat.'),
  retryRemoteLocalities: flag('Whether a repetition may go to another locality.'),
  retryIgnorePreviousHosts: flag('Whether a repetition avoids endpoints tried before; true when unset.'),
  backoff: duration('Least pause between tries; 25ms when unset.'),
});
export type HttpRetry = Value<typeof httpRetry>;

const httpFaultInjection = message('Faults made on purpose: a share of requests is delayed or refused.', {
  delay: message(
    'Delay before forwarding.',
    {
      percent: integer('Share of requests, whole per cent. Deprecated: use `percentage`.'),
      fixedDelay: duration('How long, at least 1ms.'),
      exponentialDelay: duration('Not supported by any proxy.'),
      percentage: percent,
    },
    [],
    { oneOf: [['fixedDelay', 'exponentialDelay']] },
  ),
  abort: message(
    'Answer with an error instead of forwarding.',
    {
      httpStatus: integer('HTTP status code of the answer.'),
      grpcStatus: text('gRPC status by its name, such as `UNAVAILABLE`.'),
      http2Error: text('Not supported by any proxy.'),
      percentage: percent,
    },
    [],
    { oneOf: [['httpStatus', 'grpcStatus', 'http2Error']] },
  ),
});
export type HttpFaultInjection = Value<typeof httpFaultInjection>;

const httpMirrorPolicy = message(
  'Copies of requests that are sent to another destination, whose answers are dropped.',
  { destination, percentage: percent },
  ['destination'],
);
export type HttpMirrorPolicy = Value<typeof httpMirrorPolicy>;

const corsPolicy = message('Cross-origin resource sharing rules.', {
  allowOrigin: list('Origins allowed, exact. Deprecated: use `allowOrigins`.', text('Origin.')),
  allowOrigins: list('Origins allowed; the request origin is echoed when one matches.', stringMatch),
  allowMethods: list('Methods of Access-Control-Allow-Methods.', text('HTTP method.')),
  allowHeaders: list('Headers of Access-Control-Allow-Headers.', text('Header name.')),
  exposeHeaders: list('Headers of Access-Control-Expose-Headers.', text('Header name.')),
  maxAge: duration('How long a preflight answer may be cached; whole seconds.'),
  allowCredentials: flag('Whether the caller may send credentials.'),
  unmatchedPreflights: choice('What happens to preflight requests that match no origin.', ['UNSPECIFIED', 'FORWARD', 'IGNORE']),
});
export type CorsPolicy = Value<typeof corsPolicy>;

const httpRoute = message(
  'An HTTP rule: conditions, and what happens to requests that meet one of them. The first rule that matches wins.',
  {
    name: text('Name of the rule; appears in access logs.'),
    match: list('Conditions of which one must hold. Empty: every request.', httpMatchRequest, { 'x-empty-items': true }),
    route: list('Destinations among which requests are split by weight.', httpRouteDestination),
    redirect: httpRedirect,
    directResponse: httpDirectResponse,
    delegate,
    rewrite: httpRewrite,
    timeout: duration('Time limit of a request, all tries included. Unset: none.'),
    retries: httpRetry,
    fault: httpFaultInjection,
    mirror: destination,
    mirrors: list('Destinations that receive copies of the requests.', httpMirrorPolicy),
    mirrorPercent: unsigned('Share of requests copied to `mirror`, whole per cent. Deprecated: use `mirrorPercentage`.'),
    mirror_percent: unsigned('Another spelling of `mirrorPercent`.', { 'x-same-as': 'mirrorPercent' }),
    mirrorPercentage: percent,
    corsPolicy,
    headers,
  },
);
export type HttpRoute = Value<typeof httpRoute>;

const l4MatchAttributes = message('Conditions on a connection; all of them must hold.', {
  destinationSubnets: list('Destination addresses as IP or CIDR.', text('IP or CIDR.')),
  port: unsigned('Port number that was addressed.'),
  sourceSubnet: text('Source address as IP or CIDR. Not supported by any proxy.'),
  sourceLabels: map('Labels that the calling workload must carry.', text('Label value.')),
  gateways: list(
    'Gateways for which this condition counts; overrides the list of the VirtualService.',
    text('`name`, `namespace/name` or `mesh`.'),
  ),
  sourceNamespace: text('Namespace of the calling workload.'),
});
export type L4MatchAttributes = Value<typeof l4MatchAttributes>;

const tlsMatchAttributes = message(
  'Conditions on a TLS connection that is passed on without being opened; all of them must hold.',
  {
    sniHosts: list(
      'Server names of the handshake; each must be covered by a host of the VirtualService.',
      text('Host, may start with `*.`.'),
    ),
    destinationSubnets: list('Destination addresses as IP or CIDR.', text('IP or CIDR.')),
    port: unsigned('Port number that was addressed.'),
    sourceLabels: map('Labels that the calling workload must carry.', text('Label value.')),
    gateways: list(
      'Gateways for which this condition counts; overrides the list of the VirtualService.',
      text('`name`, `namespace/name` or `mesh`.'),
    ),
    sourceNamespace: text('Namespace of the calling workload.'),
  },
  [],
);
export type TlsMatchAttributes = Value<typeof tlsMatchAttributes>;

const tlsRoute = message('A rule for TLS connections that are passed on unopened, chosen by server name.', {
  match: list('Conditions of which one must hold.', tlsMatchAttributes),
  route: list('Destinations among which connections are split by weight.', routeDestination),
});
export type TlsRoute = Value<typeof tlsRoute>;

const tcpRoute = message('A rule for opaque TCP connections.', {
  match: list('Conditions of which one must hold. Empty: every connection.', l4MatchAttributes),
  route: list('Destinations among which connections are split by weight.', routeDestination),
});
export type TcpRoute = Value<typeof tcpRoute>;

export const virtualServiceSchema = message(
  'How requests to some hosts are routed.',
  {
    hosts: list(
      'Hosts to which the rules apply: services, or names that callers use. `*.` may stand at the start. Empty: the object is a delegate, used by other VirtualServices only.',
      text('Host.'),
      { default: [] },
    ),
    gateways: list(
      'Where the rules apply: gateways by name, and `mesh` for every sidecar. Unset: `mesh`.',
      text('`name`, `namespace/name` or `mesh`.'),
    ),
    http: list('Rules for HTTP traffic, in order.', httpRoute),
    tls: list('Rules for TLS traffic that is passed on unopened, in order.', tlsRoute),
    tcp: list('Rules for TCP traffic, in order.', tcpRoute),
    exportTo: list('Namespaces that see this object: `.` own, `*` all. Unset: the default of the mesh.', text('Namespace, `.` or `*`.')),
  },
  ['hosts'],
);

/** Spec of a VirtualService. */
export type VirtualService = Value<typeof virtualServiceSchema>;

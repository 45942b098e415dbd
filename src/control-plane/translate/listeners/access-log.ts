import type { MeshConfig } from '#mesh/mesh-config.ts';
import type { AccessLogSchema } from '#proto/gen/envoy/config/accesslog/v3/accesslog_pb.js';
import { ApiVersion } from '#proto/gen/envoy/config/core/v3/config_source_pb.js';
import { FileAccessLogSchema } from '#proto/gen/envoy/extensions/access_loggers/file/v3/file_pb.js';
import { HttpGrpcAccessLogConfigSchema, TcpGrpcAccessLogConfigSchema } from '#proto/gen/envoy/extensions/access_loggers/grpc/v3/als_pb.js';
import { StderrAccessLogSchema, StdoutAccessLogSchema } from '#proto/gen/envoy/extensions/access_loggers/stream/v3/stream_pb.js';
import { duration, type InitOf, packed } from '../messages.ts';
import { alsCluster } from '../names.ts';
import type { ProxyTraits } from '../scope.ts';

type AccessLogInit = InitOf<typeof AccessLogSchema>;

/** Headers that telemetry reads of requests: who calls, and the trace they belong to. */
const loggedRequestHeaders = ['x-envoy-peer-metadata-id', 'content-type', 'traceparent', 'x-b3-traceid', 'x-b3-spanid', 'x-b3-sampled'];

/** Istio's text format, one line per request. */
const textFormat =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% ' +
  '%DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" ' +
  '"%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% ' +
  '%DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n';

/** Istio's JSON format. */
const jsonFormat: Readonly<Record<string, string>> = {
  start_time: '%START_TIME%',
  route_name: '%ROUTE_NAME%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%',
  response_code: '%RESPONSE_CODE%',
  response_flags: '%RESPONSE_FLAGS%',
  response_code_details: '%RESPONSE_CODE_DETAILS%',
  connection_termination_details: '%CONNECTION_TERMINATION_DETAILS%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  duration: '%DURATION%',
  upstream_service_time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  x_forwarded_for: '%REQ(X-FORWARDED-FOR)%',
  user_agent: '%REQ(USER-AGENT)%',
  request_id: '%REQ(X-REQUEST-ID)%',
  authority: '%REQ(:AUTHORITY)%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_cluster: '%UPSTREAM_CLUSTER_RAW%',
  upstream_local_address: '%UPSTREAM_LOCAL_ADDRESS%',
  downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
  requested_server_name: '%REQUESTED_SERVER_NAME%',
  upstream_transport_failure_reason: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
};

/** Loggers of an HTTP connection manager (`http`) or a TCP proxy: the agent's service and the mesh's file, as far as set. */
export function accessLogs(kind: 'http' | 'tcp', mesh: MeshConfig, traits: ProxyTraits): AccessLogInit[] {
  const logs: AccessLogInit[] = [];
  if (traits.als) logs.push(kind === 'http' ? httpService() : tcpService());
  if (mesh.accessLogFile !== '') logs.push(fileLog(mesh));
  return logs;
}

const httpService = once(() => ({
  name: 'envoy.access_loggers.http_grpc',
  configType: {
    case: 'typedConfig' as const,
    value: packed(HttpGrpcAccessLogConfigSchema, {
      commonConfig: serviceSettings('http_envoy_accesslog'),
      additionalRequestHeadersToLog: loggedRequestHeaders,
      additionalResponseHeadersToLog: ['grpc-status'],
      additionalResponseTrailersToLog: ['grpc-status'],
    }),
  },
}));

const tcpService = once(() => ({
  name: 'envoy.access_loggers.tcp_grpc',
  configType: {
    case: 'typedConfig' as const,
    value: packed(TcpGrpcAccessLogConfigSchema, { commonConfig: serviceSettings('tcp_envoy_accesslog') }),
  },
}));

function serviceSettings(logName: string) {
  const tag = (name: string, kind: 'host' | 'route', key: string, path: string) => ({
    tag: name,
    type: {
      case: 'metadata' as const,
      value: {
        kind: { kind: kind === 'host' ? { case: 'host' as const, value: {} } : { case: 'route' as const, value: {} } },
        metadataKey: { key, path: [{ segment: { case: 'key' as const, value: path } }] },
      },
    },
  });
  return {
    logName,
    transportApiVersion: ApiVersion.V3,
    grpcService: { targetSpecifier: { case: 'envoyGrpc' as const, value: { clusterName: alsCluster } } },
    bufferFlushInterval: duration(100),
    customTags: [tag('destination_workload', 'host', 'istio', 'workload'), tag('route_origin', 'route', 'meshwright', 'origin')],
  };
}

/** The standard streams have loggers of their own: as files they cannot be opened when they are sockets. */
function fileLog(mesh: MeshConfig): AccessLogInit {
  const accessLogFormat = fileFormat(mesh);
  switch (mesh.accessLogFile) {
    case '/dev/stdout':
      return {
        name: 'envoy.access_loggers.stdout',
        configType: { case: 'typedConfig', value: packed(StdoutAccessLogSchema, { accessLogFormat }) },
      };
    case '/dev/stderr':
      return {
        name: 'envoy.access_loggers.stderr',
        configType: { case: 'typedConfig', value: packed(StderrAccessLogSchema, { accessLogFormat }) },
      };
    default:
      return {
        name: 'envoy.access_loggers.file',
        configType: { case: 'typedConfig', value: packed(FileAccessLogSchema, { path: mesh.accessLogFile, accessLogFormat }) },
      };
  }
}

function fileFormat(mesh: MeshConfig) {
  if (mesh.accessLogEncoding === 'TEXT') {
    const text = mesh.accessLogFormat === '' ? textFormat : mesh.accessLogFormat;
    return { case: 'logFormat' as const, value: textSource(text.endsWith('\n') ? text : `${text}\n`) };
  }
  return { case: 'logFormat' as const, value: { format: { case: 'jsonFormat' as const, value: jsonOf(mesh.accessLogFormat) } } };
}

function textSource(text: string) {
  const source = { specifier: { case: 'inlineString' as const, value: text } };
  return { format: { case: 'textFormatSource' as const, value: source } };
}

/** The user's JSON object of formats; Istio's when there is none, or when it is not an object of texts. */
function jsonOf(format: string): Record<string, string> {
  if (format === '') return { ...jsonFormat };
  try {
    const parsed: unknown = JSON.parse(format);
    if (typeof parsed === 'object' && parsed !== null && Object.values(parsed).every((value) => typeof value === 'string')) {
      return Object.fromEntries(Object.entries(parsed).map(([key, value]) => [key, String(value)]));
    }
  } catch {
    // Not JSON: the default says more than nothing.
  }
  return { ...jsonFormat };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

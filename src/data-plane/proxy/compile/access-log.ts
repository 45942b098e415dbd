import { type AccessLog, type AccessLogFilter, ComparisonFilter_Op } from '#proto/gen/envoy/config/accesslog/v3/accesslog_pb.js';
import type { SubstitutionFormatString } from '#proto/gen/envoy/config/core/v3/substitution_format_string_pb.js';
import { FileAccessLogSchema } from '#proto/gen/envoy/extensions/access_loggers/file/v3/file_pb.js';
import {
  type CommonGrpcAccessLogConfig,
  HttpGrpcAccessLogConfigSchema,
  TcpGrpcAccessLogConfigSchema,
} from '#proto/gen/envoy/extensions/access_loggers/grpc/v3/als_pb.js';
import { StderrAccessLogSchema, StdoutAccessLogSchema } from '#proto/gen/envoy/extensions/access_loggers/stream/v3/stream_pb.js';
import type { CustomTag } from '#proto/gen/envoy/type/tracing/v3/custom_tag_pb.js';
import { flagBit } from '../flags.ts';
import { formatError } from '../http/format.ts';
import type { JsonFormat, LogFilterTable, LogTable, LogTag } from '../table.ts';
import { headerRule, millionths } from './matchers.ts';
import { reject, typeOf, unpack } from './rejection.ts';

/** Envoy's text format where a log sets none. */
const defaultFormat =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% ' +
  '%DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n';

const none = { path: '', format: '', omitEmpty: false, requestHeaders: [], responseHeaders: [], tags: [] } as const;

export function accessLogs(logs: readonly AccessLog[]): LogTable[] {
  return logs.map((log) => {
    const filter = log.filter === undefined ? undefined : logFilter(log.filter);
    const any = log.configType.case === 'typedConfig' ? log.configType.value : undefined;
    if (any === undefined) return reject('envoy.config.accesslog.v3.AccessLog.typed_config', 'is missing');
    switch (typeOf(any)) {
      case FileAccessLogSchema.typeName: {
        const file = unpack(any, FileAccessLogSchema, 'access_log');
        const chosen = file.accessLogFormat;
        const format =
          chosen.case === 'logFormat'
            ? formatOf(chosen.value)
            : chosen.case === 'format'
              ? checked(chosen.value)
              : chosen.case === undefined
                ? defaultFormat
                : jsonOf(chosen.value);
        const kind = file.path === '/dev/stdout' ? 'stdout' : file.path === '/dev/stderr' ? 'stderr' : 'file';
        return { ...none, kind, path: file.path, format, omitEmpty: chosen.case === 'logFormat' && chosen.value.omitEmptyValues, filter };
      }
      case StdoutAccessLogSchema.typeName:
        return { ...none, kind: 'stdout', ...streamFormat(unpack(any, StdoutAccessLogSchema, 'access_log').accessLogFormat.value), filter };
      case StderrAccessLogSchema.typeName:
        return { ...none, kind: 'stderr', ...streamFormat(unpack(any, StderrAccessLogSchema, 'access_log').accessLogFormat.value), filter };
      case HttpGrpcAccessLogConfigSchema.typeName: {
        const config = unpack(any, HttpGrpcAccessLogConfigSchema, 'access_log');
        return {
          ...none,
          kind: 'grpc',
          requestHeaders: config.additionalRequestHeadersToLog,
          responseHeaders: config.additionalResponseHeadersToLog,
          tags: tagsOf(config.commonConfig),
          filter,
        };
      }
      case TcpGrpcAccessLogConfigSchema.typeName:
        return { ...none, kind: 'grpc', tags: tagsOf(unpack(any, TcpGrpcAccessLogConfigSchema, 'access_log').commonConfig), filter };
      default:
        return reject('envoy.config.accesslog.v3.AccessLog.typed_config', `${typeOf(any)} is not supported`);
    }
  });
}

function streamFormat(format: SubstitutionFormatString | undefined): Pick<LogTable, 'format' | 'omitEmpty'> {
  return { format: format === undefined ? defaultFormat : formatOf(format), omitEmpty: format?.omitEmptyValues ?? false };
}

function formatOf(value: SubstitutionFormatString): string | JsonFormat {
  const format = value.format;
  if (format.case === 'jsonFormat') return jsonOf(format.value);
  if (format.case === 'textFormat') return checked(format.value);
  if (format.case === 'textFormatSource' && format.value.specifier.case === 'inlineString') return checked(format.value.specifier.value);
  return reject('envoy.config.core.v3.SubstitutionFormatString.format', `${format.case ?? 'nothing'} from this source is not supported`);
}

function checked(format: string): string {
  const error = formatError(format);
  return error === undefined ? format : reject('access log format', `${error} is not supported`);
}

function jsonOf(value: unknown): JsonFormat {
  const format: Record<string, string | JsonFormat> = {};
  for (const [key, part] of Object.entries(typeof value === 'object' && value !== null ? value : {})) {
    if (typeof part === 'string') format[key] = checked(part);
    else if (typeof part === 'object' && part !== null && !Array.isArray(part)) format[key] = jsonOf(part);
    else reject('access log format', `the value of ${key} is neither a text nor an object`);
  }
  return format;
}

function tagsOf(config: CommonGrpcAccessLogConfig | undefined): LogTag[] {
  return (config?.customTags ?? []).map(tagOf);
}

function tagOf(tag: CustomTag): LogTag {
  const type = tag.type;
  switch (type.case) {
    case 'literal':
      return { name: tag.tag, source: 'literal', value: type.value.value, fallback: '' };
    case 'environment':
      return { name: tag.tag, source: 'environment', value: type.value.name, fallback: type.value.defaultValue };
    case 'requestHeader':
      return { name: tag.tag, source: 'header', value: type.value.name, fallback: type.value.defaultValue };
    case 'metadata': {
      const key = type.value.metadataKey;
      const path = (key?.path ?? []).map((part) => (part.segment.case === 'key' ? part.segment.value : '')).join('.');
      return {
        name: tag.tag,
        source: type.value.kind?.kind.case ?? 'request',
        value: `${key?.key ?? ''}:${path}`,
        fallback: type.value.defaultValue,
      };
    }
    default:
      return reject(`envoy.type.tracing.v3.CustomTag ${tag.tag}`, 'has no known source');
  }
}

function logFilter(filter: AccessLogFilter): LogFilterTable {
  const spec = filter.filterSpecifier;
  const ops: Readonly<Record<number, 'EQ' | 'GE' | 'LE' | 'NE'>> = {
    [ComparisonFilter_Op.EQ]: 'EQ',
    [ComparisonFilter_Op.GE]: 'GE',
    [ComparisonFilter_Op.LE]: 'LE',
    3: 'NE',
  };
  switch (spec.case) {
    case 'statusCodeFilter':
    case 'durationFilter': {
      const comparison = spec.value.comparison;
      const kind = spec.case === 'durationFilter' ? 'duration' : 'status';
      return { kind, op: ops[comparison?.op ?? 0] ?? 'EQ', value: comparison?.value?.defaultValue ?? 0 };
    }
    case 'notHealthCheckFilter':
      // No health check traffic is served by this proxy, so nothing is left out.
      return { kind: 'and', filters: [] };
    case 'runtimeFilter':
      return { kind: 'fraction', fraction: millionths(spec.value.percentSampled, 0) };
    case 'andFilter':
      return { kind: 'and', filters: spec.value.filters.map(logFilter) };
    case 'orFilter':
      return { kind: 'or', filters: spec.value.filters.map(logFilter) };
    case 'headerFilter':
      if (spec.value.header === undefined) return reject('envoy.config.accesslog.v3.HeaderFilter.header', 'is missing');
      return { kind: 'header', rule: headerRule(spec.value.header) };
    case 'responseFlagFilter': {
      // Flags that this proxy never raises cannot match; the rest decide.
      const known = spec.value.flags.filter((name) => flagBit(name) !== 0);
      return spec.value.flags.length > 0 && known.length === 0 ? { kind: 'or', filters: [] } : { kind: 'flags', flags: known };
    }
    default:
      return reject('envoy.config.accesslog.v3.AccessLogFilter', `${spec.case ?? 'nothing'} is not supported`);
  }
}

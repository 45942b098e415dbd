import type { Clock } from '#base/clock.ts';
import { lowerBytes } from '#http/ascii.ts';
import { flagBit, flagNames } from '../flags.ts';
import { type FormatContext, formatter, responseNames } from '../http/format.ts';
import { requestField } from '../http/request-view.ts';
import { headerTest } from '../http/rules.ts';
import type { AccessRecord } from '../records.ts';
import type { JsonFormat, LogFilterTable, LogTable, LogTag } from '../table.ts';
import { FileSink } from './file-sink.ts';

/** One access log of a chain. */
export interface LinkedLog {
  write(context: LoggedContext): void;
}

/** What a log needs beside the format's context. */
export interface LoggedContext extends FormatContext {
  readonly logKind: 'http' | 'tcp';
  readonly direction: string;
  readonly listenerName: string;
  readonly requestHeadBytes: number;
}

const batchSize = 128;
const batchAfterMs = 200;

/** All access logs of a thread: files by path, and records that go to the control thread in batches. */
export class AccessLogs {
  private readonly clock: Clock;
  private readonly post: (batch: readonly AccessRecord[]) => void;
  private readonly report: (message: string) => void;
  private readonly files = new Map<string, FileSink>();
  private batch: AccessRecord[] = [];
  private cancel: (() => void) | undefined = undefined;
  /** Whether anybody reads records; while false none are made. */
  recording = false;

  constructor(clock: Clock, post: (batch: readonly AccessRecord[]) => void, report: (message: string) => void) {
    this.clock = clock;
    this.post = post;
    this.report = report;
  }

  link(tables: readonly LogTable[]): LinkedLog[] {
    return tables.map((table) => {
      const passes = table.filter === undefined ? undefined : logFilter(table.filter, this.clock.random);
      const write = table.kind === 'grpc' ? this.recorder(table) : this.liner(table);
      return { write: (context) => (passes === undefined || passes(context)) && write(context) };
    });
  }

  /** Lower-case names of response fields that some log shows. */
  static responseFields(tables: readonly LogTable[]): string[] {
    const names = new Set<string>();
    for (const table of tables) {
      for (const name of table.responseHeaders) names.add(name.toLowerCase());
      visitFormats(table.format, (format) => {
        for (const name of responseNames(format)) names.add(name);
      });
    }
    return [...names];
  }

  async close(): Promise<void> {
    this.send();
    await Promise.all([...this.files.values()].map((file) => file.close()));
  }

  private liner(table: LogTable): (context: LoggedContext) => void {
    const file = this.file(table.kind === 'stdout' ? '/dev/stdout' : table.kind === 'stderr' ? '/dev/stderr' : table.path);
    if (typeof table.format === 'string') {
      const format = formatter(table.format, '-');
      return (context) => file.append(format(context));
    }
    const format = jsonFormatter(table.format, table.omitEmpty);
    return (context) => file.append(`${format(context) ?? '{}'}\n`);
  }

  private file(path: string): FileSink {
    let file = this.files.get(path);
    if (file === undefined) {
      file = new FileSink(path, this.clock, this.report);
      this.files.set(path, file);
    }
    return file;
  }

  private recorder(table: LogTable): (context: LoggedContext) => void {
    const requestHeaders = table.requestHeaders.map((name) => ({ name: name.toLowerCase(), lower: lowerBytes(name) }));
    const responseHeaders = table.responseHeaders.map((name) => name.toLowerCase());
    return (context) => {
      if (!this.recording) return;
      const record = toRecord(context);
      const requests: Record<string, string> = {};
      for (const { name, lower } of requestHeaders) {
        const value = requestField(context, name, lower);
        if (value !== undefined) requests[name] = value;
      }
      const responses: Record<string, string> = {};
      for (const name of responseHeaders) {
        const value = context.responseField(name);
        if (value !== undefined) responses[name] = value;
      }
      const tags: Record<string, string> = {};
      for (const tag of table.tags) {
        const value = tagValue(tag, context);
        if (value !== '') tags[tag.name] = value;
      }
      this.push({ ...record, requestHeaders: requests, responseHeaders: responses, customTags: tags });
    };
  }

  private push(record: AccessRecord): void {
    this.batch.push(record);
    if (this.batch.length >= batchSize) this.send();
    else this.cancel ??= this.clock.after(batchAfterMs, () => this.send());
  }

  private send(): void {
    this.cancel?.();
    this.cancel = undefined;
    if (this.batch.length === 0) return;
    this.post(this.batch);
    this.batch = [];
  }
}

const known = {
  userAgent: lowerBytes('user-agent'),
  forwardedFor: lowerBytes('x-forwarded-for'),
  requestId: lowerBytes('x-request-id'),
};

function toRecord(context: LoggedContext): AccessRecord {
  const http = context.logKind === 'http';
  return {
    kind: context.logKind,
    direction: context.direction,
    listener: context.listenerName,
    startTime: context.startedAtWall,
    durationMs: context.durationMs,
    timeToLastRxMs: context.requestDurationMs,
    timeToFirstUpstreamRxMs: context.responseDurationMs,
    downstreamRemoteAddress: context.downstreamRemote,
    downstreamLocalAddress: context.downstreamLocal,
    upstreamRemoteAddress: context.upstreamHost,
    upstreamLocalAddress: context.upstreamLocal,
    upstreamCluster: context.clusterName,
    upstreamTransportFailureReason: context.transportFailure,
    upstreamRequestAttemptCount: context.attempts,
    routeName: context.routeName,
    responseFlags: flagNames(context.flags),
    responseCodeDetails: context.details,
    connectionTerminationDetails: context.terminationDetails,
    customTags: {},
    protocolVersion: http ? (context.protocol === 'HTTP/1.0' ? 'HTTP/1.0' : 'HTTP/1.1') : '',
    requestMethod: http ? context.method : '',
    scheme: http ? context.scheme : '',
    authority: http ? context.authority : '',
    path: http ? context.path : '',
    userAgent: requestField(context, 'user-agent', known.userAgent) ?? '',
    forwardedFor: requestField(context, 'x-forwarded-for', known.forwardedFor) ?? '',
    requestId: requestField(context, 'x-request-id', known.requestId) ?? '',
    requestHeaders: {},
    requestHeadersBytes: context.requestHeadBytes,
    requestBodyBytes: context.bytesReceived,
    responseCode: context.status,
    responseHeaders: {},
    responseBodyBytes: context.bytesSent,
    grpcStatus: context.grpcStatus,
  };
}

function tagValue(tag: LogTag, context: LoggedContext): string {
  switch (tag.source) {
    case 'literal':
      return tag.value;
    case 'environment':
      return context.environment(tag.value) || tag.fallback;
    case 'header':
      return requestField(context, tag.value.toLowerCase(), lowerBytes(tag.value)) ?? tag.fallback;
    case 'request':
      return tag.fallback;
    case 'route':
    case 'cluster':
    case 'host':
      return context.metadata(tag.source, tag.value) || tag.fallback;
  }
}

function visitFormats(format: string | JsonFormat, visit: (format: string) => void): void {
  if (typeof format === 'string') visit(format);
  else for (const part of Object.values(format)) visitFormats(part, visit);
}

function jsonFormatter(format: JsonFormat, omitEmpty: boolean): (context: FormatContext) => string | undefined {
  const parts = Object.entries(format)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, part]) => {
      const prefix = `${JSON.stringify(key)}:`;
      if (typeof part !== 'string') {
        const nested = jsonFormatter(part, omitEmpty);
        return (context: FormatContext) => {
          const text = nested(context);
          return text === undefined ? undefined : prefix + text;
        };
      }
      const text = formatter(part, '');
      const numeric =
        /^%(RESPONSE_CODE|BYTES_RECEIVED|BYTES_SENT|DURATION|REQUEST_DURATION|RESPONSE_DURATION|RESPONSE_TX_DURATION|UPSTREAM_REQUEST_ATTEMPT_COUNT|CONNECTION_ID)%$/.test(
          part,
        );
      return (context: FormatContext) => {
        const value = text(context);
        if (value === '') return omitEmpty ? undefined : `${prefix}null`;
        return prefix + (numeric ? value : JSON.stringify(value));
      };
    });
  return (context) => {
    const fields = parts.map((part) => part(context)).filter((text) => text !== undefined);
    return fields.length === 0 && omitEmpty ? undefined : `{${fields.join(',')}}`;
  };
}

function logFilter(filter: LogFilterTable, random: () => number): (context: LoggedContext) => boolean {
  switch (filter.kind) {
    case 'status':
      return (context) => compare(filter.op, context.status, filter.value);
    case 'duration':
      return (context) => compare(filter.op, context.durationMs, filter.value);
    case 'flags': {
      const bits = filter.flags.reduce((all, name) => all | flagBit(name), 0);
      return (context) => (filter.flags.length === 0 ? context.flags !== 0 : (context.flags & bits) !== 0);
    }
    case 'header':
      return headerTest(filter.rule, requestField);
    case 'fraction':
      return () => random() * 1000000 < filter.fraction;
    case 'and': {
      const filters = filter.filters.map((part) => logFilter(part, random));
      return (context) => filters.every((part) => part(context));
    }
    case 'or': {
      const filters = filter.filters.map((part) => logFilter(part, random));
      return (context) => filters.some((part) => part(context));
    }
  }
}

function compare(op: 'EQ' | 'GE' | 'LE' | 'NE', left: number, right: number): boolean {
  if (op === 'EQ') return left === right;
  if (op === 'NE') return left !== right;
  return op === 'GE' ? left >= right : left <= right;
}

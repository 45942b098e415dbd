import { fromBinary } from '@bufbuild/protobuf';
import type { Clock } from '#base/clock.ts';
import { messageOf } from '#base/fault.ts';
import { createGrpcServer } from '#grpc/server.ts';
import type { Logger } from '#process/log.ts';
import { StreamAccessLogsMessageSchema } from '#proto/gen/envoy/service/accesslog/v3/als_pb.js';
import type { ProxyAccess } from './access.ts';
import { fromHttpEntry, fromTcpEntry } from './access-entry.ts';

const streamAccessLogs = '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs';

/**
 * Receives Envoy's gRPC access log on a Unix socket and hands every entry to `onAccess`. Resolves when it listens; the
 * returned function stops it.
 */
export async function serveAccessLog(options: {
  readonly socket: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onAccess: (access: ProxyAccess) => void;
}): Promise<() => Promise<void>> {
  const server = createGrpcServer({
    clock: options.clock,
    log: options.log,
    methods: {
      [streamAccessLogs]: () => ({
        message(bytes) {
          try {
            for (const access of decode(bytes)) options.onAccess(access);
          } catch (error) {
            options.log.warn('an access log message cannot be read', { error: messageOf(error) });
          }
        },
      }),
    },
  });
  await server.listen({ path: options.socket });
  return () => server.close();
}

function decode(bytes: Uint8Array): ProxyAccess[] {
  const { logEntries } = fromBinary(StreamAccessLogsMessageSchema, bytes);
  if (logEntries.case === 'httpLogs') return logEntries.value.logEntry.map(fromHttpEntry);
  if (logEntries.case === 'tcpLogs') return logEntries.value.logEntry.map(fromTcpEntry);
  return [];
}

import type { Clock } from '#base/clock.ts';
import { Fault } from '#base/fault.ts';
import type { GrpcMethod } from '#grpc/server-stream.ts';
import { GrpcFault, grpcCode } from '#grpc/status.ts';
import { adsMethods } from './messages.ts';
import { Responses, type XdsProtocol } from './responses.ts';
import { Selections } from './selection.ts';
import { type XdsHost, XdsStream } from './stream.ts';

export interface XdsServerOptions {
  readonly host: XdsHost;
  readonly clock: Clock;
  /** Bytes of responses kept for sharing; default 64 MiB. */
  readonly sharedBytes?: number;
}

/** Aggregated xDS, both variants, as gRPC methods. */
export interface XdsServer {
  readonly methods: Readonly<Record<string, GrpcMethod>>;
  readonly selections: Selections;
  readonly responses: Responses;
  /** Open streams in the order of their arrival. */
  readonly streams: ReadonlySet<XdsStream>;
}

export function createXdsServer(options: XdsServerOptions): XdsServer {
  const { clock, host } = options;
  const selections = new Selections();
  // Versions and nonces of one process must not look like another's.
  const prefix = Math.floor(clock.now()).toString(36) + Math.floor(clock.random() * 36 ** 2).toString(36);
  const responses = new Responses(prefix, options.sharedBytes);
  const streams = new Set<XdsStream>();
  let lastId = 0;

  const method =
    (protocol: XdsProtocol): GrpcMethod =>
    (call) => {
      const stream = new XdsStream(call, { protocol, host, selections, responses, clock, id: ++lastId });
      streams.add(stream);
      return {
        message(bytes) {
          try {
            stream.message(bytes);
          } catch (error) {
            // What the client sent is its fault and not ours.
            if (error instanceof Fault && error.code === 'XDS_MALFORMED') {
              throw new GrpcFault({ code: grpcCode.invalidArgument, message: error.message });
            }
            throw error;
          }
        },
        halfClosed: () => stream.halfClosed(),
        drained: () => stream.drained(),
        draining: () => stream.disconnect(),
        closed() {
          streams.delete(stream);
          stream.closed();
        },
      };
    };

  return { methods: { [adsMethods.delta]: method('delta'), [adsMethods.sotw]: method('sotw') }, selections, responses, streams };
}

import http2 from 'node:http2';
import type { Clock } from '#base/clock.ts';
import { FrameReader, frameMessage } from './frame.ts';
import { encodeStatusMessage, GrpcFault, type GrpcStatus, grpcCode, okStatus, parseTimeout, statusOf } from './status.ts';

/** One call as its handler sees it. Every method is safe after the call has ended: it does nothing. */
export interface GrpcCall {
  readonly path: string;
  /** `address:port` of the other end, `unix` for a local socket. */
  readonly peer: string;
  /** Request headers in lower case, the first value of each. */
  header(name: string): string | undefined;
  /** The peer's certificate, DER; undefined without mutual TLS. */
  peerCertificate(): Buffer | undefined;
  /** False while written bytes wait for the peer: write nothing then, `drained` says when to go on. */
  readonly writable: boolean;
  send(message: Uint8Array): void;
  /** Sends bytes that carry their prefix already (`frameMessage`), without copying: they may be shared by many calls. */
  sendFramed(framed: Buffer): void;
  /** Stops or resumes reading from the peer. */
  pause(): void;
  resume(): void;
  /** Ends the call; what was sent before is delivered first. */
  finish(status?: GrpcStatus): void;
}

/** The handler's side of a call. */
export interface CallHandler {
  message(bytes: Buffer): void;
  /** The client has sent its last message. */
  halfClosed?(): void;
  drained?(): void;
  /** The connection has reached its age and will be cut: end the call when it can be. The client has been told (GOAWAY). */
  draining?(): void;
  /** Called exactly once, however the call ended. */
  closed?(): void;
}

export type GrpcMethod = (call: GrpcCall) => CallHandler;

/**
 * Node keeps an output buffer as large as the biggest single write for the life of a TLS connection, hence larger
 * messages go out in slices of this size, each after the one before has been taken.
 */
const tlsSliceBytes = 64 * 1024;

/** How long a finished call may take to deliver what it still holds. */
const finishGraceMs = 10_000;

/** A unary method: bytes in, bytes out. A thrown GrpcFault becomes the status; anything else is INTERNAL. */
export function unaryMethod(run: (request: Buffer, call: GrpcCall) => Promise<Uint8Array> | Uint8Array): GrpcMethod {
  return (call) => {
    let request: Buffer | undefined;
    return {
      message(bytes) {
        if (request) return call.finish({ code: grpcCode.internal, message: 'more than one message in a unary call' });
        request = bytes;
      },
      halfClosed() {
        if (!request) return call.finish({ code: grpcCode.internal, message: 'a unary call without a message' });
        const input = request;
        Promise.resolve()
          .then(() => run(input, call))
          .then(
            (answer) => {
              call.send(answer);
              call.finish();
            },
            (error: unknown) => call.finish(statusOf(error)),
          );
      },
    };
  };
}

/** Server end of one HTTP/2 stream that carries one call. */
export class ServerStream implements GrpcCall {
  readonly path: string;
  readonly peer: string;
  readonly #stream: http2.ServerHttp2Stream;
  readonly #headers: http2.IncomingHttpHeaders;
  readonly #clock: Clock;
  readonly #maxMessageBytes: number;
  readonly #sliced: boolean;
  #handler: CallHandler | undefined;
  #status: GrpcStatus | undefined;
  /** Rest of the message being written in slices, then whole messages behind it. */
  #waiting: Buffer[] = [];
  #ended = false;
  #cancelTimer: (() => void) | undefined;

  constructor(
    stream: http2.ServerHttp2Stream,
    headers: http2.IncomingHttpHeaders,
    options: { readonly maxMessageBytes: number; readonly clock: Clock },
  ) {
    this.path = String(headers[':path']);
    const socket = stream.session?.socket;
    this.peer = socket?.remoteAddress ? `${socket.remoteAddress}:${socket.remotePort}` : 'unix';
    this.#stream = stream;
    this.#headers = headers;
    this.#clock = options.clock;
    this.#maxMessageBytes = options.maxMessageBytes;
    this.#sliced = stream.session?.encrypted ?? false;
  }

  header(name: string): string | undefined {
    const value = this.#headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  peerCertificate(): Buffer | undefined {
    const socket = this.#stream.session?.socket;
    if (!socket || !('getPeerX509Certificate' in socket)) return undefined;
    return socket.getPeerX509Certificate()?.raw;
  }

  get writable(): boolean {
    return !this.#ended && this.#waiting.length === 0 && !this.#stream.writableNeedDrain;
  }

  /** Hands the call to its method and starts reading. A handler that throws ends its own call only. */
  start(method: GrpcMethod, onBug: (error: unknown) => void): void {
    const guarded = (run: () => void) => {
      try {
        run();
      } catch (error) {
        if (!(error instanceof GrpcFault)) onBug(error);
        this.finish(statusOf(error));
      }
    };
    const stream = this.#stream;
    stream.on('close', () => {
      this.#ended = true;
      this.#cancelTimer?.();
      this.#waiting = [];
      guarded(() => this.#handler?.closed?.());
    });
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => {
      stream.sendTrailers(trailersOf(this.#status ?? okStatus));
      // A client that has not finished its own side would keep the stream open for ever.
      setImmediate(() => stream.close(http2.constants.NGHTTP2_NO_ERROR));
    });
    guarded(() => {
      const handler = method(this);
      this.#handler = handler;
      const reader = new FrameReader(this.#maxMessageBytes, (message) => {
        if (!this.#ended) handler.message(message);
      });
      stream.on('data', (chunk: Buffer) => guarded(() => this.#ended || reader.push(chunk)));
      stream.on('end', () =>
        guarded(() => {
          if (reader.partial) throw new GrpcFault({ code: grpcCode.internal, message: 'the stream ended inside a message' });
          handler.halfClosed?.();
        }),
      );
      stream.on('drain', () => guarded(() => this.writable && handler.drained?.()));
      this.#startDeadline();
    });
  }

  /** Tells the handler that the connection comes to its end. */
  drain(): void {
    if (!this.#ended && !this.#status) this.#handler?.draining?.();
  }

  send(message: Uint8Array): void {
    this.sendFramed(frameMessage(message));
  }

  sendFramed(framed: Buffer): void {
    if (this.#ended || this.#status) return;
    if (this.#waiting.length > 0) {
      this.#waiting.push(framed);
      return;
    }
    if (!this.#sliced || framed.length <= tlsSliceBytes) {
      this.#stream.write(framed);
      return;
    }
    this.#waiting.push(framed);
    this.#writeSlice();
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  finish(status: GrpcStatus = okStatus): void {
    if (this.#ended || this.#status) return;
    this.#status = status;
    const stream = this.#stream;
    if (stream.destroyed) return;
    if (!stream.headersSent) {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...trailersOf(status) }, { endStream: true });
      stream.resume();
      return;
    }
    this.#cancelTimer?.();
    this.#cancelTimer = this.#clock.after(finishGraceMs, () => stream.close(http2.constants.NGHTTP2_CANCEL));
    if (this.#waiting.length === 0) this.#end();
  }

  #end(): void {
    this.#stream.end();
    this.#stream.resume();
  }

  #writeSlice(): void {
    const next = this.#waiting[0];
    if (!next || this.#ended) return;
    const slice = next.subarray(0, tlsSliceBytes);
    this.#stream.write(slice, (error) => {
      if (error || this.#ended) return;
      if (slice.length === next.length) this.#waiting.shift();
      else this.#waiting[0] = next.subarray(tlsSliceBytes);
      if (this.#waiting.length > 0) return this.#writeSlice();
      if (this.#status) return this.#end();
      this.#handler?.drained?.();
    });
  }

  #startDeadline(): void {
    const timeoutMs = parseTimeout(this.header('grpc-timeout'));
    if (timeoutMs === undefined || this.#status) return;
    this.#cancelTimer = this.#clock.after(timeoutMs, () =>
      this.finish({ code: grpcCode.deadlineExceeded, message: `the call did not end within ${timeoutMs} ms` }),
    );
  }
}

function trailersOf(status: GrpcStatus): Record<string, string> {
  const trailers = { 'grpc-status': String(status.code) };
  return status.message ? { ...trailers, 'grpc-message': encodeStatusMessage(status.message) } : trailers;
}

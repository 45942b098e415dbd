import http2 from 'node:http2';
import type { Clock } from '#base/clock.ts';
import { FrameReader, frameMessage } from './frame.ts';
import { decodeStatusMessage, type GrpcStatus, grpcCode, statusOf, statusOfHttp } from './status.ts';

/** The caller's side of a call. Methods do nothing once it has ended. */
export interface ClientCall {
  /** False while written bytes wait for the peer. */
  readonly writable: boolean;
  send(message: Uint8Array): void;
  /** No more messages from this side. */
  end(): void;
  cancel(): void;
}

export interface ClientHandler {
  message(bytes: Buffer): void;
  drained?(): void;
  /** Called exactly once, with the server's status or UNAVAILABLE when the connection broke. */
  closed(status: GrpcStatus): void;
}

export interface ClientStreamOptions {
  readonly path: string;
  /** The server as messages name it. */
  readonly where: string;
  readonly maxMessageBytes: number;
  readonly clock: Clock;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Client end of one HTTP/2 stream that carries one call. */
export class ClientStream implements ClientCall {
  readonly #stream: http2.ClientHttp2Stream;
  readonly #handler: ClientHandler;
  readonly #where: string;
  #status: GrpcStatus | undefined;
  #cause = '';
  #closed = false;

  constructor(session: http2.ClientHttp2Session, options: ClientStreamOptions, handler: ClientHandler) {
    this.#handler = handler;
    this.#where = options.where;
    const stream = session.request({
      ':method': 'POST',
      ':path': options.path,
      te: 'trailers',
      'content-type': 'application/grpc',
      'user-agent': 'meshwright-grpc',
      ...(options.timeoutMs === undefined ? {} : { 'grpc-timeout': `${Math.max(1, Math.round(options.timeoutMs))}m` }),
      ...options.metadata,
    });
    this.#stream = stream;
    const abort = () => this.#stop({ code: grpcCode.cancelled, message: 'cancelled by the caller' });
    const cancelDeadline =
      options.timeoutMs === undefined
        ? undefined
        : options.clock.after(options.timeoutMs, () =>
            this.#stop({
              code: grpcCode.deadlineExceeded,
              message: `${options.path} on ${options.where} took over ${options.timeoutMs} ms`,
            }),
          );
    options.signal?.addEventListener('abort', abort, { once: true });
    stream.on('response', (headers) => this.#readHead(headers));
    stream.on('trailers', (trailers) => this.#readStatus(trailers));
    const reader = new FrameReader(options.maxMessageBytes, (message) => {
      if (!this.#closed) handler.message(message);
    });
    stream.on('data', (chunk: Buffer) => {
      try {
        if (!this.#closed) reader.push(chunk);
      } catch (error) {
        this.#stop(statusOf(error));
      }
    });
    stream.on('drain', () => handler.drained?.());
    stream.on('error', (error) => {
      this.#cause = error.message;
    });
    stream.once('close', () => {
      cancelDeadline?.();
      options.signal?.removeEventListener('abort', abort);
      this.#finish(this.#status ?? this.#broken());
    });
    if (options.signal?.aborted) abort();
  }

  get writable(): boolean {
    return !this.#closed && !this.#stream.writableNeedDrain;
  }

  send(message: Uint8Array): void {
    if (!this.#closed && this.#stream.writable) this.#stream.write(frameMessage(message));
  }

  end(): void {
    if (!this.#closed && this.#stream.writable) this.#stream.end();
  }

  cancel(): void {
    this.#stop({ code: grpcCode.cancelled, message: 'cancelled by the caller' });
  }

  #readHead(headers: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader): void {
    if (headers['grpc-status'] !== undefined) this.#readStatus(headers);
    else if (headers[':status'] !== 200) this.#status = statusOfHttp(headers[':status'] ?? 0);
  }

  #readStatus(headers: http2.IncomingHttpHeaders): void {
    const code = Number(headers['grpc-status'] ?? grpcCode.unknown);
    this.#status = {
      code: Number.isInteger(code) && code >= 0 ? code : grpcCode.unknown,
      message: decodeStatusMessage(String(headers['grpc-message'] ?? '')),
    };
  }

  #broken(): GrpcStatus {
    const cause = this.#cause || 'the connection closed without a status';
    return { code: grpcCode.unavailable, message: `${this.#where}: ${cause}` };
  }

  #stop(status: GrpcStatus): void {
    this.#stream.close(http2.constants.NGHTTP2_CANCEL);
    this.#finish(status);
  }

  #finish(status: GrpcStatus): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handler.closed(status);
  }
}

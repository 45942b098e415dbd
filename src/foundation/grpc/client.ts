import http2 from 'node:http2';
import net from 'node:net';
import tls from 'node:tls';
import type { Clock } from '#base/clock.ts';
import { messageOf } from '#base/fault.ts';
import { formatGrpcAddress, type GrpcAddress } from './address.ts';
import { type ClientCall, type ClientHandler, ClientStream } from './client-stream.ts';
import { defaultMaxMessageBytes } from './frame.ts';
import { keepAlive } from './keepalive.ts';
import { GrpcFault, type GrpcStatus, grpcCode } from './status.ts';

export interface GrpcChannelOptions {
  readonly address: GrpcAddress;
  /** TLS; absent = plain text with prior knowledge. */
  readonly tls?: tls.ConnectionOptions;
  readonly clock: Clock;
  /** Limit for one received message; default 4 MiB. */
  readonly maxMessageBytes?: number;
  /** Pings that often and gives the connection up without an answer; 0 = never. Default 30 s. */
  readonly keepaliveMs?: number;
  /** Default 5 s. */
  readonly connectTimeoutMs?: number;
  /** Source address of the connection. */
  readonly localAddress?: string;
}

export interface CallOptions {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** One HTTP/2 connection at a time to one address, made when first needed and made anew after it broke. */
export interface GrpcChannel {
  /** Starts a call; `handler.closed` is called exactly once, also when connecting fails. */
  stream(path: string, handler: ClientHandler, options?: CallOptions): ClientCall;
  /** Rejects with GrpcFault unless the status is OK and exactly one message came. */
  unary(path: string, request: Uint8Array, options?: CallOptions): Promise<Buffer>;
  /** Cuts every call. */
  close(): void;
}

/** What the server may send before we read it, per connection and per call. */
const connectionWindowBytes = 16 * 1024 * 1024;
const streamWindowBytes = 4 * 1024 * 1024;

export function createGrpcChannel(options: GrpcChannelOptions): GrpcChannel {
  const { clock } = options;
  const maxMessageBytes = options.maxMessageBytes ?? defaultMaxMessageBytes;
  const where = formatGrpcAddress(options.address);
  let current: http2.ClientHttp2Session | undefined;
  let closed = false;

  function connect(): http2.ClientHttp2Session {
    if (current && !current.closed && !current.destroyed) return current;
    const authority = `${options.tls ? 'https' : 'http'}://${'path' in options.address ? 'localhost' : where}`;
    const session = http2.connect(authority, {
      createConnection: () => openSocket(options),
      settings: { enablePush: false, initialWindowSize: streamWindowBytes },
      maxSessionMemory: 128,
    });
    const cancelTimeout = clock.after(options.connectTimeoutMs ?? 5000, () =>
      session.destroy(new Error(`no connection to ${where} within ${options.connectTimeoutMs ?? 5000} ms`)),
    );
    const stopPings = keepAlive(session, options.keepaliveMs ?? 30_000, clock, () => {});
    session.once('connect', () => {
      cancelTimeout();
      session.setLocalWindowSize(connectionWindowBytes);
    });
    session.on('error', () => {});
    session.on('goaway', () => session.close());
    session.once('close', () => {
      cancelTimeout();
      stopPings();
      if (current === session) current = undefined;
    });
    current = session;
    return session;
  }

  function stream(path: string, handler: ClientHandler, call: CallOptions = {}): ClientCall {
    if (closed) return refusedCall(handler, { code: grpcCode.cancelled, message: 'the channel is closed' });
    try {
      return new ClientStream(connect(), { path, where, maxMessageBytes, clock, ...call }, handler);
    } catch (error) {
      return refusedCall(handler, { code: grpcCode.unavailable, message: `${where}: ${messageOf(error)}` });
    }
  }

  function unary(path: string, request: Uint8Array, call: CallOptions = {}): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      let answer: Buffer | undefined;
      const handler: ClientHandler = {
        message(bytes) {
          answer = bytes;
        },
        closed(status) {
          if (status.code !== grpcCode.ok) reject(new GrpcFault(status));
          else if (!answer) reject(new GrpcFault({ code: grpcCode.internal, message: `${path}: OK without a message` }));
          else resolve(answer);
        },
      };
      const started = stream(path, handler, call);
      started.send(request);
      started.end();
    });
  }

  return {
    stream,
    unary,
    close() {
      closed = true;
      current?.destroy();
    },
  };
}

function openSocket(options: GrpcChannelOptions): net.Socket | tls.TLSSocket {
  const { address } = options;
  const place = 'path' in address ? { path: address.path } : { ...address, localAddress: options.localAddress, noDelay: true };
  return options.tls ? tls.connect({ ...place, ...options.tls, ALPNProtocols: ['h2'] }) : net.connect(place);
}

function refusedCall(handler: ClientHandler, status: GrpcStatus): ClientCall {
  queueMicrotask(() => handler.closed(status));
  return { writable: false, send() {}, end() {}, cancel() {} };
}

import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { SecureContextOptions, TlsOptions } from 'node:tls';
import type { Clock } from '#base/clock.ts';
import { codeOf, Fault, messageOf } from '#base/fault.ts';
import type { Logger } from '#process/log.ts';
import { boundAddress, formatGrpcAddress, type GrpcAddress } from './address.ts';
import { defaultMaxMessageBytes } from './frame.ts';
import { keepAlive } from './keepalive.ts';
import { type GrpcMethod, ServerStream } from './server-stream.ts';
import { grpcCode } from './status.ts';

export interface GrpcServerOptions {
  /** By path, `/package.Service/Method`. Anything else is answered UNIMPLEMENTED. */
  readonly methods: Readonly<Record<string, GrpcMethod>>;
  /** TLS with HTTP/2 only; absent = plain text with prior knowledge. */
  readonly tls?: SecureContextOptions & TlsOptions;
  readonly clock: Clock;
  readonly log: Logger;
  /** Limit for one received message; default 4 MiB. */
  readonly maxMessageBytes?: number;
  /** A session is pinged this often and closed when the answer takes as long again; 0 = never. Default 30 s. */
  readonly keepaliveMs?: number;
  /** A session is closed (GOAWAY, then its calls are asked to end) at about this age, up to a tenth more or less; 0 (default) = never. */
  readonly maxConnectionAgeMs?: number;
  /** Sessions beyond this are refused at once. Default 16384. */
  readonly maxSessions?: number;
  /** Streams one session may have open. Default 256. */
  readonly maxStreamsPerSession?: number;
}

export interface GrpcServer {
  /** Resolves with the address really bound. May be called for several addresses. Faults: GRPC_LISTEN. */
  listen(address: GrpcAddress): Promise<GrpcAddress>;
  /** Refuses new streams (GOAWAY), gives open ones `graceMs`, then cuts them. */
  close(graceMs?: number): Promise<void>;
  sessions(): number;
}

/** Connections the kernel may hold before we accept them: a reconnect storm of a whole mesh fits. */
const backlog = 4096;

/** Megabytes that Node lets one session hold; the default of 10 is less than one large configuration. */
const maxSessionMemory = 128;

/** What a session that has reached its age gives its calls to end. */
const ageGraceMs = 10_000;

const sessionWindowBytes = 1024 * 1024;

/** A gRPC server on node:http2. Construction starts nothing; `listen` does. */
export function createGrpcServer(options: GrpcServerOptions): GrpcServer {
  const servers: (http2.Http2Server | http2.Http2SecureServer)[] = [];
  const sessions = new Map<http2.ServerHttp2Session, () => void>();
  /** Open calls, for sessions that come of age. */
  const calls = new WeakMap<http2.Http2Session, Set<ServerStream>>();
  const { log } = options;
  const maxMessageBytes = options.maxMessageBytes ?? defaultMaxMessageBytes;
  let closing = false;

  function admit(session: http2.ServerHttp2Session): void {
    if (closing || sessions.size >= (options.maxSessions ?? 16384)) {
      session.goaway(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
      session.destroy();
      return;
    }
    session.setLocalWindowSize(sessionWindowBytes);
    const stop = keepAlive(session, options.keepaliveMs ?? 30_000, options.clock, () =>
      log.info('closing a connection whose peer does not answer pings', { peer: session.socket?.remoteAddress }),
    );
    const stopAging = closeAtAge(session);
    sessions.set(session, stop);
    session.on('error', (error) => log.debug('connection failed', { error: messageOf(error) }));
    session.on('close', () => {
      stop();
      stopAging();
      sessions.delete(session);
    });
  }

  function closeAtAge(session: http2.ServerHttp2Session): () => void {
    const age = options.maxConnectionAgeMs ?? 0;
    if (age <= 0) return () => {};
    // Spread, so that proxies that came together do not come back together.
    let cancel = options.clock.after(age * (0.9 + 0.2 * options.clock.random()), () => {
      cancel = options.clock.after(ageGraceMs, () => session.destroy());
      session.close();
      for (const call of calls.get(session) ?? []) call.drain();
    });
    return () => cancel();
  }

  function remember(session: http2.Http2Session, call: ServerStream, stream: http2.ServerHttp2Stream): void {
    const open = calls.get(session) ?? new Set();
    calls.set(session, open.add(call));
    stream.once('close', () => open.delete(call));
  }

  function onStream(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void {
    const path = String(headers[':path'] ?? '');
    const method = Object.hasOwn(options.methods, path) ? options.methods[path] : undefined;
    stream.on('error', (error) => log.debug('stream failed', { path, error: messageOf(error) }));
    if (headers[':method'] !== 'POST' || !String(headers['content-type'] ?? '').startsWith('application/grpc')) {
      stream.respond({ ':status': 415, 'accept-post': 'application/grpc' }, { endStream: true });
      return;
    }
    const call = new ServerStream(stream, headers, { maxMessageBytes, clock: options.clock });
    if (!method) {
      call.finish({ code: grpcCode.unimplemented, message: `no method ${path} here` });
      return;
    }
    const { session } = stream;
    if (session) remember(session, call, stream);
    call.start(method, (error) => log.error('a call handler threw', { path, error: messageOf(error), stack: stackOf(error) }));
  }

  async function listen(address: GrpcAddress): Promise<GrpcAddress> {
    const settings = { maxConcurrentStreams: options.maxStreamsPerSession ?? 256, initialWindowSize: 256 * 1024 };
    const server = options.tls
      ? http2.createSecureServer({ ...options.tls, ALPNProtocols: ['h2'], allowHTTP1: false, settings, maxSessionMemory })
      : http2.createServer({ settings, maxSessionMemory });
    server.on('session', admit);
    server.on('stream', onStream);
    server.on('sessionError', (error) => log.debug('session failed', { error: messageOf(error) }));
    server.on('tlsClientError', (error: Error) => log.debug('TLS handshake failed', { error: error.message }));
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(listenFault(address, error)));
      server.listen({ ...address, backlog }, resolve);
    });
    server.on('error', (error) => log.error('server failed', { error: messageOf(error) }));
    servers.push(server);
    return boundAddress(server.address() satisfies AddressInfo | string | null);
  }

  async function close(graceMs = 0): Promise<void> {
    closing = true;
    const closed = servers.splice(0).map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    for (const session of sessions.keys()) session.close();
    const cancel = options.clock.after(graceMs, () => {
      for (const session of sessions.keys()) session.destroy();
    });
    await Promise.all(closed);
    cancel();
  }

  return { listen, close, sessions: () => sessions.size };
}

function listenFault(address: GrpcAddress, cause: Error): Fault {
  const where = formatGrpcAddress(address);
  const inUse = codeOf(cause) === 'EADDRINUSE';
  return new Fault('GRPC_LISTEN', `cannot listen on ${where}: ${inUse ? 'the address is in use' : cause.message}`, {
    cause,
    fix: inUse ? 'Stop the other program or choose another port.' : 'Check that the address belongs to this machine and may be bound.',
  });
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined;
}

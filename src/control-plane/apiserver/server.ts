import { createSecureServer, type Http2SecureServer } from 'node:http2';
import type { Socket } from 'node:net';
import { isIP } from 'node:net';
import type { Clock } from '#base/clock.ts';
import { codeOf, Fault, messageOf } from '#base/fault.ts';
import { privateKeyPem } from '#pki/certificate.ts';
import type { SecretBytes } from '#pki/secret.ts';
import type { Logger } from '#process/log.ts';
import { type Credentials, loadCredentials } from './credentials.ts';
import { createDispatcher } from './http/dispatch.ts';
import type { HttpRequest, HttpResponse } from './http/exchange.ts';
import { createOpenApi } from './http/openapi.ts';
import { createWatches } from './http/watch.ts';
import type { ApiKind } from './kinds.ts';
import { formatKubeconfig } from './kubeconfig.ts';
import { expireEvents } from './object/expiry.ts';
import { openStore } from './open-store.ts';
import type { Durability } from './storage/database.ts';
import type { ObjectStore } from './store.ts';

export interface ApiServerOptions {
  /** Holds the database, keys and token; made with mode 0700 when missing. One server at a time. */
  readonly stateDir: string;
  readonly kinds: readonly ApiKind[];
  readonly clock: Clock;
  readonly log: Logger;
  /** Address to listen on; 127.0.0.1 when absent. Anything but a loopback address needs `allowRemote`. */
  readonly bind?: string;
  /** 0 or absent: chosen by the system. */
  readonly port?: number;
  readonly allowRemote?: boolean;
  /** Replaces the token kept in the state folder. */
  readonly token?: SecretBytes;
  /** Meshwright's own version, for /version. */
  readonly version?: string;
  /** `process` (default): acknowledged writes survive kill -9; `power`: also a power cut, for one fsync per write. */
  readonly durability?: Durability;
  /** Upper bound of the database in bytes. */
  readonly maxBytes?: number;
  /** Past events kept for watches and paging. */
  readonly historyEvents?: number;
}

export interface ApiServer {
  /** `https://127.0.0.1:16440` */
  readonly url: string;
  readonly port: number;
  /** The same objects, for code in this process. */
  readonly store: ObjectStore;
  /** A kubeconfig with address, authority and token: a secret, to be kept in a file of mode 0600. */
  kubeconfig(): string;
  /** Watches running now. */
  watchCount(): number;
  /** Ends watches, lets running requests finish (at most a second), closes the database. Safe to call twice. */
  close(): Promise<void>;
}

const headersLimitBytes = 64 * 1024;
const closeGraceMs = 1000;

/**
 * Starts the embedded API server. Throws the Faults `STATE_IN_USE`, `STATE_UNUSABLE`, `STORE_FULL`, `STORE_FAILED`,
 * `STORE_NEWER`, `PKI_UNREADABLE`, `PORT_IN_USE`, `LISTEN_FAILED`, `BIND_REFUSED`.
 */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const bind = options.bind ?? '127.0.0.1';
  if (!isLoopback(bind) && options.allowRemote !== true) {
    throw new Fault('BIND_REFUSED', `the API server would listen on ${bind}, which others can reach`, {
      fix: 'Use 127.0.0.1, or allow remote access explicitly.',
    });
  }
  const opened = openStore(options);
  try {
    return await serve(options, bind, opened);
  } catch (error) {
    opened.close();
    throw error;
  }
}

async function serve(options: ApiServerOptions, bind: string, opened: ReturnType<typeof openStore>): Promise<ApiServer> {
  const { clock, log } = options;
  const { objects } = opened;
  const hosts = [...new Set(['127.0.0.1', 'localhost', '::1', ...(isWildcard(bind) ? [] : [bind])])];
  const kept = loadCredentials(options.stateDir, hosts, clock.now());
  const credentials: Credentials = options.token ? { ...kept, token: options.token } : kept;
  const watches = createWatches(objects, clock);
  const version = options.version ?? '0.0.0';
  let closing: Promise<void> | undefined;
  const server = createSecureServer({
    allowHTTP1: true,
    minVersion: 'TLSv1.2',
    key: privateKeyPem(credentials.serving.privateKey).reveal(),
    cert: credentials.serving.certificatePem,
    settings: { maxConcurrentStreams: 1000, maxHeaderListSize: headersLimitBytes },
  });
  const traffic = trackTraffic(server);
  const context = { objects, watches, clock, log, version, token: credentials.token, openApi: createOpenApi(objects.kinds, version) };
  server.on('request', createDispatcher({ ...context, isReady: () => !closing }));
  server.on('sessionError', (error) => log.debug('an HTTP/2 session failed', { error: messageOf(error) }));
  server.on('tlsClientError', (error) => log.debug('a TLS handshake failed', { error: messageOf(error) }));
  const port = await listen(server, bind, options.port ?? 0);
  const stopExpiry = expireEvents(objects, clock, log);
  const url = `https://${isWildcard(bind) ? '127.0.0.1' : bind.includes(':') ? `[${bind}]` : bind}:${port}`;
  return {
    url,
    port,
    store: objects,
    kubeconfig: () => formatKubeconfig(url, credentials.authorityPem, credentials.token),
    watchCount: () => watches.count(),
    close() {
      closing ??= close(server, watches, traffic, clock).finally(() => {
        stopExpiry();
        opened.close();
      });
      return closing;
    },
  };
}

async function close(server: Http2SecureServer, watches: { close(): void }, traffic: Traffic, clock: Clock): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  watches.close();
  await traffic.idle(clock);
  // Kept-alive connections would hold the server open until the client lets go.
  for (const socket of traffic.connections) socket.destroy();
  await closed;
}

interface Traffic {
  readonly connections: ReadonlySet<Socket>;
  /** Resolves when no answer is under way, or after the grace time. */
  idle(clock: Clock): Promise<void>;
}

function trackTraffic(server: Http2SecureServer): Traffic {
  const connections = new Set<Socket>();
  const answers = new Set<HttpResponse>();
  let onIdle = () => {};
  const track = (socket: Socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
  };
  // The raw socket until the handshake is done; from then on the encrypted one holds the connection.
  server.on('connection', track);
  server.on('secureConnection', track);
  server.on('request', (_request: HttpRequest, response: HttpResponse) => {
    answers.add(response);
    response.on('close', () => {
      answers.delete(response);
      if (answers.size === 0) onIdle();
    });
  });
  return {
    connections,
    idle: (clock) =>
      new Promise((resolve) => {
        if (answers.size === 0) return resolve();
        const cancel = clock.after(closeGraceMs, resolve);
        onIdle = () => {
          cancel();
          resolve();
        };
      }),
  };
}

function listen(server: Http2SecureServer, bind: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenFault(error, bind, port)));
    server.listen({ host: bind, port }, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : port);
    });
  });
}

function listenFault(error: unknown, bind: string, port: number): Fault {
  if (codeOf(error) === 'EADDRINUSE') {
    return new Fault('PORT_IN_USE', `the API server cannot listen on ${bind}:${port}: the port is in use by another program`, {
      cause: error,
      fix: 'Stop that program (it may be another Meshwright) or choose another port for the API server.',
    });
  }
  return new Fault('LISTEN_FAILED', `the API server cannot listen on ${bind}:${port}: ${messageOf(error)}`, {
    cause: error,
    fix: 'Choose an address of this machine and a port above 1023.',
  });
}

function isLoopback(bind: string): boolean {
  return bind === 'localhost' || bind === '::1' || (isIP(bind) === 4 && bind.startsWith('127.'));
}

function isWildcard(bind: string): boolean {
  return bind === '0.0.0.0' || bind === '::';
}

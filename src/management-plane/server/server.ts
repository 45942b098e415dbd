import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import fastifyWebsocket from '@fastify/websocket';
import { fastify } from 'fastify';
import type { Clock } from '#base/clock.ts';
import { codeOf, Fault, messageOf } from '#base/fault.ts';
import type { Logger } from '#process/log.ts';
import { checkHost } from './access/guard.ts';
import { createSessions } from './access/sessions.ts';
import type { Api, Context } from './route/context.ts';
import { liveRoutes } from './route/live.ts';
import { meshRoutes } from './route/mesh.ts';
import { openApiRoute } from './route/openapi.ts';
import { proxyRoutes } from './route/proxies.ts';
import { answerFor, refusal } from './route/refusal.ts';
import { resourceRoutes } from './route/resources.ts';
import { sessionRoutes } from './route/session.ts';
import { splitRoutes } from './route/split.ts';
import type { Sources } from './sources.ts';
import { createLiveHub } from './state/live-hub.ts';
import { createLiveState } from './state/live-state.ts';

export interface ServerOptions {
  readonly sources: Sources;
  /** Secret that allows writing; at least 16 characters. */
  readonly token: string;
  /** A loopback address; default 127.0.0.1. */
  readonly bind?: string;
  /** 0: chosen by the system. */
  readonly port: number;
  /** Folder of the built page. */
  readonly webRoot: string;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Server {
  /** `http://127.0.0.1:16480`; the port is known after `listen`. */
  readonly url: string;
  /** Starts watching, asking agents and serving. Rejects with a Fault when the port is taken. */
  listen(): Promise<void>;
  /** Ends all streams and stops; may be called more than once. */
  close(): Promise<void>;
  /** A link that opens the page for writing: valid once, for ten minutes. */
  openLink(): string;
  /** Answers a request without a socket, for tests. Call `ready` first. */
  readonly app: Api;
}

const bodyLimit = 2 * 1024 * 1024;

/** The management server: REST and WebSocket under `/api/v1`, the page elsewhere. Nothing runs before `listen`. */
export function createServer(options: ServerOptions): Server {
  const { sources, token, bind = '127.0.0.1', port, clock, log } = options;
  if (!/^(127(\.\d{1,3}){3}|::1|localhost)$/.test(bind)) {
    throw new Fault('bind_not_loopback', `The page cannot be bound to ${bind}: it is made for loopback only.`, {
      fix: 'Use 127.0.0.1 and forward the port, for example with ssh -L.',
    });
  }
  if (token.length < 16)
    throw new Fault('weak_token', `The token has ${token.length} characters, expected at least 16.`, {
      fix: 'Delete the token file: a new one is made at start.',
    });
  const closing = new AbortController();
  const hub = createLiveHub();
  const sessions = createSessions(token, clock);
  const state = createLiveState({ sources, clock, hub, log });
  let boundPort = port;
  const url = () => `http://${bind.includes(':') ? `[${bind}]` : bind}:${boundPort}`;
  const context: Context = { sources, state, hub, sessions, clock, log, closing: closing.signal, url };
  const app = createApp(context, options.webRoot);
  let closed: Promise<void> | undefined;
  const shut = async () => {
    closing.abort();
    hub.close();
    await app.close();
  };

  return {
    get url() {
      return url();
    },
    app,
    async listen() {
      try {
        await app.listen({ host: bind, port });
      } catch (error) {
        const taken = codeOf(error) === 'EADDRINUSE';
        const fix = taken ? 'Stop what listens there, or choose another port.' : '';
        throw new Fault(taken ? 'port_in_use' : 'cannot_listen', `The page cannot listen on ${bind}:${port}: ${messageOf(error)}`, {
          cause: error,
          fix,
        });
      }
      const address = app.server.address();
      if (typeof address === 'object' && address) boundPort = address.port;
      state.run(closing.signal);
    },
    close: () => (closed ??= shut()),
    openLink: () => `${url()}/#code=${sessions.createCode().code}`,
  };
}

function createApp(context: Context, webRoot: string): Api {
  const app: Api = fastify({ logger: false, bodyLimit, forceCloseConnections: true, routerOptions: { maxParamLength: 600 } });
  app.register(fastifyWebsocket, { options: { maxPayload: 64 * 1024 } });
  app.addHook('onRequest', async (request, reply) => {
    checkHost(request);
    reply.headers(securityHeaders);
    if (request.url.startsWith('/api/')) reply.header('cache-control', 'no-store');
  });
  app.setErrorHandler((error, request, reply) => {
    const { status, body, bug } = answerFor(error);
    if (bug)
      context.log.error('a request met a bug', {
        path: request.url,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    return reply.status(status).type('application/json').send(body);
  });
  app.register(
    async (api: Api) => {
      openApiRoute(api, context.sources.installation.version);
      for (const routes of [meshRoutes, resourceRoutes, splitRoutes, proxyRoutes, liveRoutes, sessionRoutes]) routes(api, context);
    },
    { prefix: '/api/v1' },
  );
  servePage(app, webRoot);
  return app;
}

/**
 * Scripts only from this server; styles may be inline because editor and graph set them on elements. No other page may
 * frame this one.
 */
const securityHeaders = {
  'content-security-policy':
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
} as const;

const notBuilt =
  '<!doctype html><html lang="en"><title>Meshwright</title><p>The page is not built. Run <code>npm run build -w web</code>, then reload. The API is at <a href="/api/v1/overview">/api/v1</a>.</p>';

/** Every path that is not the API and no file of the page is a view of the page: its state is in the URL. */
function servePage(app: Api, webRoot: string): void {
  const built = existsSync(join(webRoot, 'index.html'));
  if (built) {
    app.register(fastifyStatic, {
      root: webRoot,
      preCompressed: true,
      cacheControl: false,
      setHeaders: (reply, path) =>
        reply.header('cache-control', path.includes('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache'),
    });
  }
  app.setNotFoundHandler((request, reply) => {
    const isView =
      request.method === 'GET' && !/^\/(api|assets)\/|\.(js|css|svg|ico|png|txt|map|gz)$/.test(request.url.split('?')[0] ?? '');
    if (!isView)
      throw refusal(
        404,
        'not_found',
        `There is nothing at ${request.method} ${request.url.slice(0, 200)}.`,
        'See /api/v1/openapi.json for what there is.',
      );
    if (built) return reply.sendFile('index.html');
    return reply.type('text/html; charset=utf-8').status(503).send(notBuilt);
  });
}

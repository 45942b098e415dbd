import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '#base/clock.ts';
import { messageOf } from '#base/fault.ts';
import { detach } from '#base/task.ts';
import { type Logger, logLevels, setLogLevel } from '#process/log.ts';
import type { Configuration } from '../configuration.ts';
import type { Drain, ThreadStats } from '../data-plane.ts';
import type { ProxyState } from '../proxy.ts';
import { clustersJson, clustersText, listenersJson, listenersText } from './listings.ts';
import { prometheusText, statsText } from './stats-text.ts';

export interface AdminOptions {
  readonly address: string;
  readonly port: number;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly configuration: Configuration;
  state(): ProxyState;
  restarts(): number;
  stats(): Promise<ThreadStats>;
  drain(drain: Drain): void;
}

export interface AdminServer {
  /** `http://address:port`. */
  readonly address: string;
  close(): Promise<void>;
}

interface Answer {
  readonly status?: number;
  readonly type?: string;
  readonly body: string;
}

type Handler = (query: URLSearchParams) => Answer | Promise<Answer>;

const json = (value: unknown): Answer => ({ type: 'application/json', body: `${JSON.stringify(value, undefined, 1)}\n` });
const text = (body: string, status = 200): Answer => ({ status, body });

/** The admin port: Envoy's paths and shapes, so that tools made for Envoy read this proxy too. */
export async function startAdmin(options: AdminOptions): Promise<AdminServer> {
  const startedAt = options.clock.now();
  let failing = false;
  const isJson = (query: URLSearchParams) => query.get('format') === 'json';
  const state = () => (failing || options.state() === 'draining' ? 'DRAINING' : options.state() === 'live' ? 'LIVE' : 'INITIALIZING');
  const read: Record<string, Handler> = {
    '/': () => text(`${Object.keys({ ...read, ...change }).join('\n')}\n`),
    '/ready': () => text(`${state()}\n`, state() === 'LIVE' ? 200 : 503),
    '/server_info': () => json(serverInfo(options, state(), startedAt)),
    '/config_dump': async (query) => {
      // The message types for JSON are only loaded when somebody asks.
      const { configDump } = await import('./config-dump.ts');
      return json(configDump(options.configuration, query));
    },
    '/clusters': async (query) => {
      const { clusters } = await options.stats();
      return isJson(query) ? json(clustersJson(clusters)) : text(clustersText(clusters));
    },
    '/listeners': async (query) => {
      const { listeners } = await options.stats();
      return isJson(query) ? json(listenersJson(listeners)) : text(listenersText(listeners));
    },
    '/stats': async (query) => {
      const stats = await options.stats();
      if (query.get('format') === 'prometheus') return text(prometheusText(stats, options.restarts()));
      return statsText(stats, query, options.restarts());
    },
    '/stats/prometheus': async () => ({
      type: 'text/plain; version=0.0.4',
      body: prometheusText(await options.stats(), options.restarts()),
    }),
    '/memory': () => {
      const { heapUsed, heapTotal, rss } = process.memoryUsage();
      return json({ allocated: String(heapUsed), heap_size: String(heapTotal), total_physical_bytes: String(rss) });
    },
  };
  const change: Record<string, Handler> = {
    '/drain_listeners': (query) => {
      options.drain({ inboundOnly: query.has('inboundonly'), stopAccepting: !query.has('graceful') });
      return text('OK\n');
    },
    '/healthcheck/fail': () => {
      failing = true;
      return text('OK\n');
    },
    '/healthcheck/ok': () => {
      failing = false;
      return text('OK\n');
    },
    '/logging': (query) => logging(query),
    '/reset_counters': () => text('counters run from the start of the process and cannot be reset\n', 501),
  };
  const server = createServer({ requestTimeout: 30_000 }, (request, response) =>
    detach(answer(request, response, read, change), (error) => options.log.warn('admin request failed', { error })),
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.address, resolve);
  });
  const { address, port } = server.address() as AddressInfo;
  return {
    address: `http://${address.includes(':') ? `[${address}]` : address}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  read: Readonly<Record<string, Handler>>,
  change: Readonly<Record<string, Handler>>,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://admin');
  const reading = read[url.pathname];
  const changing = change[url.pathname];
  let result: Answer;
  try {
    // A page in a browser must not be able to change anything by a link.
    if (changing !== undefined && request.method !== 'POST') result = text(`Method ${request.method} not allowed, POST required.\n`, 405);
    else if (changing !== undefined) result = await changing(url.searchParams);
    else if (reading !== undefined) result = await reading(url.searchParams);
    else result = text(`${url.pathname} is not known; / lists what is\n`, 404);
  } catch (error) {
    result = text(`${messageOf(error)}\n`, 500);
  }
  response.writeHead(result.status ?? 200, {
    'content-type': result.type ?? 'text/plain; charset=UTF-8',
    'cache-control': 'no-cache, max-age=0',
    'x-content-type-options': 'nosniff',
  });
  response.end(result.body);
}

function serverInfo(options: AdminOptions, state: string, startedAt: number): unknown {
  const seconds = `${Math.floor((options.clock.now() - startedAt) / 1000)}s`;
  return {
    version: 'meshwright',
    state: state === 'INITIALIZING' ? 'PRE_INITIALIZING' : state,
    uptime_current_epoch: seconds,
    uptime_all_epochs: seconds,
    hot_restart_version: 'disabled',
    command_line_options: { service_node: options.nodeId, mode: 'Serve' },
    node: { id: options.nodeId },
  };
}

function logging(query: URLSearchParams): Answer {
  const levels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
  const named: Readonly<Record<string, (typeof levels)[number]>> = { trace: 'debug', warning: 'warn', critical: 'error', off: 'silent' };
  for (const [name, value] of query) {
    const level = levels.find((candidate) => candidate === value) ?? named[value];
    if (level === undefined) return text(`${value} is no level; these are: ${levels.join(', ')}\n`, 400);
    setLogLevel(level, name === 'level' ? undefined : name);
  }
  const lines = Object.entries(logLevels()).map(([scope, level]) => `  ${scope}: ${level}`);
  return text(`active loggers:\n${lines.join('\n')}\n`);
}

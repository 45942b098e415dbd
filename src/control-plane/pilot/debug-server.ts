import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { assert, codeOf, Fault, messageOf } from '#base/fault.ts';
import type { Logger } from '#process/log.ts';
import { debugPages } from './debug-pages.ts';
import type { Pilot } from './pilot.ts';

export interface DebugServer {
  readonly address: { readonly host: string; readonly port: number };
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/**
 * Metrics, version, readiness and debug pages over plain HTTP, for reading only. The pages show configuration: listen on
 * loopback. Faults: DEBUG_LISTEN.
 */
export async function serveDebugPages(
  pilot: Pilot,
  options: { readonly host: string; readonly port: number; readonly log: Logger; readonly ready?: () => boolean },
): Promise<DebugServer> {
  const server = createServer((request, response) => {
    answer(pilot, request, options.ready ?? (() => true)).then(
      (found) => send(response, found),
      (error: unknown) => {
        options.log.error('a debug page failed', { url: request.url, error: messageOf(error) });
        send(response, plain(500, messageOf(error)));
      },
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenFault(options.host, options.port, error)));
    server.listen(options.port, options.host, resolve);
  });
  const bound = server.address();
  assert(bound !== null && typeof bound === 'object', 'a TCP server has an address and a port');
  return {
    address: { host: bound.address, port: bound.port },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(pilot: Pilot, request: IncomingMessage, ready: () => boolean): Promise<Answer> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return plain(405, 'only GET is served here');
  if (!isLocalName(request.headers.host)) return plain(403, 'the Host header must be an address or localhost');
  const url = new URL(request.url ?? '/', 'http://localhost');
  if (url.pathname === '/metrics') return { status: 200, type: pilot.metrics.contentType, body: await pilot.metrics.text() };
  if (url.pathname === '/version') return json({ version: pilot.version });
  if (url.pathname === '/ready' || url.pathname === '/healthz/ready') return ready() ? plain(200, 'ready') : plain(503, 'not ready yet');
  if (url.pathname === '/' || url.pathname === '/debug' || url.pathname === '/debug/')
    return { status: 200, type: 'text/html; charset=utf-8', body: index() };
  if (url.pathname === '/debug/list') return json(debugPages.map(({ path, help }) => ({ path: `/debug/${path}`, help })));
  const page = debugPages.find(({ path }) => url.pathname === `/debug/${path}`);
  if (!page) return plain(404, `no page ${url.pathname}; /debug lists what there is`);
  const found = await page.read(pilot, url.searchParams);
  if (found !== undefined) return json(found);
  const known = pilot.proxies().map(({ id }) => id);
  return plain(404, `no connected proxy "${url.searchParams.get('proxyID') ?? ''}"; connected: ${known.join(', ') || 'none'}`);
}

/** A page of some other site must not reach these pages by a name that it makes resolve to loopback. */
function isLocalName(host: string | undefined): boolean {
  return /^(localhost|\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]+\])(:\d+)?$/i.test(host ?? '');
}

function index(): string {
  const links = debugPages.map(({ path, help }) => `<li><a href="/debug/${path}">/debug/${path}</a> ${help}</li>`).join('\n');
  const own = ['/metrics', '/version', '/ready'].map((path) => `<li><a href="${path}">${path}</a></li>`).join('\n');
  return `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Meshwright control plane</title></head>
<body><h1>Meshwright control plane</h1><ul>\n${links}\n${own}\n</ul></body></html>\n`;
}

function json(value: unknown): Answer {
  const body = JSON.stringify(
    value,
    (_key, part: unknown) => (part instanceof Map ? Object.fromEntries(part) : part instanceof Set ? [...part] : part),
    2,
  );
  return { status: 200, type: 'application/json', body: `${body}\n` };
}

function plain(status: number, text: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${text}\n` };
}

function send(response: ServerResponse, { status, type, body }: Answer): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body), 'x-content-type-options': 'nosniff' });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}

function listenFault(host: string, port: number, cause: Error): Fault {
  const inUse = codeOf(cause) === 'EADDRINUSE';
  return new Fault(
    'DEBUG_LISTEN',
    `cannot serve metrics and debug pages on ${host}:${port}: ${inUse ? 'the port is in use' : cause.message}`,
    {
      cause,
      fix: inUse ? 'Stop the other program or choose another port with --debug-port.' : 'Choose an address of this machine.',
    },
  );
}

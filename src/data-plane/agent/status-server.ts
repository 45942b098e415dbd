import { chmodSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Server } from 'node:net';
import { Fault, messageOf } from '#base/fault.ts';
import { decodeTapFilter, type Tap } from './tap.ts';

export interface StatusSources {
  /** Merged statistics of agent, proxy and program, Prometheus text. */
  stats(): Promise<string>;
  /** Whether the proxy serves and the program is healthy. */
  isReady(): Promise<boolean>;
  readonly tap: Tap;
}

/**
 * The agent's HTTP face. On a Unix socket of mode 0600: `/stats/prometheus`, `/healthz/ready`, `/tap` (records as lines of
 * JSON; filters `reporter`, `method`, `path`, `status`, `service`). On the workload's own address (`lock`), where everybody
 * on the machine may ask: the same without the tap.
 */
export async function serveStatus(sources: StatusSources, socket: string, lock: Server): Promise<() => void> {
  const open = createServer((request, response) => void answer(sources, request, response, false));
  lock.on('connection', (connection) => open.emit('connection', connection));
  const closed = createServer((request, response) => void answer(sources, request, response, true));
  rmSync(socket, { force: true });
  await new Promise<void>((resolve, reject) => {
    closed.once('error', (error) => reject(new Fault('agent-socket', `cannot listen on ${socket}: ${error.message}`, { cause: error })));
    closed.listen(socket, resolve);
  });
  chmodSync(socket, 0o600);
  return () => {
    sources.tap.close();
    for (const server of [open, closed]) server.closeAllConnections();
    closed.close();
    lock.close();
    rmSync(socket, { force: true });
  };
}

async function answer(sources: StatusSources, request: IncomingMessage, response: ServerResponse, trusted: boolean): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://agent');
  const text = (status: number, body: string, type = 'text/plain; charset=utf-8') =>
    void response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body);
  try {
    if (request.method !== 'GET') return text(405, 'only GET is answered here\n');
    switch (url.pathname) {
      case '/stats/prometheus':
        return text(200, await sources.stats(), 'text/plain; version=0.0.4; charset=utf-8');
      case '/healthz/ready':
        return (await sources.isReady()) ? text(200, 'ready\n') : text(503, 'not ready\n');
      case '/tap': {
        if (!trusted) return text(403, 'the tap stream is on the Unix socket only\n');
        const filter = decodeTapFilter(url.searchParams);
        return 'error' in filter ? text(400, `${filter.error}\n`) : sources.tap.attach(response, filter);
      }
      default:
        return text(404, 'known: /stats/prometheus, /healthz/ready, /tap\n');
    }
  } catch (error) {
    if (response.headersSent) response.destroy();
    else text(500, `${messageOf(error)}\n`);
  }
}

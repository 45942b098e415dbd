/** Programs behind the workloads of traffic scenarios, all in this process. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';

/** What a backend saw of one request. */
export interface SeenRequest {
  readonly workload: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Backend {
  readonly workload: string;
  readonly port: number;
  close(): void;
}

export interface Backends {
  /** Everything that came in since `clear`, in order of arrival. */
  readonly seen: SeenRequest[];
  http(workload: string): Promise<Backend>;
  tcp(workload: string): Promise<Backend>;
}

/**
 * HTTP backends answer with what they saw, as JSON. Steered by request headers: `x-fail: <status>` answers so, with
 * `x-fail-times: <n>` only the first n requests of one `x-key`, with `x-fail-at: <workload>` only there; `x-delay: <ms>`
 * waits; `x-answer-<name>: <value>` adds a response header; `x-reset: 1` closes the connection without an answer. An
 * upgrade is accepted and echoed. TCP backends answer each chunk with their name before it.
 */
export function createBackends(): Backends {
  const seen: SeenRequest[] = [];
  const failures = new Map<string, number>();

  async function answer(workload: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const headers = plain(request);
    const saw: SeenRequest = {
      workload,
      method: request.method ?? '',
      path: request.url ?? '',
      headers,
      body: Buffer.concat(chunks).toString(),
    };
    seen.push(saw);
    if (headers['x-delay']) await new Promise((resolve) => setTimeout(resolve, Number(headers['x-delay'])));
    if (headers['x-reset']) return void request.socket.destroy();
    for (const [name, value] of Object.entries(headers))
      if (name.startsWith('x-answer-')) response.setHeader(name.slice('x-answer-'.length), value);
    response.statusCode = statusFor(workload, headers);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(saw));
  }

  function statusFor(workload: string, headers: Readonly<Record<string, string>>): number {
    const { 'x-fail': status, 'x-fail-times': times, 'x-fail-at': place, 'x-key': key = '' } = headers;
    if (!status || (place && place !== workload)) return 200;
    if (!times) return Number(status);
    const before = failures.get(key) ?? 0;
    failures.set(key, before + 1);
    return before < Number(times) ? Number(status) : 200;
  }

  return {
    seen,
    async http(workload) {
      const server = createServer((request, response) => void answer(workload, request, response).catch(() => response.destroy()));
      server.on('upgrade', (request: IncomingMessage, socket: Socket) => {
        seen.push({ workload, method: request.method ?? '', path: request.url ?? '', headers: plain(request), body: '' });
        socket.on('error', () => {});
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: ${request.headers.upgrade}\r\nx-from: ${workload}\r\n\r\n`,
        );
        socket.on('data', (data) => socket.write(`${workload} ${data}`));
      });
      server.keepAliveTimeout = 60_000;
      const close = () => {
        server.closeAllConnections();
        server.close();
      };
      return { workload, port: await listen(server), close };
    },
    async tcp(workload) {
      const sockets = new Set<Socket>();
      const server = createTcpServer((socket) => {
        sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => sockets.delete(socket));
        socket.on('data', (data) => socket.write(`${workload} ${data}`));
      });
      const close = () => {
        for (const socket of sockets) socket.destroy();
        server.close();
      };
      return { workload, port: await listen(server), close };
    },
  };
}

function plain(request: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]),
  );
}

async function listen(server: Server | TcpServer): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

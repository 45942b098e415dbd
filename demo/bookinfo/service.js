/** What the four programs share: routes to handlers, calls to each other, the headers that must travel along. */
import { createServer, request } from 'node:http';
import { hostname } from 'node:os';

/**
 * Headers that a service hands on to those it calls: without them a trace breaks apart and routing by user or session
 * works for the first hop only.
 */
const travelling = new Set([
  'x-request-id',
  'traceparent',
  'tracestate',
  'b3',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
  'x-ot-span-context',
  'x-cloud-trace-context',
  'grpc-trace-bin',
  'x-datadog-trace-id',
  'x-datadog-parent-id',
  'x-datadog-sampling-priority',
  'sw8',
  'end-user',
  'user-agent',
  'cookie',
  'authorization',
  'jwt',
]);

const largestBody = 64 * 1024;

/** Name of this copy of the program, shown as "served by". */
export const podName = process.env.MESHWRIGHT_WORKLOAD || process.env.HOSTNAME || hostname();
/** Name of the cluster it runs in. */
export const clusterName = process.env.MESHWRIGHT_CLUSTER_ID || process.env.CLUSTER_NAME || null;

/** The headers of `incoming` that a call made on its behalf carries, with `extra` on top. */
export function travellingHeaders(incoming, extra = {}) {
  const kept = Object.entries(incoming).filter(([name]) => travelling.has(name));
  return { ...Object.fromEntries(kept), ...extra };
}

/**
 * Where a service is: `<NAME>_SERVICE_HOST` and `<NAME>_SERVICE_PORT` when set, else its name and the usual port. The
 * `authority` is always the service's name.
 */
export function locate(name) {
  const prefix = name.toUpperCase().replaceAll('-', '_');
  const port = Number(process.env[`${prefix}_SERVICE_PORT`] || 9080);
  return { host: process.env[`${prefix}_SERVICE_HOST`] || name, port, authority: `${name}:${port}` };
}

/**
 * One GET that never throws: `{ status, body }` with the decoded JSON (or the text), or status 0 and the error's text
 * after `timeoutMs` or a broken connection.
 */
export function getJson(service, path, headers, timeoutMs) {
  return new Promise((resolve) => {
    const { host, port, authority } = locate(service);
    let timer;
    const finish = (status, body) => {
      clearTimeout(timer);
      resolve({ status, body });
    };
    const call = request({ host, port, path, headers: { ...headers, host: authority } }, (answer) => {
      const chunks = [];
      answer.on('data', (chunk) => chunks.push(chunk));
      answer.on('error', (error) => finish(0, error.message));
      answer.on('end', () => finish(answer.statusCode, parse(Buffer.concat(chunks).toString())));
    });
    // Also a body that trickles in may not exceed the time, so this is no idle timeout.
    timer = setTimeout(() => call.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    call.on('error', (error) => finish(0, error.message));
    call.end();
  });
}

/** The whole body as text; rejects what is longer than a form or a rating can be. */
export async function readBody(incoming) {
  const chunks = [];
  let size = 0;
  for await (const chunk of incoming) {
    size += chunk.length;
    if (size > largestBody) throw new HttpError(413, 'the body is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** Thrown by a handler to answer with this status and `{ "error": message }`. */
export class HttpError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export function sendJson(response, status, value) {
  send(response, status, 'application/json', `${JSON.stringify(value)}\n`);
}

export function send(response, status, type, text, headers = {}) {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text), ...headers });
  response.end(text);
}

/**
 * Serves `routes`, a list of `[method, pattern, handler]`; a handler gets `{ incoming, response, params, url }`. Listens
 * on the first argument of the command line, else `PORT`, else 9080. SIGTERM lets running requests finish.
 */
export function serve(name, routes) {
  const server = createServer((incoming, response) => void answer(routes, incoming, response));
  const port = Number(process.argv[2] || process.env.PORT || 9080);
  server.on('error', (error) => {
    console.error(error.code === 'EADDRINUSE' ? `${name}: port ${port} is in use` : `${name}: ${error.message}`);
    process.exit(1);
  });
  server.listen(port, process.env.HOST || '127.0.0.1', () => console.log(`${name} listens on port ${server.address().port}`));
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.once(signal, () => {
      server.close(() => process.exit(0));
      server.closeIdleConnections();
    });
  }
  return server;
}

async function answer(routes, incoming, response) {
  const url = new URL(incoming.url, 'http://localhost');
  try {
    const paths = routes
      .map(([method, pattern, handler]) => ({ method, handler, match: pattern.exec(url.pathname) }))
      .filter((r) => r.match);
    const route = paths.find(({ method }) => method === incoming.method || (method === 'GET' && incoming.method === 'HEAD'));
    if (!route) throw paths.length > 0 ? new HttpError(405, 'method not allowed') : new HttpError(404, `nothing here at ${url.pathname}`);
    await route.handler({ incoming, response, params: route.match.slice(1), url });
  } catch (error) {
    const status = error instanceof HttpError ? error.status : 500;
    if (status === 500) console.error(error);
    if (response.headersSent) response.destroy();
    else sendJson(response, status, { error: error.message });
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

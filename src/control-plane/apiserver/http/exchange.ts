import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { Fault, messageOf } from '#base/fault.ts';
import { type KubeStatus, StatusFault } from '#kube/status.ts';
import { badRequest, refuse, tooLarge } from '../status.ts';

export type HttpRequest = IncomingMessage | Http2ServerRequest;
export type HttpResponse = ServerResponse | Http2ServerResponse;

/** One request with its parsed address and the answer to be given. */
export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly request: HttpRequest;
  readonly response: HttpResponse;
  /** Warnings to send with the answer (header `Warning`, code 299). */
  readonly warnings: string[];
}

// Warnings beyond this are cut, as in Kubernetes: headers must stay small.
const warningsLimitBytes = 4096;

export function openExchange(request: HttpRequest, response: HttpResponse): Exchange {
  const target = request.url ?? '/';
  const question = target.indexOf('?');
  const path = question < 0 ? target : target.slice(0, question);
  const query = new URLSearchParams(question < 0 ? '' : target.slice(question + 1));
  return { method: request.method ?? 'GET', path, query, request, response, warnings: [] };
}

export function header(exchange: Exchange, name: string): string {
  const value = exchange.request.headers[name];
  return Array.isArray(value) ? value.join(',') : (value ?? '');
}

/** The whole body; refuses RequestEntityTooLarge beyond `limitBytes` without reading the rest. */
export async function readBody(exchange: Exchange, limitBytes: number): Promise<Buffer> {
  if (Number(header(exchange, 'content-length') || 0) > limitBytes) throw tooLarge(limitBytes);
  const encoding = header(exchange, 'content-encoding');
  if (encoding !== '' && encoding !== 'identity') throw badRequest(`Content-Encoding ${encoding} is not supported, send the body as it is`);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of exchange.request) {
    if (!Buffer.isBuffer(chunk)) continue;
    size += chunk.length;
    if (size > limitBytes) throw tooLarge(limitBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** Sends JSON: a value, or text that is JSON already. */
export function sendJson(exchange: Exchange, code: number, body: unknown, contentType = 'application/json'): void {
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  start(exchange, code, { 'content-type': contentType, 'content-length': String(bytes.length) });
  finish(exchange.response, exchange.method === 'HEAD' ? undefined : bytes);
}

export function sendText(exchange: Exchange, code: number, text: string): void {
  const bytes = Buffer.from(text);
  start(exchange, code, { 'content-type': 'text/plain; charset=utf-8', 'content-length': String(bytes.length) });
  finish(exchange.response, exchange.method === 'HEAD' ? undefined : bytes);
}

/** Writes the head with what every answer carries. */
export function start(exchange: Exchange, code: number, headers: Readonly<Record<string, string>>): void {
  const { response } = exchange;
  response.statusCode = code;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.setHeader('cache-control', 'no-cache, private');
  const warnings = warningHeaders(exchange.warnings);
  if (warnings.length > 0) response.setHeader('warning', warnings);
}

/** RFC 7234 5.5: `299 - "text"`. */
function warningHeaders(warnings: readonly string[]): string[] {
  const lines: string[] = [];
  let size = 0;
  for (const warning of warnings) {
    const text = warning
      .replace(/[^\x20-\x7e]/g, ' ')
      .replace(/["\\]/g, '\\$&')
      .slice(0, 512);
    size += text.length;
    if (size > warningsLimitBytes) break;
    lines.push(`299 - "${text}"`);
  }
  return lines;
}

/** The two servers' classes have the same methods under types that TypeScript cannot call as one. */
export function write(response: HttpResponse, chunk: Buffer): boolean {
  return 'stream' in response ? response.write(chunk) : response.write(chunk);
}

export function finish(response: HttpResponse, chunk?: Buffer): void {
  if ('stream' in response) chunk ? response.end(chunk) : response.end();
  else chunk ? response.end(chunk) : response.end();
}

/** Answers with the Status of anything thrown. Gives the code that was sent. */
export function sendFailure(exchange: Exchange, error: unknown): number {
  const status = statusOf(error);
  if (exchange.response.headersSent) {
    exchange.response.destroy();
    return status.code;
  }
  if (status.details?.retryAfterSeconds !== undefined) exchange.response.setHeader('retry-after', String(status.details.retryAfterSeconds));
  // What is left of a refused body must not be read as the next request.
  if (status.code === 413 && exchange.request.httpVersionMajor === 1) exchange.response.setHeader('connection', 'close');
  sendJson(exchange, status.code, status);
  return status.code;
}

function statusOf(error: unknown): KubeStatus {
  if (error instanceof StatusFault) return error.status;
  if (error instanceof Fault) {
    // 507 Insufficient Storage (RFC 4918): the one failure that the user can mend while the server runs.
    const message = `${error.message}${error.fix === '' ? '' : `. ${error.fix}`}`;
    return refuse({ code: error.code === 'STORE_FULL' ? 507 : 500, reason: 'InternalError', message }).status;
  }
  return refuse({ code: 500, reason: 'InternalError', message: `internal error: ${messageOf(error)}` }).status;
}

import type { FastifyRequest } from 'fastify';
import { refusal } from '../route/refusal.ts';
import type { Session, Sessions } from './sessions.ts';

/**
 * Refuses requests whose Host is not a loopback name. A page of a foreign site that rebinds its own name to 127.0.0.1
 * still sends that name, so it can neither read nor write.
 */
export function checkHost(request: FastifyRequest): void {
  const host = (request.headers.host ?? '').replace(/:\d+$/, '');
  if (/^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(host)) return;
  throw refusal(
    421,
    'wrong_host',
    `The Host header is ${quoted(request.headers.host)}, expected a loopback name.`,
    'Open the page as http://127.0.0.1:<port>.',
  );
}

/** Refuses what another site's page sent. Browsers state the Origin on every write and on every WebSocket. */
export function checkOrigin(request: FastifyRequest): void {
  const origin = request.headers.origin;
  if (origin === undefined && request.headers['sec-fetch-site'] !== 'cross-site') return;
  if (origin !== undefined && origin === `http://${request.headers.host}`) return;
  throw refusal(
    403,
    'wrong_origin',
    `The request comes from ${quoted(origin)}, not from this page.`,
    'Send it from the page itself, or without an Origin header and with the token.',
  );
}

/** The session or token that allows writing; undefined when there is none. */
export function writerOf(request: FastifyRequest, sessions: Sessions): Session | 'token' | undefined {
  const bearer = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (bearer !== undefined) return sessions.isToken(bearer) ? 'token' : undefined;
  const id = cookieOf(request);
  return id ? sessions.find(id) : undefined;
}

/** Call for every request that changes something or shows what agents keep to themselves. */
export function requireWriter(request: FastifyRequest, sessions: Sessions): void {
  checkOrigin(request);
  if (writerOf(request, sessions)) return;
  throw refusal(
    401,
    'not_allowed',
    'This needs the token: the page is open for reading only.',
    'Open the link that `meshwright start` printed, or send "Authorization: Bearer <token>".',
  );
}

/** The cookie of a page opened by a one-time link. Browsers share cookies between ports, so the port is in the name. */
export function cookieName(request: FastifyRequest): string {
  return `meshwright_${/:(\d+)$/.exec(request.headers.host ?? '')?.[1] ?? '80'}`;
}

export function cookieOf(request: FastifyRequest): string | undefined {
  const wanted = cookieName(request);
  for (const part of (request.headers.cookie ?? '').split(';')) {
    const [name, value] = part.trim().split('=');
    if (name === wanted) return value;
  }
  return undefined;
}

function quoted(value: string | undefined): string {
  return value === undefined ? 'absent' : JSON.stringify(value.slice(0, 100));
}

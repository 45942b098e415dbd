import { checkOrigin, cookieName, cookieOf, requireWriter, writerOf } from '../access/guard.ts';
import { SessionLink, SessionRequest, SessionView } from '../api.ts';
import type { Api, Context } from './context.ts';
import { refusal } from './refusal.ts';

/** How a page comes to be allowed to write: a one-time code from its link, or the token typed in. */
export function sessionRoutes(app: Api, { sessions, clock, url }: Context): void {
  app.get('/session', { schema: { summary: 'Whether this page may write', response: { 200: SessionView } } }, async (request) => {
    const writer = writerOf(request, sessions);
    return { writable: writer !== undefined, expiresAt: writer && writer !== 'token' ? writer.expiresAt : null };
  });

  app.post(
    '/session',
    { schema: { summary: 'Opens a session by a one-time code or the token', body: SessionRequest, response: { 200: SessionView } } },
    async (request, reply) => {
      checkOrigin(request);
      const { code, token } = request.body;
      const session = code ? sessions.redeem(code) : token && sessions.isToken(token) ? sessions.open() : undefined;
      if (!session) {
        const what = code ? 'The link was used before or is older than ten minutes.' : 'The token is not the one of this installation.';
        throw refusal(
          401,
          'not_allowed',
          what,
          'Start Meshwright anew for a new link, or paste the token from the file page-token in its state folder (.meshwright).',
        );
      }
      const seconds = Math.floor((session.expiresAt - clock.now()) / 1000);
      reply.header('set-cookie', `${cookieName(request)}=${session.id}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}`);
      return { writable: true, expiresAt: session.expiresAt };
    },
  );

  app.delete('/session', { schema: { summary: 'Ends the session', response: { 200: SessionView } } }, async (request, reply) => {
    checkOrigin(request);
    sessions.end(cookieOf(request) ?? '');
    reply.header('set-cookie', `${cookieName(request)}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0`);
    return { writable: false, expiresAt: null };
  });

  app.post(
    '/session/links',
    { schema: { summary: 'A link that opens the page for writing, once', response: { 200: SessionLink } } },
    async (request) => {
      requireWriter(request, sessions);
      const { code, expiresAt } = sessions.createCode();
      return { url: `${url()}/#code=${code}`, expiresAt };
    },
  );
}

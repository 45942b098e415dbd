/** The server over simulated Bookinfo on a clock that stands still. */
import { logger } from '#process/log.ts';
import { createServer, type Server } from '#server/server.ts';
import { createFakeMesh, type FakeMesh } from '../support/fake-mesh.ts';
import { createSteppedClock, type SteppedClock } from '../support/stepped-clock.ts';

export const token = 'token-of-the-server-tests';
export const host = '127.0.0.1:16480';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
  /** The body as JSON; undefined when it is none. */
  readonly body: unknown;
}

export interface Stage {
  readonly server: Server;
  readonly mesh: FakeMesh;
  readonly clock: SteppedClock;
  ask(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    options?: { readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<Answer>;
  /** The same with the token. */
  write(method: 'POST' | 'DELETE', path: string, body?: unknown): Promise<Answer>;
}

/** Nothing here waits: `clock.advance` does what seconds would do. Close the server in the end. */
export async function openStage(options: { readonly webRoot?: string } = {}): Promise<Stage> {
  const clock = createSteppedClock();
  const mesh = createFakeMesh({ clock });
  const server = createServer({
    sources: mesh.sources,
    token,
    port: 0,
    webRoot: options.webRoot ?? '/nowhere',
    clock,
    log: logger('test'),
  });
  await server.listen();
  const ask: Stage['ask'] = async (method, path, { body, headers = {} } = {}) => {
    const answer = await server.app.inject({
      method,
      url: path,
      headers: { host, ...headers },
      ...(body === undefined ? {} : { payload: body as object }),
    });
    let parsed: unknown;
    try {
      parsed = JSON.parse(answer.body);
    } catch {
      parsed = undefined;
    }
    return { status: answer.statusCode, headers: answer.headers, text: answer.body, body: parsed };
  };
  const write: Stage['write'] = (method, path, body) => ask(method, path, { body, headers: { authorization: `Bearer ${token}` } });
  return { server, mesh, clock, ask, write };
}

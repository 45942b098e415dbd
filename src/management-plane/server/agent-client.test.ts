import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createAgentClient } from './agent-client.ts';

const quiet = new AbortController().signal;

describe('agent client', () => {
  let folder: string;
  const servers: Server[] = [];
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'mw-'));
  });
  after(() => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
    rmSync(folder, { recursive: true });
  });
  const serve = (where: string | { port: number; host: string }, answer: RequestListener) =>
    new Promise<Server>((resolve) => {
      const server = createServer(answer);
      servers.push(server);
      server.listen(where as never, () => resolve(server));
    });

  it('reads statistics over a Unix socket', async () => {
    const path = join(folder, 'a.sock');
    await serve(path, (request, response) => response.end(`asked ${request.url}`));
    assert.equal(await createAgentClient().stats(`unix:${path}`, quiet), 'asked /stats/prometheus');
  });

  it('shows its authorization on loopback', async () => {
    const server = await serve({ port: 0, host: '127.0.0.1' }, (request, response) => response.end(request.headers.authorization));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    assert.equal(await createAgentClient(() => 'Bearer x').stats(`http://127.0.0.1:${port}`, quiet), 'Bearer x');
  });

  it('streams lines, also when they come in pieces, until it is stopped', async () => {
    const path = join(folder, 'tap.sock');
    await serve(path, (_, response) => {
      response.write('{"a":');
      setImmediate(() => response.write('1}\n{"a":2}\n{"unfinished'));
    });
    const stop = new AbortController();
    const lines: string[] = [];
    await assert.rejects(async () => {
      for await (const line of createAgentClient().tap(`unix:${path}`, stop.signal)) {
        lines.push(line);
        if (lines.length === 2) stop.abort();
      }
    });
    assert.deepEqual(lines, ['{"a":1}', '{"a":2}']);
  });

  it('gives up on slow agents when told to', async () => {
    const path = join(folder, 'slow.sock');
    await serve(path, (_, response) => void response.write('istio_'));
    await assert.rejects(createAgentClient().stats(`unix:${path}`, AbortSignal.timeout(50)));
  });

  for (const [what, address, code] of [
    ['a dead socket', 'unix:/nowhere/agent.sock', 'agent_unreachable'],
    ['a foreign host', 'http://192.0.2.1:80', 'agent_address'],
    ['a name that is not loopback', 'http://127.0.0.1.example:80', 'agent_address'],
    ['another scheme', 'file:///etc/passwd', 'agent_address'],
    ['nonsense', 'agent', 'agent_address'],
  ] as const) {
    it(`refuses ${what}`, () => assert.rejects(createAgentClient().stats(address, quiet), { code }));
  }

  it('refuses answers that are errors or have no end', async () => {
    const path = join(folder, 'bad.sock');
    await serve(path, (request, response) => {
      if (request.url === '/tap') {
        response.statusCode = 401;
        response.end();
        return;
      }
      const more = () => {
        while (response.write(Buffer.alloc(1 << 20, 'x')) && !response.destroyed);
      };
      response.on('drain', more);
      more();
    });
    await assert.rejects(createAgentClient().stats(`unix:${path}`, quiet), { code: 'agent_too_long' });
    await assert.rejects(
      async () => {
        for await (const _ of createAgentClient().tap(`unix:${path}`, quiet));
      },
      { code: 'agent_refused' },
    );
  });
});

/** Programs that behave badly, under `meshwright run`. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { workloadEntryPath } from '#agent/mesh-objects.ts';
import { descendants, isRunning, type Joined, type Plane, shows, startPlane, until } from './plane.ts';

let plane: Plane;
let client: Joined;
before(async () => {
  plane = await startPlane('programs');
  writeFileSync(join(plane.folder, 'plain-text'), 'no program', { mode: 0o644 });
  client = await plane.join({ service: 'client' });
});
after(() => plane.close());

const node = (script: string) => ['--', process.execPath, '-e', script];
const answer = `require('node:http').createServer((q, s) => s.end('here'))`;

async function entries(service: string): Promise<string[]> {
  const all = await plane.objects.list(workloadEntryPath);
  return all.map(({ metadata }) => metadata.name).filter((name) => name.startsWith(service));
}

describe('a program', () => {
  it('that ignores SIGTERM is killed after the grace time, and the exit code tells it', async () => {
    const running = plane.meshwright(
      'run',
      '--service',
      'deaf',
      '--grace',
      '700ms',
      ...node(`process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('up')`),
    );
    await shows(running, 'up\n');
    const children = descendants(running.child.pid ?? 0);
    const startedAt = performance.now();
    running.child.kill('SIGTERM');
    assert.equal(await running.exited, 137);
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs > 650 && tookMs < 5_000, `${tookMs} ms`);
    assert.deepEqual(children.filter(isRunning), []);
    assert.deepEqual(await entries('deaf'), []);
  });

  it('that listens late gets no traffic before and all of it afterwards', async () => {
    const running = plane.meshwright(
      'run',
      '--service',
      'late',
      '--port',
      '80:0',
      ...node(`setTimeout(() => ${answer}.listen(process.env.PORT, '127.0.0.1'), 2500)`),
    );
    await shows(running, 'joined the mesh');
    assert.equal((await plane.ask(client, 'late:80', '/')).status, 503);
    await until('it serves', async () => (await plane.ask(client, 'late:80', '/')).status === 200);
    for (let n = 0; n < 20; n++) assert.equal((await plane.ask(client, 'late:80', '/')).body, 'here');
  });

  it('that listens on IPv6 only is reached', async () => {
    const running = plane.meshwright(
      'run',
      '--service',
      'six',
      '--port',
      '80:0',
      ...node(`${answer}.listen({ port: process.env.PORT, host: '::1', ipv6Only: true })`),
    );
    await shows(running, 'joined the mesh');
    await until('it serves', async () => (await plane.ask(client, 'six:80', '/')).status === 200);
    for (let n = 0; n < 20; n++) assert.equal((await plane.ask(client, 'six:80', '/')).body, 'here');
  });

  it('that stops listening loses its traffic to the others', async () => {
    const server = `const server = ${answer}.listen(process.env.PORT, '127.0.0.1'); process.on('SIGUSR2', () => { server.close(); server.closeAllConnections(); setInterval(() => {}, 1000); })`;
    const [one] = await Promise.all(
      ['v1', 'v2'].map((version) => plane.join({ service: 'pair', version, port: '80:0', command: node(server).slice(1) })),
    );
    await plane.converged();
    one?.running.child.kill('SIGUSR2');
    await until('only the other is asked', async () => {
      const answers = await Promise.all(Array.from({ length: 20 }, () => plane.ask(client, 'pair:80', '/')));
      return answers.every(({ status }) => status === 200);
    });
  });

  for (const [what, command, code, says] of [
    ['that exits at once with 7', node('process.exit(7)'), 7, /joined|^/],
    ['that ends by a signal', node(`process.kill(process.pid, 'SIGKILL')`), 137, /^/],
    ['that there is not', ['--', 'no-such-program-anywhere'], 1, /cannot start no-such-program-anywhere: there is no such program\n.*PATH/],
    ['that is not executable', ['--', './plain-text'], 1, /cannot start \.\/plain-text: it is not executable/],
  ] as const) {
    it(`${what} ends run with ${code} and leaves nothing`, async () => {
      const running = plane.meshwright('run', '--service', 'short', '--port', '80:0', ...command);
      assert.equal(await running.exited, code, running.output.err);
      assert.match(running.output.err, says);
      assert.doesNotMatch(running.output.err, /bug in Meshwright/);
      assert.deepEqual(await entries('short'), []);
    });
  }

  it('whose port is taken is not started', async () => {
    const running = plane.meshwright('run', '--service', 'taken', '--port', `80:${plane.ports[1]}`, ...node('console.log("started")'));
    assert.equal(await running.exited, 1);
    assert.match(running.output.err, new RegExp(`port ${plane.ports[1]} on 127.0.0.1 is in use`));
    assert.equal(running.output.out, '');
  });
});

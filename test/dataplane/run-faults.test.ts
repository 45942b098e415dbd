import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { endOrphans } from '#agent/instance-claim.ts';
import { type MeshObjects, servicePath, workloadEntryPath } from '#agent/mesh-objects.ts';
import { entryMarks } from '#agent/registration.ts';
import { meshObjects } from '#apps/mesh-objects.ts';
import { outboundAddress } from '#base/loopback.ts';
import { isJsonObject, type KubeObject } from '#kube/object.ts';
import { type Child, startChild } from '#process/child-process.ts';
import { systemClock } from '#process/clock.ts';
import { ensureRuntimeDir } from '#process/runtime-dir.ts';
import { runningControlPlane } from '#process/runtime-file.ts';
import { engines } from '../support/mesh.ts';
import { freePorts } from '../support/ports.ts';

const root = new URL('../..', import.meta.url).pathname;
const children = new Set<Child>();
const folders: string[] = [];
after(async () => {
  await Promise.all([...children].map((child) => child.stop()));
  for (const folder of folders) {
    const runtimeDir = ensureRuntimeDir(folder, {});
    await endOrphans(runtimeDir, systemClock);
    for (const made of [folder, runtimeDir]) rmSync(made, { recursive: true, force: true });
  }
});

async function meshwright(folder: string, ...args: string[]): Promise<Child> {
  const child = await startChild({
    command: process.execPath,
    args: ['--disable-warning=ExperimentalWarning', '-C', 'source', join(root, 'src/cli/main.ts'), ...args],
    env: {
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '',
      MESHWRIGHT_STATE_DIR: folder,
      MESHWRIGHT_PEERS: process.env.MESHWRIGHT_PEERS ?? '',
    },
    cwd: root,
    output: 'pipe',
    graceMs: 8_000,
    clock: systemClock,
  });
  children.add(child);
  void child.exited.then(() => children.delete(child));
  return child;
}

async function until<T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T> {
  const deadline = Date.now() + 20_000;
  let last: unknown;
  while (Date.now() < deadline) {
    try {
      const found = await ask();
      if (found !== undefined && found !== false) return found;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return assert.fail(`${what} did not come about; ${String(last)}`);
}

function ask(target: { host: string; port: number }): Promise<string> {
  return new Promise((resolve) => {
    get({ ...target, path: '/', agent: false, timeout: 3_000 }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        body += part;
      });
      answer.on('end', () => resolve(`${answer.statusCode} ${body}`.trim()));
    }).on('error', (error) => resolve(`0 ${error.message}`));
  });
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const specOf = (object: KubeObject | undefined) => (isJsonObject(object?.spec) ? object.spec : {});

/** Where the client's program would reach the service. */
async function wayOf(objects: MeshObjects): Promise<{ host: string; port: number } | undefined> {
  const client = specOf(await objects.get(workloadEntryPath, 'default', 'client-v1'));
  const service = specOf(await objects.get(servicePath, 'default', 'answer'));
  const block = `${text(client.address).replace(/\.1$/, '.0')}/20`;
  const place = outboundAddress({ block }, text(service.clusterIP), 9080, 0);
  return place && { host: place.address, port: place.port };
}

const program = 'require("node:http").createServer((q, s) => s.end("hello")).listen(process.env.PORT, "127.0.0.1")';

for (const engine of engines()) {
  describe(engine, () => {
    test('whatever is killed, the rest goes on and all comes back', { timeout: 90_000 }, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'mwf-'));
      folders.push(folder);
      const numbers = await freePorts(4);
      const ports = ['api', 'page', 'xds', 'debug'].flatMap((name, at) => [`--${name}-port`, String(numbers[at])]);
      const start = () => meshwright(folder, 'start', ...ports);
      const serve = () =>
        meshwright(
          folder,
          'run',
          '--wait',
          '10s',
          '--service',
          'answer',
          '--port',
          '9080:0',
          '--proxy',
          engine,
          '--',
          process.execPath,
          '-e',
          program,
        );

      let plane = await start();
      let runtime = await until('the control plane', async () => runningControlPlane(folder));
      const objects = await meshObjects({ kubeconfig: runtime.kubeconfig });
      let server = await serve();
      await meshwright(
        folder,
        'run',
        '--wait',
        '10s',
        '--service',
        'client',
        '--proxy',
        engine,
        '--',
        process.execPath,
        '-e',
        'setInterval(() => {}, 1000)',
      );
      const way = await until('the way', async () => wayOf(objects));
      await until('the first answer', async () => (await ask(way)) === '200 hello');

      plane.signal('SIGKILL');
      await plane.exited;
      assert.equal(await ask(way), '200 hello', 'traffic goes on without a control plane');

      plane = await start();
      runtime = await until('the new control plane', async () => {
        const found = runningControlPlane(folder);
        return found && found.process.pid === plane.process.pid ? found : undefined;
      });
      await objects.create(
        { ...workloadEntryPath, plural: 'virtualservices', kind: 'VirtualService' },
        {
          apiVersion: 'networking.istio.io/v1',
          kind: 'VirtualService',
          metadata: { name: 'answer', namespace: 'default' },
          spec: {
            hosts: ['answer'],
            http: [
              {
                headers: { response: { set: { 'x-rule': 'new' } } },
                match: [{ uri: { exact: '/' } }],
                route: [{ destination: { host: 'answer' } }],
              },
              { directResponse: { status: 404 } },
            ],
          },
        },
      );
      assert.equal(await ask(way), '200 hello');

      server.signal('SIGKILL');
      await server.exited;
      if (engine === 'envoy') {
        assert.equal(await ask(way), '200 hello', 'Envoy and program outlive their agent');
      } else {
        await until(
          'the entry of the killed agent to go',
          async () => (await objects.get(workloadEntryPath, 'default', 'answer-v1')) === undefined,
        );
        assert.match(await ask(way), /^503/);
      }
      server = await serve();
      const mark = `${server.process.pid}:`;
      await until('the new agent', async () => {
        const entry = await objects.get(workloadEntryPath, 'default', 'answer-v1');
        return entry?.metadata.annotations?.[entryMarks.process]?.startsWith(mark);
      });
      await until('the answer after the restart', async () => (await ask(way)) === '200 hello');
      const entries = (await objects.list(workloadEntryPath, 'default')).map(({ metadata }) => metadata.name).sort();
      assert.deepEqual(entries, ['answer-v1', 'client-v1']);

      assert.equal((await server.stop()).code, 143);
      assert.equal(await objects.get(workloadEntryPath, 'default', 'answer-v1'), undefined, 'the entry went with its workload');
    });
  });
}

test('without a control plane it says so and what to do', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mwf-'));
  folders.push(folder);
  const child = await meshwright(folder, 'run', '--service', 'x', '--', 'true');
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (part: string) => {
    said += part;
  });
  const exit = await child.exited;
  assert.notEqual(exit.code, 0);
  assert.match(said, /no Meshwright control plane runs/);
  assert.match(said, /meshwright start/);
});

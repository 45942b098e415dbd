import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { ProxyAccess } from '#agent/access.ts';
import type { ProxyBootstrap } from '#agent/bootstrap.ts';
import { endOrphans } from '#agent/instance-claim.ts';
import { type JoinOptions, joinMesh } from '#agent/join.ts';
import type { ProxyLauncher } from '#agent/proxy-launcher.ts';
import { Fault } from '#base/fault.ts';
import { startChild } from '#process/child-process.ts';
import { systemClock } from '#process/clock.ts';
import { logger, setLogLevel } from '#process/log.ts';
import { isAlive } from '#process/process-identity.ts';
import { type MemoryObjects, memoryObjects } from '../support/memory-objects.ts';

setLogLevel('silent');
const runtimeDir = mkdtempSync(join(tmpdir(), 'mwj-'));
after(() => rmSync(runtimeDir, { recursive: true, force: true }));

interface ScriptedProxy {
  readonly launcher: ProxyLauncher;
  readonly events: string[];
  readonly bootstraps: ProxyBootstrap[];
  access?: ((access: ProxyAccess) => void) | undefined;
}

/** A proxy that carries nothing and writes down what is asked of it. */
function scriptedProxy(): ScriptedProxy {
  const scripted: ScriptedProxy = {
    events: [],
    bootstraps: [],
    launcher: async (bootstrap) => {
      scripted.bootstraps.push(bootstrap);
      scripted.events.push('start');
      return {
        ready: async () => {},
        isReady: async () => true,
        stats: async () => 'proxy_up 1',
        metricRows: async () => [],
        observe: (listener) => {
          scripted.access = listener;
        },
        drain: async () => void scripted.events.push('drain'),
        stop: async () => void scripted.events.push('stop'),
        processes: () => [],
      };
    },
  };
  return scripted;
}

function optionsFor(
  objects: MemoryObjects,
  proxy: ScriptedProxy,
  script: string,
  workload: Partial<JoinOptions['workload']> = {},
): JoinOptions {
  return {
    workload: { service: 'my-api', version: 'v1', namespace: 'default', labels: {}, ports: [{ port: 0 }], protocol: 'http', ...workload },
    program: { command: process.execPath, args: ['-e', script], env: { FROM_USER: 'yes' }, output: 'pipe' },
    objects,
    xds: { host: '127.0.0.1', port: 15010 },
    clusterId: 'Kubernetes',
    engine: 'embedded',
    launcher: proxy.launcher,
    runtimeDir,
    oneAddress: false,
    firstUnprivilegedPort: 1024,
    graceMs: 3_000,
    drainMs: 1,
    version: '0.0.0',
    clock: systemClock,
    log: logger('test'),
  };
}

const server = (host: string, rest = '') =>
  `require("node:http").createServer((q, s) => s.end(JSON.stringify(process.env))).listen(process.env.PORT, "${host}");${rest}`;

function observerOf(proxy: ScriptedProxy): (access: ProxyAccess) => void {
  assert.ok(proxy.access);
  return proxy.access;
}

function conditionOf(objects: MemoryObjects, name: string): string | undefined {
  const status = objects.stored.get(`workloadentries/default/${name}`)?.status as { conditions?: { status: string }[] } | undefined;
  return status?.conditions?.[0]?.status;
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, 'it did not come about in time');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function ask(target: { socketPath: string } | { host: string; port: number }, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    get({ ...target, path, agent: false }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        body += part;
      });
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
    }).on('error', reject);
  });
}

test('a program joins, is told where it is, becomes healthy and leaves without a trace', async () => {
  const objects = memoryObjects();
  const proxy = scriptedProxy();
  const joined = await joinMesh(optionsFor(objects, proxy, server('127.0.0.1')));
  await until(() => conditionOf(objects, 'my-api-v1') === 'True');
  const programPort = joined.ports[0]?.programPort ?? 0;
  const environment = JSON.parse((await ask({ host: '127.0.0.1', port: programPort }, '/')).body) as Record<string, string>;
  assert.equal(environment.FROM_USER, 'yes');
  assert.equal(environment.HTTP_PROXY, joined.httpProxy);
  assert.equal(environment.NODE_USE_ENV_PROXY, '1');
  assert.equal(environment.MESHWRIGHT_WORKLOAD, 'my-api-v1');
  assert.equal(environment.PATH, undefined);
  const entry = objects.stored.get('workloadentries/default/my-api-v1');
  assert.deepEqual(entry?.spec && (entry.spec as { ports: unknown }).ports, { http: joined.ports[0]?.inboundPort });
  const [bootstrap] = proxy.bootstraps;
  assert.deepEqual(bootstrap?.inbound, [
    { targetPort: programPort, bind: joined.address, port: joined.ports[0]?.inboundPort, defaultEndpoint: '127.0.0.1' },
  ]);
  assert.equal(await joined.stop(), 143);
  assert.equal(objects.stored.has('workloadentries/default/my-api-v1'), false);
  assert.equal(objects.stored.has('services/default/my-api'), true);
  assert.deepEqual(proxy.events, ['start', 'drain', 'stop']);
  assert.deepEqual(readdirSync(runtimeDir), []);
});

test("the exit code is the program's, and its end is the workload's", async () => {
  const objects = memoryObjects();
  const proxy = scriptedProxy();
  const joined = await joinMesh(optionsFor(objects, proxy, 'setTimeout(() => process.exit(9), 50)'));
  assert.equal(await joined.ended, 9);
  assert.equal(objects.stored.has('workloadentries/default/my-api-v1'), false);
  assert.deepEqual(proxy.events, ['start', 'stop']);
});

test('a program that ignores SIGTERM is killed after the grace time', async () => {
  const objects = memoryObjects();
  const script = server('127.0.0.1', 'process.on("SIGTERM", () => {});');
  const joined = await joinMesh({ ...optionsFor(objects, scriptedProxy(), script), graceMs: 50 });
  await until(() => conditionOf(objects, 'my-api-v1') === 'True');
  assert.equal(await joined.stop(), 137);
});

test('a program that listens late is unhealthy until it does', async () => {
  const objects = memoryObjects();
  const script = `setTimeout(() => { ${server('127.0.0.1')} }, 300);`;
  const joined = await joinMesh(optionsFor(objects, scriptedProxy(), script));
  await until(() => conditionOf(objects, 'my-api-v1') === 'False');
  await until(() => conditionOf(objects, 'my-api-v1') === 'True');
  await joined.stop();
});

test('a program on IPv6 loopback only gets a proxy that forwards there', async () => {
  const objects = memoryObjects();
  const proxy = scriptedProxy();
  const joined = await joinMesh(optionsFor(objects, proxy, server('::1')));
  await until(() => conditionOf(objects, 'my-api-v1') === 'True');
  assert.deepEqual(
    proxy.bootstraps.map((bootstrap) => bootstrap.inbound[0]?.defaultEndpoint),
    ['127.0.0.1', '[::1]'],
  );
  assert.deepEqual(proxy.events, ['start', 'stop', 'start']);
  await joined.stop();
});

test('a health path decides, not the open port', async () => {
  const objects = memoryObjects();
  const script = `let n = 0; require("node:http").createServer((q, s) => { s.statusCode = q.url === "/healthz" && ++n > 3 ? 200 : 503; s.end(); }).listen(process.env.PORT, "127.0.0.1");`;
  const joined = await joinMesh(optionsFor(objects, scriptedProxy(), script, { healthPath: '/healthz' }));
  await until(() => conditionOf(objects, 'my-api-v1') === 'False');
  await until(() => conditionOf(objects, 'my-api-v1') === 'True');
  await joined.stop();
});

test('a second copy gets a number, an exact name is refused', async () => {
  const objects = memoryObjects();
  const first = await joinMesh(optionsFor(objects, scriptedProxy(), server('127.0.0.1')));
  const second = await joinMesh(optionsFor(objects, scriptedProxy(), server('127.0.0.1')));
  assert.deepEqual([first.name, second.name], ['my-api-v1', 'my-api-v1-2']);
  assert.notEqual(first.address, second.address);
  await assert.rejects(
    joinMesh(optionsFor(objects, scriptedProxy(), server('127.0.0.1'), { name: 'my-api-v1' })),
    (error) => error instanceof Fault && error.code === 'instance-runs',
  );
  await Promise.all([first.stop(), second.stop()]);
});

test('a port in use is said before anything starts', async () => {
  const objects = memoryObjects();
  const first = await joinMesh(optionsFor(objects, scriptedProxy(), server('127.0.0.1')));
  await until(() => conditionOf(objects, 'my-api-v1') === 'True');
  const taken = first.ports[0]?.programPort ?? 0;
  const proxy = scriptedProxy();
  await assert.rejects(
    joinMesh(optionsFor(objects, proxy, '', { service: 'other', ports: [{ port: taken }] })),
    (error) => error instanceof Fault && error.code === 'port-in-use' && error.message.includes(String(taken)),
  );
  assert.deepEqual(proxy.events, []);
  await first.stop();
});

test('a program that cannot be started leaves nothing behind', async () => {
  const objects = memoryObjects();
  const proxy = scriptedProxy();
  const options = optionsFor(objects, proxy, '');
  await assert.rejects(joinMesh({ ...options, program: { command: '/nonexistent', args: [], env: {}, output: 'pipe' } }), /nonexistent/);
  assert.equal(objects.stored.has('workloadentries/default/my-api-v1'), false);
  assert.deepEqual(proxy.events, ['start', 'stop']);
  assert.deepEqual(readdirSync(runtimeDir), []);
});

test('what a killed agent left running is ended before its name is used again', async () => {
  const joining = `
    import { joinMesh } from '#agent/join.ts';
    import { systemClock } from '#process/clock.ts';
    import { logger } from '#process/log.ts';
    import { memoryObjects } from ${JSON.stringify(new URL('../support/memory-objects.ts', import.meta.url).href)};
    const launcher = async () => ({ ready: async () => {}, isReady: async () => true, stats: async () => '', metricRows: async () => [], observe() {}, drain: async () => {}, stop: async () => {}, processes: () => [] });
    const joined = await joinMesh({
      workload: { service: 'orphan', version: 'v1', namespace: 'default', labels: {}, ports: [{ port: 0 }], protocol: 'http' },
      program: { command: process.execPath, args: ['-e', 'console.log(process.pid); setInterval(() => {}, 1000)'], env: {}, output: 'inherit' },
      objects: memoryObjects(), xds: { host: '127.0.0.1', port: 1 }, clusterId: '', engine: 'embedded', launcher, runtimeDir: ${JSON.stringify(runtimeDir)},
      oneAddress: false, firstUnprivilegedPort: 0, graceMs: 100, drainMs: 0, version: '0', clock: systemClock, log: logger('t'),
    });
    setInterval(() => {}, 1000);`;
  const agent = await startChild({
    command: process.execPath,
    args: ['-C', 'source', '--input-type=module-typescript', '-e', joining],
    cwd: new URL('../..', import.meta.url).pathname,
    env: {},
    output: 'pipe',
    graceMs: 1_000,
    clock: systemClock,
  });
  const orphanPid = Number(await new Promise((resolve) => agent.stdout?.once('data', (data) => resolve(String(data).trim()))));
  await until(() => readdirSync(runtimeDir).includes('orphan-v1.default.run'));
  // Its own group only: the program leads another one and lives on.
  agent.signal('SIGKILL');
  await agent.exited;
  const orphan = { pid: orphanPid, startTicks: '' };
  assert.equal(isAlive(orphan), true);
  assert.equal(await endOrphans(runtimeDir, systemClock), 1);
  assert.equal(isAlive(orphan), false);
});

test('the agent tells metrics and readiness to all, the tap only to its user', async () => {
  const objects = memoryObjects();
  const proxy = scriptedProxy();
  const joined = await joinMesh(optionsFor(objects, proxy, server('127.0.0.1')));
  await until(() => conditionOf(objects, 'my-api-v1') === 'True');
  const open = { host: joined.address, port: 15020 };
  const closed = { socketPath: joined.socket };
  assert.equal(statSync(joined.socket).mode & 0o777, 0o600);
  await until(async () => (await ask(open, '/healthz/ready')).status === 200);
  assert.match((await ask(open, '/stats/prometheus')).body, /istio_build\{component="proxy".*\nproxy_up 1\n/s);
  assert.equal((await ask(open, '/tap')).status, 403);
  assert.equal((await ask(closed, '/tap?colour=red')).status, 400);
  assert.equal((await ask(closed, '/nothing')).status, 404);

  assert.equal('access' in proxy && proxy.access !== undefined, false);
  const stream = await new Promise<IncomingMessage>((resolve) => get({ ...closed, path: '/tap?status=5xx', agent: false }, resolve));
  await until(() => proxy.access !== undefined);
  const access: ProxyAccess = {
    kind: 'http',
    startedAt: 1_700_000_000_123,
    durationMs: 12.5,
    method: 'GET',
    path: '/x',
    authority: 'my-api',
    protocol: 'HTTP/1.1',
    responseCode: 200,
    responseFlags: '',
    responseCodeDetails: 'via_upstream',
    grpcStatus: '',
    requestBytes: 1,
    responseBytes: 2,
    upstreamCluster: 'inbound|8080||',
    upstreamHost: '127.0.0.1:8080',
    attempts: 1,
    routeName: 'default',
    routeOrigin: '',
    downstreamRemote: '127.64.32.1:5',
    downstreamLocal: `${joined.address}:15006`,
    requestId: 'r',
    userAgent: 'u',
    peer: 'caller-v1;default;caller;v1;Kubernetes',
    upstreamWorkload: '',
  };
  const tell = observerOf(proxy);
  tell(access);
  tell({ ...access, responseCode: 503, responseFlags: 'UH' });
  const line = JSON.parse(String(await new Promise((resolve) => stream.once('data', resolve)))) as Record<string, Record<string, unknown>>;
  assert.equal(line.response?.responseCode, 503);
  assert.deepEqual(line.commonProperties?.responseFlags, { noHealthyUpstream: true });
  assert.deepEqual(line.commonProperties?.customTags, {
    reporter: 'destination',
    source_workload: 'caller-v1;default;caller;v1;Kubernetes',
    destination_workload: 'my-api-v1;default;my-api;v1;Kubernetes',
    destination_service: 'my-api.default.svc.cluster.local',
    response_flags: 'UH',
  });
  assert.equal(line.commonProperties?.startTime, '2023-11-14T22:13:20.123Z');
  stream.destroy();
  await until(() => proxy.access === undefined);
  await joined.stop();
});

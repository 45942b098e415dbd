import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { test } from 'node:test';
import { claimBlock } from '#agent/loopback-block.ts';
import { workloadEntryPath } from '#agent/mesh-objects.ts';
import { reapWorkloadEntries } from '#agent/reaper.ts';
import { createRegistration, type EntryFacts, entryManager, entryMarks } from '#agent/registration.ts';
import { joinService, knownServices, newServicePort, type ServiceWish } from '#agent/service-port.ts';
import { Fault } from '#base/fault.ts';
import type { KubeObject } from '#kube/object.ts';
import { systemClock } from '#process/clock.ts';
import { logger, setLogLevel } from '#process/log.ts';
import { formatIdentity, identifyProcess } from '#process/process-identity.ts';
import { memoryObjects } from '../support/memory-objects.ts';

setLogLevel('silent');
const log = logger('test');

const facts: EntryFacts = {
  namespace: 'default',
  name: 'reviews-v1',
  workload: 'reviews-v1',
  address: '127.64.16.1',
  ports: { http: 15006 },
  labels: { app: 'reviews', version: 'v1' },
  marks: {
    process: formatIdentity(identifyProcess(process.pid)),
    host: hostname(),
    agent: 'unix:/x',
    admin: 'http://127.64.16.1:15000',
    engine: 'embedded',
  },
};

function entryIn(objects: ReturnType<typeof memoryObjects>): KubeObject | undefined {
  return objects.stored.get('workloadentries/default/reviews-v1');
}

function healthOf(entry: KubeObject | undefined): unknown {
  const status = entry?.status as { conditions?: { type: string; status: string }[] } | undefined;
  return status?.conditions?.find((condition) => condition.type === 'Healthy')?.status;
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 4_000;
  while (!holds()) {
    assert.ok(Date.now() < deadline, 'it did not come about in time');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('an entry names address, ports, labels and where its agent is, and goes with its workload', async () => {
  const objects = memoryObjects();
  const registration = createRegistration(objects, facts, systemClock, log);
  await registration.register();
  const entry = entryIn(objects);
  assert.deepEqual(entry?.spec, {
    address: '127.64.16.1',
    ports: { http: 15006 },
    labels: { app: 'reviews', version: 'v1', 'security.istio.io/tlsMode': 'disabled', 'service.istio.io/workload-name': 'reviews-v1' },
  });
  assert.equal(entry?.metadata.annotations?.[entryMarks.agent], 'unix:/x');
  assert.equal(entry?.metadata.annotations?.[entryMarks.engine], 'embedded');
  registration.setHealthy(false);
  await until(() => healthOf(entryIn(objects)) === 'False');
  registration.setHealthy(true);
  await until(() => healthOf(entryIn(objects)) === 'True');
  await registration.remove();
  assert.equal(entryIn(objects), undefined);
});

test('what a killed run left behind is replaced, labels of others kept', async () => {
  const stale: KubeObject = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'WorkloadEntry',
    metadata: {
      name: 'reviews-v1',
      namespace: 'default',
      labels: { team: 'a' },
      annotations: { [entryMarks.process]: '1:1', [entryMarks.agent]: 'unix:/old' },
    },
    spec: { address: '127.99.0.1', ports: { http: 1 } },
    status: {
      conditions: [
        { type: 'Healthy', status: 'True' },
        { type: 'Other', status: 'True' },
      ],
    },
  };
  const objects = memoryObjects(stale);
  const registration = createRegistration(objects, facts, systemClock, log);
  registration.setHealthy(false);
  await registration.register();
  const entry = entryIn(objects);
  assert.equal((entry?.spec as { address?: string } | undefined)?.address, '127.64.16.1');
  assert.equal(entry?.metadata.annotations?.[entryMarks.agent], 'unix:/x');
  assert.equal(entry?.metadata.labels?.team, 'a');
  assert.equal(healthOf(entry), 'False');
  assert.equal((entry?.status as { conditions?: unknown[] } | undefined)?.conditions?.length, 2);
  await registration.remove();
});

test('an entry that vanishes while the API server is away comes back by itself', async () => {
  const objects = memoryObjects();
  const registration = createRegistration(objects, facts, systemClock, log);
  registration.setHealthy(true);
  await registration.register();
  await until(() => healthOf(entryIn(objects)) === 'True');
  objects.down = true;
  objects.stored.clear();
  registration.setHealthy(false);
  await new Promise((resolve) => setTimeout(resolve, 20));
  objects.down = false;
  await until(() => healthOf(entryIn(objects)) === 'False');
  objects.down = true;
  await registration.remove();
});

test('the first registration says when the API server is away', async () => {
  const objects = memoryObjects();
  objects.down = true;
  const registration = createRegistration(objects, facts, systemClock, log);
  await assert.rejects(registration.register(), Fault);
  await registration.remove();
});

test('only entries of dead agents of this machine without a listener are reaped', async () => {
  const block = await claimBlock('reaper-test', false);
  const dead = '999999:1';
  const entry = (name: string, mark: string, host: string, managed: boolean, address: string): KubeObject => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'WorkloadEntry',
    metadata: {
      name,
      namespace: 'default',
      labels: managed ? { [entryMarks.managedBy]: entryManager } : {},
      annotations: { [entryMarks.process]: mark, [entryMarks.host]: host },
    },
    spec: { address, ports: { http: 15020 } },
  });
  const objects = memoryObjects(
    entry('gone', dead, hostname(), true, '127.200.0.1'),
    entry('alive', formatIdentity(identifyProcess(process.pid)), hostname(), true, '127.200.0.1'),
    entry('elsewhere', dead, 'another-host', true, '127.200.0.1'),
    entry('by-hand', dead, hostname(), false, '127.200.0.1'),
    entry('outlived', dead, hostname(), true, block.address),
    entry('unmarked', 'x', hostname(), true, '127.200.0.1'),
  );
  assert.deepEqual(await reapWorkloadEntries(objects), ['default/gone']);
  assert.equal((await objects.list(workloadEntryPath)).length, 5);
  block.lock.close();
});

const service = (ports: readonly unknown[], selector = { app: 'my-api' }): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'my-api', namespace: 'default' },
  spec: { selector, clusterIP: '10.96.0.10', ports },
});
const wish: ServiceWish = {
  namespace: 'default',
  service: 'my-api',
  ports: [{ port: 8080 }],
  protocol: 'http',
  servicePort: (port) => newServicePort(port, 1024),
};

test('an absent Service is made with its namespace', async () => {
  const objects = memoryObjects();
  const joined = await joinService(objects, { ...wish, namespace: 'shop' });
  assert.equal(joined.created, true);
  assert.deepEqual(joined.selector, { app: 'my-api' });
  assert.deepEqual(joined.ports, [{ name: 'http', servicePort: 18080, endpointPort: 8080, programPort: 8080 }]);
  assert.deepEqual(objects.writes, ['create namespaces shop', 'create services my-api']);
  assert.equal((await joinService(objects, { ...wish, namespace: 'shop' })).created, false);
});

const portRows = [
  {
    name: 'by target port',
    ports: [
      { name: 'a', port: 1 },
      { name: 'b', port: 2, targetPort: 8080 },
    ],
    ask: [{ port: 8080 }],
    want: ['b'],
  },
  {
    name: 'by name',
    ports: [
      { name: 'a', port: 1, targetPort: 8080 },
      { name: 'b', port: 2 },
    ],
    ask: [{ name: 'b', port: 8080 }],
    want: ['b'],
  },
  {
    name: 'by number',
    ports: [
      { name: 'a', port: 1, targetPort: 8080 },
      { name: 'b', port: 2 },
    ],
    ask: [{ servicePort: 2, port: 8080 }],
    want: ['b'],
  },
  { name: 'the first left', ports: [{ name: 'a', port: 9080 }], ask: [{ port: 31_000 }], want: ['a'] },
  { name: 'unnamed', ports: [{ port: 9080 }], ask: [{ port: 31_000 }], want: [''] },
  {
    name: 'several',
    ports: [
      { name: 'a', port: 1 },
      { name: 'b', port: 2 },
    ],
    ask: [{ port: 7 }, { port: 8 }],
    want: ['a', 'b'],
  },
];
for (const row of portRows) {
  test(`a program's port finds its service port: ${row.name}`, async () => {
    const joined = await joinService(memoryObjects(service(row.ports)), { ...wish, ports: row.ask });
    assert.deepEqual(
      joined.ports.map((port) => port.name),
      row.want,
    );
  });
}

test('a port that the Service lacks is a Fault that lists those it has', async () => {
  const objects = memoryObjects(service([{ name: 'web', port: 80 }]));
  await assert.rejects(joinService(objects, { ...wish, ports: [{ name: 'grpc', port: 1 }] }), /no port grpc; it has web \(80\)/);
  await assert.rejects(joinService(objects, { ...wish, ports: [{ port: 1 }, { port: 2 }] }), /no port left for the program's port 2/);
});

test('services are told with their cluster address and ports', async () => {
  assert.deepEqual(await knownServices(memoryObjects(service([{ name: 'web', port: 80, targetPort: 'http' }]))), [
    { name: 'my-api', namespace: 'default', clusterIp: '10.96.0.10', ports: [{ name: 'web', number: 80 }] },
  ]);
});

test('a new service port leaves room for a program on all addresses', () => {
  assert.equal(newServicePort(8080, 0), 80);
  assert.equal(newServicePort(8080, 1024), 18_080);
  assert.equal(newServicePort(60_000, 1024), 50_000);
});

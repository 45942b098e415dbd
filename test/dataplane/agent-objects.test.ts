import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { meshObjects, namespacePath, servicePath, workloadEntryPath } from '#agent/mesh-objects.ts';
import { createRegistration } from '#agent/registration.ts';
import { joinService, knownServices } from '#agent/service-port.ts';
import { plainKinds } from '#apiserver/plain-kinds.ts';
import { startApiServer } from '#apiserver/server.ts';
import { Fault } from '#base/fault.ts';
import { createKubeClient } from '#kube/client.ts';
import { loadKubeconfig } from '#kube/kubeconfig.ts';
import { systemClock } from '#process/clock.ts';
import { logger, setLogLevel } from '#process/log.ts';
import { kinds } from '#resources/kinds.ts';

setLogLevel('silent');
const log = logger('test');
const stateDir = mkdtempSync(join(tmpdir(), 'mwo-'));
after(() => rmSync(stateDir, { recursive: true, force: true }));

test('the agent finds its way with the embedded API server', async () => {
  const server = await startApiServer({ stateDir, kinds: [...kinds, ...plainKinds], clock: systemClock, log, port: 0 });
  const kubeconfig = join(stateDir, 'kubeconfig');
  writeFileSync(kubeconfig, server.kubeconfig(), { mode: 0o600 });
  const client = createKubeClient(loadKubeconfig([kubeconfig]));
  const objects = meshObjects(client);
  try {
    assert.equal(await objects.get(servicePath, 'default', 'absent'), undefined);
    const wish = { namespace: 'shop', service: 'my-api', ports: [{ port: 8080 }], protocol: 'http', servicePort: () => 80 };
    assert.equal((await joinService(objects, wish)).created, true);
    assert.equal((await joinService(objects, wish)).created, false);
    assert.ok(await objects.get(namespacePath, '', 'shop'));
    const found = (await knownServices(objects)).find((service) => service.name === 'my-api');
    assert.match(found?.clusterIp ?? '', /^10\.96\.\d+\.\d+$/);
    assert.equal(
      await objects.create(servicePath, {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'my-api', namespace: 'shop' },
        spec: { ports: [{ port: 1 }] },
      }),
      'exists',
    );

    const facts = {
      namespace: 'shop',
      name: 'my-api-v1',
      workload: 'my-api-v1',
      address: '127.64.0.1',
      ports: { http: 15006 },
      labels: { app: 'my-api', version: 'v1' },
      marks: { process: '1:1', host: 'h', agent: 'unix:/a', admin: 'http://127.64.0.1:15000', engine: 'envoy' },
    };
    const registration = createRegistration(objects, facts, systemClock, log);
    await registration.register();
    registration.setHealthy(true);
    const healthOf = async () => JSON.stringify((await objects.get(workloadEntryPath, 'shop', 'my-api-v1'))?.status ?? null);
    const deadline = Date.now() + 3_000;
    while (!(await healthOf()).includes('"status":"True"')) assert.ok(Date.now() < deadline, await healthOf());
    const stored = await objects.get(workloadEntryPath, 'shop', 'my-api-v1');
    assert.ok(stored);
    assert.equal(
      await objects.replace(workloadEntryPath, { ...stored, metadata: { ...stored.metadata, resourceVersion: '1' } }),
      'conflict',
    );
    await registration.remove();
    await objects.remove(workloadEntryPath, 'shop', 'my-api-v1');
    assert.deepEqual(await objects.list(workloadEntryPath, 'shop'), []);
  } finally {
    client.close();
    await server.close();
  }
  await assert.rejects(objects.list(servicePath), (error) => error instanceof Fault && error.retryable);
});

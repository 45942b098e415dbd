/** Agents and Envoys that are killed while requests flow. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { needPeer } from '../support/peers.ts';
import { command, envoyOf, failuresOf, flowsWell, joinPair, startFlow } from './flow.ts';
import { createPlane, descendants, isRunning, type Plane, pause, until } from './plane.ts';

let plane: Plane;
beforeEach(async () => {
  plane = await createPlane('kills');
  await plane.up();
});
afterEach(() => plane.close());

describe('a killed agent', () => {
  it('takes its embedded proxy with it; its entry is removed and others take over', async () => {
    const { v1, visitor } = await joinPair(plane, 'embedded');
    const flow = startFlow(plane, visitor);
    await flowsWell(flow, 10_000);
    process.kill(v1.running.child.pid ?? 0, 'SIGKILL');
    await until('the entry is gone', async () => (await plane.object('WorkloadEntry', 'api-v1')) === undefined, 8_000);
    await flowsWell(flow, 5_000);
    await flow.stop();
    const again = await plane.join({ service: 'api', port: '80:0', command });
    assert.equal(again.address, v1.address);
  });

  it('leaves an Envoy that serves on until the next one of that name takes over', async (t) => {
    if (!needPeer(t, 'envoy')) return;
    const { v1, visitor } = await joinPair(plane, 'envoy');
    const envoy = envoyOf(v1);
    const flow = startFlow(plane, visitor);
    await flowsWell(flow, 10_000);
    process.kill(v1.running.child.pid ?? 0, 'SIGKILL');
    await pause(1_500);
    assert.ok(isRunning(envoy));
    assert.deepEqual(failuresOf(flow.answers), []);
    const again = await plane.join({ service: 'api', engine: 'envoy', port: '80:0', command });
    assert.equal(again.address, v1.address);
    assert.ok(!isRunning(envoy));
    await flowsWell(flow, 10_000);
    await flow.stop();
  });
});

describe('a killed Envoy', () => {
  it('is started again by its agent', async (t) => {
    if (!needPeer(t, 'envoy')) return;
    const { v1, v2, visitor } = await joinPair(plane, 'envoy');
    for (const [what, victim] of [
      ['server', v1],
      ['client', visitor],
    ] as const) {
      const flow = startFlow(plane, visitor);
      await flowsWell(flow, 10_000);
      const before = envoyOf(victim);
      process.kill(before, 'SIGKILL');
      await until(`the ${what}'s agent has another Envoy`, () =>
        descendants(victim.running.child.pid ?? 0).some(
          (pid) => pid !== before && readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0]?.endsWith('envoy'),
        ),
      );
      await flowsWell(flow, 15_000);
      await flow.stop();
    }
    assert.ok(isRunning(v2.running.child.pid ?? 0));
  });
});

/** A control plane or a program that is killed while requests flow: traffic goes on, and all converge again by themselves. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Started } from '../cli/stage.ts';
import { needPeer } from '../support/peers.ts';
import { failuresOf, flowsWell, joinPair, split, startFlow } from './flow.ts';
import { createPlane, debugPage, descendants, killPlane, type Plane, pause, until } from './plane.ts';

let plane: Plane;
let control: Started;
beforeEach(async () => {
  plane = await createPlane('kills');
  control = await plane.up();
});
afterEach(() => plane.close());

for (const engine of ['embedded', 'envoy'] as const) {
  describe(`on the ${engine} proxy`, () => {
    it('a killed control plane costs no request, and what is changed after its return arrives', async (t) => {
      if (engine === 'envoy' && !needPeer(t, 'envoy')) return;
      const { visitor } = await joinPair(plane, engine);
      await plane.apply(split(100));
      await plane.converged();
      const flow = startFlow(plane, visitor);
      await flowsWell(flow, 10_000);
      await killPlane(plane, control);
      await pause(2_500);
      assert.ok(flow.answers.length > 100, `${flow.answers.length} answers`);
      assert.deepEqual(failuresOf(flow.answers), [], 'none failed while it was away');
      await plane.up();
      await until('all proxies are back', async () => (await debugPage<unknown[]>(plane, 'syncz')).length === 3);
      await plane.converged();
      await plane.apply(split(0));
      await plane.converged();
      const changed = flow.answers.length + 10;
      await until('more answers', () => flow.answers.length > changed + 50);
      await flow.stop();
      assert.deepEqual(failuresOf(flow.answers), [], 'none failed while all came back');
      assert.deepEqual(new Set(flow.answers.slice(changed).map(({ body }) => body)), new Set(['api-v2']));
    });

    it('a killed program ends its run and leaves the mesh; others take over', async (t) => {
      if (engine === 'envoy' && !needPeer(t, 'envoy')) return;
      const { v1, visitor } = await joinPair(plane, engine);
      const flow = startFlow(plane, visitor);
      await flowsWell(flow, 10_000);
      const program = descendants(v1.running.child.pid ?? 0).find((pid) =>
        readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('createServer'),
      );
      assert.ok(program);
      process.kill(program, 'SIGKILL');
      assert.equal(await v1.running.exited, 137);
      assert.equal(await plane.object('WorkloadEntry', 'api-v1'), undefined);
      await flowsWell(flow, 5_000);
      await flow.stop();
    });
  });
}

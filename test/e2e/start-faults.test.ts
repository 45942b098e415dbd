/** What may stand in the way of a control plane: another one, a taken port, what a killed one left, a full disk. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { workloadEntryPath } from '#agent/mesh-objects.ts';
import { readRuntimeFile } from '#process/runtime-file.ts';
import { createPlane, descendants, isRunning, type Plane, until } from './plane.ts';

const web = `require('node:http').createServer((q, s) => s.end(process.env.MESHWRIGHT_WORKLOAD)).listen(process.env.PORT, '127.0.0.1')`;

let plane: Plane;
beforeEach(async () => {
  plane = await createPlane('faults');
});
afterEach(() => plane.close());

describe('a start', () => {
  it('on a state folder that is in use names who uses it and what to do; that one goes on', async () => {
    const first = await plane.up();
    const [second, third] = [plane.meshwright('start', '--api-port', '0'), plane.meshwright('demo')];
    for (const late of [second, third]) {
      assert.equal(await late.exited, 1);
      assert.match(late.output.err, new RegExp(`runs already on .*\\(process ${first.child.pid}\\)`));
      assert.match(late.output.err, /MESHWRIGHT_STATE_DIR/);
    }
    assert.deepEqual((await plane.rest('/problems')) as object, { items: [] });
  });

  for (const [index, flag] of ['--api-port', '--page-port', '--xds-port', '--debug-port'].entries()) {
    it(`with ${flag} taken names the port and the remedy, and leaves nothing behind`, async () => {
      const port = plane.ports[index];
      const blocker = createServer().listen(port, '127.0.0.1');
      await new Promise((done) => blocker.once('listening', done));
      const refused = await plane.start();
      const code = await refused.exited;
      blocker.close();
      assert.equal(code, 1);
      assert.match(refused.output.err, new RegExp(`port ${port}|:${port}`));
      assert.match(refused.output.err, new RegExp(`${flag}|MESHWRIGHT_${flag.slice(2, -5).toUpperCase()}_PORT|another port`));
      assert.doesNotMatch(refused.output.err, /bug in Meshwright|at .*\.ts:/);
      assert.equal(readRuntimeFile(plane.state), undefined);
      // The same folder serves as soon as the port is free.
      await plane.up();
    });
  }

  it('after kill -9 of everything begins as if nothing had been', async () => {
    const first = await plane.up();
    const workload = await plane.join({ service: 'web', port: 0, command: [process.execPath, '-e', web] });
    const agent = workload.running.child.pid ?? 0;
    const [program = 0] = descendants(agent);
    for (const pid of [first.child.pid ?? 0, agent]) process.kill(pid, 'SIGKILL');
    await Promise.all([first.exited, workload.running.exited]);
    assert.ok(isRunning(program), 'a program outlives its killed agent');
    await plane.up();
    // Nothing listens at the address of the entry any more.
    await until('the entry is reaped', async () => (await plane.objects.list(workloadEntryPath)).length === 0);
    const again = await plane.join({ service: 'web', port: 0, command: [process.execPath, '-e', web] });
    assert.equal(again.address, workload.address, 'name and address are free again');
    assert.ok(!isRunning(program), 'what the killed agent left is ended');
  });

  it('on a disk without room says so and what to do; on one that fills later the mesh goes on', async (t) => {
    mkdirSync(plane.state, { mode: 0o700 });
    if (!mountSmallDisk(plane.state, '3m')) return t.skip('a small disk can be mounted by root only');
    try {
      const filler = join(plane.state, 'filler');
      fill(filler);
      const refused = plane.start();
      assert.notEqual(await refused.exited, 0);
      assert.match(refused.output.err, /no space|ENOSPC|full/i);
      assert.match(refused.output.err, /[Ff]ree/);
      assert.doesNotMatch(refused.output.err, /bug in Meshwright/);
      rmSync(filler);
      const running = await plane.up();
      await plane.apply('apiVersion: v1\nkind: Service\nmetadata: {name: before}\nspec: {ports: [{name: http, port: 80}]}');
      fill(filler);
      const metadata = { name: 'big', annotations: { note: 'x'.repeat(200_000) } };
      const big = { apiVersion: 'v1', kind: 'Service', metadata, spec: { ports: [{ name: 'http', port: 80 }] } };
      writeFileSync(join(plane.folder, 'big.json'), JSON.stringify(big));
      const { code, err } = await plane.run('apply', '-f', 'big.json');
      assert.notEqual(code, 0);
      assert.match(err, /no space is left.*[Ff]ree/s);
      assert.ok(await plane.object('Service', 'before'), 'reads go on');
      rmSync(filler);
      assert.equal((await plane.run('apply', '-f', 'big.json')).code, 0);
      running.child.kill('SIGTERM');
      assert.equal(await running.exited, 0);
    } finally {
      // Lazily: processes may still have files open there.
      execFileSync('/bin/umount', ['-l', plane.state]);
    }
  });
});

function mountSmallDisk(folder: string, size: string): boolean {
  try {
    execFileSync('/bin/mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'meshwright-test', folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Takes all room that is left. */
function fill(path: string): void {
  const file = openSync(path, 'a');
  try {
    for (const size of [65_536, 4_096, 1]) {
      try {
        for (;;) writeSync(file, Buffer.alloc(size));
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
      }
    }
  } finally {
    closeSync(file);
  }
}

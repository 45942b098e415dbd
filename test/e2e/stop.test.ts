/** Ends that are asked for: once, twice at the same moment, and insistently. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { workloadEntryPath } from '#agent/mesh-objects.ts';
import { readRuntimeFile, runtimeFilePath } from '#process/runtime-file.ts';
import { createPlane, descendants, isRunning, type Plane, pause, shows, until } from './plane.ts';

let plane: Plane;
beforeEach(async () => {
  plane = await createPlane('stop');
});
afterEach(() => plane.close());

function startDemo() {
  const flags = ['--api-port', '--page-port', '--xds-port', '--debug-port'].flatMap((flag, i) => [flag, `${plane.ports[i]}`]);
  return plane.meshwright('demo', ...flags, '--log-level', 'error', '--rps', '2');
}

describe('a demo', () => {
  it('that is told to end by a signal that arrives three times ends once and completely', async () => {
    const demo = startDemo();
    await shows(demo, 'Ctrl-C ends it.');
    const { runtimeDir = '' } = readRuntimeFile(plane.state) ?? {};
    const processes = descendants(demo.child.pid ?? 0);
    assert.ok(processes.length >= 12, `six agents and six programs, not ${processes.length}`);
    for (let n = 0; n < 3; n++) {
      demo.child.kill('SIGINT');
      await pause(100);
    }
    assert.equal(await demo.exited, 0, demo.output.err);
    assert.ok(!existsSync(runtimeFilePath(plane.state)), 'runtime.json is gone');
    assert.ok(runtimeDir && !existsSync(runtimeDir), 'so is the folder of the sockets');
    assert.deepEqual(processes.filter(isRunning), [], 'no child is left');
    const again = await plane.up();
    assert.deepEqual(await plane.objects.list(workloadEntryPath), []);
    again.child.kill('SIGTERM');
    assert.equal(await again.exited, 0);
  });

  it('that is told again after a second ends at once, and its workloads soon after', async () => {
    const demo = startDemo();
    await shows(demo, 'Ctrl-C ends it.');
    const processes = descendants(demo.child.pid ?? 0);
    const reviews = processes.find((pid) => commandLine(pid).at(-1)?.endsWith('reviews.js') && !commandLine(pid).includes('run'));
    assert.ok(reviews);
    process.kill(reviews, 'SIGSTOP');
    demo.child.kill('SIGINT');
    await pause(1_200);
    assert.ok(isRunning(demo.child.pid ?? 0), 'it waits for a program that does not end');
    demo.child.kill('SIGINT');
    assert.equal(await demo.exited, 130);
    await until('all children are gone', () => !processes.some(isRunning));
  });
});

describe('a workload', () => {
  it('that is told to end twice drains, tells its program once and leaves', async () => {
    const control = await plane.up();
    // Says how often it was told; a second SIGTERM while it works on the first would end many programs.
    const program = `let n = 0; process.on('SIGTERM', () => { n++; setTimeout(() => { console.log('told', n); process.exit(3); }, 300); }); setInterval(() => {}, 1000)`;
    const { running } = await plane.join({ service: 'visitor', command: [process.execPath, '-e', program] });
    running.child.kill('SIGTERM');
    running.child.kill('SIGTERM');
    assert.equal(await running.exited, 3);
    assert.match(running.output.out, /told 1\n/);
    assert.equal(await plane.object('WorkloadEntry', 'visitor-v1'), undefined);
    control.child.kill('SIGTERM');
    assert.equal(await control.exited, 0);
  });
});

function commandLine(pid: number): string[] {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean);
}

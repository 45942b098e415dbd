import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Fault } from '#base/fault.ts';
import { type Child, endLeftover, startChild } from './child-process.ts';
import { systemClock } from './clock.ts';
import { identifyProcess, isAlive } from './process-identity.ts';

function start(script: string, graceMs = 5_000): Promise<Child> {
  return startChild({ command: process.execPath, args: ['-e', script], env: {}, output: 'pipe', graceMs, clock: systemClock });
}

async function firstOutput(child: Child): Promise<string> {
  assert.ok(child.stdout);
  const [data] = await once(child.stdout, 'data');
  return String(data).trim();
}

const running = 'setInterval(() => {}, 1000); console.log("up");';
const exits = [
  { name: 'its own code', script: 'process.exit(7)', act: () => {}, code: 7, signal: null },
  { name: 'zero', script: '', act: () => {}, code: 0, signal: null },
  { name: 'a signal', script: running, act: (child: Child) => child.signal('SIGINT'), code: 130, signal: 'SIGINT' },
  { name: 'stop', script: running, act: (child: Child) => child.stop(), code: 143, signal: 'SIGTERM' },
  {
    name: 'a handled stop',
    script: `process.on("SIGTERM", () => process.exit(3)); ${running}`,
    act: (c: Child) => c.stop(),
    code: 3,
    signal: null,
  },
];
for (const row of exits) {
  test(`exit by ${row.name}`, async () => {
    const child = await start(row.script);
    if (row.script.includes('up')) assert.equal(await firstOutput(child), 'up');
    row.act(child);
    assert.deepEqual(await child.exited, { code: row.code, signal: row.signal, killed: false });
    assert.equal(isAlive(child.process), false);
    assert.equal(child.signal('SIGTERM'), false);
  });
}

test('a program that ignores SIGTERM is killed after the grace time', async () => {
  const child = await start(`process.on("SIGTERM", () => {}); ${running}`, 50);
  await firstOutput(child);
  assert.deepEqual(await child.stop(), { code: 137, signal: 'SIGKILL', killed: true });
});

test('what the program started ends with it', async () => {
  const child = await start(
    `const c = require("node:child_process").spawn(process.execPath, ["-e", "setInterval(()=>{},1000)"], { stdio: "ignore" });
     c.on("spawn", () => console.log(c.pid)); setInterval(() => {}, 1000);`,
  );
  const grandchild = identifyProcess(Number(await firstOutput(child)));
  assert.equal(isAlive(grandchild), true);
  await child.stop();
  while (isAlive(grandchild)) await new Promise((resolve) => setTimeout(resolve, 5));
});

test('a missing program is a Fault that names it', async () => {
  await assert.rejects(
    startChild({ command: '/nonexistent/program', args: [], env: {}, output: 'pipe', graceMs: 1, clock: systemClock }),
    (error) => error instanceof Fault && error.code === 'program-start' && error.message.includes('/nonexistent/program'),
  );
});

test('a leftover is ended by its identity, and never a process that took its id', async () => {
  const child = await start(`process.on("SIGTERM", () => {}); ${running}`);
  await firstOutput(child);
  await endLeftover({ pid: child.process.pid, startTicks: '1' }, 10, systemClock);
  assert.equal(isAlive(child.process), true);
  await endLeftover(child.process, 40, systemClock);
  assert.equal((await child.exited).signal, 'SIGKILL');
});

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';

const executable = resolve(import.meta.dirname, '../../bin/meshwright.js');
const folder = mkdtempSync(join(tmpdir(), 'meshwright-start-'));
const state = join(folder, 'state');
const started: Started[] = [];
let ports: readonly number[];

interface Started {
  readonly child: ChildProcess;
  readonly output: { out: string; err: string };
  readonly exited: Promise<number | null>;
}

/** Runs the executable as a user would. */
function meshwright(...words: string[]): Started {
  const child = spawn(process.execPath, [executable, ...words], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  });
  const output = { out: '', err: '' };
  child.stdout.on('data', (data: Buffer) => {
    output.out += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    output.err += data.toString();
  });
  const running = { child, output, exited: new Promise<number | null>((done) => child.once('close', (code) => done(code))) };
  started.push(running);
  return running;
}

function start(): Started {
  const [api = 0, page = 0, xds = 0, debug = 0] = ports;
  return meshwright(
    'start',
    '--state-dir',
    state,
    '--api-port',
    `${api}`,
    '--page-port',
    `${page}`,
    '--xds-port',
    `${xds}`,
    '--debug-port',
    `${debug}`,
    '--log-level',
    'error',
  );
}

async function shows({ child, output }: Started, text: string): Promise<void> {
  while (!output.out.includes(text)) {
    assert.equal(child.exitCode, null, output.err);
    await new Promise((done) => child.stdout?.once('data', done) ?? done(undefined));
  }
}

async function run(...words: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const running = meshwright(...words, '--state-dir', state);
  const code = await running.exited;
  return { code, ...running.output };
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => new Promise((done) => server.once('listening', done))));
  const numbers = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' && address ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return numbers;
}

before(async () => {
  ports = await freePorts(4);
});
after(async () => {
  for (const { child } of started) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  await Promise.all(started.map(({ exited }) => exited));
  rmSync(folder, { recursive: true, force: true });
});

describe('meshwright start', () => {
  let first: Started;
  it('says where everything is and what to try', async () => {
    first = start();
    await shows(first, 'Ctrl-C ends it.');
    assert.match(first.output.out, new RegExp(`^page +http://127\\.0\\.0\\.1:${ports[1]}`, 'm'));
    assert.match(first.output.out, /^kubeconfig +state\/kubeconfig$/m);
    assert.match(first.output.out, /^Try:\n(?: {2}\S.*\n){3}/m);
    assert.equal(statSync(join(state, 'kubeconfig')).mode & 0o777, 0o600);
    assert.equal(statSync(state).mode & 0o777, 0o700);
  });

  it('answers the other commands', async () => {
    const version = await run('version', '-o', 'json');
    const { client, server } = JSON.parse(version.out);
    assert.equal(client.version, server.version);
    assert.match((await run('get', 'namespaces', '-o', 'name')).out, /^namespace\/default$/m);
    const check = await run('check', '-o', 'json');
    const failed = JSON.parse(check.out).checks.filter(({ state }: { state: string }) => state === 'fail');
    assert.deepEqual(failed, []);
    assert.equal(check.code, 0);
    assert.match((await run('proxy', 'status')).out, /No proxy is connected/);
  });

  it('refuses a second one and says which runs', async () => {
    const second = start();
    assert.equal(await second.exited, 1);
    assert.match(second.output.err, /runs already/);
    assert.doesNotMatch(second.output.err, /at .*\.ts:/, 'no stack for the user');
  });

  it('recovers from kill -9 and ends cleanly on SIGTERM', async () => {
    const { process: owner } = JSON.parse(readFileSync(join(state, 'runtime.json'), 'utf8'));
    process.kill(owner.pid, 'SIGKILL');
    await first.exited;
    const away = await run('proxy', 'status');
    assert.equal(away.code, 69);
    const again = start();
    await shows(again, 'Ctrl-C ends it.');
    again.child.kill('SIGTERM');
    assert.equal(await again.exited, 0);
    assert.equal((await run('check', '-o', 'short')).code, 2);
  });
});

import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createStage, type Stage, type Started, shows } from './stage.ts';

let stage: Stage;
before(async () => {
  stage = await createStage('start');
});
after(() => stage.close());

describe('meshwright start', () => {
  let first: Started;
  it('says where everything is and what to try', async () => {
    first = stage.start();
    await shows(first, 'Ctrl-C ends it.');
    assert.match(first.output.out, new RegExp(`^page +http://127\\.0\\.0\\.1:${stage.ports[1]}`, 'm'));
    assert.match(first.output.out, /^kubeconfig +state\/kubeconfig$/m);
    assert.match(first.output.out, /^Try:\n(?: {2}\S.*\n){3}/m);
    assert.equal(statSync(join(stage.state, 'kubeconfig')).mode & 0o777, 0o600);
    assert.equal(statSync(stage.state).mode & 0o777, 0o700);
  });

  it('answers the other commands', async () => {
    const version = await stage.run('version', '-o', 'json');
    const { client, server } = JSON.parse(version.out);
    assert.equal(client.version, server.version);
    assert.match((await stage.run('get', 'namespaces', '-o', 'name')).out, /^namespace\/default$/m);
    const check = await stage.run('check', '-o', 'json');
    const failed = JSON.parse(check.out).checks.filter(({ state }: { state: string }) => state === 'fail');
    assert.deepEqual(failed, []);
    assert.equal(check.code, 0);
    assert.match((await stage.run('proxy', 'status')).out, /No proxy is connected/);
  });

  it('refuses a second one and says which runs', async () => {
    const second = stage.start();
    assert.equal(await second.exited, 1);
    assert.match(second.output.err, /runs already/);
    assert.doesNotMatch(second.output.err, /at .*\.ts:/, 'no stack for the user');
  });

  it('recovers from kill -9 and ends cleanly on SIGTERM', async () => {
    const { process: owner } = JSON.parse(readFileSync(join(stage.state, 'runtime.json'), 'utf8'));
    process.kill(owner.pid, 'SIGKILL');
    await first.exited;
    const away = await stage.run('proxy', 'status');
    assert.equal(away.code, 69);
    const again = stage.start();
    await shows(again, 'Ctrl-C ends it.');
    again.child.kill('SIGTERM');
    assert.equal(await again.exited, 0);
    assert.equal((await stage.run('check', '-o', 'short')).code, 2);
  });

  it('says what is wrong with the mesh configuration, at the start and in check, and starts nevertheless', async () => {
    const missing = stage.start('--mesh-config', 'mesh.yaml');
    assert.equal(await missing.exited, 1);
    assert.match(missing.output.err, /mesh\.yaml does not exist/);
    writeFileSync(join(stage.folder, 'mesh.yaml'), 'connectTimeout: 3s\nacessLogFile: /dev/stdout\n');
    const running = stage.start('--mesh-config', 'mesh.yaml');
    await shows(running, 'Ctrl-C ends it.');
    assert.match(running.output.err, /mesh\.yaml:2:1: error MW0110 .*did you mean `accessLogFile`/);
    const check = await stage.run('check', '-o', 'json');
    assert.equal(check.code, 2);
    const failed = JSON.parse(check.out).checks.filter(({ state }: { state: string }) => state === 'fail');
    assert.deepEqual(
      failed.map(({ name }: { name: string }) => name),
      ['sources'],
    );
    assert.match(failed[0].message, /mesh\.yaml.*acessLogFile/);
    writeFileSync(join(stage.folder, 'mesh.yaml'), 'connectTimeout: 3s\n');
    const { debugUrl } = JSON.parse(readFileSync(join(stage.state, 'runtime.json'), 'utf8'));
    const connectTimeout = async () => {
      const mesh = (await (await fetch(`${debugUrl}/debug/mesh`)).json()) as { connectTimeout?: string };
      return mesh.connectTimeout;
    };
    const end = performance.now() + 10_000;
    while ((await connectTimeout()) !== '3s' && performance.now() < end) await new Promise((wake) => setTimeout(wake, 50));
    assert.equal(await connectTimeout(), '3s');
    assert.doesNotMatch((await stage.run('check', '-o', 'short')).out, /mesh\.yaml/);
    running.child.kill('SIGTERM');
    assert.equal(await running.exited, 0);
  });
});

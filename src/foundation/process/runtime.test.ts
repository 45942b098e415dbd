import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Fault } from '#base/fault.ts';
import { formatIdentity, identifyProcess, isAlive, parseIdentity } from './process-identity.ts';
import { ensureRuntimeDir, socketPath } from './runtime-dir.ts';
import {
  type RuntimeFile,
  readRuntimeFile,
  removeRuntimeFile,
  runningControlPlane,
  runtimeFilePath,
  writeRuntimeFile,
} from './runtime-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'mwrt-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('the runtime folder is short, private and one per state folder', () => {
  const first = ensureRuntimeDir(join(folder, 'a'), { xdgRuntimeDir: folder });
  assert.equal(ensureRuntimeDir(join(folder, 'a'), { xdgRuntimeDir: folder }), first);
  assert.notEqual(ensureRuntimeDir(join(folder, 'b'), { xdgRuntimeDir: folder }), first);
  assert.equal(statSync(first).mode & 0o777, 0o700);
});

test('a folder open to others, or a link, is refused', () => {
  const open = join(folder, 'open');
  mkdirSync(open);
  chmodSync(open, 0o755);
  const link = join(folder, 'link');
  symlinkSync(open, link);
  for (const override of [open, link]) {
    assert.throws(
      () => ensureRuntimeDir(folder, { override }),
      (error) => error instanceof Fault && error.code === 'runtime-dir',
    );
  }
});

test('a socket path longer than the system allows is a Fault that says so', () => {
  assert.equal(socketPath('/run/mw', 'a.sock'), '/run/mw/a.sock');
  assert.throws(
    () => socketPath(`/${'x'.repeat(100)}`, 'a.sock'),
    (error) => error instanceof Fault && error.message.includes('108 bytes'),
  );
});

const content: RuntimeFile = {
  version: '1',
  process: identifyProcess(process.pid),
  startedAt: 1,
  kubeconfig: '/k',
  apiUrl: 'https://127.0.0.1:1',
  xdsAddress: '127.0.0.1:2',
  pageUrl: 'http://127.0.0.1:3',
  debugUrl: 'http://127.0.0.1:4',
  runtimeDir: '/r',
};

test('the runtime file is private, read back whole, and removed only by its owner', () => {
  const stateDir = join(folder, 'state');
  assert.equal(readRuntimeFile(stateDir), undefined);
  writeRuntimeFile(stateDir, content);
  assert.equal(statSync(runtimeFilePath(stateDir)).mode & 0o777, 0o600);
  assert.deepEqual(readRuntimeFile(stateDir), content);
  assert.deepEqual(runningControlPlane(stateDir), content);
  removeRuntimeFile(stateDir, process.pid + 1);
  assert.ok(readRuntimeFile(stateDir));
  removeRuntimeFile(stateDir, process.pid);
  assert.equal(readRuntimeFile(stateDir), undefined);
});

test('a file of a process that is gone, or no such file, names no running control plane', () => {
  const stateDir = join(folder, 'stale');
  writeRuntimeFile(stateDir, { ...content, process: { pid: process.pid, startTicks: '1' } });
  assert.ok(readRuntimeFile(stateDir));
  assert.equal(runningControlPlane(stateDir), undefined);
  for (const text of ['', '{', '[]', 'null', '{"process":{}}', '{"process":{"pid":1}}']) {
    writeFileSync(runtimeFilePath(stateDir), text);
    assert.equal(readRuntimeFile(stateDir), undefined, text);
  }
});

test('an identity survives its text form and is not mistaken for a later process', () => {
  const own = identifyProcess(process.pid);
  assert.deepEqual(parseIdentity(formatIdentity(own)), own);
  assert.equal(isAlive(own), true);
  assert.equal(isAlive({ ...own, startTicks: '1' }), process.platform !== 'linux');
  assert.deepEqual(parseIdentity('12'), { pid: 12, startTicks: '' });
  for (const bad of ['', 'x', '-1', '1:x', '1:2:3']) assert.equal(parseIdentity(bad), undefined, bad);
  assert.equal(isAlive({ pid: 0, startTicks: '' }), false);
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Fault } from '#base/fault.ts';
import { systemClock } from '#process/clock.ts';
import { virtualServiceKind } from '#resources/networking/virtual-service-kind.ts';
import { createConfig } from './config.ts';
import { fileSource } from './file-source.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };

function route(name: string, host = 'reviews'): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}}
spec: {hosts: [reviews], http: [{route: [{destination: {host: ${host}}}]}]}
`;
}

async function start(t: TestContext, files: Record<string, string>) {
  const dir = await mkdtemp(join(tmpdir(), 'mw-config-'));
  await mkdir(join(dir, 'sub'));
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
  const config = createConfig({ sources: [fileSource({ dir, clock: systemClock, log })], clock: systemClock, log });
  const stop = new AbortController();
  const running = config.run(stop.signal);
  t.after(async () => {
    stop.abort();
    await running;
    await rm(dir, { recursive: true });
  });
  await config.synced;
  const routes = config.collection(virtualServiceKind);
  const hosts = () =>
    Object.fromEntries([...routes.values()].map((r) => [r.metadata.name, r.spec.http?.[0]?.route?.[0]?.destination.host]));
  const events = new EventTarget();
  config.onProblems(() => events.dispatchEvent(new Event('change')));
  /** Waits for the next change that makes `isTrue` true. */
  const until = async (isTrue: () => boolean) => {
    const signal = AbortSignal.timeout(8000);
    while (!isTrue()) await once(events, 'change', { signal });
  };
  return { dir, config, hosts, until };
}

test('files are read with their subfolders, and every change is followed', async (t) => {
  const { dir, config, hosts, until } = await start(t, {
    'a.yaml': `${route('a')}---\n${route('b')}`,
    'sub/c.yml': route('c'),
    'notes.txt': 'not: [yaml',
    '.hidden.yaml': route('hidden'),
  });
  assert.deepEqual(hosts(), { a: 'reviews', b: 'reviews', c: 'reviews' });

  // As editors do: written beside, then put in place.
  await writeFile(join(dir, '.a.yaml.swp'), 'x');
  await writeFile(join(dir, 'a.yaml.tmp'), `${route('a', 'ratings')}---\n${route('b')}`);
  await rename(join(dir, 'a.yaml.tmp'), join(dir, 'a.yaml'));
  await until(() => hosts().a === 'ratings');

  // A part that cannot be read: what stood there before stays, the rest follows.
  await writeFile(join(dir, 'a.yaml'), `${route('a', 'details')}---\nkind: [VirtualService\n`);
  await until(() => hosts().a === 'details');
  assert.equal(hosts().b, 'reviews');
  assert.deepEqual(
    config.problems().map((p) => [p.code, p.origin?.file, p.line]),
    [['MW0101', join(dir, 'a.yaml'), 7]],
  );

  await writeFile(join(dir, 'a.yaml'), route('a', 'details'));
  await until(() => hosts().b === undefined);
  assert.deepEqual(config.problems(), []);

  await mkdir(join(dir, 'sub/deeper'));
  await writeFile(
    join(dir, 'sub/deeper/d.json'),
    JSON.stringify({
      apiVersion: 'networking.istio.io/v1beta1',
      kind: 'VirtualService',
      metadata: { name: 'd' },
      spec: { hosts: ['x'], http: [{ route: [{ destination: { host: 'x' } }] }] },
    }),
  );
  await until(() => hosts().d === 'x');
  await rm(join(dir, 'sub'), { recursive: true });
  await until(() => hosts().c === undefined && hosts().d === undefined);
  assert.deepEqual(hosts(), { a: 'details' });
});

test('a link that changes its target, as mounted ConfigMaps do', async (t) => {
  const { dir, hosts, until } = await start(t, {});
  await mkdir(join(dir, '..v1'));
  await writeFile(join(dir, '..v1/a.yaml'), route('a', 'one'));
  await symlink('..v1', join(dir, '..data'));
  await symlink('..data/a.yaml', join(dir, 'a.yaml'));
  await until(() => hosts().a === 'one');
  await mkdir(join(dir, '..v2'));
  await writeFile(join(dir, '..v2/a.yaml'), route('a', 'two'));
  await symlink('..v2', join(dir, '..tmp'));
  await rename(join(dir, '..tmp'), join(dir, '..data'));
  await until(() => hosts().a === 'two');
});

test('a file that is no text keeps what it held and says so', async (t) => {
  const { dir, config, hosts, until } = await start(t, { 'a.yaml': route('a') });
  await writeFile(join(dir, 'a.yaml'), Buffer.from([0x61, 0xff, 0xfe, 0x00]));
  await until(() => config.problems().length > 0);
  assert.equal(config.problems()[0]?.code, 'MW0118');
  assert.deepEqual(hosts(), { a: 'reviews' });
  if (process.getuid?.() !== 0) {
    await writeFile(join(dir, 'b.yaml'), route('b'));
    await chmod(join(dir, 'b.yaml'), 0o000);
    await until(() => config.problems().some((p) => /EACCES/.test(p.message)));
  }
});

test('a folder that does not exist is a fault that says what to do', async () => {
  const config = createConfig({ sources: [fileSource({ dir: '/nonexistent/mesh', clock: systemClock, log })], clock: systemClock, log });
  await assert.rejects(
    config.run(new AbortController().signal),
    (error: Fault) => error.code === 'CONFIG_FOLDER' && error.fix.includes('mkdir'),
  );
});

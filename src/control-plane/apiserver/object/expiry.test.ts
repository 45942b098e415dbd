import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStore } from '../open-store.ts';
import { expireEvents } from './expiry.ts';

const quiet = { debug() {}, info() {}, warn() {}, error() {} };

test('events go an hour after they were last seen, other objects stay', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'mw-expiry-'));
  let now = Date.UTC(2026, 0, 1);
  let timer = () => {};
  const clock = {
    now: () => now,
    monotonic: () => now,
    random: () => 0,
    after: (_delayMs: number, run: () => void) => {
      timer = run;
      return () => {
        timer = () => {};
      };
    },
  };
  const { objects, close } = openStore({ stateDir: folder, kinds: [], clock, log: quiet });
  t.after(() => {
    close();
    rmSync(folder, { recursive: true });
  });
  const metadata = (name: string) => ({ name, namespace: 'default' });
  // Without the Namespace kind every namespace exists.
  objects.create({ apiVersion: 'v1', kind: 'Event', metadata: metadata('old') });
  objects.create({
    apiVersion: 'v1',
    kind: 'Event',
    metadata: metadata('repeated'),
    lastTimestamp: new Date(now + 3_000_000).toISOString(),
  });
  objects.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: metadata('kept') });
  const stop = expireEvents(objects, clock, quiet);
  const names = () => objects.list({ group: '', kind: 'Event' }).map((event) => event.metadata.name);
  timer();
  assert.deepEqual(names(), ['old', 'repeated']);
  now += 3_700_000;
  timer();
  assert.deepEqual(names(), ['repeated']);
  now += 3_700_000;
  timer();
  assert.deepEqual(names(), []);
  assert.equal(objects.list({ group: '', kind: 'ConfigMap' }).length, 1);
  stop();
});

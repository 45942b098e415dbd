import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createLiveHub, type LiveSocket } from './live-hub.ts';

interface Fake extends LiveSocket {
  bufferedAmount: number;
  readonly sent: { seq: number; type: string }[];
}

function socket(): Fake {
  const sent: { seq: number; type: string }[] = [];
  return { bufferedAmount: 0, sent, send: (text) => sent.push(JSON.parse(text)), close() {} };
}

const mesh = { type: 'mesh', epoch: 1, shape: true } as const;

it('leaves a slow reader behind and tells it to read everything again', () => {
  const hub = createLiveHub();
  const [slow, fast] = [socket(), socket()];
  for (const reader of [slow, fast]) hub.attach(reader, new Set(['mesh']), '1');
  hub.publish('mesh', mesh);
  slow.bufferedAmount = 100_000_000;
  for (let count = 0; count < 1000; count++) hub.publish('mesh', mesh);
  slow.bufferedAmount = 0;
  hub.publish('mesh', mesh);
  hub.publish('mesh', mesh);
  assert.deepEqual(
    slow.sent.map(({ type, seq }) => `${type} ${seq}`),
    ['hello 0', 'mesh 1', 'resync 1002', 'mesh 1003'],
  );
  assert.equal(fast.sent.length, 1004);
});

it('has a limit of readers and forgets those who left', () => {
  const hub = createLiveHub();
  const readers = Array.from({ length: 64 }, () => hub.attach(socket(), new Set(['mesh']), '1'));
  assert.ok(readers.every(Boolean));
  assert.equal(hub.attach(socket(), new Set(), '1'), undefined);
  readers[0]?.detach();
  assert.ok(hub.attach(socket(), new Set(), '1'));
});

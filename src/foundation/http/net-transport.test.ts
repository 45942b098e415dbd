import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { type BackEnd, useBackEnd } from './handle-writer.ts';
import { accept, createSharedReader } from './net-transport.ts';
import type { Transport, TransportSink } from './transport.ts';

const reader = createSharedReader();

interface Pair {
  readonly transport: Transport;
  readonly client: net.Socket;
  readonly events: string[];
  /** Resolves with the next event of this name. */
  event(name: string): Promise<void>;
}

async function pair(t: { after(run: () => void): void }, backEnd: BackEnd): Promise<Pair> {
  useBackEnd(backEnd);
  const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const events: string[] = [];
  const waiting: { name: string; resolve: () => void }[] = [];
  const say = (name: string): void => {
    events.push(name);
    for (const wait of waiting.splice(0)) wait.name === name ? wait.resolve() : waiting.push(wait);
  };
  const sink: TransportSink = {
    connected: () => say('connected'),
    data: () => say('data'),
    drain: () => say('drain'),
    eof: () => say('eof'),
    closed: (code) => say(`closed ${code}`.trim()),
  };
  const accepted = once(server, 'connection');
  const client = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
  client.on('error', () => {});
  const [socket] = (await accepted) as [net.Socket];
  const made: Transport[] = [];
  accept(socket, reader, (transport) => {
    made.push(transport);
    return sink;
  });
  const transport = made[0];
  assert.ok(transport);
  t.after(() => {
    transport.destroy();
    client.destroy();
    server.close();
  });
  return { transport, client, events, event: (name) => new Promise((resolve) => waiting.push({ name, resolve })) };
}

function pattern(length: number, seed: number): Buffer {
  return Buffer.alloc(length, Buffer.from(`${seed}:abcdefghijklmnopqrstuvwxyz`));
}

for (const backEnd of ['onread', 'handle'] as const) {
  test(`${backEnd}: what a slow reader leaves waits, keeps its order and is followed by drain`, async (t) => {
    const { transport, client, event } = await pair(t, backEnd);
    const pieces = Array.from({ length: 40 }, (_, i) => pattern(500_000, i));
    const taken = pieces.map((piece) => transport.write(piece, 0, piece.length));
    assert.ok(taken.includes(false), 'the kernel took 20 MB at once');
    assert.equal(taken.at(-1), false);
    assert.ok(transport.pendingBytes > 0);
    const drained = event('drain');
    const got: Buffer[] = [];
    client.on('data', (chunk) => got.push(chunk));
    const ended = once(client, 'end');
    await drained;
    assert.equal(transport.pendingBytes, 0);
    assert.equal(transport.write(Buffer.from('last'), 0, 4), true);
    transport.end();
    await ended;
    assert.ok(Buffer.concat(got).equals(Buffer.concat([...pieces, Buffer.from('last')])));
  });

  test(`${backEnd}: the end comes after what is waiting`, async (t) => {
    const { transport, client } = await pair(t, backEnd);
    const bytes = pattern(20_000_000, 1);
    assert.equal(transport.write(bytes, 0, bytes.length), false);
    transport.end();
    assert.equal(transport.write(bytes, 0, 5), true, 'nothing is written behind the end');
    const got: Buffer[] = [];
    client.on('data', (chunk) => got.push(chunk));
    await once(client, 'end');
    assert.equal(Buffer.concat(got).length, bytes.length);
  });

  test(`${backEnd}: a peer that resets while bytes wait closes the connection once, without drain`, async (t) => {
    const { transport, client, event, events } = await pair(t, backEnd);
    const bytes = pattern(20_000_000, 2);
    assert.equal(transport.write(bytes, 0, bytes.length), false);
    const closed = Promise.race([event('closed ECONNRESET'), event('closed EPIPE')]);
    client.resetAndDestroy();
    await closed;
    assert.equal(transport.write(bytes, 0, 10), true);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(events.filter((name) => name.startsWith('closed')).length, 1);
    assert.ok(!events.includes('drain'));
  });

  test(`${backEnd}: a write into a connection that is being destroyed does nothing`, async (t) => {
    const { transport, client, event, events } = await pair(t, backEnd);
    const closed = event('closed');
    transport.destroy();
    assert.equal(transport.write(Buffer.from('x'), 0, 1), true);
    await closed;
    assert.equal(transport.write(Buffer.from('x'), 0, 1), true);
    client.resume();
    assert.ok(!events.includes('drain'));
  });
}

/** The client's end of aggregated xDS against a scripted server. */
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import type { Clock } from '#base/clock.ts';
import { parseGrpcAddress } from '#grpc/address.ts';
import { systemClock } from '#process/clock.ts';
import { setLogLevel } from '#process/log.ts';
import { typeUrls } from '#proto/type-url.ts';
import { type XdsClient, type XdsClientOptions, xdsClient } from '#xds/client.ts';
import { Inbox, log, node, ScriptedServer } from './scripted-peer.ts';

setLogLevel('silent');
const { cluster, route } = typeUrls;

/** Real time, but what waits for seconds waits for milliseconds. */
const hasty: Clock = { ...systemClock, after: (delayMs, run) => systemClock.after(delayMs < 5000 ? delayMs / 20 : delayMs, run) };

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0)) await thing.close();
});

async function server(target?: string): Promise<{ server: ScriptedServer; target: string }> {
  const made = new ScriptedServer();
  open.push({ close: () => made.stop() });
  return { server: made, target: await made.listen(target === undefined ? undefined : parseGrpcAddress(target)) };
}

function client(target: string | readonly string[], rest: Partial<XdsClientOptions> = {}): { client: XdsClient; updates: Inbox<string> } {
  const updates = new Inbox<string>();
  const made = xdsClient({
    target,
    node,
    subscriptions: { [cluster]: '*' },
    onUpdate: (typeUrl, added, removed) => {
      const names = [...added.map(({ name, bytes }) => `${name}=${bytes}`), ...removed.map((name) => `-${name}`)];
      updates.put(`${typeUrl === cluster ? 'cds' : 'rds'} ${names.join(' ')}`);
      return added.some(({ bytes }) => String(bytes) === 'bad') ? 'a is bad' : undefined;
    },
    clock: hasty,
    log,
    ...rest,
  });
  open.push(made);
  return { client: made, updates };
}

describe('xDS client', () => {
  it('subscribes, acknowledges, and rejects with the reason', async () => {
    const { server: peer, target } = await server();
    const { client: ours, updates } = client(target, { subscriptions: { [cluster]: '*', [route]: ['80'] } });
    const stream = await peer.streams.next();
    const first = await stream.requests.next();
    assert.deepEqual([first.typeUrl, first.subscribe, first.nonce], [cluster, ['*'], '']);
    assert.deepEqual(first.node, node);
    const second = await stream.requests.next();
    assert.deepEqual([second.typeUrl, second.subscribe, second.node], [route, ['80'], undefined]);
    const nonce = stream.send(cluster, { a: 'a1', b: 'b1' });
    assert.equal(await updates.next(), 'cds a=a1 b=b1');
    const ack = await stream.requests.next();
    assert.deepEqual([ack.nonce, ack.error], [nonce, undefined]);
    stream.send(cluster, { a: 'bad' }, ['b']);
    assert.equal(await updates.next(), 'cds a=bad -b');
    assert.deepEqual((await stream.requests.next()).error, { code: 13, message: 'a is bad' });
    assert.deepEqual(
      [...ours.versions(cluster)],
      [
        ['a', 'v-a1'],
        ['b', 'v-b1'],
      ],
    );
    assert.equal(ours.connected, true);
  });

  it('turns an exception of the receiver into a rejection', async () => {
    const { server: peer, target } = await server();
    client(target, {
      onUpdate: async () => {
        throw new Error('out of order');
      },
    });
    const stream = await peer.streams.next();
    await stream.requests.next();
    stream.send(cluster, { a: 'a1' });
    assert.deepEqual((await stream.requests.next()).error, { code: 13, message: 'out of order' });
  });

  it('changes what it asks for, and forgets what it gives up', async () => {
    const { server: peer, target } = await server();
    const { client: ours, updates } = client(target, { subscriptions: { [route]: ['80'] } });
    const stream = await peer.streams.next();
    await stream.requests.next();
    stream.send(route, { 80: 'r1' });
    await updates.next();
    await stream.requests.next();
    ours.subscribe(route, ['80', '90']);
    assert.deepEqual((await stream.requests.next()).subscribe, ['90']);
    ours.unsubscribe(route, ['80', 'never']);
    assert.deepEqual((await stream.requests.next()).unsubscribe, ['80']);
    assert.deepEqual([...ours.versions(route)], []);
  });

  it('connects again with the versions it kept, to the next server when there are several', async () => {
    const { server: one, target: targetOne } = await server();
    const { server: two, target: targetTwo } = await server();
    const states: boolean[] = [];
    const { client: ours, updates } = client([targetOne, targetTwo], { onConnection: (connected) => states.push(connected) });
    const stream = await one.streams.next();
    await stream.requests.next();
    stream.send(cluster, { a: 'a1', b: 'b1' });
    await updates.next();
    await stream.requests.next();
    await one.stop();
    const again = await two.streams.next();
    const request = await again.requests.next();
    assert.deepEqual(request.node, node);
    assert.deepEqual(
      [...(request.initialVersions ?? [])],
      [
        ['a', 'v-a1'],
        ['b', 'v-b1'],
      ],
    );
    again.send(cluster, { a: 'a2' }, ['b']);
    assert.equal(await updates.next(), 'cds a=a2 -b');
    await again.requests.next();
    assert.deepEqual([...ours.versions(cluster)], [['a', 'v-a2']]);
    assert.deepEqual(states, [true, false, true]);
    assert.equal(ours.target, targetTwo);
  });

  it('survives a server that ends streams and one that sends garbage', async () => {
    const { server: peer, target } = await server();
    const { updates } = client(target);
    (await peer.streams.next()).end();
    const second = await peer.streams.next();
    await second.requests.next();
    second.sendRaw(Buffer.alloc(50, 0xff));
    const third = await peer.streams.next();
    await third.requests.next();
    third.send(cluster, { a: 'a1' });
    assert.equal(await updates.next(), 'cds a=a1');
  });

  it('takes the answer to a late verdict for the stream that asked', async () => {
    const { server: peer, target } = await server();
    let decide: () => void = () => {};
    const asked = new Inbox<string>();
    client(target, {
      onUpdate: async (_typeUrl, added) => {
        asked.put(added.map(({ name }) => name).join());
        await new Promise<void>((resolve) => {
          decide = resolve;
        });
        return undefined;
      },
    });
    const stream = await peer.streams.next();
    await stream.requests.next();
    stream.send(cluster, { old: 'x' });
    assert.equal(await asked.next(), 'old');
    stream.end();
    const again = await peer.streams.next();
    await again.requests.next();
    decide();
    const nonce = again.send(cluster, { fresh: 'y' });
    assert.equal(await asked.next(), 'fresh');
    decide();
    assert.equal((await again.requests.next()).nonce, nonce);
  });

  it('stops for good when it is closed', async () => {
    const { server: peer, target } = await server();
    const { client: ours } = client(target);
    await (await peer.streams.next()).requests.next();
    ours.close();
    ours.subscribe(cluster, ['late']);
    assert.equal(peer.streams.rest.length, 0);
  });
});

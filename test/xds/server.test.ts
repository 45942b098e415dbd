/** The server's end of aggregated xDS, asked by a scripted client over real connections. */
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { connect } from 'node:net';
import { after, afterEach, before, describe, it } from 'node:test';
import type { GrpcAddress } from '#grpc/address.ts';
import { frameMessage } from '#grpc/frame.ts';
import { createGrpcServer, type GrpcServer } from '#grpc/server.ts';
import { grpcCode } from '#grpc/status.ts';
import { systemClock } from '#process/clock.ts';
import { setLogLevel } from '#process/log.ts';
import { typeUrls } from '#proto/type-url.ts';
import { adsMethods, type DeltaResponse, type StateResponse, writeDeltaRequest } from '#xds/messages.ts';
import { log, node, ScriptedClient, ServedSets } from './scripted-peer.ts';

setLogLevel('silent');
const { cluster, endpoint, listener, route } = typeUrls;

let served: ServedSets;
let server: GrpcServer;
let address: GrpcAddress;
const clients: ScriptedClient[] = [];

before(() => setLogLevel('silent'));
after(() => setLogLevel('info'));

async function serve(): Promise<void> {
  served = new ServedSets();
  server = createGrpcServer({ methods: served.xds.methods, clock: systemClock, log });
  address = await server.listen({ host: '127.0.0.1', port: 0 });
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await server.close();
});

async function client(protocol: 'delta' | 'sotw'): Promise<ScriptedClient> {
  const made = new ScriptedClient(address, protocol);
  clients.push(made);
  return made;
}

function texts(response: DeltaResponse): string {
  const added = response.resources.map(({ name, bytes }) => `${name}=${bytes}`);
  return [...added, ...response.removed.map((name) => `-${name}`)].join(' ');
}

const stateTexts = (response: StateResponse) => response.resources.map(({ bytes }) => String(bytes)).join(' ');

/** Proves that nothing else was sent: asks for something of another type, and its answer is the next message. */
async function silence(peer: ScriptedClient, typeUrl = 'type.googleapis.com/probe'): Promise<void> {
  peer.sendDelta({ typeUrl, subscribe: ['nothing'] });
  const probe = await peer.delta.next();
  assert.equal(probe.typeUrl, typeUrl);
  peer.sendDelta({ typeUrl, nonce: probe.nonce });
}

describe('delta', () => {
  it('answers a wildcard, sends changes and removals, and nothing when nothing changed', async () => {
    await serve();
    served.put(cluster, { a: 'a1', b: 'b1' });
    const peer = await client('delta');
    peer.sendDelta({ typeUrl: cluster });
    const first = await peer.delta.next();
    assert.equal(texts(first), 'a=a1 b=b1');
    peer.sendDelta({ typeUrl: cluster, nonce: first.nonce });
    await silence(peer);
    served.put(cluster, { a: 'a2', b: undefined, c: 'c1' });
    const second = await peer.delta.next();
    assert.equal(texts(second), 'a=a2 c=c1 -b');
    assert.deepEqual(served.events, ['opened n']);
    assert.ok(second.resources.every(({ version }) => version.length === 12));
  });

  it('tells a name that does not exist, and sends it when it comes to be', async () => {
    await serve();
    served.put(route, { '80': 'r1' });
    const peer = await client('delta');
    peer.sendDelta({ typeUrl: route, subscribe: ['80', '90'] });
    const first = await peer.delta.next();
    assert.equal(texts(first), '80=r1 -90');
    peer.sendDelta({ typeUrl: route, nonce: first.nonce });
    served.put(route, { '90': 'new', '70': 'of no interest' });
    assert.equal(texts(await peer.delta.next()), '90=new');
  });

  it('sends the newest state once the last response was answered, and skips what came between', async () => {
    await serve();
    served.put(cluster, { a: 'a1' });
    const peer = await client('delta');
    peer.sendDelta({ typeUrl: cluster });
    const first = await peer.delta.next();
    for (const text of ['a2', 'a3', 'a4']) served.put(cluster, { a: text });
    await silence(peer);
    peer.sendDelta({ typeUrl: cluster, nonce: first.nonce });
    assert.equal(texts(await peer.delta.next()), 'a=a4');
  });

  it('ignores an answer to a replaced response', async () => {
    await serve();
    served.put(cluster, { a: 'a1' });
    const peer = await client('delta');
    peer.sendDelta({ typeUrl: cluster });
    const first = await peer.delta.next();
    peer.sendDelta({ typeUrl: cluster, nonce: first.nonce });
    served.put(cluster, { a: 'a2' });
    const second = await peer.delta.next();
    peer.sendDelta({ typeUrl: cluster, nonce: first.nonce });
    peer.sendDelta({ typeUrl: cluster, nonce: 'never sent' });
    served.put(cluster, { a: 'a3' });
    await silence(peer);
    assert.deepEqual(served.events, ['opened n', 'expired', 'expired']);
    peer.sendDelta({ typeUrl: cluster, nonce: second.nonce });
    assert.equal(texts(await peer.delta.next()), 'a=a3');
  });

  it('subscribes and unsubscribes by name, and sends again what is asked for again', async () => {
    await serve();
    served.put(endpoint, { a: 'a1', b: 'b1', c: 'c1' });
    const peer = await client('delta');
    peer.sendDelta({ typeUrl: endpoint, subscribe: ['a'] });
    let last = await peer.delta.next();
    peer.sendDelta({ typeUrl: endpoint, nonce: last.nonce, subscribe: ['b'] });
    last = await peer.delta.next();
    assert.equal(texts(last), 'b=b1');
    peer.sendDelta({ typeUrl: endpoint, nonce: last.nonce, unsubscribe: ['a'] });
    served.put(endpoint, { a: 'a2', b: 'b2' });
    last = await peer.delta.next();
    assert.equal(texts(last), 'b=b2');
    peer.sendDelta({ typeUrl: endpoint, nonce: last.nonce });
    peer.sendDelta({ typeUrl: endpoint, subscribe: ['b'] });
    last = await peer.delta.next();
    assert.equal(texts(last), 'b=b2');
    peer.sendDelta({ typeUrl: endpoint, nonce: last.nonce, subscribe: ['*'] });
    last = await peer.delta.next();
    assert.equal(texts(last), 'a=a2 c=c1');
    peer.sendDelta({ typeUrl: endpoint, nonce: last.nonce, unsubscribe: ['*'] });
    served.put(endpoint, { c: 'c2', b: 'b3' });
    assert.equal(texts(await peer.delta.next()), 'b=b3');
  });

  it('an empty first request means everything for clusters and listeners, nothing for endpoints and routes', async () => {
    await serve();
    for (const typeUrl of [cluster, listener, endpoint, route]) served.put(typeUrl, { x: 'x1' });
    const peer = await client('delta');
    for (const [typeUrl, want] of [
      [cluster, 'x=x1'],
      [listener, 'x=x1'],
      [endpoint, ''],
      [route, ''],
    ] as const) {
      peer.sendDelta({ typeUrl });
      const response = await peer.delta.next();
      assert.equal(texts(response), want);
      peer.sendDelta({ typeUrl, nonce: response.nonce });
    }
  });

  it('sends a client that connects again only what differs from what it kept', async () => {
    await serve();
    served.put(cluster, { a: 'a1', b: 'b1', c: 'c1' });
    const before = await client('delta');
    before.sendDelta({ typeUrl: cluster });
    const kept = new Map((await before.delta.next()).resources.map(({ name, version }) => [name, version]));
    before.close();
    served.put(cluster, { a: 'a2', b: undefined });
    const peer = await client('delta');
    peer.sendDelta({ typeUrl: cluster, initialVersions: kept });
    const first = await peer.delta.next();
    assert.equal(texts(first), 'a=a2 -b');
    peer.sendDelta({ typeUrl: cluster, nonce: first.nonce });
    await silence(peer);
  });

  it('never sends a rejected version again, whatever else happens', async () => {
    await serve();
    served.put(cluster, { a: 'a1', b: 'b1' });
    const peer = await client('delta');
    peer.sendDelta({ typeUrl: cluster });
    let last = await peer.delta.next();
    peer.sendDelta({ typeUrl: cluster, nonce: last.nonce });
    served.put(cluster, { a: 'bad', b: 'b2' });
    last = await peer.delta.next();
    peer.sendDelta({
      typeUrl: cluster,
      nonce: last.nonce,
      error: { code: 13, message: 'Error adding/updating cluster(s) a: no such thing' },
    });
    last = await peer.delta.next();
    assert.equal(texts(last), 'b=b2');
    peer.sendDelta({ typeUrl: cluster, nonce: last.nonce });
    served.put(cluster, { c: 'c1' });
    last = await peer.delta.next();
    assert.equal(texts(last), 'c=c1');
    peer.sendDelta({ typeUrl: cluster, nonce: last.nonce });
    await silence(peer);
    served.put(cluster, { a: 'good' });
    assert.equal(texts(await peer.delta.next()), 'a=good');
    assert.deepEqual(served.events.slice(1), ['rejected a: Error adding/updating cluster(s) a: no such thing']);
  });

  it('does not storm a client that rejects everything', async () => {
    await serve();
    served.put(cluster, Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`c${i}`, `text ${i}`])));
    const peer = await client('delta');
    peer.sendDelta({ typeUrl: cluster });
    const probe = 'type.googleapis.com/probe';
    let rejections = 0;
    for (let quiet = false; !quiet; ) {
      const response = await peer.delta.next();
      quiet = response.typeUrl === probe;
      if (quiet) break;
      assert.ok(response.resources.length > 0);
      peer.sendDelta({ typeUrl: cluster, nonce: response.nonce, error: { code: 13, message: 'no' } });
      if (++rejections >= 65) peer.sendDelta({ typeUrl: probe, subscribe: ['end'] });
    }
    assert.ok(rejections <= 66, `${rejections} rejections`);
  });
});

describe('state of the world', () => {
  it('sends whole sets for clusters, changed ones for endpoints, and follows the names', async () => {
    await serve();
    served.put(cluster, { a: 'a1', b: 'b1' });
    served.put(endpoint, { a: 'ea1', b: 'eb1', c: 'ec1' });
    const peer = await client('sotw');
    peer.sendState({ typeUrl: cluster });
    let cds = await peer.state.next();
    assert.equal(stateTexts(cds), 'a1 b1');
    peer.sendState({ typeUrl: cluster, nonce: cds.nonce, versionInfo: cds.version });
    peer.sendState({ typeUrl: endpoint, names: ['a', 'b'] });
    let eds = await peer.state.next();
    assert.equal(stateTexts(eds), 'ea1 eb1');
    peer.sendState({ typeUrl: endpoint, names: ['a', 'b'], nonce: eds.nonce, versionInfo: eds.version });
    served.put(endpoint, { b: 'eb2', c: 'ec2' });
    eds = await peer.state.next();
    assert.equal(stateTexts(eds), 'eb2');
    peer.sendState({ typeUrl: endpoint, names: ['a', 'b', 'c'], nonce: eds.nonce, versionInfo: eds.version });
    eds = await peer.state.next();
    assert.equal(stateTexts(eds), 'ec2');
    peer.sendState({ typeUrl: endpoint, names: ['c'], nonce: eds.nonce, versionInfo: eds.version });
    served.put(cluster, { a: undefined, b: 'b2' });
    cds = await peer.state.next();
    assert.equal(stateTexts(cds), 'b2');
    peer.sendState({ typeUrl: cluster, nonce: cds.nonce, versionInfo: cds.version });
    served.put(endpoint, { a: 'ea9', c: 'ec9' });
    assert.equal(stateTexts(await peer.state.next()), 'ec9');
  });

  it('replaces a rejected cluster by its last good version in the next whole set', async () => {
    await serve();
    served.put(cluster, { a: 'a1', b: 'b1' });
    const peer = await client('sotw');
    peer.sendState({ typeUrl: cluster });
    const first = await peer.state.next();
    peer.sendState({ typeUrl: cluster, nonce: first.nonce, versionInfo: first.version });
    served.put(cluster, { a: 'bad', b: 'b2' });
    const second = await peer.state.next();
    peer.sendState({
      typeUrl: cluster,
      nonce: second.nonce,
      versionInfo: first.version,
      error: { code: 13, message: "cluster 'a' is bad" },
    });
    assert.equal(stateTexts(await peer.state.next()), 'a1 b2');
  });

  it('takes an unknown nonce on a new stream as a client that connects again', async () => {
    await serve();
    served.put(listener, { l: 'l1' });
    const peer = await client('sotw');
    peer.sendState({ typeUrl: listener, nonce: 'of another server', versionInfo: '7' });
    assert.equal(stateTexts(await peer.state.next()), 'l1');
  });
});

describe('bad clients are bounded and leave the others alone', () => {
  it('refuses what is not a discovery request', async () => {
    await serve();
    served.put(cluster, { a: 'a1' });
    const good = await client('delta');
    good.sendDelta({ typeUrl: cluster });
    await good.delta.next();
    const cases: readonly [string, (peer: ScriptedClient) => void, RegExp][] = [
      ['garbage', (peer) => peer.sendRaw(Buffer.alloc(100, 0xff)), /not valid protobuf/],
      ['no type', (peer) => peer.sendDelta({ typeUrl: '' }), /without type_url/],
      ['no node', (peer) => peer.sendDelta({ typeUrl: cluster, node: undefined }), /must carry the node/],
      ['truncated', (peer) => peer.sendRaw(Buffer.from([18, 100, 65])), /ends behind its message/],
      ['too many types', (peer) => Array.from({ length: 40 }, (_, i) => peer.sendDelta({ typeUrl: `t${i}`, node })), /more than 32 types/],
    ];
    for (const [name, act, want] of cases) {
      const peer = await client('delta');
      act(peer);
      const status = await peer.ended;
      assert.equal(status.code, grpcCode.invalidArgument, name);
      assert.match(status.message, want, name);
    }
    const big = await client('delta');
    big.sendRaw(Buffer.alloc(5 * 1024 * 1024));
    assert.equal((await big.ended).code, grpcCode.resourceExhausted);
    await silence(good, 'type.googleapis.com/still.there');
  });

  it('keeps serving while one client reads nothing and others break off', async () => {
    await serve();
    served.put(cluster, { a: 'x'.repeat(2_000_000) });
    assert.ok('port' in address);
    const stalled = http2.connect(`http://127.0.0.1:${address.port}`, { settings: { initialWindowSize: 0 } });
    const call = stalled.request({ ':method': 'POST', ':path': adsMethods.delta, 'content-type': 'application/grpc' });
    call.on('error', () => {});
    call.write(frameMessage(writeDeltaRequest({ typeUrl: cluster, node, subscribe: [], unsubscribe: [], nonce: '' })));
    await new Promise((resolve) => call.once('response', resolve));
    const garbage = connect(address.port, '127.0.0.1', () => garbage.write(Buffer.alloc(5000, 0xff)));
    garbage.on('error', () => {});
    const good = await client('delta');
    good.sendDelta({ typeUrl: cluster });
    let last = await good.delta.next();
    for (let i = 0; i < 20; i++) {
      good.sendDelta({ typeUrl: cluster, nonce: last.nonce });
      served.put(cluster, { a: `${i}`.repeat(1_000_000) });
      last = await good.delta.next();
    }
    assert.match(texts(last).slice(0, 20), /^a=1919/);
    const [first] = served.streams;
    assert.equal(first?.blocked, true);
    assert.match(
      String(first?.typeStatus(cluster)?.subscription.unanswered?.changed[0]?.bytes).slice(0, 3),
      /^xxx/,
      'one response waits, and no other behind it',
    );
    stalled.destroy();
    garbage.destroy();
  });

  it('holds nothing for a client that does not answer, and brings it to the newest state', async () => {
    await serve();
    served.put(cluster, { a: 'start' });
    const slow = await client('delta');
    slow.sendDelta({ typeUrl: cluster });
    const first = await slow.delta.next();
    for (let i = 0; i < 200; i++) served.put(cluster, { a: `${i} `.repeat(100_000) });
    slow.sendDelta({ typeUrl: cluster, nonce: first.nonce });
    assert.match(texts(await slow.delta.next()).slice(0, 10), /^a=199 199/);
    assert.equal(slow.delta.rest.length, 0);
  });

  it('answers a flood of subscriptions one at a time', async () => {
    await serve();
    served.put(endpoint, Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`e${i}`, 'x'])));
    const peer = await client('delta');
    for (let i = 0; i < 500; i++) peer.sendDelta({ typeUrl: endpoint, subscribe: [`e${i}`] });
    const got = new Set<string>();
    while (got.size < 500) {
      const response = await peer.delta.next();
      assert.equal(peer.delta.rest.length, 0);
      for (const { name } of response.resources) got.add(name);
      peer.sendDelta({ typeUrl: endpoint, nonce: response.nonce });
    }
  });
});

/** Simulated proxies: each has a connection and stream of its own, checks names and versions, and acknowledges. */
import { createHash } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { NodeSchema } from '#proto/gen/envoy/config/core/v3/base_pb.js';
import { typeUrls } from '#proto/type-url.ts';
import { adsMethods, readDeltaResponse, writeDeltaRequest } from '#xds/messages.ts';
import { openStream, type RawStream } from './h2-client.ts';
import { namespaceOf, shapes } from './mesh.ts';
import { nodeOf } from './node.ts';
import { type FromClients, nowMs, type ToClients } from './protocol.ts';

interface SimulatedProxy {
  readonly namespace: string;
  readonly node: Buffer;
  readonly routes: readonly string[];
  stream: RawStream | undefined;
  /** Versions by type and name. */
  readonly has: Map<string, Map<string, string>>;
  bytes: number;
  configuredAt: number;
  receivedAt: number;
}

const proxies: SimulatedProxy[] = [];
const wrong: string[] = [];
let expected: { readonly typeUrl: string; readonly name: string } | undefined;
let waiting = 0;
let startedAt = 0;
let changeBytes = 0;

process.on('message', (message: ToClients) => {
  if (message.do === 'quit') process.exit(0);
  if (message.do === 'start') start(message);
  if (message.do === 'expect') {
    expected = { typeUrl: message.type === 'eds' ? typeUrls.endpoint : typeUrls.route, name: message.name };
    waiting = proxies.length;
    for (const proxy of proxies) proxy.receivedAt = 0;
    say({ is: 'ready' });
  }
  if (message.do === 'check') say({ is: 'checked', digests: digests(), wrong: wrong.slice(0, 20) });
});

function start(message: Extract<ToClients, { do: 'start' }>): void {
  for (let i = 0; i < message.proxies; i++) {
    const namespace = namespaceOf(i, shapes[message.shape]);
    const { id, metadata } = nodeOf(i, namespace);
    const node = Buffer.from(toBinary(NodeSchema, create(NodeSchema, { id, metadata: { ...metadata } })));
    proxies.push({
      namespace,
      node,
      routes: message.routeNames[namespace] ?? [],
      stream: undefined,
      has: new Map(),
      bytes: 0,
      configuredAt: 0,
      receivedAt: 0,
    });
  }
  waiting = proxies.length;
  startedAt = nowMs();
  for (const proxy of proxies) {
    proxy.stream = openStream(
      message.port,
      adsMethods.delta,
      (bytes) => receive(proxy, bytes),
      (why) => wrong.push(`${proxy.namespace}: ${why}`),
    );
    request(proxy, typeUrls.cluster, { node: proxy.node });
  }
}

function request(proxy: SimulatedProxy, typeUrl: string, rest: Partial<Parameters<typeof writeDeltaRequest>[0]>): void {
  proxy.stream?.send(writeDeltaRequest({ typeUrl, subscribe: [], unsubscribe: [], nonce: '', ...rest }));
}

function receive(proxy: SimulatedProxy, bytes: Buffer): void {
  const now = nowMs();
  const { typeUrl, nonce, resources, removed } = readDeltaResponse(bytes);
  proxy.bytes += bytes.length;
  let held = proxy.has.get(typeUrl);
  const first = held === undefined;
  if (!held) {
    held = new Map();
    proxy.has.set(typeUrl, held);
  }
  let hit = false;
  for (const { name, version, typeUrl: inner, bytes: body } of resources) {
    if (inner !== typeUrl || version === '' || body.length === 0) wrong.push(`${typeUrl} ${name}: not a whole resource`);
    if (expected?.typeUrl === typeUrl && expected.name === name && held.get(name) !== version) hit = true;
    held.set(name, version);
  }
  for (const name of removed) held.delete(name);
  request(proxy, typeUrl, { nonce });
  if (first) next(proxy, typeUrl, held, now);
  if (hit && proxy.receivedAt === 0) {
    proxy.receivedAt = now;
    changeBytes = bytes.length;
    if (--waiting === 0) say({ is: 'received', at: proxies.map(({ receivedAt }) => receivedAt), bytes: changeBytes });
  }
}

/** What a proxy asks for once it has its clusters, its listeners, its routes. */
function next(proxy: SimulatedProxy, typeUrl: string, held: ReadonlyMap<string, string>, now: number): void {
  if (typeUrl === typeUrls.cluster) {
    const clusters = [...held.keys()].filter((name) => name.startsWith('outbound|'));
    if (clusters.length === 0) wrong.push(`${proxy.namespace}: no clusters`);
    request(proxy, typeUrls.endpoint, { subscribe: clusters });
    request(proxy, typeUrls.listener, {});
  }
  if (typeUrl === typeUrls.listener) request(proxy, typeUrls.route, { subscribe: proxy.routes });
  if (proxy.has.size === 4 && proxy.configuredAt === 0) {
    proxy.configuredAt = now;
    if (--waiting === 0) {
      const bytesPerProxy = proxies.reduce((sum, { bytes }) => sum + bytes, 0) / proxies.length;
      say({ is: 'configured', startedAt, doneAt: proxies.map(({ configuredAt }) => configuredAt), bytesPerProxy });
    }
  }
}

/** By namespace, the different states that its proxies are in: one when all agree. */
function digests(): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const { namespace, has } of proxies) {
    const lines = [...has].flatMap(([typeUrl, held]) => [...held].map(([name, version]) => `${typeUrl} ${name} ${version}`));
    const digest = createHash('sha1').update(lines.sort().join('\n')).digest('hex');
    const known = found[namespace] ?? [];
    if (!known.includes(digest)) found[namespace] = [...known, digest];
  }
  return found;
}

function say(message: FromClients): void {
  process.send?.(message);
}

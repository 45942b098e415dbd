/** gRPC and xDS against the official implementations for Node. */
import assert from 'node:assert/strict';
import { after, afterEach, describe, it } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import * as grpc from '@grpc/grpc-js';
import { register } from '@grpc/grpc-js-xds';
import { formatGrpcAddress } from '#grpc/address.ts';
import { createGrpcChannel } from '#grpc/client.ts';
import { createGrpcServer, type GrpcServer } from '#grpc/server.ts';
import { type GrpcMethod, unaryMethod } from '#grpc/server-stream.ts';
import { createAuthority, issueServing, privateKeyPem } from '#pki/certificate.ts';
import { systemClock } from '#process/clock.ts';
import { setLogLevel } from '#process/log.ts';
import { ClusterSchema } from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import { NodeSchema } from '#proto/gen/envoy/config/core/v3/base_pb.js';
import { ClusterLoadAssignmentSchema } from '#proto/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '#proto/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '#proto/gen/envoy/config/route/v3/route_pb.js';
import { RouterSchema } from '#proto/gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import { HttpConnectionManagerSchema } from '#proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { DeltaDiscoveryRequestSchema, DiscoveryRequestSchema } from '#proto/gen/envoy/service/discovery/v3/discovery_pb.js';
import { typeUrls } from '#proto/type-url.ts';
import {
  adsMethods,
  readDeltaRequest,
  readDeltaResponse,
  readStateRequest,
  readStateResponse,
  writeDeltaRequest,
  writeStateRequest,
} from '#xds/messages.ts';
import { encodedResource } from '#xds/resource.ts';
import { ResourceSet } from '#xds/resource-set.ts';
import { Inbox, log, ServedSets } from './scripted-peer.ts';

setLogLevel('silent');
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
after(() => setLogLevel('info'));

const same = (bytes: Buffer) => bytes;

function certificates() {
  const now = Date.now();
  const validity = { notBefore: now - 60_000, notAfter: now + 3_600_000 };
  const authority = createAuthority('interop', validity);
  const serving = issueServing(authority, { ...validity, commonName: 'localhost', hosts: ['localhost', '127.0.0.1'] });
  return { ca: authority.certificatePem, cert: serving.certificatePem, key: String(privateKeyPem(serving.privateKey).reveal()) };
}

async function serve(
  methods: Readonly<Record<string, GrpcMethod>>,
  tls?: { readonly cert: string; readonly key: string },
): Promise<{ server: GrpcServer; port: number }> {
  const server = createGrpcServer({ methods, clock: systemClock, log, tls });
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  closers.push(() => server.close());
  assert.ok('port' in address);
  return { server, port: address.port };
}

const echo: GrpcMethod = (call) => ({ message: (bytes) => call.send(bytes), halfClosed: () => call.finish() });
const methods = {
  '/t.T/Echo': echo,
  '/t.T/Big': unaryMethod(() => Buffer.alloc(3_000_000, 5)),
  '/t.T/Fail': unaryMethod(() => Promise.reject(new Error('ünfit'))),
};

for (const secured of [false, true]) {
  describe(`grpc-js as client, ${secured ? 'TLS' : 'plain text'}`, () => {
    it('streams, calls and fails as it should', async () => {
      const tls = secured ? certificates() : undefined;
      const { port } = await serve(methods, tls);
      const credentials = tls ? grpc.credentials.createSsl(Buffer.from(tls.ca)) : grpc.credentials.createInsecure();
      const client = new grpc.Client(`localhost:${port}`, credentials);
      closers.push(() => client.close());
      const stream = client.makeBidiStreamRequest<Buffer, Buffer>('/t.T/Echo', same, same);
      const got: Buffer[] = [];
      stream.on('data', (bytes: Buffer) => got.push(bytes));
      const sent = [Buffer.from('one'), Buffer.alloc(0), Buffer.alloc(1_500_000, 3)];
      for (const message of sent) stream.write(message);
      stream.end();
      const status = await new Promise<grpc.StatusObject>((resolve) => stream.on('status', resolve));
      assert.equal(status.code, 0);
      assert.deepEqual(
        got.map((bytes) => bytes.length),
        [3, 0, 1_500_000],
      );
      const call = (path: string) =>
        new Promise<Buffer | undefined>((resolve, reject) =>
          client.makeUnaryRequest<Buffer, Buffer>(path, same, same, Buffer.from('x'), (error, answer) =>
            error ? reject(error) : resolve(answer),
          ),
        );
      assert.equal((await call('/t.T/Big'))?.length, 3_000_000);
      await assert.rejects(call('/t.T/Fail'), { code: grpc.status.INTERNAL, details: 'ünfit' });
      await assert.rejects(call('/t.T/None'), { code: grpc.status.UNIMPLEMENTED });
    });
  });

  describe(`grpc-js as server, ${secured ? 'TLS' : 'plain text'}`, () => {
    it('is called by our client', async () => {
      const tls = secured ? certificates() : undefined;
      const server = new grpc.Server();
      const method = (path: string, requestStream: boolean) => ({
        path,
        requestStream,
        responseStream: requestStream,
        requestSerialize: same,
        requestDeserialize: same,
        responseSerialize: same,
        responseDeserialize: same,
      });
      server.addService(
        { Echo: method('/t.T/Echo', true), Fail: method('/t.T/Fail', false) },
        {
          Echo: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
            call.on('data', (bytes: Buffer) => call.write(bytes));
            call.on('end', () => call.end());
          },
          Fail: (_call: unknown, done: grpc.sendUnaryData<Buffer>) => done({ code: grpc.status.NOT_FOUND, details: 'nö' }),
        },
      );
      const credentials = tls
        ? grpc.ServerCredentials.createSsl(null, [{ cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) }])
        : grpc.ServerCredentials.createInsecure();
      const port = await new Promise<number>((resolve, reject) =>
        server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
      );
      closers.push(() => server.forceShutdown());
      const channel = createGrpcChannel({
        address: { host: '127.0.0.1', port },
        clock: systemClock,
        tls: tls && { ca: tls.ca, servername: 'localhost' },
      });
      closers.push(() => channel.close());
      const got = new Inbox<Buffer>();
      const ended = new Inbox<number>();
      const call = channel.stream('/t.T/Echo', { message: (bytes) => got.put(bytes), closed: (status) => ended.put(status.code) });
      call.send(Buffer.alloc(2_000_000, 1));
      assert.equal((await got.next()).length, 2_000_000);
      call.end();
      assert.equal(await ended.next(), 0);
      await assert.rejects(channel.unary('/t.T/Fail', Buffer.alloc(0)), { code: 'GRPC_NOT_FOUND', message: 'nö' });
    });
  });
}

describe('large messages over TLS', () => {
  it('arrive whole and in order through slices, and the writer learns when they are gone', async () => {
    const tls = certificates();
    const { frameMessage } = await import('#grpc/frame.ts');
    const drained = new Inbox<boolean>();
    const { port } = await serve(
      {
        '/t.T/Slices': (call) => ({
          message() {
            for (const fill of [1, 2, 3]) call.sendFramed(frameMessage(Buffer.alloc(700_001, fill)));
            drained.put(call.writable);
          },
          drained: () => drained.put(call.writable),
          halfClosed: () => call.finish(),
        }),
      },
      tls,
    );
    const channel = createGrpcChannel({
      address: { host: '127.0.0.1', port },
      clock: systemClock,
      tls: { ca: tls.ca, servername: 'localhost' },
    });
    closers.push(() => channel.close());
    const got = new Inbox<Buffer>();
    const call = channel.stream('/t.T/Slices', { message: (bytes) => got.put(bytes), closed: () => {} });
    call.send(Buffer.of(1));
    for (const fill of [1, 2, 3]) assert.ok((await got.next()).equals(Buffer.alloc(700_001, fill)));
    assert.equal(await drained.next(), false);
    assert.equal(await drained.next(), true);
  });
});

describe('messages written and read by hand', () => {
  it('agree with the generated types', () => {
    const delta = {
      typeUrl: typeUrls.cluster,
      subscribe: ['a', 'ü'.repeat(100)],
      unsubscribe: ['b'],
      initialVersions: new Map([
        ['c', '1'],
        ['d', ''],
      ]),
      nonce: 'n',
      error: { code: 13, message: 'no' },
      node: Buffer.from(toBinary(NodeSchema, create(NodeSchema, { id: 'me' }))),
    };
    const message = create(DeltaDiscoveryRequestSchema, {
      node: { id: 'me' },
      typeUrl: delta.typeUrl,
      resourceNamesSubscribe: delta.subscribe,
      resourceNamesUnsubscribe: delta.unsubscribe,
      initialResourceVersions: Object.fromEntries(delta.initialVersions),
      responseNonce: 'n',
      errorDetail: { code: 13, message: 'no' },
    });
    assert.deepEqual(readDeltaRequest(Buffer.from(toBinary(DeltaDiscoveryRequestSchema, message))), delta);
    assert.deepEqual(readDeltaRequest(writeDeltaRequest(delta)), delta);
    const state = { typeUrl: typeUrls.route, names: ['x', 'y'], nonce: 'n', versionInfo: '3', node: delta.node, error: undefined };
    const other = create(DiscoveryRequestSchema, {
      node: { id: 'me' },
      typeUrl: state.typeUrl,
      resourceNames: state.names,
      responseNonce: 'n',
      versionInfo: '3',
    });
    assert.deepEqual(readStateRequest(Buffer.from(toBinary(DiscoveryRequestSchema, other))), state);
    assert.deepEqual(readStateRequest(writeStateRequest(state)), state);
  });
});

describe('xDS with the official stack', () => {
  it('serves aggregated streams to grpc-js in both variants', async () => {
    const served = new ServedSets();
    served.put(typeUrls.cluster, { a: 'a1' });
    const { port } = await serve(served.xds.methods);
    const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
    closers.push(() => client.close());
    const node = Buffer.from(toBinary(NodeSchema, create(NodeSchema, { id: 'me' })));
    const delta = client.makeBidiStreamRequest<Buffer, Buffer>(adsMethods.delta, same, same);
    const state = client.makeBidiStreamRequest<Buffer, Buffer>(adsMethods.sotw, same, same);
    const answers = new Inbox<Buffer>();
    for (const stream of [delta, state]) {
      stream.on('data', (bytes: Buffer) => answers.put(bytes));
      stream.on('error', () => {});
      closers.push(() => stream.cancel());
    }
    delta.write(writeDeltaRequest({ typeUrl: typeUrls.cluster, node, subscribe: [], unsubscribe: [], nonce: '' }));
    assert.equal(String(readDeltaResponse(await answers.next()).resources[0]?.bytes), 'a1');
    state.write(writeStateRequest({ typeUrl: typeUrls.cluster, node, names: [], nonce: '', versionInfo: '' }));
    assert.equal(String(readStateResponse(await answers.next()).resources[0]?.bytes), 'a1');
  });

  it("configures gRPC's own xDS client, and moves it when endpoints move", async () => {
    const backend = async (text: string) => (await serve({ '/t.T/Who': unaryMethod(() => Buffer.from(text)) })).port;
    const [one, two] = [await backend('one'), await backend('two')];
    const served = new ServedSets();
    serveGrpcTarget(served, 'who', one);
    const { server } = await serve(served.xds.methods);
    const address = await server.listen({ host: '127.0.0.1', port: 0 });
    process.env.GRPC_XDS_BOOTSTRAP_CONFIG = JSON.stringify({
      xds_servers: [{ server_uri: formatGrpcAddress(address), channel_creds: [{ type: 'insecure' }], server_features: ['xds_v3'] }],
      node: { id: 'grpc', locality: {} },
    });
    register();
    const client = new grpc.Client('xds:///who', grpc.credentials.createInsecure());
    closers.push(() => client.close());
    const who = () =>
      new Promise<string>((resolve, reject) =>
        client.makeUnaryRequest<Buffer, Buffer>(
          '/t.T/Who',
          same,
          same,
          Buffer.alloc(0),
          { deadline: Date.now() + 5000 } as grpc.CallOptions,
          (error, answer) => (error ? reject(error) : resolve(String(answer))),
        ),
      );
    assert.equal(await who(), 'one');
    serveGrpcTarget(served, 'who', two);
    let answer = '';
    for (let i = 0; i < 200 && answer !== 'two'; i++) {
      answer = await who();
      if (answer !== 'two') await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.equal(answer, 'two');
    assert.deepEqual(
      served.events.filter((event) => event.startsWith('rejected')),
      [],
    );
  });
});

/** Listener, route, cluster and endpoints of one gRPC target. */
function serveGrpcTarget(served: ServedSets, name: string, port: number): void {
  const ads = { configSourceSpecifier: { case: 'ads' as const, value: {} }, resourceApiVersion: 2 };
  const manager = create(HttpConnectionManagerSchema, {
    routeSpecifier: { case: 'rds', value: { configSource: ads, routeConfigName: name } },
    httpFilters: [{ name: 'router', configType: { case: 'typedConfig', value: anyPack(RouterSchema, create(RouterSchema)) } }],
  });
  const listener = create(ListenerSchema, { name, apiListener: { apiListener: anyPack(HttpConnectionManagerSchema, manager) } });
  const route = create(RouteConfigurationSchema, {
    name,
    virtualHosts: [
      {
        name,
        domains: ['*'],
        routes: [
          {
            match: { pathSpecifier: { case: 'prefix', value: '' } },
            action: { case: 'route', value: { clusterSpecifier: { case: 'cluster', value: name } } },
          },
        ],
      },
    ],
  });
  const cluster = create(ClusterSchema, { name, clusterDiscoveryType: { case: 'type', value: 3 }, edsClusterConfig: { edsConfig: ads } });
  const endpoints = create(ClusterLoadAssignmentSchema, {
    clusterName: name,
    endpoints: [
      {
        locality: { region: 'r' },
        loadBalancingWeight: 1,
        lbEndpoints: [
          {
            healthStatus: 1,
            hostIdentifier: {
              case: 'endpoint',
              value: {
                address: {
                  address: { case: 'socketAddress', value: { address: '127.0.0.1', portSpecifier: { case: 'portValue', value: port } } },
                },
              },
            },
          },
        ],
      },
    ],
  });
  const put = (typeUrl: string, bytes: Uint8Array) => {
    const before = served.sets.get(typeUrl) ?? new ResourceSet(0, new Map());
    served.sets.set(typeUrl, before.with(before.epoch + 1, new Map([[name, encodedResource(name, typeUrl, bytes)]])));
  };
  put(typeUrls.listener, toBinary(ListenerSchema, listener));
  put(typeUrls.route, toBinary(RouteConfigurationSchema, route));
  put(typeUrls.cluster, toBinary(ClusterSchema, cluster));
  put(typeUrls.endpoint, toBinary(ClusterLoadAssignmentSchema, endpoints));
  for (const stream of served.streams) stream.pump();
}

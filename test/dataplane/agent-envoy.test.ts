import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { create, createRegistry, fromBinary, fromJson, type JsonValue, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import type { ProxyBootstrap } from '#agent/bootstrap.ts';
import { envoyLauncher } from '#agent/envoy-launcher.ts';
import { exposeIstioMetrics } from '#agent/istio-metrics.ts';
import { claimBlock, freePort } from '#agent/loopback-block.ts';
import { Fault } from '#base/fault.ts';
import { createGrpcServer } from '#grpc/server.ts';
import { endLeftover } from '#process/child-process.ts';
import { systemClock } from '#process/clock.ts';
import { logger, setLogLevel } from '#process/log.ts';
import { isAlive } from '#process/process-identity.ts';
import { ListenerSchema } from '#proto/gen/envoy/config/listener/v3/listener_pb.js';
import { HttpGrpcAccessLogConfigSchema } from '#proto/gen/envoy/extensions/access_loggers/grpc/v3/als_pb.js';
import { RouterSchema } from '#proto/gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import { HttpConnectionManagerSchema } from '#proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  ResourceSchema,
} from '#proto/gen/envoy/service/discovery/v3/discovery_pb.js';
import { needPeer } from '../support/peers.ts';

setLogLevel('silent');
const log = logger('test');
const folder = mkdtempSync(join(tmpdir(), 'mwe-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const registry = createRegistry(HttpConnectionManagerSchema, HttpGrpcAccessLogConfigSchema, RouterSchema);

/** A listener that answers by itself and writes to the agent's access log. */
function listenerAt(address: string, port: number): JsonValue {
  return {
    name: 'in',
    address: { socketAddress: { address, portValue: port } },
    filterChains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typedConfig: {
              '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
              statPrefix: 'in',
              routeConfig: {
                name: 'r',
                virtualHosts: [
                  {
                    name: 'v',
                    domains: ['*'],
                    routes: [{ name: 'direct', match: { prefix: '/' }, directResponse: { status: 418, body: { inlineString: '%' } } }],
                  },
                ],
              },
              httpFilters: [
                {
                  name: 'envoy.filters.http.router',
                  typedConfig: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
                },
              ],
              accessLog: [
                {
                  name: 'envoy.access_loggers.http_grpc',
                  typedConfig: {
                    '@type': 'type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig',
                    commonConfig: {
                      logName: 'http_envoy_accesslog',
                      transportApiVersion: 'V3',
                      bufferFlushInterval: '0.05s',
                      grpcService: { envoyGrpc: { clusterName: 'meshwright-als' } },
                    },
                    additionalRequestHeadersToLog: ['x-envoy-peer-metadata-id'],
                  },
                },
              ],
            },
          },
        ],
      },
    ],
  };
}

/** A control plane that knows one listener and nothing else. */
async function serveListener(listener: JsonValue) {
  const nodes: string[] = [];
  const server = createGrpcServer({
    clock: systemClock,
    log,
    methods: {
      '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources': (call) => ({
        message(bytes) {
          const request = fromBinary(DeltaDiscoveryRequestSchema, bytes);
          if (request.node) nodes.push(request.node.id);
          if (request.responseNonce) return;
          const isListener = request.typeUrl.endsWith('.Listener');
          const resource = () =>
            create(ResourceSchema, {
              name: 'in',
              version: '1',
              resource: anyPack(ListenerSchema, fromJson(ListenerSchema, listener, { registry })),
            });
          const response = create(DeltaDiscoveryResponseSchema, {
            typeUrl: request.typeUrl,
            nonce: '1',
            systemVersionInfo: '1',
            resources: isListener ? [resource()] : [],
          });
          call.send(toBinary(DeltaDiscoveryResponseSchema, response));
        },
      }),
    },
  });
  const bound = await server.listen({ host: '127.0.0.1', port: 0 });
  assert.ok('port' in bound);
  return { nodes, port: bound.port, close: () => server.close() };
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 8_000;
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, 'it did not come about in time');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function statusOf(host: string, port: number): Promise<number> {
  return new Promise((resolve) => {
    const headers = { 'x-envoy-peer-metadata-id': 'caller-v1;shop;caller;v1;Kubernetes' };
    get({ host, port, path: '/some?q=1', agent: false, headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    }).on('error', () => resolve(0));
  });
}

test('Envoy takes its configuration, its accesses are counted and told, and it is started again when it dies', async (t) => {
  const path = needPeer(t, 'envoy');
  if (!path) return;
  const block = await claimBlock('agent-envoy-test', false);
  const port = await freePort(block.address);
  const controlPlane = await serveListener(listenerAt(block.address, port));
  const bootstrap: ProxyBootstrap = {
    engine: 'envoy',
    instance: 'my-api-v1',
    identity: { workload: 'my-api-v1', namespace: 'shop', app: 'my-api', version: 'v1', cluster: 'Kubernetes' },
    serviceHost: 'my-api.shop.svc.cluster.local',
    labels: { app: 'my-api', version: 'v1' },
    address: block.address,
    inbound: [{ targetPort: 1, bind: block.address, port, defaultEndpoint: '127.0.0.1' }],
    outbound: block.outbound,
    httpProxy: { bind: block.address, port: await freePort(block.address) },
    adminPort: await freePort(block.address),
    xds: { host: '127.0.0.1', port: controlPlane.port },
    alsSocket: join(folder, 'als'),
  };
  let changes = 0;
  const launch = envoyLauncher({ path, bootstrapFile: () => join(folder, 'envoy.json'), metricSeries: 100, clock: systemClock, log });
  const proxy = await launch(bootstrap, { onProcesses: () => changes++ });
  try {
    await proxy.ready(AbortSignal.timeout(8_000));
    assert.equal(await proxy.isReady(), true);
    assert.deepEqual(controlPlane.nodes, [`sidecar~${block.address}~my-api-v1.shop~shop.svc.cluster.local`]);
    await until(async () => (await statusOf(block.address, port)) === 418);
    const told: string[] = [];
    proxy.observe((access) => told.push(`${access.method} ${access.path} ${access.responseCode} ${access.peer} ${access.downstreamLocal}`));
    await statusOf(block.address, port);
    await until(() => told.length > 0);
    assert.equal(told[0], `GET /some?q=1 418 caller-v1;shop;caller;v1;Kubernetes ${block.address}:${port}`);
    const text = exposeIstioMetrics(await proxy.metricRows(), {
      peer: 'my-api-v1;shop;my-api;v1;Kubernetes',
      serviceHost: bootstrap.serviceHost,
      inbound: new Set(),
    });
    assert.match(
      text,
      /istio_requests_total\{reporter="destination",source_workload="caller-v1",source_workload_namespace="shop"[^\n]*response_code="418"[^\n]*\} [12]\n/,
    );
    assert.match(await proxy.stats(), /envoy_server_live/);

    const [first] = proxy.processes();
    assert.ok(first);
    process.kill(first.pid, 'SIGKILL');
    await until(() => changes > 0);
    assert.notEqual(proxy.processes()[0]?.pid, first.pid);
    await until(async () => (await statusOf(block.address, port)) === 418);
  } finally {
    await proxy.stop();
    await controlPlane.close();
    block.lock.close();
  }
  assert.ok(proxy.processes().every((one) => !isAlive(one)));
});

test('an Envoy without a control plane is never ready and says so', async (t) => {
  const path = needPeer(t, 'envoy');
  if (!path) return;
  const block = await claimBlock('agent-envoy-test', false);
  const launch = envoyLauncher({ path, bootstrapFile: () => join(folder, 'lone.json'), metricSeries: 100, clock: systemClock, log });
  const proxy = await launch(
    {
      engine: 'envoy',
      instance: 'lone-v1',
      identity: { workload: 'lone-v1', namespace: 'default', app: 'lone', version: 'v1', cluster: '' },
      serviceHost: 'lone.default.svc.cluster.local',
      labels: {},
      address: block.address,
      inbound: [],
      outbound: block.outbound,
      httpProxy: { bind: block.address, port: await freePort(block.address) },
      adminPort: await freePort(block.address),
      xds: { host: '127.0.0.1', port: 1 },
      alsSocket: join(folder, 'lone-als'),
    },
    { onProcesses: () => {} },
  );
  const processes = proxy.processes();
  try {
    await until(async () => (await proxy.stats()) !== '');
    await assert.rejects(proxy.ready(AbortSignal.timeout(200)), (error) => error instanceof Fault && error.code === 'proxy-not-ready');
  } finally {
    await proxy.stop();
    block.lock.close();
    for (const one of processes) await endLeftover(one, 10, systemClock);
  }
});

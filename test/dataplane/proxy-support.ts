import assert from 'node:assert/strict';
import net from 'node:net';
import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { systemClock } from '#process/clock.ts';
import { logger, setLogLevel } from '#process/log.ts';
import { Cluster_DiscoveryType, ClusterSchema } from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { ClusterLoadAssignmentSchema } from '#proto/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import type { FilterSchema } from '#proto/gen/envoy/config/listener/v3/listener_components_pb.js';
import { ListenerSchema } from '#proto/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '#proto/gen/envoy/config/route/v3/route_pb.js';
import { CorsSchema } from '#proto/gen/envoy/extensions/filters/http/cors/v3/cors_pb.js';
import { HTTPFaultSchema } from '#proto/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { RouterSchema } from '#proto/gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import { HttpConnectionManagerSchema } from '#proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { type ProxyHandle, type ProxyOptions, startProxy } from '#proxy/proxy.ts';

setLogLevel('silent');

export const types = {
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoints: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  route: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
} as const;

type Init<D extends DescMessage> = Exclude<MessageInitShape<D>, { $typeName: string }>;
export type RouteInit = NonNullable<NonNullable<Init<typeof RouteConfigurationSchema>['virtualHosts']>[number]['routes']>[number];
export type VirtualHostInit = NonNullable<Init<typeof RouteConfigurationSchema>['virtualHosts']>[number];
export type ClusterInit = Init<typeof ClusterSchema>;
export type ManagerInit = Init<typeof HttpConnectionManagerSchema>;

let version = 0;
export function resource<D extends DescMessage>(schema: D, name: string, init: MessageInitShape<D>) {
  return { name, version: String(++version), bytes: toBinary(schema, create(schema, init)) };
}

export const packed = <D extends DescMessage>(schema: D, init?: MessageInitShape<D>) => anyPack(schema, create(schema, init));

export const seconds = (value: number) => ({ seconds: BigInt(Math.floor(value)), nanos: Math.round((value % 1) * 1e9) });

export const filters = () => [
  { name: 'envoy.filters.http.fault', configType: { case: 'typedConfig' as const, value: packed(HTTPFaultSchema) } },
  { name: 'envoy.filters.http.cors', configType: { case: 'typedConfig' as const, value: packed(CorsSchema) } },
  { name: 'envoy.filters.http.router', configType: { case: 'typedConfig' as const, value: packed(RouterSchema) } },
];

export const socket = (address: string, port: number) => ({
  address: { case: 'socketAddress' as const, value: { address, portSpecifier: { case: 'portValue' as const, value: port } } },
});

export function endpointsInit(name: string, ports: readonly number[], address = '127.0.0.1'): Init<typeof ClusterLoadAssignmentSchema> {
  return {
    clusterName: name,
    endpoints: [
      { lbEndpoints: ports.map((port) => ({ hostIdentifier: { case: 'endpoint' as const, value: { address: socket(address, port) } } })) },
    ],
  };
}

export function clusterInit(name: string, ports: readonly number[], more: ClusterInit = {}): ClusterInit {
  return {
    name,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    connectTimeout: seconds(1),
    commonLbConfig: { healthyPanicThreshold: { value: 0 } },
    loadAssignment: endpointsInit(name, ports),
    ...more,
  };
}

export function managerFilter(manager: ManagerInit): Init<typeof FilterSchema> {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    configType: {
      case: 'typedConfig',
      value: packed(HttpConnectionManagerSchema, {
        statPrefix: 'test',
        proxy100Continue: true,
        normalizePath: true,
        streamIdleTimeout: seconds(0),
        httpFilters: filters(),
        ...manager,
      }),
    },
  };
}

export interface Rig {
  readonly proxy: ProxyHandle;
  /** Port of the listener `main`. */
  readonly port: number;
  take(typeUrl: string, schema: DescMessage, name: string, init: Record<string, unknown>): Promise<string | undefined>;
  close(): Promise<void>;
}

export interface RigOptions {
  readonly routes?: readonly RouteInit[];
  readonly virtualHosts?: readonly VirtualHostInit[];
  readonly clusters: readonly ClusterInit[];
  readonly manager?: ManagerInit;
  readonly proxy?: Partial<ProxyOptions>;
  readonly listener?: Init<typeof ListenerSchema>;
}

/** A proxy with one listener `main` on a free port, routes by RDS `main`, and static clusters. */
export async function rig(options: RigOptions): Promise<Rig> {
  const proxy = await startProxy({
    address: '',
    nodeId: 'test',
    environment: { MESHWRIGHT_PEER: 'w;ns;app;v1;c' },
    clock: systemClock,
    log: logger('proxy'),
    admin: { address: '127.0.0.1', port: 0 },
    ...options.proxy,
  });
  const take: Rig['take'] = (typeUrl, schema, name, init) => proxy.update(typeUrl, [resource(schema, name, init)], []);
  for (const cluster of options.clusters)
    assert.equal(await take(types.cluster, ClusterSchema, cluster.name ?? '', { ...cluster }), undefined);
  const virtualHosts = options.virtualHosts ?? [{ name: 'all', domains: ['*'], routes: [...(options.routes ?? [])] }];
  assert.equal(await take(types.route, RouteConfigurationSchema, 'main', { name: 'main', virtualHosts: [...virtualHosts] }), undefined);
  const filter = managerFilter({ routeSpecifier: { case: 'rds', value: { routeConfigName: 'main' } }, ...options.manager });
  const listener = { name: 'main', address: socket('127.0.0.1', 0), filterChains: [{ filters: [filter] }], ...options.listener };
  assert.equal(await take(types.listener, ListenerSchema, 'main', listener), undefined);
  return { proxy, port: await portOf(proxy, 'main'), take, close: () => proxy.close() };
}

export async function portOf(proxy: ProxyHandle, name: string): Promise<number> {
  const { listeners } = await proxy.stats();
  const address = listeners.find((listener) => listener.name === name)?.addresses[0] ?? '';
  return Number(address.slice(address.lastIndexOf(':') + 1));
}

/** A raw TCP server: `serve` gets each chunk and the socket. Counts what it reads. */
export interface Backend {
  readonly port: number;
  bytes: number;
  connections: number;
  readonly heads: string[];
  close(): Promise<void>;
}

export async function rawBackend(serve: (text: string, socket: net.Socket, all: string) => void): Promise<Backend> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    backend.connections++;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    let all = '';
    socket.on('data', (chunk) => {
      backend.bytes += chunk.length;
      all += chunk.toString('latin1');
      serve(chunk.toString('latin1'), socket, all);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const backend: Backend & { bytes: number } = {
    port: typeof address === 'object' && address ? address.port : 0,
    bytes: 0,
    connections: 0,
    heads: [],
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return backend;
}

/** Answers each GET-like request with `status` and a body naming the backend; remembers heads. */
export async function namedBackend(name: string, status: () => number = () => 200): Promise<Backend> {
  const pending = new WeakMap<net.Socket, string>();
  const backend = await rawBackend((text, socket) => {
    let rest = (pending.get(socket) ?? '') + text;
    for (let end = rest.indexOf('\r\n\r\n'); end >= 0; end = rest.indexOf('\r\n\r\n')) {
      const head = rest.slice(0, end + 4);
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? '0');
      if (rest.length < end + 4 + length) break;
      backend.heads.push(head);
      rest = rest.slice(end + 4 + length);
      const body = `${name}`;
      socket.write(`HTTP/1.1 ${status()} X\r\ncontent-length: ${body.length}\r\nx-backend: ${name}\r\n\r\n${body}`);
    }
    pending.set(socket, rest);
  });
  return backend;
}

/** Sends bytes and collects the answer until the server closes, `until` holds, or 3 s pass. */
export function exchange(
  port: number,
  request: string | readonly string[],
  until: (text: string) => boolean = () => false,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: '127.0.0.1' });
    let text = '';
    const done = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(text);
    };
    const timer = setTimeout(done, 3000);
    socket.setNoDelay(true);
    socket.on('connect', () => {
      const parts = typeof request === 'string' ? [request] : [...request];
      const next = () => {
        const part = parts.shift();
        if (part === undefined) return;
        socket.write(Buffer.from(part, 'latin1'));
        if (parts.length > 0) setImmediate(next);
      };
      next();
    });
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (until(text)) done();
    });
    socket.on('close', done);
    socket.on('error', (error) => (text === '' && !('code' in error && error.code === 'ECONNRESET') ? reject(error) : done()));
  });
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export function parseReply(text: string): Reply {
  const end = text.indexOf('\r\n\r\n');
  const [first = '', ...lines] = text.slice(0, end).split('\r\n');
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const key = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[key] = headers[key] === undefined ? value : `${headers[key]},${value}`;
  }
  return { status: Number(first.split(' ')[1] ?? '0'), headers, body: text.slice(end + 4) };
}

/** One request on a connection of its own; the answer is read to its end. */
export async function ask(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  method = 'GET',
  body = '',
): Promise<Reply> {
  const all = { host: 'svc', connection: 'close', ...(body === '' ? {} : { 'content-length': String(body.length) }), ...headers };
  const lines = Object.entries(all).map(([key, value]) => `${key}: ${value}\r\n`);
  return parseReply(await exchange(port, `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`));
}

export const prefix = (value: string) => ({ pathSpecifier: { case: 'prefix' as const, value } });
export const toCluster = (cluster: string, more: object = {}) => ({
  case: 'route' as const,
  value: { clusterSpecifier: { case: 'cluster' as const, value: cluster }, ...more },
});

/** The embedded proxy as a program of its own: takes a job as JSON, serves until its input ends. */
import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { systemClock } from '#process/clock.ts';
import { logger, setLogLevel } from '#process/log.ts';
import { ClusterSchema } from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import { HeaderValueOption_HeaderAppendAction as Append } from '#proto/gen/envoy/config/core/v3/base_pb.js';
import { ListenerSchema } from '#proto/gen/envoy/config/listener/v3/listener_pb.js';
import { FileAccessLogSchema } from '#proto/gen/envoy/extensions/access_loggers/file/v3/file_pb.js';
import { RouterSchema } from '#proto/gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import { HttpConnectionManagerSchema } from '#proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { startProxy } from '#proxy/proxy.ts';
import { type Job, routeCount } from './configs.ts';

const job = JSON.parse(process.argv[2] ?? '') as Job;
setLogLevel('warn');

const socket = (port: number) => ({
  address: { case: 'socketAddress' as const, value: { address: '127.0.0.1', portSpecifier: { case: 'portValue' as const, value: port } } },
});
const packed = <D extends DescMessage>(schema: D, init?: MessageInitShape<D>) => ({
  case: 'typedConfig' as const,
  value: anyPack(schema, create(schema, init)),
});
const set = (key: string, value: string) => ({ header: { key, value }, appendAction: Append.OVERWRITE_IF_EXISTS_OR_ADD });

const proxy = await startProxy({
  address: '',
  nodeId: 'bench',
  environment: {},
  backEnd: job.backEnd,
  clock: systemClock,
  log: logger('proxy'),
});
const cluster = create(ClusterSchema, {
  name: 'b',
  connectTimeout: { seconds: 1n },
  loadAssignment: {
    clusterName: 'b',
    endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: { address: socket(job.backend) } } }] }],
  },
});
const action = { case: 'route' as const, value: { clusterSpecifier: { case: 'cluster' as const, value: 'b' }, timeout: { seconds: 15n } } };
const prefix = (value: string) => ({ pathSpecifier: { case: 'prefix' as const, value } });
const routes = job.full ? Array.from({ length: routeCount }, (_, i) => ({ match: prefix(`/route-${i}/`), action })) : [];
const changes = job.full
  ? { requestHeadersToAdd: [set('x-route', 'all')], requestHeadersToRemove: ['x-drop'], responseHeadersToAdd: [set('x-answer', 'seen')] }
  : {};
const listener = create(ListenerSchema, {
  name: 'l',
  address: socket(job.listen),
  filterChains: [
    {
      filters: [
        {
          name: 'hcm',
          configType: packed(HttpConnectionManagerSchema, {
            statPrefix: 'bench',
            normalizePath: true,
            routeSpecifier: {
              case: 'routeConfig',
              value: {
                name: 'r',
                virtualHosts: [{ name: 'v', domains: ['*'], routes: [...routes, { match: prefix('/'), action, ...changes }] }],
              },
            },
            httpFilters: [{ name: 'router', configType: packed(RouterSchema) }],
            accessLog: job.full ? [{ name: 'file', configType: packed(FileAccessLogSchema, { path: job.logFile }) }] : [],
          }),
        },
      ],
    },
  ],
});
const type = 'type.googleapis.com/envoy.config';
const refused =
  (await proxy.update(`${type}.cluster.v3.Cluster`, [{ name: 'b', version: '1', bytes: toBinary(ClusterSchema, cluster) }], [])) ??
  (await proxy.update(`${type}.listener.v3.Listener`, [{ name: 'l', version: '1', bytes: toBinary(ListenerSchema, listener) }], []));
if (refused !== undefined) throw new Error(refused);
process.stdout.write('ready\n');
process.stdin.on('end', () => process.exit(0)).resume();

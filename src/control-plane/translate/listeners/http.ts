import type { MeshConfig } from '#mesh/mesh-config.ts';
import { ApiVersion } from '#proto/gen/envoy/config/core/v3/config_source_pb.js';
import type { FilterSchema } from '#proto/gen/envoy/config/listener/v3/listener_components_pb.js';
import { CorsSchema } from '#proto/gen/envoy/extensions/filters/http/cors/v3/cors_pb.js';
import { HTTPFaultSchema } from '#proto/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { RouterSchema } from '#proto/gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import {
  HttpConnectionManager_CodecType,
  HttpConnectionManager_ForwardClientCertDetails,
  HttpConnectionManager_PathWithEscapedSlashesAction,
  HttpConnectionManagerSchema,
} from '#proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { duration, type InitOf, packed } from '../messages.ts';
import { corsFilter, faultFilter } from '../routes/filters.ts';
import type { ProxyTraits } from '../scope.ts';
import { accessLogs } from './access-log.ts';

export type FilterInit = InitOf<typeof FilterSchema>;
export type ManagerInit = InitOf<typeof HttpConnectionManagerSchema>;

export const managerFilter = 'envoy.filters.network.http_connection_manager';

/** What the sidecar's HTTP connection managers have in common (Istio 1.30's defaults). */
function commonManager(statPrefix: string, mesh: MeshConfig, traits: ProxyTraits): ManagerInit {
  return {
    codecType: HttpConnectionManager_CodecType.AUTO,
    statPrefix: `${statPrefix};`,
    useRemoteAddress: false,
    streamIdleTimeout: duration(0),
    proxy100Continue: true,
    upgradeConfigs: [{ upgradeType: 'websocket' }],
    accessLog: accessLogs('http', mesh, traits),
    ...pathNormalization(mesh),
  };
}

function pathNormalization(mesh: MeshConfig): ManagerInit {
  const { normalization } = mesh.pathNormalization;
  return {
    normalizePath: normalization !== 'NONE',
    mergeSlashes: normalization === 'MERGE_SLASHES' || normalization === 'DECODE_AND_MERGE_SLASHES',
    pathWithEscapedSlashesAction:
      normalization === 'DECODE_AND_MERGE_SLASHES'
        ? HttpConnectionManager_PathWithEscapedSlashesAction.UNESCAPE_AND_FORWARD
        : HttpConnectionManager_PathWithEscapedSlashesAction.KEEP_UNCHANGED,
  };
}

/** Fault, CORS, router: each is inert on routes that do not configure it. */
function httpFilters(outbound: boolean): ManagerInit['httpFilters'] {
  const filter = (name: string, value: ReturnType<typeof packed>) => ({ name, configType: { case: 'typedConfig' as const, value } });
  return [
    ...(outbound ? [filter(faultFilter, packed(HTTPFaultSchema)), filter(corsFilter, packed(CorsSchema))] : []),
    filter('envoy.filters.http.router', packed(RouterSchema)),
  ];
}

function managerOf(manager: ManagerInit): FilterInit {
  return { name: managerFilter, configType: { case: 'typedConfig', value: packed(HttpConnectionManagerSchema, manager) } };
}

/** Outbound: routes come by RDS. `connect` lets the program open tunnels (HTTP proxy listener). */
export function outboundManager(
  statPrefix: string,
  routeName: string,
  connect: boolean,
  mesh: MeshConfig,
  traits: ProxyTraits,
): FilterInit {
  return managerOf({
    ...commonManager(statPrefix, mesh, traits),
    ...(connect ? { upgradeConfigs: [{ upgradeType: 'websocket' }, { upgradeType: 'CONNECT' }] } : {}),
    httpFilters: httpFilters(true),
    routeSpecifier: {
      case: 'rds',
      value: {
        routeConfigName: routeName,
        configSource: {
          resourceApiVersion: ApiVersion.V3,
          initialFetchTimeout: duration(0),
          configSourceSpecifier: { case: 'ads', value: {} },
        },
      },
    },
  });
}

/** Inbound: one route to the program, given inline. `operation` names it in traces. */
export function inboundManager(
  statPrefix: string,
  cluster: string,
  hostName: string,
  operation: string,
  mesh: MeshConfig,
  traits: ProxyTraits,
): FilterInit {
  return managerOf({
    ...commonManager(statPrefix, mesh, traits),
    serverName: 'istio-envoy',
    forwardClientCertDetails: HttpConnectionManager_ForwardClientCertDetails.APPEND_FORWARD,
    setCurrentClientCertDetails: { subject: true, uri: true, dns: true },
    httpFilters: httpFilters(false),
    routeSpecifier: {
      case: 'routeConfig',
      value: {
        name: cluster,
        validateClusters: false,
        virtualHosts: [
          {
            name: hostName,
            domains: ['*'],
            routes: [
              {
                name: 'default',
                match: { pathSpecifier: { case: 'prefix', value: '/' } },
                decorator: { operation },
                action: {
                  case: 'route',
                  value: {
                    clusterSpecifier: { case: 'cluster', value: cluster },
                    timeout: duration(0),
                    maxStreamDuration: { maxStreamDuration: duration(0), grpcTimeoutHeaderMax: duration(0) },
                  },
                },
              },
            ],
          },
        ],
      },
    },
  });
}

import type { JsonValue } from '@bufbuild/protobuf';
import { serviceKey } from '#mesh/service.ts';
import { typeUrls } from '#proto/type-url.ts';
import type { Pilot } from './pilot.ts';
import type { ProxyStatus } from './proxy-status.ts';

/** One page under /debug: its answer (or the promise of one) is sent as JSON. `undefined` = what was asked for does not exist. */
export interface DebugPage {
  readonly path: string;
  readonly help: string;
  read(pilot: Pilot, query: URLSearchParams): unknown;
}

/** In the order of the index page. Names and shapes are istiod's where it has the page. */
export const debugPages: readonly DebugPage[] = [
  { path: 'adsz', help: 'Connected proxies and what each one watches', read: (pilot) => clients(pilot, true) },
  { path: 'connections', help: 'Connected proxies', read: (pilot) => clients(pilot, false) },
  { path: 'syncz', help: 'Versions sent to and acknowledged by each proxy', read: (pilot) => pilot.proxies().map(syncOf) },
  { path: 'edsz', help: 'Endpoints as sent; ?proxyID=ID for one proxy', read: edsz },
  { path: 'registryz', help: 'Services known', read: (pilot) => pilot.snapshot().services },
  { path: 'endpointz', help: 'Endpoints by service', read: endpointz },
  { path: 'endpointShardz', help: 'Endpoints by host, namespace and registry', read: endpointShardz },
  { path: 'configz', help: 'Configuration objects in use', read: configz },
  { path: 'config_dump', help: 'What a proxy has, as its own admin page shows it; ?proxyID=ID', read: configDump },
  { path: 'push_status', help: 'The last push and the rejections that stand', read: pushStatus },
  { path: 'pushes', help: 'The last pushes: causes, proxies, bytes, time', read: (pilot) => [...pilot.pushes()].reverse() },
  { path: 'mesh', help: 'Mesh configuration in effect', read: (pilot) => pilot.snapshot().mesh },
];

function clients(pilot: Pilot, watches: boolean): unknown {
  const all = pilot.proxies();
  return {
    totalClients: all.length,
    clients: all.map((status) => ({
      connectionId: status.id,
      connectedAt: new Date(status.connectedAt).toISOString(),
      address: status.peer,
      ...(watches && {
        proxyType: status.proxy.type,
        namespace: status.proxy.namespace,
        labels: status.proxy.labels,
        locality: status.proxy.locality,
        protocol: status.protocol,
        group: pilot.connection(status.id)?.groupKey,
        watches: watchesOf(pilot, status),
      }),
    })),
  };
}

function watchesOf(pilot: Pilot, status: ProxyStatus): Record<string, readonly string[]> {
  const stream = pilot.connection(status.id)?.stream;
  return Object.fromEntries(
    status.types.map(({ typeUrl }) => {
      const selection = stream?.typeStatus(typeUrl)?.subscription.selection;
      return [typeUrl, [...(selection?.wildcard ? ['*'] : []), ...(selection?.names ?? [])]];
    }),
  );
}

const syncFields = [
  ['cluster', typeUrls.cluster],
  ['listener', typeUrls.listener],
  ['route', typeUrls.route],
  ['endpoint', typeUrls.endpoint],
] as const;

function syncOf(status: ProxyStatus): Record<string, unknown> {
  const { proxy } = status;
  const fields = syncFields.flatMap(([field, typeUrl]) => {
    const type = status.types.find((candidate) => candidate.typeUrl === typeUrl);
    return [
      [`${field}_sent`, type?.nonceSent ?? ''],
      [`${field}_acked`, type?.nonceAcked ?? ''],
      [`${field}_status`, type?.state ?? 'NOT SENT'],
    ];
  });
  return {
    proxy: status.id,
    proxy_type: proxy.type,
    istio_version: proxy.istioVersion,
    cluster_id: proxy.clusterId,
    engine: proxy.engine,
    status: status.state,
    ...Object.fromEntries(fields),
    types: status.types,
  };
}

async function edsz(pilot: Pilot, query: URLSearchParams): Promise<unknown> {
  const wanted = query.get('proxyID');
  const ids = wanted ? [wanted] : pilot.proxies().map(({ id }) => id);
  if (wanted && !pilot.connection(wanted)) return undefined;
  return await Promise.all(ids.map(async (proxy) => ({ proxy, endpoints: (await pilot.connection(proxy)?.endpoints()) ?? [] })));
}

async function configDump(pilot: Pilot, query: URLSearchParams): Promise<JsonValue | undefined> {
  return await pilot.connection(query.get('proxyID') ?? '')?.configDump();
}

function endpointz(pilot: Pilot): unknown {
  return [...pilot.snapshot().endpoints.values()].map(({ key, endpoints }) => ({ svc: key, ep: endpoints }));
}

function endpointShardz(pilot: Pilot): unknown {
  const { services, endpoints } = pilot.snapshot();
  const hosts: Record<string, Record<string, { Shards: Record<string, unknown> }>> = {};
  for (const service of services) {
    const found = endpoints.get(serviceKey(service))?.endpoints ?? [];
    const shards = Object.groupBy(found, (endpoint) => `${service.registry}/${endpoint.clusterId}`);
    hosts[service.hostname] = { ...hosts[service.hostname], [service.namespace]: { Shards: shards } };
  }
  return hosts;
}

function configz(pilot: Pilot): unknown {
  const { virtualServices, destinationRules } = pilot.snapshot();
  return [...virtualServices, ...destinationRules];
}

function pushStatus(pilot: Pilot): unknown {
  const rejected = pilot
    .proxies()
    .flatMap((status) =>
      status.types
        .filter((type) => type.state === 'NACKED')
        .map(({ type, error, heldBack }) => ({ proxy: status.id, type, error, heldBack })),
    );
  return { ...pilot.watermark(pilot.snapshot().epoch), last: pilot.pushes().at(-1), rejections: rejected };
}

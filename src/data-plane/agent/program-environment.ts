import { outboundAddress } from '#base/loopback.ts';

/** A service as the program is told of it. */
export interface KnownService {
  readonly name: string;
  readonly namespace: string;
  /** Empty or `None`: it has no address of its own and gets no variables. */
  readonly clusterIp: string;
  readonly ports: readonly { readonly name: string; readonly number: number }[];
}

export interface EnvironmentFacts {
  /** What the program would have without the mesh. */
  readonly base: Readonly<Record<string, string>>;
  readonly namespace: string;
  readonly workload: string;
  readonly service: string;
  readonly version: string;
  readonly clusterId: string;
  /** The program's own port. */
  readonly port: number;
  readonly address: string;
  readonly outbound: { readonly block: string } | { readonly bind: string; readonly portBase: number };
  readonly httpProxy: { readonly bind: string; readonly port: number };
  readonly services: readonly KnownService[];
}

/**
 * The environment of a joined program: where every service is (`REVIEWS_SERVICE_HOST`, `REVIEWS_SERVICE_PORT`,
 * `REVIEWS_SERVICE_PORT_HTTP`, as Kubernetes names them), the HTTP proxy for names, and who it is. Services of its own
 * namespace win over others of the same name. Addresses that lead into the mesh already are exempt from the HTTP proxy.
 */
export function programEnvironment(facts: EnvironmentFacts): Record<string, string> {
  const proxy = `http://${facts.httpProxy.bind}:${facts.httpProxy.port}`;
  const variables: Record<string, string> = {};
  const direct = new Set(['localhost', '127.0.0.1', '::1', facts.address]);
  const ownFirst = [...facts.services].sort((a, b) => Number(b.namespace === facts.namespace) - Number(a.namespace === facts.namespace));
  for (const service of ownFirst) {
    for (const [name, value] of serviceVariables(service, facts.outbound, direct)) variables[name] ??= value;
  }
  const noProxy = [facts.base.NO_PROXY ?? facts.base.no_proxy ?? '', ...direct].filter(Boolean).join(',');
  return {
    ...facts.base,
    ...variables,
    PORT: String(facts.port),
    HTTP_PROXY: proxy,
    http_proxy: proxy,
    NO_PROXY: noProxy,
    no_proxy: noProxy,
    NODE_USE_ENV_PROXY: '1',
    MESHWRIGHT_WORKLOAD: facts.workload,
    MESHWRIGHT_NAMESPACE: facts.namespace,
    MESHWRIGHT_SERVICE: facts.service,
    MESHWRIGHT_VERSION: facts.version,
    MESHWRIGHT_CLUSTER_ID: facts.clusterId,
    MESHWRIGHT_ADDRESS: facts.address,
  };
}

function serviceVariables(service: KnownService, outbound: EnvironmentFacts['outbound'], direct: Set<string>): [string, string][] {
  const prefix = service.name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_');
  const found: [string, string][] = [];
  service.ports.forEach((port, index) => {
    const place = outboundAddress(outbound, service.clusterIp, port.number, index);
    if (!place) return;
    direct.add(place.address);
    if (found.length === 0) found.push([`${prefix}_SERVICE_HOST`, place.address], [`${prefix}_SERVICE_PORT`, String(place.port)]);
    if (port.name) found.push([`${prefix}_SERVICE_PORT_${port.name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`, String(place.port)]);
  });
  return found;
}

import { outboundAddress } from '#base/loopback.ts';
import type { ServicePort } from '#mesh/service.ts';
import { hostDomains } from '#translate/hosts.ts';
import { httpProxyOf } from '#translate/http-proxy.ts';
import type { Scope } from '#translate/scope.ts';
import type { VisibleHost } from '#translate/visibility.ts';
import { parseAddress } from '../address.ts';
import type { Call } from '../simulate.ts';

/** One request of the proxy's program. */
export interface ExplainQuestion {
  /** Name as the program would write it (short names included), or an address. */
  readonly host: string;
  readonly port: number;
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

interface Target {
  readonly address: string;
  readonly port: number;
  /** Registry name behind the host; undefined when none is visible. */
  readonly hostname: string | undefined;
  /** How the connection gets to the proxy. */
  readonly reason: string;
}

/** An address that stands for whatever DNS would give for a name outside the mesh (RFC 5737). */
const elsewhere = '203.0.113.1';

/** The connection that the program would make, and the request on it. */
export function callFor(scope: Scope, question: ExplainQuestion): { readonly call: Call; readonly target: Target } {
  const host = findHost(scope, question);
  const port = host?.service.ports.find((candidate) => candidate.number === question.port);
  const target = targetOf(scope, question, host, port);
  const protocol = port?.protocol ?? 'auto';
  const isOpaque = ['tcp', 'mongo', 'redis', 'mysql'].includes(protocol);
  const isTls = protocol === 'https' || protocol === 'tls' || (!port && question.port === 443);
  const isHttp2 = ['http2', 'grpc'].includes(protocol);
  const headers = Object.fromEntries(Object.entries(question.headers).map(([name, value]) => [name.toLowerCase(), value]));
  const call: Call = {
    address: target.address,
    port: target.port,
    callMode: 'outbound',
    protocol: isOpaque ? 'tcp' : isHttp2 ? 'http2' : 'http',
    tls: isTls ? 'tls' : 'plaintext',
    alpn: isTls ? 'http/1.1' : '',
    sni: isTls ? question.host : '',
    request: {
      method: question.method,
      authority: headers.host ?? (question.port === 80 ? question.host : `${question.host}:${question.port}`),
      path: question.path,
      scheme: 'http',
      headers,
    },
    compare: 'all',
  };
  return { call, target };
}

/** By name as the proxy's virtual hosts know it, or by one of its addresses. */
function findHost(scope: Scope, { host, port }: ExplainQuestion): VisibleHost | undefined {
  const wanted = host.toLowerCase();
  const { hosts } = scope.view;
  const named = (candidate: VisibleHost) =>
    [candidate.service.hostname, ...candidate.aliases].flatMap((name) => hostDomains(name, scope.proxy.dnsDomain));
  const byName = hosts.find((candidate) => named(candidate).some((domain) => domain.toLowerCase() === wanted));
  if (byName) return byName;
  return hosts.find(
    (candidate) => candidate.addresses.includes(host) || placesOf(scope, candidate, port).some((place) => place.address === host),
  );
}

function placesOf(scope: Scope, host: VisibleHost, port: number) {
  const { outbound } = scope.proxy;
  const index = host.service.ports.findIndex((candidate) => candidate.number === port);
  if (!outbound || index < 0) return [];
  return host.addresses.flatMap((address) => outboundAddress(outbound, address, port, index) ?? []);
}

function targetOf(scope: Scope, question: ExplainQuestion, host: VisibleHost | undefined, port: ServicePort | undefined): Target {
  const hostname = host?.service.hostname;
  if (scope.proxy.interceptionMode === 'NONE') {
    const [place] = host && port ? placesOf(scope, host, port.number) : [];
    if (place) return { ...place, hostname, reason: `the workload reaches ${hostname} at ${place.address}:${place.port}` };
    const httpProxy = httpProxyOf(scope);
    if (httpProxy)
      return { address: httpProxy.bind, port: httpProxy.port, hostname, reason: 'the program goes through the HTTP proxy of its sidecar' };
    return {
      address: question.host,
      port: question.port,
      hostname,
      reason: 'no address of this workload leads there, and it has no HTTP proxy',
    };
  }
  const given = parseAddress(question.host) ? question.host : undefined;
  const virtual = host?.addresses.find((address) => !address.includes('/'));
  const direct = host && scope.endpoints(host.service)?.endpoints[0]?.address;
  const address = given ?? virtual ?? (host?.service.resolution === 'passthrough' ? direct : undefined) ?? elsewhere;
  const reason = virtual
    ? `${question.host} is ${address}`
    : host
      ? `${question.host} has no address of its own in the mesh`
      : `${question.host} is no name of the mesh`;
  return { address, port: question.port, hostname, reason: given ? `the connection goes to ${given}:${question.port}` : reason };
}

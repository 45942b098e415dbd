import type { Proxy as MeshProxy } from '#mesh/proxy.ts';
import type { MeshSnapshot } from '#mesh/snapshot.ts';
import type { Cluster } from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { FilterChain } from '#proto/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { Route, VirtualHost } from '#proto/gen/envoy/config/route/v3/route_components_pb.js';
import { scopeFor } from '#translate/scope.ts';
import { describeChain, describeChainMiss } from './explain/chains.ts';
import { type Destination, destinationsOf } from './explain/destinations.ts';
import { effectsOf, faultsOf } from './explain/effects.ts';
import { callFor, type ExplainQuestion } from './explain/question.ts';
import { rivalSteps } from './explain/rivals.ts';
import type { ExplainStep, OriginText } from './explain/step.ts';
import { configFor, managerOf, type ProxyConfig, tcpProxyOf } from './proxy-config.ts';
import { matchRoute } from './route-match.ts';
import { type Call, factsOf, type Outcome, simulate } from './simulate.ts';

export type { Destination } from './explain/destinations.ts';
export type { ExplainQuestion } from './explain/question.ts';
export type { ExplainStep, OriginText } from './explain/step.ts';

/** What happens to one request of one proxy's program, and why. Plain data. */
export interface Explanation {
  /** One sentence. */
  readonly summary: string;
  /** `answered`: by the proxy itself; `refused`: no listener, chain, host or route takes it. */
  readonly outcome: 'forwarded' | 'answered' | 'refused';
  /** In the order in which the proxy takes them; rules that miss stand before the one that matches. */
  readonly steps: readonly ExplainStep[];
  readonly destinations: readonly Destination[];
  readonly listener: string;
  readonly routeConfiguration: string;
  readonly virtualHost: string;
  readonly route: string;
  /** Who wrote the route; undefined for what Meshwright adds itself. */
  readonly origin?: OriginText;
}

/** Explains a request on the configuration that this snapshot gives the proxy. Builds that configuration: milliseconds. */
export function explainRequest(snapshot: MeshSnapshot, proxy: MeshProxy, question: ExplainQuestion): Explanation {
  const scope = scopeFor(snapshot, proxy);
  const { call, target } = callFor(scope, question);
  const config = configFor(snapshot, proxy);
  const outcome = simulate(config, call);
  const origin = outcome.route ? originOf(outcome.route) : outcome.chain && chainOrigin(outcome.chain).origin;
  const isAborted = outcome.route !== undefined && faultsOf(outcome.route).some((fault) => fault.kind === 'abort' && fault.isForAll);
  const destinations = outcome.error || isAborted ? [] : destinationsOf(config, outcome);
  const steps = [
    ...listenerSteps(outcome, call, target.reason),
    ...chainSteps(outcome, call),
    ...(target.hostname ? rivalSteps(scope, target.hostname, call.port, origin) : []),
    ...virtualHostSteps(outcome, call),
    ...routeSteps(outcome, call),
    ...(outcome.route ? effectsOf(outcome.route) : []),
    ...clusterSteps(config, outcome, destinations),
  ];
  return {
    summary: summaryOf(question, outcome, destinations),
    outcome: outcome.error ? 'refused' : destinations.length > 0 ? 'forwarded' : 'answered',
    steps,
    destinations,
    listener: outcome.listener?.name ?? '',
    routeConfiguration: outcome.routeConfiguration?.name ?? '',
    virtualHost: outcome.virtualHost?.name ?? '',
    route: outcome.route?.name ?? '',
    ...(origin ? { origin } : {}),
  };
}

/** The explanation as lines for a terminal. */
export function formatExplanation(explanation: Explanation): string {
  const lines = [explanation.summary, ''];
  const marks = { matched: '✓', missed: '✗', applied: '→' } as const;
  for (const step of explanation.steps) {
    lines.push(`${marks[step.verdict]} ${step.what.padEnd(16)} ${step.name}`.trimEnd());
    if (step.reason) lines.push(`${' '.repeat(19)}${step.reason}`);
    if (step.origin) lines.push(`${' '.repeat(19)}from ${step.origin.text}`);
  }
  for (const { cluster, weightPercent, endpoints } of explanation.destinations) {
    lines.push(`${`${Math.round(weightPercent * 100) / 100} %`.padStart(8)}  ${cluster}`);
    lines.push(`${' '.repeat(10)}${endpoints.length > 0 ? endpoints.join(', ') : 'no healthy endpoint'}`);
  }
  return `${lines.join('\n')}\n`;
}

function listenerSteps({ listener }: Outcome, call: Call, reason: string): ExplainStep[] {
  if (!listener)
    return [{ what: 'listener', name: `${call.address}:${call.port}`, verdict: 'missed', reason: `nothing listens there; ${reason}` }];
  return [{ what: 'listener', name: listener.name, verdict: 'matched', reason }];
}

function chainSteps({ listener, chain, error }: Outcome, call: Call): ExplainStep[] {
  if (!listener) return [];
  const facts = factsOf(listener, call);
  const missed = listener.filterChains.filter((other) => other !== chain);
  const steps = missed.map(
    (other): ExplainStep => ({
      what: 'filter chain',
      name: describeChain(other),
      verdict: 'missed',
      reason: describeChainMiss(other, facts),
      ...chainOrigin(other),
    }),
  );
  if (!chain)
    return [
      ...steps,
      {
        what: 'filter chain',
        name: '',
        verdict: 'missed',
        reason: error === 'MultipleFilterChain' ? 'several chains match alike' : 'no chain takes this connection',
      },
    ];
  const isDefault = chain === listener.defaultFilterChain;
  return [
    ...steps,
    {
      what: 'filter chain',
      name: describeChain(chain),
      verdict: error === 'ProtocolError' || error === 'TLSError' || error === 'MTLSError' ? 'missed' : 'matched',
      reason: isDefault ? 'takes what no other chain of the listener takes' : describeProtocol(chain, error),
      ...chainOrigin(chain),
    },
  ];
}

function describeProtocol(chain: FilterChain, error: Outcome['error']): string {
  if (error === 'ProtocolError') return 'expects HTTP, but these bytes are none';
  if (error) return 'expects another kind of TLS';
  return managerOf(chain) ? 'reads the request as HTTP' : 'passes the bytes on';
}

function chainOrigin(chain: FilterChain): { readonly origin?: OriginText } {
  const text = chain.metadata?.filterMetadata.meshwright?.origin;
  return typeof text === 'string' ? { origin: { text } } : {};
}

function virtualHostSteps({ routeConfiguration, virtualHost, error }: Outcome, call: Call): ExplainStep[] {
  if (!routeConfiguration) return [];
  const place = `in route configuration ${routeConfiguration.name}`;
  if (!virtualHost) {
    return [
      {
        what: 'virtual host',
        name: call.request.authority,
        verdict: 'missed',
        reason: `no host ${place} has this name (${routeConfiguration.virtualHosts.length} hosts)`,
      },
    ];
  }
  const domain = matchedDomain(virtualHost, call.request.authority);
  return [
    {
      what: 'virtual host',
      name: virtualHost.name,
      verdict: error === 'TLSRedirect' ? 'missed' : 'matched',
      reason:
        domain === '*'
          ? `${call.request.authority} is no known name ${place}; \`*\` takes the rest`
          : `${call.request.authority} is its domain ${domain} ${place}`,
    },
  ];
}

function matchedDomain(virtualHost: VirtualHost, authority: string): string {
  const bare = authority.replace(/:\d+$/, '').toLowerCase();
  const exact = virtualHost.domains.find((domain) => [authority.toLowerCase(), bare].includes(domain.toLowerCase()));
  return exact ?? virtualHost.domains.find((domain) => domain !== '*' && domain.startsWith('*') && bare.endsWith(domain.slice(1))) ?? '*';
}

/** Every route up to the one that takes the request. */
function routeSteps({ virtualHost, route }: Outcome, call: Call): ExplainStep[] {
  if (!virtualHost) return [];
  const reached = route ? virtualHost.routes.slice(0, virtualHost.routes.indexOf(route) + 1) : virtualHost.routes;
  const steps = reached.map((candidate): ExplainStep => {
    const conditions = matchRoute(candidate.match, call.request);
    const failed = conditions.filter((condition) => !condition.holds);
    const origin = originOf(candidate);
    return {
      what: 'route',
      name: candidate.name || '(unnamed)',
      verdict: failed.length === 0 ? 'matched' : 'missed',
      reason: (failed.length === 0
        ? conditions.map((condition) => condition.text)
        : failed.map((condition) => `${condition.text}, found ${JSON.stringify(condition.found)}`)
      ).join('; '),
      ...(origin ? { origin } : {}),
    };
  });
  if (!route) steps.push({ what: 'route', name: '', verdict: 'missed', reason: 'no route of the virtual host takes the request: 404' });
  return steps;
}

/** Read back from the route's metadata, as access logs do. */
function originOf(route: Route): OriginText | undefined {
  const text = route.metadata?.filterMetadata.meshwright?.origin;
  if (typeof text !== 'string') return undefined;
  const path = route.metadata?.filterMetadata.istio?.config;
  const parts = typeof path === 'string' ? /^\/apis\/([^/]*)\/([^/]*)\/namespaces\/([^/]*)\/([^/]*)\/(.*)$/.exec(path) : null;
  if (!parts) return { text };
  const [, group = '', version = '', namespace = '', , name = ''] = parts;
  return { text, object: { apiVersion: `${group}/${version}`, kind: 'VirtualService', namespace, name } };
}

function clusterSteps(config: ProxyConfig, outcome: Outcome, destinations: readonly Destination[]): ExplainStep[] {
  if (outcome.error) return [];
  const steps = destinations.map((destination): ExplainStep => {
    const cluster = config.clusters.get(destination.cluster);
    if (!cluster) {
      return {
        what: 'cluster',
        name: destination.cluster,
        verdict: 'missed',
        reason: 'this cluster does not exist (unknown host, port or subset): requests get 503',
      };
    }
    return {
      what: 'cluster',
      name: cluster.name,
      verdict: 'applied',
      reason: clusterReason(cluster, destination),
      ...clusterOrigin(cluster),
    };
  });
  const proxied = outcome.chain && tcpProxyOf(outcome.chain);
  return proxied && destinations.length === 0
    ? [{ what: 'cluster', name: proxied.statPrefix, verdict: 'missed', reason: 'the chain names no cluster' }]
    : steps;
}

function clusterReason(cluster: Cluster, destination: Destination): string {
  const count = destination.endpoints.length;
  if (cluster.name === 'BlackHoleCluster') return 'traffic to unknown destinations is refused';
  if (cluster.name === 'PassthroughCluster') return 'traffic to unknown destinations goes on to where it was sent';
  return `${Math.round(destination.weightPercent * 100) / 100} % of the requests, ${count} endpoint${count === 1 ? '' : 's'}`;
}

function clusterOrigin(cluster: Cluster): { readonly origin?: OriginText } {
  const path = cluster.metadata?.filterMetadata.istio?.config;
  const parts = typeof path === 'string' ? /\/namespaces\/([^/]*)\/destination-rule\/(.*)$/.exec(path) : null;
  if (!parts) return {};
  const [, namespace = '', name = ''] = parts;
  return {
    origin: {
      text: `DestinationRule ${namespace}/${name}`,
      object: { apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule', namespace, name },
    },
  };
}

const refusals: Readonly<Record<NonNullable<Outcome['error']>, string>> = {
  NoListener: 'no listener takes it',
  MultipleFilterChain: 'several filter chains match alike',
  NoFilterChain: 'no filter chain takes the connection',
  TLSError: 'the listener wants TLS',
  MTLSError: 'the listener wants another kind of TLS',
  ProtocolError: 'the listener reads HTTP, and this is none',
  NoVirtualHost: 'no virtual host has this name: 404',
  TLSRedirect: 'the host wants TLS: redirect',
  NoRoute: 'no route takes it: 404',
};

function summaryOf(question: ExplainQuestion, outcome: Outcome, destinations: readonly Destination[]): string {
  const request = `${question.method} ${question.host}:${question.port}${question.path}`;
  if (outcome.error) return `${request} is refused: ${refusals[outcome.error]}.`;
  const action = outcome.route?.action;
  if (action?.case === 'directResponse') return `${request} is answered by the proxy itself with status ${action.value.status}.`;
  if (action?.case === 'redirect') return `${request} is answered by the proxy itself with a redirect.`;
  const faults = outcome.route ? faultsOf(outcome.route) : [];
  const injected = faults.map(({ text, share, isForAll }) => (isForAll ? text : `${text} (${share})`)).join(' and ');
  const withFault = injected === '' ? '' : `, with the fault: ${injected}`;
  if (faults.some((fault) => fault.kind === 'abort' && fault.isForAll)) return `${request} is answered by the proxy itself${withFault}.`;
  const shares = destinations.map(({ cluster, weightPercent }) =>
    destinations.length === 1 ? cluster : `${Math.round(weightPercent * 100) / 100} % ${cluster}`,
  );
  return shares.length === 0 ? `${request} goes nowhere.` : `${request} goes to ${shares.join(', ')}${withFault}.`;
}

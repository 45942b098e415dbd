import type { ServiceEndpoints } from '#mesh/endpoint.ts';
import type { MeshConfig } from '#mesh/mesh-config.ts';
import { type Service, type ServicePort, serviceKey } from '#mesh/service.ts';
import { buildOutboundCluster, type Discovery } from './clusters/outbound.ts';
import { buildBlackHole, buildHttpProxyLoop, buildInboundCluster, buildInboundPassthrough, buildPassthrough } from './clusters/special.ts';
import { endpointFilter, selectEndpoints } from './endpoints.ts';
import { isWildcard } from './hosts.ts';
import { httpProxyOf } from './http-proxy.ts';
import { internList, memoBy } from './intern.ts';
import { internPlan } from './intern-plan.ts';
import type { LocalityInput } from './locality.ts';
import {
  blackHoleCluster,
  httpProxyCluster,
  inboundClusterName,
  inboundPassthroughCluster,
  outboundClusterName,
  passthroughCluster,
  typeUrls,
} from './names.ts';
import type { ResourcePlan } from './plan.ts';
import type { OwnPort, Scope } from './scope.ts';
import { localityInputFor, type Settings, settingsFor, subsetLabels, subsetsOf } from './traffic-policy.ts';

/** Every cluster of the scope: outbound by service, port and subset, the special ones, and the proxy's own ports. */
export function planClusters(scope: Scope): ResourcePlan[] {
  return [...outboundPlans(scope), ...specialPlans(scope), ...inboundPlans(scope)];
}

function outboundPlans(scope: Scope): ResourcePlan[] {
  const plans: ResourcePlan[] = [];
  for (const { service } of scope.view.hosts) {
    const rules = scope.rulesFor(service);
    for (const port of service.ports) {
      if (port.protocol === 'udp') continue;
      addPlan(plans, scope, service, port, '');
      for (const { subset } of subsetsOf(rules)) addPlan(plans, scope, service, port, subset.name);
    }
  }
  return plans;
}

function addPlan(plans: ResourcePlan[], scope: Scope, service: Service, port: ServicePort, subset: string): void {
  const rules = scope.rulesFor(service);
  const discovery = discoveryOf(scope, service, settingsFor(rules, subset, port.number));
  if (!discovery) return;
  const resolved = discovery === 'strict-dns' || discovery === 'logical-dns';
  const matters = rules.length > 0 || resolved || service.trafficDistribution !== undefined;
  const locality = matters ? localityInputFor(scope, service, rules, subset, port.number) : undefined;
  const endpoints = service.resolution === 'passthrough' && resolved ? hostItself(service) : scope.endpoints(service);
  const filter = resolved ? endpointFilter(port.name, subset === '' ? undefined : subsetLabels(rules, subset), undefined) : undefined;
  // A DNS cluster without a name to resolve is refused by Envoy; without it, routes answer 503 (Istio does the same).
  if (resolved && (!endpoints || !filter || selectEndpoints(endpoints.endpoints, filter).length === 0)) return;
  const inline = endpoints && filter ? internList([endpoints, filter, locality] as const) : undefined;
  plans.push(
    internPlan(
      outboundClusterName(port.number, subset, service.hostname),
      typeUrls.cluster,
      buildOutboundCluster,
      scope.mesh,
      scope.traits.family,
      service,
      port,
      subset,
      rules,
      discovery,
      locality !== undefined && isWeighted(locality),
      inline,
    ),
  );
}

/** Istio: only explicit shares or failover rules make Envoy weigh localities; otherwise that would overrule least requests. */
function isWeighted({ distribute, failover, failoverPriority }: LocalityInput): boolean {
  return distribute.length > 0 || failover.length > 0 || failoverPriority.length > 0;
}

/**
 * Undefined when no cluster can be made. In NONE mode connections have no destination of their own to go on to: there
 * headless services use their endpoints, and hosts without resolution are looked up under their own name.
 */
function discoveryOf(scope: Scope, service: Service, settings: Settings): Discovery | undefined {
  const captured = scope.traits.interceptionMode !== 'NONE';
  if (captured && settings.loadBalancer?.simple === 'PASSTHROUGH') return 'original-destination';
  switch (service.resolution) {
    case 'static':
      return 'eds';
    case 'dns':
      return 'strict-dns';
    case 'dns-round-robin':
      return 'logical-dns';
    case 'passthrough':
      if (captured) return 'original-destination';
      if (service.registry === 'kubernetes') return 'eds';
      return isWildcard(service.hostname) ? 'original-destination' : 'strict-dns';
    default:
      return undefined;
  }
}

/** A host as its own endpoint. Remembered by the service, so that it stays the same value. */
const hostItself = memoBy(
  (service: Service): ServiceEndpoints => ({
    key: serviceKey(service),
    endpoints: service.ports.map((port) => ({
      address: service.hostname,
      port: typeof port.targetPort === 'number' ? port.targetPort : port.number,
      servicePortName: port.name,
      labels: {},
      health: 'healthy',
      weight: 1,
      locality: '',
      network: '',
      clusterId: '',
      nodeName: '',
      serviceAccount: '',
      tlsMode: 'disabled',
      workloadName: '',
      namespace: service.namespace,
      origin: service.origin,
    })),
  }),
);

function specialPlans(scope: Scope): ResourcePlan[] {
  const { mesh, traits } = scope;
  const plans = [
    internPlan(blackHoleCluster, typeUrls.cluster, buildBlackHole, mesh),
    internPlan(passthroughCluster, typeUrls.cluster, buildPassthrough, mesh),
  ];
  if (traits.interceptionMode !== 'NONE') {
    plans.push(internPlan(inboundPassthroughCluster, typeUrls.cluster, buildInboundPassthrough, mesh, traits.family));
  }
  const httpProxy = httpProxyOf(scope);
  if (httpProxy) plans.push(internPlan(httpProxyCluster, typeUrls.cluster, buildHttpProxyLoop, mesh, httpProxy.bind, httpProxy.port));
  return plans;
}

function inboundPlans(scope: Scope): ResourcePlan[] {
  return ownTargets(scope).map(({ targetPort, owners }) => {
    const [first] = owners;
    const rules = first ? scope.rulesFor(first.service) : internList([]);
    return internPlan(
      inboundClusterName(targetPort),
      typeUrls.cluster,
      buildInboundCluster,
      scope.mesh,
      scope.traits.family,
      targetPort,
      owners,
      rules,
      programAddress(scope, scope.mesh, targetPort),
    );
  });
}

/** The proxy's own target ports, each with the service ports that lead to it (oldest service first). */
export function ownTargets(scope: Scope): readonly { readonly targetPort: number; readonly owners: readonly OwnPort[] }[] {
  const ports = new Set(scope.ownPorts.map((own) => own.targetPort));
  if (scope.proxy.interceptionMode === 'NONE') for (const bind of scope.proxy.inbound) ports.add(bind.targetPort);
  return [...ports].map((targetPort) => ({
    targetPort,
    owners: internList(scope.ownPorts.filter((own) => own.targetPort === targetPort)),
  }));
}

/** Where the program listens; undefined: wherever the connection was going (REDIRECT and TPROXY with passthrough). */
function programAddress(scope: Scope, mesh: MeshConfig, targetPort: number): string | undefined {
  if (scope.proxy.interceptionMode === 'NONE') {
    return scope.proxy.inbound.find((bind) => bind.targetPort === targetPort)?.defaultEndpoint ?? '127.0.0.1';
  }
  return mesh.inboundTrafficPolicy.mode === 'LOCALHOST' ? (scope.traits.family === 'v6' ? '::1' : '127.0.0.1') : undefined;
}

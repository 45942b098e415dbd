import type { MeshConfig } from '#mesh/mesh-config.ts';
import type { Service, ServicePort } from '#mesh/service.ts';
import { buildOutboundCluster } from './clusters/outbound.ts';
import { buildBlackHole, buildHttpProxyLoop, buildInboundCluster, buildInboundPassthrough, buildPassthrough } from './clusters/special.ts';
import { endpointFilter, selectEndpoints } from './endpoints.ts';
import { httpProxyOf } from './http-proxy.ts';
import { internList } from './intern.ts';
import { internPlan } from './intern-plan.ts';
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
import { localityInputFor, subsetLabels, subsetsOf } from './traffic-policy.ts';

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
  if (service.resolution === 'dynamic-dns') return;
  const rules = scope.rulesFor(service);
  const resolved = service.resolution === 'dns' || service.resolution === 'dns-round-robin';
  const locality =
    rules.length > 0 || resolved || service.trafficDistribution ? localityInputFor(scope, service, rules, subset, port.number) : undefined;
  const endpoints = scope.endpoints(service);
  const filter = resolved ? endpointFilter(port.name, subset === '' ? undefined : subsetLabels(rules, subset), undefined) : undefined;
  // A DNS cluster without a name to resolve is refused by Envoy; without it, routes answer 503 (Istio does the same).
  if (resolved && (!endpoints || !filter || selectEndpoints(endpoints.endpoints, filter).length === 0)) return;
  const weighted =
    locality !== undefined && (locality.distribute.length > 0 || locality.failover.length + locality.failoverPriority.length > 0);
  const name = outboundClusterName(port.number, subset, service.hostname);
  const inline = endpoints && filter ? internList([endpoints, filter, locality] as const) : undefined;
  plans.push(
    internPlan(
      name,
      typeUrls.cluster,
      buildOutboundCluster,
      scope.mesh,
      scope.traits.family,
      service,
      port,
      subset,
      rules,
      weighted,
      inline,
    ),
  );
}

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

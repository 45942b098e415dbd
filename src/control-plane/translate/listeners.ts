import type { MeshConfig } from '#mesh/mesh-config.ts';
import { TrafficDirection } from '#proto/gen/envoy/config/core/v3/base_pb.js';
import { ListenerSchema } from '#proto/gen/envoy/config/listener/v3/listener_pb.js';
import { httpProxyOf } from './http-proxy.ts';
import { internPlan } from './intern-plan.ts';
import { planBoundInbound, planVirtualInbound } from './listeners/inbound.ts';
import { planHttpProxy, planOutbound, wildcardBind } from './listeners/outbound.ts';
import { clusterTarget, tcpProxy } from './listeners/tcp.ts';
import { built, socketAddress } from './messages.ts';
import { blackHoleCluster, passthroughCluster, typeUrls, virtualOutbound } from './names.ts';
import type { Built, ResourcePlan } from './plan.ts';
import type { ProxyTraits, Scope } from './scope.ts';

/** Every listener of the scope: outbound, inbound, and the HTTP proxy where it is asked for. */
export function planListeners(scope: Scope): ResourcePlan[] {
  const plans = planOutbound(scope);
  const httpProxy = httpProxyOf(scope);
  if (httpProxy) plans.push(planHttpProxy(scope, httpProxy.bind, httpProxy.port));
  if (scope.proxy.interceptionMode === 'NONE') return [...plans, ...planBoundInbound(scope)];
  const capture = internPlan(virtualOutbound, typeUrls.listener, buildVirtualOutbound, scope.mesh, scope.traits);
  return [...plans, capture, planVirtualInbound(scope)];
}

/** Takes every captured connection and hands it to the listener of its destination, or to the catch-all cluster. */
function buildVirtualOutbound(mesh: MeshConfig, traits: ProxyTraits): Built {
  return built(typeUrls.listener, ListenerSchema, virtualOutbound, [], () => {
    const port = mesh.proxyListenPort;
    const catchAll = mesh.outboundTrafficPolicy.mode === 'REGISTRY_ONLY' ? blackHoleCluster : passthroughCluster;
    return {
      name: virtualOutbound,
      address: socketAddress(wildcardBind(traits), port),
      additionalAddresses: traits.family === 'dual' ? [{ address: socketAddress('::', port) }] : [],
      trafficDirection: TrafficDirection.OUTBOUND,
      useOriginalDst: true,
      transparent: traits.interceptionMode === 'TPROXY' ? true : undefined,
      maxConnectionsToAcceptPerSocketEvent: 1,
      filterChains: [
        {
          name: 'virtualOutbound-blackhole',
          filterChainMatch: { destinationPort: port },
          filters: [tcpProxy(clusterTarget(blackHoleCluster), mesh, traits)],
        },
        { name: 'virtualOutbound-catchall-tcp', filters: [tcpProxy(clusterTarget(catchAll), mesh, traits)] },
      ],
    };
  });
}

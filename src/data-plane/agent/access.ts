import type { AccessRecord } from './access-record.ts';

/**
 * One finished request or connection as a proxy sees it, before the agent adds who its own workload is. Made from Envoy's
 * access log entries (`access-entry.ts`) or handed in by the embedded proxy.
 */
export interface ProxyAccess extends Omit<AccessRecord, 'reporter' | 'source' | 'destination' | 'destinationService'> {
  /** Value of the request header `x-envoy-peer-metadata-id`; empty when absent. */
  readonly peer: string;
  /** Endpoint metadata `istio.workload` of the chosen upstream host; empty when it has none. */
  readonly upstreamWorkload: string;
  readonly isGrpc: boolean;
}

/** The facts about our own workload that decide how its accesses are told. */
export interface ReportingWorkload {
  /** `workload;namespace;app;version;cluster`. */
  readonly peer: string;
  /** Host name of the service it serves. */
  readonly serviceHost: string;
  /** `address:port` of its inbound listeners. */
  readonly inbound: ReadonlySet<string>;
}

/** Adds the two ends: what came in at an inbound listener was called by the peer, everything else our own workload called. */
export function completeAccess(access: ProxyAccess, own: ReportingWorkload): AccessRecord {
  const { peer, upstreamWorkload, isGrpc: _isGrpc, ...record } = access;
  const inbound = access.upstreamCluster.startsWith('inbound|') || own.inbound.has(access.downstreamLocal);
  return inbound
    ? { ...record, reporter: 'destination', source: peer, destination: own.peer, destinationService: own.serviceHost }
    : { ...record, reporter: 'source', source: own.peer, destination: upstreamWorkload, destinationService: calledService(access) };
}

/**
 * `outbound|9080|v1|reviews.default.svc.cluster.local` names its service; where nothing was routed, or to no service
 * (passthrough), the host that the client asked for is the best there is (Istio's host header fallback, outbound only).
 */
function calledService(access: ProxyAccess): string {
  const parts = access.upstreamCluster.split('|');
  if (parts[0] === 'outbound' && parts.length === 4) return parts[3] ?? '';
  return access.authority.replace(/:\d+$/, '') || access.upstreamCluster;
}

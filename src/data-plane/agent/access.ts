import type { AccessRecord } from './access-record.ts';
import { calledHost } from './workload-identity.ts';

/**
 * One finished request or connection as a proxy sees it, before the agent adds who its own workload is. Made from Envoy's
 * access log entries (`access-entry.ts`) or handed in by the embedded proxy.
 */
export interface ProxyAccess extends Omit<AccessRecord, 'reporter' | 'source' | 'destination' | 'destinationService'> {
  /** Value of the request header `x-envoy-peer-metadata-id`; empty when absent. */
  readonly peer: string;
  /** Endpoint metadata `istio.workload` of the chosen upstream host; empty when it has none. */
  readonly upstreamWorkload: string;
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
  const { peer, upstreamWorkload, ...record } = access;
  const inbound = access.upstreamCluster.startsWith('inbound|') || own.inbound.has(access.downstreamLocal);
  return inbound
    ? { ...record, reporter: 'destination', source: peer, destination: own.peer, destinationService: own.serviceHost }
    : {
        ...record,
        reporter: 'source',
        source: own.peer,
        destination: upstreamWorkload,
        destinationService: calledHost(access.upstreamCluster),
      };
}

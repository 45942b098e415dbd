import type { Origin } from '#base/origin.ts';

export type EndpointHealth = 'healthy' | 'unhealthy' | 'draining' | 'terminating';

/** One address of one port of one service. Immutable. */
export interface Endpoint {
  /** IP, `unix:///path`, or a host name (DNS resolutions). */
  readonly address: string;
  /** 0 for Unix sockets. */
  readonly port: number;
  /** Name of the service port that it serves. */
  readonly servicePortName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly health: EndpointHealth;
  /** Relative, >= 1; default 1. */
  readonly weight: number;
  /** `region/zone/subzone`; empty when unknown. */
  readonly locality: string;
  readonly network: string;
  readonly clusterId: string;
  readonly nodeName: string;
  /** SPIFFE id; empty when the workload has none. */
  readonly serviceAccount: string;
  readonly tlsMode: 'istio' | 'disabled';
  readonly workloadName: string;
  readonly namespace: string;
  readonly origin: Origin;
}

/** All endpoints of one service. A new value (new identity) whenever one of them changes. */
export interface ServiceEndpoints {
  readonly key: string;
  /** Sorted by address, port, servicePortName. */
  readonly endpoints: readonly Endpoint[];
}

/**
 * One finished request or connection with both its ends, in the agent's own flat form: metrics are counted from it, tap
 * lines are made from it (`tap-entry.ts`). Field meanings are those of `envoy/data/accesslog/v3/accesslog.proto`.
 */
export interface AccessRecord {
  readonly kind: 'http' | 'tcp';
  /** `source`: seen by the caller's proxy (outbound); `destination`: by the called workload's proxy (inbound). */
  readonly reporter: 'source' | 'destination';
  /** Epoch milliseconds of the first byte. */
  readonly startedAt: number;
  readonly durationMs: number;
  /** `workload;namespace;app;version;cluster` of the caller; empty parts, or empty as a whole, when unknown. */
  readonly source: string;
  /** The same of the called workload. */
  readonly destination: string;
  /** Host name of the called service (`reviews.default.svc.cluster.local`); the cluster's name when it belongs to none. */
  readonly destinationService: string;
  readonly method: string;
  /** Path and query as the client sent them. */
  readonly path: string;
  readonly authority: string;
  /** `HTTP/1.1`, `HTTP/2`, `TCP`. */
  readonly protocol: string;
  /** 0: the client went away before an answer, or TCP. */
  readonly responseCode: number;
  /** Envoy's short flags joined by `,`; empty when none. */
  readonly responseFlags: string;
  readonly responseCodeDetails: string;
  /** `grpc-status`; empty when it is no gRPC call. */
  readonly grpcStatus: string;
  /** Body bytes from the client; TCP: all bytes. */
  readonly requestBytes: number;
  /** Body bytes to the client; TCP: all bytes. */
  readonly responseBytes: number;
  readonly upstreamCluster: string;
  /** `address:port`; empty when no host was reached. */
  readonly upstreamHost: string;
  /** Tries sent upstream; 0 when unknown. */
  readonly attempts: number;
  readonly routeName: string;
  /** The object behind the route, as `formatOrigin` writes it; empty when nobody wrote it. */
  readonly routeOrigin: string;
  readonly downstreamRemote: string;
  readonly downstreamLocal: string;
  readonly requestId: string;
  readonly userAgent: string;
}

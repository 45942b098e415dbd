/**
 * One finished request or connection as the agent reads it: the fields of Envoy's HTTPAccessLogEntry and
 * TCPAccessLogEntry under their own names in camel case, flat, absent values empty or -1.
 */
export interface AccessRecord {
  readonly kind: 'http' | 'tcp';
  /** `inbound`, `outbound` or empty: the listener's traffic direction. */
  readonly direction: string;
  readonly listener: string;
  /** Epoch milliseconds. */
  readonly startTime: number;
  readonly durationMs: number;
  readonly timeToLastRxMs: number;
  readonly timeToFirstUpstreamRxMs: number;
  readonly downstreamRemoteAddress: string;
  readonly downstreamLocalAddress: string;
  readonly upstreamRemoteAddress: string;
  readonly upstreamLocalAddress: string;
  readonly upstreamCluster: string;
  readonly upstreamTransportFailureReason: string;
  readonly upstreamRequestAttemptCount: number;
  readonly routeName: string;
  /** Short names joined by commas. */
  readonly responseFlags: string;
  readonly responseCodeDetails: string;
  readonly connectionTerminationDetails: string;
  readonly customTags: Readonly<Record<string, string>>;
  readonly protocolVersion: 'HTTP/1.0' | 'HTTP/1.1' | '';
  readonly requestMethod: string;
  readonly scheme: string;
  readonly authority: string;
  readonly path: string;
  readonly userAgent: string;
  readonly forwardedFor: string;
  readonly requestId: string;
  readonly requestHeaders: Readonly<Record<string, string>>;
  readonly requestHeadersBytes: number;
  readonly requestBodyBytes: number;
  readonly responseCode: number;
  readonly responseHeaders: Readonly<Record<string, string>>;
  readonly responseBodyBytes: number;
  readonly grpcStatus: number;
}

/** Upper bounds of the histograms in `MetricRow`, for milliseconds and for bytes; the last bucket is everything above. */
export const metricBounds: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000,
];

/** Requests (or TCP connections) of one combination of labels, counted since the start. */
export interface MetricRow {
  readonly kind: 'http' | 'tcp';
  /** `source` for outbound listeners, `destination` for inbound ones. */
  readonly reporter: 'source' | 'destination';
  readonly cluster: string;
  /** The endpoint's metadata `istio:workload`, empty when it has none. */
  readonly upstreamWorkload: string;
  /** The request's `x-envoy-peer-metadata-id`, empty when absent. */
  readonly peer: string;
  readonly responseCode: number;
  readonly responseFlags: string;
  readonly grpcStatus: number;
  readonly count: number;
  /** Not cumulative: one count per bucket of `metricBounds`, then one for the rest. */
  readonly durationMs: Histogram;
  readonly requestBytes: Histogram;
  readonly responseBytes: Histogram;
  /** TCP only. */
  readonly opened: number;
  readonly closed: number;
  readonly received: number;
  readonly sent: number;
}

export interface Histogram {
  readonly sum: number;
  readonly buckets: readonly number[];
}

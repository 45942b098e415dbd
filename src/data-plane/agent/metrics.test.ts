import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { HTTPAccessLogEntrySchema, TCPAccessLogEntrySchema } from '#proto/gen/envoy/data/accesslog/v3/accesslog_pb.js';
import { completeAccess, type ReportingWorkload } from './access.ts';
import { fromHttpEntry, fromTcpEntry } from './access-entry.ts';
import type { AccessRecord } from './access-record.ts';
import { exposeIstioMetrics } from './istio-metrics.ts';
import { createMetricRows } from './metric-rows.ts';
import { tapLine } from './tap-entry.ts';
import { formatPeer, parsePeer } from './workload-identity.ts';

const own: ReportingWorkload = {
  peer: 'productpage-v1;default;productpage;v1;Kubernetes',
  serviceHost: 'productpage.default.svc.cluster.local',
  inbound: new Set(['127.64.16.1:15006']),
};
const socket = (address: string, port: number) =>
  ({ address: { case: 'socketAddress', value: { address, portSpecifier: { case: 'portValue', value: port } } } }) as const;

const httpEntry = create(HTTPAccessLogEntrySchema, {
  protocolVersion: 2,
  commonProperties: {
    startTime: { seconds: 1_700_000_000n, nanos: 250_000_000 },
    duration: { seconds: 1n, nanos: 500_000_000 },
    downstreamRemoteAddress: socket('127.64.16.1', 5),
    downstreamLocalAddress: socket('127.64.16.12', 9080),
    upstreamRemoteAddress: socket('::1', 31_000),
    upstreamCluster: 'outbound|9080|v2|reviews.default.svc.cluster.local',
    upstreamRequestAttemptCount: 2,
    routeName: 'default',
    responseFlags: { upstreamRetryLimitExceeded: true, delayInjected: true, unauthorizedDetails: { reason: 1 } },
    customTags: {
      destination_workload: 'reviews-v2;default;reviews;v2;Kubernetes',
      route_origin: 'VirtualService default/reviews (generation 3)',
    },
  },
  request: {
    requestMethod: 1,
    authority: 'reviews:9080',
    path: '/rewritten',
    originalPath: '/reviews/0?a=b',
    userAgent: 'curl',
    requestId: 'id',
    requestBodyBytes: 3n,
  },
  response: { responseCode: 503, responseBodyBytes: 70n, responseCodeDetails: 'upstream_reset' },
});

test('an entry of Envoy becomes a record with both its ends', () => {
  const record = completeAccess(fromHttpEntry(httpEntry), own);
  assert.deepEqual(record, {
    kind: 'http',
    reporter: 'source',
    source: own.peer,
    destination: 'reviews-v2;default;reviews;v2;Kubernetes',
    destinationService: 'reviews.default.svc.cluster.local',
    startedAt: 1_700_000_000_250,
    durationMs: 1_500,
    method: 'GET',
    path: '/reviews/0?a=b',
    authority: 'reviews:9080',
    protocol: 'HTTP/1.1',
    responseCode: 503,
    responseFlags: 'DI,URX,UAEX',
    responseCodeDetails: 'upstream_reset',
    grpcStatus: '',
    requestBytes: 3,
    responseBytes: 70,
    upstreamCluster: 'outbound|9080|v2|reviews.default.svc.cluster.local',
    upstreamHost: '[::1]:31000',
    attempts: 2,
    routeName: 'default',
    routeOrigin: 'VirtualService default/reviews (generation 3)',
    downstreamRemote: '127.64.16.1:5',
    downstreamLocal: '127.64.16.12:9080',
    requestId: 'id',
    userAgent: 'curl',
  } satisfies AccessRecord);
});

test('a tap line is an entry that reads back as the same record', () => {
  const record = completeAccess(fromHttpEntry(httpEntry), own);
  const line = JSON.parse(tapLine(record)) as Record<string, Record<string, unknown>>;
  assert.equal(line.request?.requestMethod, 'GET');
  assert.equal(line.commonProperties?.duration, '1.500s');
  assert.deepEqual(line.commonProperties?.responseFlags, { delayInjected: true, upstreamRetryLimitExceeded: true });
  assert.deepEqual(line.commonProperties?.upstreamRemoteAddress, { socketAddress: { address: '::1', portValue: 31_000 } });
});

test('an inbound listener makes the workload the called one, also when nothing was routed', () => {
  const entry = create(HTTPAccessLogEntrySchema, {
    commonProperties: { downstreamLocalAddress: socket('127.64.16.1', 15_006), responseFlags: { noRouteFound: true } },
    request: { requestHeaders: { 'x-envoy-peer-metadata-id': 'caller-v1;shop;caller;v1;K' } },
    response: { responseCode: 404 },
  });
  const record = completeAccess(fromHttpEntry(entry), own);
  assert.equal(record.reporter, 'destination');
  assert.equal(record.source, 'caller-v1;shop;caller;v1;K');
  assert.equal(record.destination, own.peer);
  assert.equal(record.destinationService, own.serviceHost);
  assert.equal(record.responseFlags, 'NR');
});

/** Labels of every line of one metric. */
function labelsIn(text: string, metric: string): Record<string, string>[] {
  return [...text.matchAll(new RegExp(`^${metric}\\{(.*)\\} \\S+$`, 'gm'))].map((match) =>
    Object.fromEntries([...(match[1] ?? '').matchAll(/(\w+)="((?:\\.|[^"\\])*)"/g)].map(([, name = '', value = '']) => [name, value])),
  );
}

test('the standard labels of an outbound request', () => {
  const rows = createMetricRows(10);
  rows.observe(completeAccess(fromHttpEntry(httpEntry), own));
  const text = exposeIstioMetrics(rows.rows(), own);
  assert.deepEqual(labelsIn(text, 'istio_requests_total'), [
    {
      reporter: 'source',
      source_workload: 'productpage-v1',
      source_workload_namespace: 'default',
      source_principal: 'unknown',
      source_app: 'productpage',
      source_version: 'v1',
      source_cluster: 'Kubernetes',
      source_canonical_service: 'productpage',
      source_canonical_revision: 'v1',
      destination_workload: 'reviews-v2',
      destination_workload_namespace: 'default',
      destination_principal: 'unknown',
      destination_app: 'reviews',
      destination_version: 'v2',
      destination_cluster: 'Kubernetes',
      destination_canonical_service: 'reviews',
      destination_canonical_revision: 'v2',
      destination_service: 'reviews.default.svc.cluster.local',
      destination_service_name: 'reviews',
      destination_service_namespace: 'default',
      request_protocol: 'http',
      response_code: '503',
      response_flags: 'DI,URX,UAEX',
      grpc_response_status: '',
      connection_security_policy: 'unknown',
    },
  ]);
  assert.match(text, /^istio_request_duration_milliseconds_bucket\{[^}]*le="1000"\} 0$/m);
  assert.match(text, /^istio_request_duration_milliseconds_bucket\{[^}]*le="2500"\} 1$/m);
  assert.match(text, /^istio_request_duration_milliseconds_sum\{[^}]*\} 1500$/m);
  assert.match(text, /^istio_response_bytes_count\{[^}]*\} 1$/m);
});

test('gRPC, TCP and unrouted requests are told as such', () => {
  const rows = createMetricRows(10);
  const base = completeAccess(fromHttpEntry(httpEntry), own);
  rows.observe({ ...base, responseCode: 200, grpcStatus: '14' });
  rows.observe({ ...base, upstreamCluster: 'PassthroughCluster', destination: '', destinationService: 'PassthroughCluster' });
  const tcp = create(TCPAccessLogEntrySchema, {
    commonProperties: { upstreamCluster: 'inbound|6379||' },
    connectionProperties: { receivedBytes: 10n, sentBytes: 20n },
  });
  rows.observe(completeAccess(fromTcpEntry(tcp), own));
  rows.observe(completeAccess(fromTcpEntry(tcp), own));
  const text = exposeIstioMetrics(rows.rows(), own);
  const [grpc, passthrough] = labelsIn(text, 'istio_requests_total');
  assert.equal(grpc?.request_protocol, 'grpc');
  assert.equal(grpc?.grpc_response_status, '14');
  assert.equal(passthrough?.destination_service_name, 'PassthroughCluster');
  assert.equal(passthrough?.destination_workload, 'unknown');
  assert.match(text, /^istio_tcp_received_bytes_total\{reporter="destination"[^}]*request_protocol="tcp"[^}]*\} 20$/m);
  assert.match(text, /^istio_tcp_sent_bytes_total\{[^}]*\} 40$/m);
  assert.match(text, /^istio_tcp_connections_opened_total\{[^}]*\} 2$/m);
});

test('beyond the limit of series only the totals grow', () => {
  const rows = createMetricRows(5);
  const base = completeAccess(fromHttpEntry(httpEntry), own);
  for (let n = 0; n < 1_000; n++) rows.observe({ ...base, reporter: 'destination', source: `x${n};a;b;c;d` });
  assert.equal(rows.rows().length, 6);
  assert.equal(
    rows.rows().reduce((sum, row) => sum + row.count, 0),
    1_000,
  );
});

test('label values are escaped', () => {
  const rows = createMetricRows(5);
  const base = completeAccess(fromHttpEntry(httpEntry), own);
  rows.observe({ ...base, destination: 'a"b\\c\nd;n;a;v;c' });
  assert.match(exposeIstioMetrics(rows.rows(), own), /destination_workload="a\\"b\\\\c\\nd"/);
});

test('peers are five parts or unknown', () => {
  const identity = { workload: 'a', namespace: 'b;x', app: '', version: 'v', cluster: 'c' };
  assert.equal(formatPeer(identity), 'a;b_x;;v;c');
  assert.deepEqual(parsePeer('a;b;;v;c'), { workload: 'a', namespace: 'b', app: '', version: 'v', cluster: 'c' });
  for (const other of ['', '-', 'sidecar~1~2~3', 'a;b;c;d', 'a;b;c;d;e;f']) assert.equal(parsePeer(other), undefined, other);
});

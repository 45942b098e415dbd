import { get, request } from 'node:http';
import { create, toBinary } from '@bufbuild/protobuf';
import type { ProxyAccess } from '#agent/access.ts';
import { nodeOf, type ProxyBootstrap, peerText } from '#agent/bootstrap.ts';
import type { ProxyLauncher, RunningProxy } from '#agent/proxy-launcher.ts';
import type { Clock } from '#base/clock.ts';
import { Fault } from '#base/fault.ts';
import { sleep } from '#base/task.ts';
import type { BackEnd } from '#http/handle-writer.ts';
import type { Logger } from '#process/log.ts';
import { NodeSchema } from '#proto/gen/envoy/config/core/v3/base_pb.js';
import { type ProxyHandle, startProxy } from '#proxy/proxy.ts';
import type { AccessRecord } from '#proxy/records.ts';

const readyPollMs = 10;
const adminTimeoutMs = 2_000;

/** The embedded proxy in this very process: the agent's thread is its control thread. */
export function embeddedLauncher(options: { readonly clock: Clock; readonly log: Logger; readonly backEnd?: BackEnd }): ProxyLauncher {
  return async (bootstrap) => {
    let listener: ((access: ProxyAccess) => void) | undefined;
    const proxy = await startProxy({
      address: bootstrap.address,
      nodeId: nodeOf(bootstrap).id,
      environment: { MESHWRIGHT_PEER: peerText(bootstrap) },
      xds: { target: `${bootstrap.xds.host}:${bootstrap.xds.port}`, node: encodeNode(bootstrap), localAddress: bootstrap.address },
      admin: { address: bootstrap.address, port: bootstrap.adminPort },
      backEnd: options.backEnd,
      clock: options.clock,
      log: options.log,
      onAccessRecords(batch) {
        if (listener) for (const record of batch) listener(fromRecord(record));
      },
    });
    // Requests are counted in the data-plane thread; single records cross over only while somebody listens.
    proxy.setRecording(false);
    return {
      ...runningProxy(proxy),
      observe(next) {
        listener = next;
        proxy.setRecording(next !== undefined);
      },
    };
  };
}

function runningProxy(proxy: ProxyHandle): Omit<RunningProxy, 'observe'> {
  return {
    async ready(signal) {
      while (proxy.state === 'starting') {
        if (signal.aborted) throw new Fault('proxy-not-ready', 'the proxy got no configuration in time', { retryable: true });
        await sleep(readyPollMs, signal);
      }
    },
    isReady: async () => proxy.state === 'live',
    stats: () => readAdmin(`${proxy.adminAddress}/stats/prometheus`),
    metricRows: () => proxy.metrics(),
    drain: () => postAdmin(`${proxy.adminAddress}/drain_listeners?inboundonly&graceful`),
    stop: () => proxy.close(),
    // It ends with us.
    processes: () => [],
  };
}

function encodeNode(bootstrap: ProxyBootstrap): Uint8Array {
  const { id, cluster, metadata } = nodeOf(bootstrap);
  return toBinary(
    NodeSchema,
    create(NodeSchema, { id, cluster, metadata: JSON.parse(JSON.stringify(metadata)), userAgentName: 'meshwright' }),
  );
}

function fromRecord(record: AccessRecord): ProxyAccess {
  return {
    kind: record.kind,
    startedAt: record.startTime,
    durationMs: record.durationMs,
    method: record.requestMethod,
    path: record.path,
    authority: record.authority,
    protocol: record.kind === 'tcp' ? 'TCP' : record.protocolVersion,
    responseCode: record.responseCode,
    responseFlags: record.responseFlags,
    responseCodeDetails: record.kind === 'tcp' ? record.connectionTerminationDetails : record.responseCodeDetails,
    grpcStatus: record.grpcStatus < 0 ? '' : String(record.grpcStatus),
    requestBytes: record.requestBodyBytes,
    responseBytes: record.responseBodyBytes,
    upstreamCluster: record.upstreamCluster,
    upstreamHost: record.upstreamRemoteAddress,
    attempts: record.upstreamRequestAttemptCount,
    routeName: record.routeName,
    routeOrigin: record.customTags.route_origin ?? '',
    downstreamRemote: record.downstreamRemoteAddress,
    downstreamLocal: record.downstreamLocalAddress,
    requestId: record.requestId,
    userAgent: record.userAgent,
    peer: record.requestHeaders['x-envoy-peer-metadata-id'] ?? '',
    upstreamWorkload: record.customTags.destination_workload ?? '',
  };
}

/** Empty when the admin port does not answer in time. */
function readAdmin(url: string): Promise<string> {
  return new Promise((resolve) => {
    const call = get(url, { agent: false, signal: AbortSignal.timeout(adminTimeoutMs) }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      answer.once('close', () => resolve(answer.complete ? text : ''));
      answer.once('error', () => resolve(''));
    });
    call.once('error', () => resolve(''));
  });
}

/** A proxy that does not answer has nothing to drain. */
function postAdmin(url: string): Promise<void> {
  return new Promise((resolve) => {
    const call = request(url, { method: 'POST', agent: false, signal: AbortSignal.timeout(adminTimeoutMs) }, (answer) => {
      answer.resume();
      answer.once('close', () => resolve());
    });
    call.once('error', () => resolve());
    call.end();
  });
}

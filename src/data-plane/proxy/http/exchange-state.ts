import { BodyReader } from '#http/body.ts';
import { field } from '#http/field.ts';
import { Head } from '#http/head.ts';
import type { Transport } from '#http/transport.ts';
import type { HeaderLine } from '../filter/cors.ts';
import type { LoggedContext } from '../log/access-log.ts';
import type { Runtime } from '../runtime.ts';
import type { Cluster, ClusterHost } from '../upstream/cluster.ts';
import type { UpstreamConnection } from '../upstream/connection.ts';
import type { HttpChain } from './chain.ts';
import type { Downstream } from './downstream.ts';
import type { Forward, Route, Target } from './router.ts';

const retainedBytes = 8 * 1024;

/** What is known of one request while it is served: what rules, header values, logs and metrics read. */
export class ExchangeState implements LoggedContext {
  readonly runtime: Runtime;
  readonly request = new Head();
  requestBytes: Buffer = Buffer.allocUnsafeSlow(1024);
  readonly requestBody = new BodyReader();
  connection: Downstream | undefined = undefined;
  chain: HttpChain | undefined = undefined;

  method = '';
  authority = '';
  /** As the client wrote it. */
  sentAuthority = '';
  path = '';
  queryAt = 0;
  readonly scheme = 'http';
  readonly logKind = 'http';
  /** The target differs from what was sent, or the authority came from it. */
  pathChanged = false;
  authorityFromTarget = false;
  /** Set by the route. */
  route: Route | undefined = undefined;
  target: Target | undefined = undefined;
  forward: Forward | undefined = undefined;
  rewrittenPath: string | undefined = undefined;
  upgrading = false;
  corsLines: readonly HeaderLine[] = [];
  /** Made here when the client sent none. */
  requestId = '';
  /** A cookie that a hash policy gives the client. */
  cookie = '';

  cluster: Cluster | undefined = undefined;
  host: ClusterHost | undefined = undefined;
  attempts = 0;

  status = 0;
  flags = 0;
  details = '';
  terminationDetails = '';
  transportFailure = '';
  bytesSent = 0;
  grpcStatus = -1;
  protected startedAt = 0;
  startedAtWall = 0;
  sentAt = 0;
  protected requestDoneAt = -1;
  protected firstByteAt = -1;
  protected endedAt = 0;
  protected readonly shownResponse: (string | undefined)[] = [];
  protected upstream: UpstreamConnection | undefined = undefined;
  /** The connection of the last attempt, for its addresses. */
  protected lastTransport: Transport | undefined = undefined;
  protected lastHost: ClusterHost | undefined = undefined;

  constructor(runtime: Runtime) {
    this.runtime = runtime;
  }

  /** Forgets the request. */
  protected resetState(): void {
    this.sentAuthority = '';
    this.upstream = undefined;
    this.endedAt = 0;
    this.connection = undefined;
    this.chain = undefined;
    this.pathChanged = false;
    this.authorityFromTarget = false;
    this.authority = '';
    this.path = '';
    this.queryAt = 0;
    this.route = undefined;
    this.target = undefined;
    this.forward = undefined;
    this.rewrittenPath = undefined;
    this.upgrading = false;
    if (this.corsLines.length > 0) this.corsLines = [];
    this.requestId = '';
    this.cookie = '';
    this.cluster = undefined;
    this.host = undefined;
    this.lastHost = undefined;
    this.lastTransport = undefined;
    this.attempts = 0;
    this.status = 0;
    this.flags = 0;
    this.details = '';
    this.terminationDetails = '';
    this.transportFailure = '';
    this.bytesSent = 0;
    this.grpcStatus = -1;
    this.requestDoneAt = -1;
    this.firstByteAt = -1;
    for (let i = 0; i < this.shownResponse.length; i++) this.shownResponse[i] = undefined;
    if (this.requestBytes.length > retainedBytes) this.requestBytes = Buffer.allocUnsafeSlow(1024);
  }

  protected rememberResponse(head: Head, bytes: Buffer, start: number): void {
    const fields = this.chain?.loggedResponseFields;
    if (fields === undefined || fields.length === 0) return;
    for (let i = 0; i < fields.length; i++) {
      const wanted = fields[i];
      if (wanted === undefined) continue;
      if (wanted.id === field.serviceTime) {
        this.shownResponse[i] = String(this.responseDurationMs < 0 ? 0 : Math.round(this.firstByteAt - this.sentAt));
        continue;
      }
      const at = head.find(bytes, start, wanted.bytes);
      this.shownResponse[i] = at < 0 ? undefined : bytes.latin1Slice(start + head.valueStart(at), start + head.valueEnd(at));
    }
  }

  /** Counts the request and writes its logs. */
  protected account(): void {
    const chain = this.chain;
    const connection = this.connection;
    if (chain === undefined || connection === undefined) return;
    const host = this.lastHost;
    const peerAt = this.request.findId(field.peerMetadataId);
    let peer = 0;
    if (peerAt >= 0) {
      const text = this.requestBytes.latin1Slice(this.request.valueStart(peerAt), this.request.valueEnd(peerAt));
      if (text !== connection.peer) {
        connection.peer = text;
        connection.peerId = this.runtime.metrics.peerId(text);
      }
      peer = connection.peerId;
    }
    const upstream =
      host === undefined ? this.runtime.metrics.upstreamId(this.clusterName, '') : metricId(this.runtime, this.clusterName, host);
    this.runtime.metrics.request(
      chain.outbound,
      upstream,
      peer,
      this.status,
      this.flags,
      this.grpcStatus,
      this.durationMs,
      this.requestBody.received,
      this.bytesSent,
    );
    for (let i = 0; i < chain.logs.length; i++) chain.logs[i]?.write(this);
  }

  get durationMs(): number {
    return Math.round((this.endedAt || this.runtime.clock.monotonic()) - this.startedAt);
  }
  get requestDurationMs(): number {
    return this.requestDoneAt < 0 ? -1 : Math.round(this.requestDoneAt - this.startedAt);
  }
  get responseDurationMs(): number {
    return this.firstByteAt < 0 ? -1 : Math.round(this.firstByteAt - this.startedAt);
  }
  /** Milliseconds the upstream took to answer. */
  get serviceTimeMs(): number {
    return Math.max(0, Math.round(this.firstByteAt - this.sentAt));
  }
  get bytesReceived(): number {
    return this.requestBody.received;
  }
  get protocol(): string {
    return this.method === '' ? '' : this.request.minorVersion === 0 ? 'HTTP/1.0' : 'HTTP/1.1';
  }
  get upstreamHost(): string {
    return (this.host ?? this.lastHost)?.label ?? '';
  }
  get upstreamLocal(): string {
    return (this.upstream?.transport ?? this.lastTransport)?.localLabel ?? '';
  }
  get clusterName(): string {
    return this.cluster?.table.name ?? '';
  }
  get downstreamRemote(): string {
    return this.connection?.facts.remote ?? '';
  }
  get downstreamLocal(): string {
    return this.connection?.facts.local ?? '';
  }
  get serverName(): string {
    return this.connection?.facts.serverName ?? '';
  }
  get routeName(): string {
    return this.route?.table.name ?? '';
  }
  get virtualHostName(): string {
    return this.route?.virtualHost.table.name ?? '';
  }
  get chainName(): string {
    return this.chain?.chainName ?? '';
  }
  get listenerName(): string {
    return this.chain?.listenerName ?? '';
  }
  get direction(): string {
    return this.chain?.direction ?? '';
  }
  get connectionId(): number {
    return this.connection?.facts.id ?? 0;
  }
  get requestHeadBytes(): number {
    return this.request.length;
  }
  get hostname(): string {
    return this.runtime.facts.hostname;
  }
  addedField(name: string): string | undefined {
    if (name === 'x-request-id') return this.requestId || undefined;
    if (name === 'x-forwarded-proto') return this.scheme;
    return name === 'x-envoy-original-path' && this.rewrittenPath !== undefined ? this.path : undefined;
  }
  environment(name: string): string {
    return this.runtime.facts.environment[name] ?? '';
  }
  metadata(source: 'route' | 'cluster' | 'host', key: string): string {
    if (source === 'route') return this.route?.table.metadata[key] ?? '';
    if (source === 'cluster') return this.cluster?.table.metadata[key] ?? '';
    return (this.host ?? this.lastHost)?.table.metadata[key] ?? '';
  }
  responseField(lower: string): string | undefined {
    const fields = this.chain?.loggedResponseFields;
    if (fields === undefined) return undefined;
    for (let i = 0; i < fields.length; i++) if (fields[i]?.name === lower) return this.shownResponse[i];
    return undefined;
  }
}

const metricIds = new WeakMap<ClusterHost, number>();
function metricId(runtime: Runtime, cluster: string, host: ClusterHost): number {
  let id = metricIds.get(host);
  if (id === undefined) {
    id = runtime.metrics.upstreamId(cluster, host.table.metadata['istio:workload'] ?? host.table.metadata['istio.workload'] ?? '');
    metricIds.set(host, id);
  }
  return id;
}

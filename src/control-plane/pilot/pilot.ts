import type { TlsOptions } from 'node:tls';
import type { JsonValue } from '@bufbuild/protobuf';
import type { Clock } from '#base/clock.ts';
import type { Origin } from '#base/origin.ts';
import type { GrpcAddress } from '#grpc/address.ts';
import { createGrpcServer, type GrpcServer } from '#grpc/server.ts';
import type { GrpcMethod } from '#grpc/server-stream.ts';
import { statusName } from '#grpc/status.ts';
import type { Proxy as MeshProxy } from '#mesh/proxy.ts';
import { serviceKey } from '#mesh/service.ts';
import type { MeshSnapshot, SnapshotChange } from '#mesh/snapshot.ts';
import type { Logger } from '#process/log.ts';
import { createMetrics, type Metrics } from '#process/metrics.ts';
import { shortTypeName, typeUrls } from '#proto/type-url.ts';
import type { RejectDetail } from '#xds/messages.ts';
import type { SharedResponse } from '#xds/responses.ts';
import { createXdsServer } from '#xds/server.ts';
import type { ResourceSource, XdsHost, XdsStream } from '#xds/stream.ts';
import { BuildCache, type BuildProblem } from './build-cache.ts';
import { Connections, selectionsOf } from './connections.ts';
import { createPilotMetrics } from './pilot-metrics.ts';
import { type ProxyStatus, statusOfProxy } from './proxy-status.ts';
import { objectsOf, PushLedger, type PushRecord, triggersOf } from './push-ledger.ts';
import { defaultPushTiming, onlyEndpoints, type PushBatch, PushSchedule, type PushTiming } from './push-schedule.ts';
import type { Translator } from './translator.ts';
import { isRejecting, type Watermark, watermarkOf } from './watermark.ts';

/** The part of the registry's face that the pilot needs. */
export interface MeshStateSource {
  current(): MeshSnapshot;
  subscribe(listener: (snapshot: MeshSnapshot, change: SnapshotChange) => void): () => void;
}

/** A resource that a proxy refused; it keeps the version it had. */
export interface RejectedResources {
  readonly typeUrl: string;
  readonly names: readonly string[];
  /** The objects behind these resources, each once. */
  readonly origins: readonly Origin[];
  readonly error: string;
  readonly proxyId: string;
}

export interface PilotOptions<Scope> {
  readonly meshState: MeshStateSource;
  readonly translator: Translator<Scope>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly version: string;
  readonly metrics?: Metrics;
  readonly timing?: Partial<PushTiming>;
  /** Proxies are asked to connect again after about this long, so that they spread over replicas. Default 30 min; 0 = never. */
  readonly maxConnectionAgeMs?: number;
  /** Called for the first rejection of each version of a resource. */
  onReject?(rejected: RejectedResources): void;
  /** A resource could not be built; its last good bytes stay in use. */
  onProblem?(problem: BuildProblem): void;
  /** Proxies came, went, acknowledged or rejected; told at most once in 20 ms. */
  onChange?(): void;
}

/** The discovery server: who is connected, what each gets, and when. */
export interface Pilot {
  /** The discovery service's gRPC methods, for servers that carry others as well. */
  readonly methods: Readonly<Record<string, GrpcMethod>>;
  /** Serves discovery. Several addresses may be listened on. Faults: GRPC_LISTEN. */
  listen(address: GrpcAddress, tls?: TlsOptions): Promise<GrpcAddress>;
  readonly metrics: Metrics;
  readonly version: string;
  snapshot(): MeshSnapshot;
  /** Connected proxies in the order of their arrival. */
  proxies(): readonly ProxyStatus[];
  /** The set that a connected proxy's resources come from; undefined for an unknown id. */
  connection(proxyId: string): PilotConnection | undefined;
  watermark(epoch: number): Watermark;
  /** Resolves when every connected proxy reached `epoch` or rejects a part of it, or the time is over. */
  waitForEpoch(epoch: number, timeoutMs: number): Promise<Watermark>;
  pushes(): readonly PushRecord[];
  /** Makes a proxy connect again; false when there is none with this id. */
  disconnect(proxyId: string): boolean;
  close(graceMs?: number): Promise<void>;
}

/** One connected proxy with its stream. */
export interface PilotConnection {
  readonly proxy: MeshProxy;
  readonly stream: XdsStream;
  readonly groupKey: string;
  /** What the proxy acknowledged, in the shape of Envoy's `/config_dump?include_eds`. */
  configDump(): Promise<JsonValue>;
  /** Its load assignments as JSON. */
  endpoints(): Promise<JsonValue[]>;
}

/** How long `onChange` gathers. */
const announceMs = 20;

/** istiod's keepaliveMaxServerConnectionAge. */
const defaultConnectionAgeMs = 30 * 60_000;

/** Proxies that the metric of rejections tells apart. */
const maxRejecting = 100;

const endpointsOnly: readonly string[] = [typeUrls.endpoint];

/** A flush gives way to requests after this long. */
const sliceMs = 30;

/** Construction subscribes to the mesh state; `listen` lets proxies in. */
export function createPilot<Scope>(options: PilotOptions<Scope>): Pilot {
  const { clock, log, translator } = options;
  const metrics = options.metrics ?? createMetrics();
  const ledger = new PushLedger();
  const servers: GrpcServer[] = [];
  const reported = new WeakSet<object>();
  let latest = options.meshState.current();
  /** The state that every group has been brought to. */
  let processedEpoch = latest.epoch;

  const cache = new BuildCache(problem);
  const connections = new Connections({ translator, cache, onProblem: problem });
  const host: XdsHost = { opened, nodeChanged: opened, closed, sent, answered, expired };
  const xds = createXdsServer({ host, clock });
  const count = createPilotMetrics(metrics, options.version, {
    proxies: () => connections.size,
    services: () => latest.services.length,
    virtualServices: () => latest.virtualServices.length,
    groups: () => connections.groupCount,
    keptBytes: () => xds.responses.keptBytes,
    rejecting: (type) =>
      connections.all().filter((connection) => isRejecting(connection, (typeUrl) => shortTypeName(typeUrl) === type)).length,
  });
  const schedule = new PushSchedule(clock, { ...defaultPushTiming, ...options.timing }, push, (message, error) => {
    count.internalErrors.add();
    log.error('a push failed', { error: message, stack: error instanceof Error ? error.stack : undefined });
  });
  const unsubscribe = options.meshState.subscribe((snapshot, change) => {
    for (const type of triggersOf(change)) count.inbound.add({ type });
    schedule.add(snapshot, change);
  });

  let cancelAnnounce: (() => void) | undefined;
  function changed(): void {
    if (!options.onChange) return;
    cancelAnnounce ??= clock.after(announceMs, () => {
      cancelAnnounce = undefined;
      options.onChange?.();
    });
  }

  function problem(found: BuildProblem): void {
    count.internalErrors.add();
    log.error('a resource could not be built; what was sent before stays', { ...found });
    options.onProblem?.(found);
  }

  function opened(stream: XdsStream, node: Buffer): ResourceSource {
    const { proxy, group } = connections.open(stream, node, latest);
    log.debug('proxy connected', { proxy: proxy.id, peer: stream.peer, protocol: stream.protocol });
    changed();
    return group.scope;
  }

  function closed(stream: XdsStream): void {
    const connection = connections.close(stream);
    log.debug('proxy disconnected', { proxy: connection?.proxy.id });
    changed();
  }

  async function push(batch: PushBatch): Promise<void> {
    const { snapshot, change } = batch;
    const start = clock.monotonic();
    latest = snapshot;
    const record: PushRecord = {
      epoch: snapshot.epoch,
      at: clock.now(),
      triggers: triggersOf(change),
      ...objectsOf(change),
      merged: batch.merged,
      queuedMs: start - batch.since,
      buildMs: 0,
      groups: 0,
      proxies: 0,
      responses: 0,
      bytes: 0,
      acked: 0,
      rejected: 0,
      lastAnswerMs: 0,
    };
    ledger.add(record);
    for (const type of record.triggers) count.triggers.add({ type });
    count.debounceTime.observe(record.queuedMs / 1000);
    const types = translator.typesReachedBy(change);
    const hostnames = onlyEndpoints(change) ? endpointHosts(snapshot, change) : undefined;
    let turn = start;
    const pause = async () => {
      if (clock.monotonic() - turn < sliceMs) return;
      await new Promise((resolve) => setImmediate(resolve));
      turn = clock.monotonic();
    };
    let moved = false;
    if (!hostnames) for (const connection of connections.all()) moved = connections.move(connection, snapshot) || moved;
    for (const group of connections.groups) {
      const { scope } = group;
      const differs = hostnames ? scope.refreshEndpoints(snapshot, hostnames) : scope.refresh(snapshot, selectionsOf(group, types), types);
      if (differs) record.groups++;
      await pause();
    }
    record.buildMs = clock.monotonic() - start;
    count.buildTime.observe(record.buildMs / 1000);
    count.queueTime.observe((record.queuedMs + record.buildMs) / 1000);
    written.clear();
    const pumped = hostnames ? endpointsOnly : moved ? undefined : types;
    for (const { stream } of connections.all()) {
      stream.pump(pumped);
      await pause();
    }
    for (const type of written) count.pushTime.observe((clock.monotonic() - start) / 1000, { type });
    if (hostnames) for (const connection of connections.all()) if (connections.move(connection, snapshot)) connection.stream.pump();
    processedEpoch = snapshot.epoch;
    changed();
  }

  /** Types that the present push has written. */
  const written = new Set<string>();

  function sent(stream: XdsStream, response: SharedResponse): void {
    const type = shortTypeName(response.typeUrl);
    written.add(type);
    count.pushes.add({ type });
    count.configSize.observe(response.framed.length, { type });
    const record = ledger.find(response.epoch);
    if (!record || stream.connectedAt > record.at) return;
    record.responses++;
    record.bytes += response.framed.length;
    const connection = connections.of(stream);
    if (!connection || connection.countedIn === record.epoch) return;
    connection.countedIn = record.epoch;
    record.proxies++;
  }

  function answered(stream: XdsStream, response: SharedResponse, error: RejectDetail | undefined, heldBack: readonly string[]): void {
    const record = ledger.find(response.epoch);
    if (record && stream.connectedAt <= record.at) {
      record[error ? 'rejected' : 'acked']++;
      record.lastAnswerMs = clock.now() - record.at + record.queuedMs;
      count.convergence.observe(record.lastAnswerMs / 1000);
    }
    if (error) reject(stream, response, error, heldBack);
    changed();
  }

  const rejecting = new Set<string>();

  function reject(stream: XdsStream, response: SharedResponse, error: RejectDetail, heldBack: readonly string[]): void {
    const type = shortTypeName(response.typeUrl);
    const proxyId = connections.of(stream)?.proxy.id ?? '';
    if (rejecting.size < maxRejecting) rejecting.add(proxyId);
    count.rejects.add({ type, node: rejecting.has(proxyId) ? proxyId : 'other', err: statusName(error.code) });
    const fresh = response.changed.filter((resource) => heldBack.includes(resource.name) && !reported.has(resource));
    if (fresh.length === 0) return;
    for (const resource of fresh) reported.add(resource);
    const names = fresh.map((resource) => resource.name);
    log.warn('a proxy rejected configuration; it keeps its last good one', {
      proxy: proxyId,
      type,
      names: names.slice(0, 10),
      error: error.message,
    });
    const origins = uniqueOrigins(fresh.flatMap((resource) => cache.origins(resource)));
    options.onReject?.({ typeUrl: response.typeUrl, names, origins, error: error.message, proxyId });
  }

  function expired(_stream: XdsStream, typeUrl: string): void {
    count.expiredNonces.add({ type: shortTypeName(typeUrl) });
  }

  const watermark = (epoch: number) => watermarkOf(connections.all(), epoch, processedEpoch);

  function waitForEpoch(epoch: number, timeoutMs: number): Promise<Watermark> {
    const deadline = clock.monotonic() + timeoutMs;
    return new Promise((resolve) => {
      const look = () => {
        const mark = watermark(epoch);
        const done = processedEpoch >= epoch && mark.reached + mark.rejected === mark.proxies;
        if (done || clock.monotonic() >= deadline) resolve(mark);
        else clock.after(pollMs, look);
      };
      look();
    });
  }

  async function listen(address: GrpcAddress, tls?: TlsOptions): Promise<GrpcAddress> {
    const maxConnectionAgeMs = options.maxConnectionAgeMs ?? defaultConnectionAgeMs;
    const server = createGrpcServer({ methods: xds.methods, tls, clock, log, maxConnectionAgeMs });
    servers.push(server);
    return await server.listen(address);
  }

  return {
    methods: xds.methods,
    listen,
    metrics: {
      ...metrics,
      text() {
        const { hits, misses } = cache.takeReads();
        count.cacheReads.add({ type: 'hit' }, hits);
        count.cacheReads.add({ type: 'miss' }, misses);
        return metrics.text();
      },
    },
    version: options.version,
    snapshot: () => latest,
    proxies: () => connections.all().map(({ stream, proxy, group }) => statusOfProxy(stream, proxy, group.scope, clock.now())),
    connection(proxyId) {
      const found = connections.find(proxyId);
      if (!found) return undefined;
      const { proxy, stream, group } = found;
      return {
        ...{ proxy, stream, groupKey: group.scope.key },
        // Loaded when asked for: descriptors of every message cost some 30 MB.
        configDump: async () => (await import('./config-dump.ts')).configDumpOf(stream, group.scope),
        endpoints: async () => (await import('./config-dump.ts')).endpointsOf(stream, group.scope),
      };
    },
    watermark,
    waitForEpoch,
    pushes: () => ledger.records(),
    disconnect(proxyId) {
      const found = connections.find(proxyId);
      found?.stream.disconnect();
      return found !== undefined;
    },
    async close(graceMs = 0) {
      unsubscribe();
      schedule.close();
      cancelAnnounce?.();
      for (const { stream } of connections.all()) stream.disconnect();
      await Promise.all(servers.map((server) => server.close(graceMs)));
    },
  };
}

const pollMs = 10;

/** Hosts whose endpoints changed; undefined when more than load assignments depends on them (addresses resolved in clusters, headless listeners). */
function endpointHosts(snapshot: MeshSnapshot, change: SnapshotChange): ReadonlySet<string> | undefined {
  const hostnames = new Set<string>();
  for (const service of snapshot.services) {
    if (!change.endpoints.has(serviceKey(service))) continue;
    if (service.resolution !== 'static') return undefined;
    hostnames.add(service.hostname);
  }
  return hostnames;
}

function uniqueOrigins(origins: readonly Origin[]): Origin[] {
  const keyOf = ({ kind, namespace, name, file, line }: Origin) => JSON.stringify([kind, namespace, name, file, line]);
  return [...new Map(origins.map((origin) => [keyOf(origin), origin])).values()];
}

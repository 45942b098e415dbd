import type { TlsOptions } from 'node:tls';
import { fromBinary, type JsonValue } from '@bufbuild/protobuf';
import type { Clock } from '#base/clock.ts';
import { messageOf } from '#base/fault.ts';
import type { Origin } from '#base/origin.ts';
import type { GrpcAddress } from '#grpc/address.ts';
import { createGrpcServer, type GrpcServer } from '#grpc/server.ts';
import type { GrpcMethod } from '#grpc/server-stream.ts';
import { GrpcFault, grpcCode } from '#grpc/status.ts';
import type { Proxy as MeshProxy } from '#mesh/proxy.ts';
import { proxyFromNode } from '#mesh/proxy-node.ts';
import { serviceKey } from '#mesh/service.ts';
import type { MeshSnapshot, SnapshotChange } from '#mesh/snapshot.ts';
import type { Logger } from '#process/log.ts';
import { createMetrics, type Metrics } from '#process/metrics.ts';
import { NodeSchema } from '#proto/gen/envoy/config/core/v3/base_pb.js';
import { shortTypeName } from '#proto/type-url.ts';
import type { RejectDetail } from '#xds/messages.ts';
import type { SharedResponse } from '#xds/responses.ts';
import type { Selection } from '#xds/selection.ts';
import { createXdsServer } from '#xds/server.ts';
import type { ResourceSource, XdsHost, XdsStream } from '#xds/stream.ts';
import { BuildCache, type BuildProblem } from './build-cache.ts';
import { createPilotMetrics } from './pilot-metrics.ts';
import { type ProxyStatus, statusOfProxy } from './proxy-status.ts';
import { objectsOf, PushLedger, type PushRecord, triggersOf } from './push-ledger.ts';
import { defaultPushTiming, onlyEndpoints, type PushBatch, PushSchedule, type PushTiming } from './push-schedule.ts';
import { ScopeGroup } from './scope-group.ts';
import type { Translator } from './translator.ts';

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
  /** Called for the first rejection of each version of a resource. */
  onReject?(rejected: RejectedResources): void;
  /** A resource could not be built; its last good bytes stay in use. */
  onProblem?(problem: BuildProblem): void;
  /** A proxy came, went, acknowledged or rejected. Called often: gather before drawing. */
  onChange?(): void;
}

/** How far the proxies have come. */
export interface Watermark {
  readonly epoch: number;
  readonly proxies: number;
  /** Proxies that acknowledged this state or a later one. */
  readonly reached: number;
  /** Proxies that hold back a part they rejected. */
  readonly rejected: number;
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

interface Connection<Scope> {
  readonly stream: XdsStream;
  proxy: MeshProxy;
  group: Group<Scope>;
  /** Epoch of the last push in whose record this proxy was counted. */
  countedIn: number;
}

interface Group<Scope> {
  readonly scope: ScopeGroup<Scope>;
  readonly connections: Set<Connection<Scope>>;
}

/** A flush gives way to requests after this long. */
const sliceMs = 30;

/** Construction subscribes to the mesh state; `listen` lets proxies in. */
export function createPilot<Scope>(options: PilotOptions<Scope>): Pilot {
  const { clock, log, translator } = options;
  const metrics = options.metrics ?? createMetrics();
  const connections = new Map<XdsStream, Connection<Scope>>();
  const groups = new Map<string, Group<Scope>>();
  const ledger = new PushLedger();
  const servers: GrpcServer[] = [];
  const reported = new WeakSet<object>();
  let latest = options.meshState.current();
  /** The state that every group has been brought to. */
  let processedEpoch = latest.epoch;

  const cache = new BuildCache(problem);
  const host: XdsHost = { opened, nodeChanged, closed, sent, answered, expired };
  const xds = createXdsServer({ host, clock });
  const count = createPilotMetrics(metrics, options.version, {
    proxies: () => connections.size,
    services: () => latest.services.length,
    virtualServices: () => latest.virtualServices.length,
    groups: () => groups.size,
    keptBytes: () => xds.responses.keptBytes,
    rejecting: (type) => [...connections.keys()].filter((stream) => rejects(stream, type)).length,
  });
  const schedule = new PushSchedule(clock, { ...defaultPushTiming, ...options.timing }, push, (message, error) => {
    count.internalErrors.add();
    log.error('a push failed', { error: message, stack: error instanceof Error ? error.stack : undefined });
  });
  const unsubscribe = options.meshState.subscribe((snapshot, change) => {
    for (const type of triggersOf(change)) count.inbound.add({ type });
    schedule.add(snapshot, change);
  });

  function problem(found: BuildProblem): void {
    count.internalErrors.add();
    log.error('a resource could not be built; what was sent before stays', { ...found });
    options.onProblem?.(found);
  }

  function opened(stream: XdsStream, node: Buffer): ResourceSource {
    const proxy = readNode(node);
    const group = join(proxy, latest);
    const connection = { stream, proxy, group, countedIn: 0 };
    connections.set(stream, connection);
    group.connections.add(connection);
    log.debug('proxy connected', { proxy: proxy.id, peer: stream.peer, protocol: stream.protocol });
    options.onChange?.();
    return group.scope;
  }

  function nodeChanged(stream: XdsStream, node: Buffer): ResourceSource {
    const connection = connections.get(stream);
    if (!connection) return opened(stream, node);
    connection.proxy = readNode(node);
    move(connection, latest);
    return connection.group.scope;
  }

  function closed(stream: XdsStream): void {
    const connection = connections.get(stream);
    if (!connection) return;
    connections.delete(stream);
    leave(connection);
    log.debug('proxy disconnected', { proxy: connection.proxy.id });
    options.onChange?.();
  }

  function join(proxy: MeshProxy, snapshot: MeshSnapshot): Group<Scope> {
    const key = translator.scopeKey(snapshot, proxy);
    let group = groups.get(key);
    if (!group) {
      group = { scope: new ScopeGroup(key, proxy, snapshot, { translator, cache, onProblem: problem }), connections: new Set() };
      groups.set(key, group);
    }
    return group;
  }

  function leave(connection: Connection<Scope>): void {
    connection.group.connections.delete(connection);
    if (connection.group.connections.size === 0) groups.delete(connection.group.scope.key);
  }

  /** Brings a proxy whose scope has become another one into the group where it belongs now. True when it moved. */
  function move(connection: Connection<Scope>, snapshot: MeshSnapshot): boolean {
    const key = translator.scopeKey(snapshot, connection.proxy);
    if (key === connection.group.scope.key) return false;
    leave(connection);
    connection.group = join(connection.proxy, snapshot);
    connection.group.connections.add(connection);
    connection.stream.setSource(connection.group.scope);
    return true;
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
    const hostnames = onlyEndpoints(change) ? endpointHosts(snapshot, change) : undefined;
    let turn = start;
    const pause = async () => {
      if (clock.monotonic() - turn < sliceMs) return;
      await new Promise((resolve) => setImmediate(resolve));
      turn = clock.monotonic();
    };
    if (!hostnames) for (const connection of connections.values()) move(connection, snapshot);
    for (const group of [...groups.values()]) {
      const { scope } = group;
      const changed = hostnames ? scope.refreshEndpoints(snapshot, hostnames) : scope.refresh(snapshot, selectionsOf(group));
      if (changed) record.groups++;
      await pause();
    }
    record.buildMs = clock.monotonic() - start;
    count.buildTime.observe(record.buildMs / 1000);
    for (const { stream } of [...connections.values()]) {
      stream.pump();
      await pause();
    }
    if (hostnames) for (const connection of [...connections.values()]) if (move(connection, snapshot)) connection.stream.pump();
    processedEpoch = snapshot.epoch;
    options.onChange?.();
  }

  function sent(stream: XdsStream, response: SharedResponse): void {
    const type = shortTypeName(response.typeUrl);
    count.pushes.add({ type });
    count.configSize.observe(response.framed.length, { type });
    const record = ledger.find(response.epoch);
    if (!record || stream.connectedAt > record.at) return;
    record.responses++;
    record.bytes += response.framed.length;
    const connection = connections.get(stream);
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
    options.onChange?.();
  }

  function reject(stream: XdsStream, response: SharedResponse, error: RejectDetail, heldBack: readonly string[]): void {
    const type = shortTypeName(response.typeUrl);
    const proxyId = connections.get(stream)?.proxy.id ?? '';
    count.rejects.add({ type });
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

  function rejects(stream: XdsStream, type: string): boolean {
    return [...stream.types].some(({ subscription }) => subscription.rejection && shortTypeName(subscription.typeUrl) === type);
  }

  function watermark(epoch: number): Watermark {
    let reached = 0;
    let rejected = 0;
    for (const { stream, group } of connections.values()) {
      const reachedHere = processedEpoch >= epoch && stream.settled() ? true : hasReached(stream, group, epoch);
      if (!reachedHere) continue;
      if ([...stream.types].some(({ subscription }) => subscription.rejection)) rejected++;
      else reached++;
    }
    return { epoch, proxies: connections.size, reached, rejected };
  }

  function hasReached(stream: XdsStream, group: Group<Scope>, epoch: number): boolean {
    const types = [...stream.types];
    return (
      types.length > 0 &&
      types.every(({ subscription }) => {
        const set = group.scope.current(subscription.typeUrl, subscription.selection);
        return subscription.ackedEpoch >= epoch || (processedEpoch >= epoch && set !== undefined && subscription.settledAt(set));
      })
    );
  }

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
    const server = createGrpcServer({ methods: xds.methods, tls, clock, log });
    servers.push(server);
    return await server.listen(address);
  }

  const find = (proxyId: string) => [...connections.values()].find(({ proxy }) => proxy.id === proxyId);

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
    proxies: () => [...connections.values()].map(({ stream, proxy, group }) => statusOfProxy(stream, proxy, group.scope, clock.now())),
    connection(proxyId) {
      const found = find(proxyId);
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
      const found = find(proxyId);
      found?.stream.disconnect();
      return found !== undefined;
    },
    async close(graceMs = 0) {
      unsubscribe();
      schedule.close();
      for (const stream of connections.keys()) stream.disconnect();
      await Promise.all(servers.map((server) => server.close(graceMs)));
    },
  };
}

const pollMs = 10;

function readNode(bytes: Buffer): MeshProxy {
  let reason: MeshProxy | string;
  try {
    const { id, cluster, userAgentName, metadata = {}, locality } = fromBinary(NodeSchema, bytes);
    reason = proxyFromNode({ id, cluster, userAgentName, metadata, locality });
  } catch (error) {
    reason = `the node cannot be read: ${messageOf(error)}`;
  }
  if (typeof reason === 'string') throw new GrpcFault({ code: grpcCode.invalidArgument, message: reason });
  return reason;
}

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

/** Selections in use by a group's proxies, by type. */
function selectionsOf<Scope>(group: Group<Scope>): Map<string, Set<Selection>> {
  const found = new Map<string, Set<Selection>>();
  for (const { stream } of group.connections) {
    for (const { subscription } of stream.types) {
      const known = found.get(subscription.typeUrl);
      if (known) known.add(subscription.selection);
      else found.set(subscription.typeUrl, new Set([subscription.selection]));
    }
  }
  return found;
}

function uniqueOrigins(origins: readonly Origin[]): Origin[] {
  const keyOf = ({ kind, namespace, name, file, line }: Origin) => JSON.stringify([kind, namespace, name, file, line]);
  return [...new Map(origins.map((origin) => [keyOf(origin), origin])).values()];
}

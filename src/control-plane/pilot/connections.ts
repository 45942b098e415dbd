import { fromBinary } from '@bufbuild/protobuf';
import { messageOf } from '#base/fault.ts';
import { GrpcFault, grpcCode } from '#grpc/status.ts';
import type { Proxy as MeshProxy } from '#mesh/proxy.ts';
import { proxyFromNode } from '#mesh/proxy-node.ts';
import type { MeshSnapshot } from '#mesh/snapshot.ts';
import { NodeSchema } from '#proto/gen/envoy/config/core/v3/base_pb.js';
import type { Selection } from '#xds/selection.ts';
import type { XdsStream } from '#xds/stream.ts';
import { ScopeGroup, type ScopeGroupParts } from './scope-group.ts';

/** One connected proxy and the group that it shares its resources with. */
export interface Connection<Scope> {
  readonly stream: XdsStream;
  proxy: MeshProxy;
  group: Group<Scope>;
  /** Epoch of the last push in whose record this proxy was counted. */
  countedIn: number;
}

export interface Group<Scope> {
  readonly scope: ScopeGroup<Scope>;
  readonly connections: Set<Connection<Scope>>;
}

/** Who is connected, by stream, and the groups of equal scope that they form. A group lives as long as it has a proxy. */
export class Connections<Scope> {
  readonly #parts: ScopeGroupParts<Scope>;
  readonly #byStream = new Map<XdsStream, Connection<Scope>>();
  readonly #groups = new Map<string, Group<Scope>>();

  constructor(parts: ScopeGroupParts<Scope>) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#byStream.size;
  }

  get groups(): readonly Group<Scope>[] {
    return [...this.#groups.values()];
  }

  get groupCount(): number {
    return this.#groups.size;
  }

  /** In the order of arrival. A copy: may be walked while proxies come and go. */
  all(): readonly Connection<Scope>[] {
    return [...this.#byStream.values()];
  }

  of(stream: XdsStream): Connection<Scope> | undefined {
    return this.#byStream.get(stream);
  }

  /** The newest connection of a proxy: one that connects again may be there twice for a moment. */
  find(proxyId: string): Connection<Scope> | undefined {
    return this.all().findLast(({ proxy }) => proxy.id === proxyId);
  }

  /** Throws GrpcFault for a node that says too little. */
  open(stream: XdsStream, node: Buffer, snapshot: MeshSnapshot): Connection<Scope> {
    const proxy = readNode(node);
    const known = this.#byStream.get(stream);
    if (known) {
      known.proxy = proxy;
      this.move(known, snapshot);
      return known;
    }
    const connection: Connection<Scope> = { stream, proxy, group: this.#groupFor(proxy, snapshot), countedIn: 0 };
    connection.group.connections.add(connection);
    this.#byStream.set(stream, connection);
    return connection;
  }

  close(stream: XdsStream): Connection<Scope> | undefined {
    const connection = this.#byStream.get(stream);
    if (!connection) return undefined;
    this.#byStream.delete(stream);
    this.#leave(connection);
    return connection;
  }

  /** Brings a proxy whose scope has become another one into the group where it belongs now. True when it moved. */
  move(connection: Connection<Scope>, snapshot: MeshSnapshot): boolean {
    const key = this.#parts.translator.scopeKey(snapshot, connection.proxy);
    if (key === connection.group.scope.key) return false;
    this.#leave(connection);
    connection.group = this.#groupFor(connection.proxy, snapshot);
    connection.group.connections.add(connection);
    connection.stream.setSource(connection.group.scope);
    return true;
  }

  #groupFor(proxy: MeshProxy, snapshot: MeshSnapshot): Group<Scope> {
    const key = this.#parts.translator.scopeKey(snapshot, proxy);
    let group = this.#groups.get(key);
    if (!group) {
      group = { scope: new ScopeGroup(key, proxy, snapshot, this.#parts), connections: new Set() };
      this.#groups.set(key, group);
    }
    return group;
  }

  #leave(connection: Connection<Scope>): void {
    const { scope, connections } = connection.group;
    connections.delete(connection);
    if (connections.size === 0) this.#groups.delete(scope.key);
  }
}

/** Selections in use by a group's proxies, by type; of these types only when they are given. */
export function selectionsOf<Scope>(group: Group<Scope>, types?: readonly string[]): Map<string, Set<Selection>> {
  const found = new Map<string, Set<Selection>>();
  for (const { stream } of group.connections) {
    for (const { subscription } of stream.types) {
      if (types && !types.includes(subscription.typeUrl)) continue;
      const known = found.get(subscription.typeUrl);
      if (known) known.add(subscription.selection);
      else found.set(subscription.typeUrl, new Set([subscription.selection]));
    }
  }
  return found;
}

function readNode(bytes: Buffer): MeshProxy {
  let found: MeshProxy | string;
  try {
    const { id, cluster, userAgentName, metadata = {}, locality } = fromBinary(NodeSchema, bytes);
    found = proxyFromNode({ id, cluster, userAgentName, metadata, locality });
  } catch (error) {
    found = `the node cannot be read: ${messageOf(error)}`;
  }
  if (typeof found === 'string') throw new GrpcFault({ code: grpcCode.invalidArgument, message: found });
  return found;
}

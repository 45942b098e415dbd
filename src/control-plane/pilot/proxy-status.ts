import type { Proxy as MeshProxy } from '#mesh/proxy.ts';
import { shortTypeName } from '#proto/type-url.ts';
import type { ResourceSource, TypeStatus, XdsStream } from '#xds/stream.ts';

/** Istio's words, and NACKED for what a proxy refused. */
export type SyncState = 'SYNCED' | 'NOT SENT' | 'STALE' | 'NACKED';

/** One type at one proxy. Times are epoch milliseconds, 0 = never. */
export interface TypeSync {
  readonly typeUrl: string;
  /** `cds`, `lds`, ... */
  readonly type: string;
  readonly state: SyncState;
  readonly versionSent: string;
  readonly versionAcked: string;
  readonly nonceSent: string;
  readonly nonceAcked: string;
  readonly sentAt: number;
  readonly answeredAt: number;
  /** Resources that the proxy acknowledged. */
  readonly resources: number;
  /** Why it refused, and what is held back because of it. */
  readonly error?: string;
  readonly heldBack?: readonly string[];
  /** Since when the state is not SYNCED; 0 when it is. */
  readonly ageMs: number;
}

/** One connected proxy. */
export interface ProxyStatus {
  readonly id: string;
  readonly proxy: MeshProxy;
  /** `address:port` of the connection. */
  readonly peer: string;
  readonly protocol: 'delta' | 'sotw';
  readonly connectedAt: number;
  /** The worst of its types. */
  readonly state: SyncState;
  readonly types: readonly TypeSync[];
}

const badness: readonly SyncState[] = ['SYNCED', 'NOT SENT', 'STALE', 'NACKED'];

export function statusOfProxy(stream: XdsStream, proxy: MeshProxy, source: ResourceSource, now: number): ProxyStatus {
  const types = [...stream.types].filter((type) => type.subscription.started).map((type) => syncOf(type, source, now));
  const state = types.reduce<SyncState>((worst, { state: own }) => (badness.indexOf(own) > badness.indexOf(worst) ? own : worst), 'SYNCED');
  const { peer, protocol, connectedAt } = stream;
  return { id: proxy.id, proxy, peer, protocol, connectedAt, state: types.length === 0 ? 'NOT SENT' : state, types };
}

function syncOf(type: TypeStatus, source: ResourceSource, now: number): TypeSync {
  const { subscription, sentAt, answeredAt, nonceSent, nonceAcked, versionSent, versionAcked } = type;
  const { typeUrl, rejection, acknowledged } = subscription;
  const set = source.current(typeUrl, subscription.selection);
  const settled = set === undefined ? nonceSent === nonceAcked : subscription.settledAt(set);
  const state: SyncState = rejection ? 'NACKED' : nonceSent === '' ? 'NOT SENT' : settled ? 'SYNCED' : 'STALE';
  let resources = 0;
  for (const name of acknowledged.names()) if (acknowledged.get(name)) resources++;
  return {
    ...{ typeUrl, type: shortTypeName(typeUrl), state, versionSent, versionAcked, nonceSent, nonceAcked, sentAt, answeredAt, resources },
    ...(rejection && { error: rejection.error.message, heldBack: rejection.names }),
    ageMs: state === 'SYNCED' ? 0 : now - (rejection ? answeredAt : sentAt || now),
  };
}

import { isIP } from 'node:net';
import type { Exchange } from '../http/exchange.ts';
import { Host } from '../lb/host.ts';
import type { Runtime } from '../runtime.ts';
import type { Cluster, ClusterHost } from './cluster.ts';
import type { UpstreamConnection, Waiter } from './connection.ts';
import { resolveName } from './resolver.ts';

const maxRemembered = 1024;
const hostsOf = new WeakMap<Cluster, Map<string, ClusterHost>>();

/**
 * The endpoint of an ORIGINAL_DST cluster. Without redirected traffic the destination is what the request names: its
 * authority. `found` gets undefined when the name has no address.
 */
export function originalHost(runtime: Runtime, cluster: Cluster, exchange: Exchange, found: (host: ClusterHost | undefined) => void): void {
  const match = /^(\[[^\]]+\]|[^:]*)(?::(\d{1,5}))?$/.exec(exchange.authority);
  const name = (match?.[1] ?? '').replace(/^\[(.*)\]$/, '$1');
  const port = cluster.table.portOverride || Number(match?.[2] ?? '80');
  if (name === '' || port < 1 || port > 65535) {
    found(undefined);
    return;
  }
  if (isIP(name) !== 0) {
    found(endpoint(runtime, cluster, name, port));
    return;
  }
  resolveName(name, cluster.table.dnsFamily, (addresses) => {
    const address = addresses[0];
    if (address === undefined) runtime.report('warn', 'a host outside the mesh does not resolve', { host: name });
    found(address === undefined ? undefined : endpoint(runtime, cluster, address, port));
  });
}

function endpoint(runtime: Runtime, cluster: Cluster, address: string, port: number): ClusterHost | undefined {
  const { ownSockets } = runtime;
  // A request that would come back to this proxy would go round for ever.
  const local = address.startsWith('127.') || address === '::1';
  if (ownSockets.has(`${address}|${port}`) || (local && (ownSockets.has(`0.0.0.0|${port}`) || ownSockets.has(`::|${port}`))))
    return undefined;
  let hosts = hostsOf.get(cluster);
  if (hosts === undefined) {
    hosts = new Map();
    hostsOf.set(cluster, hosts);
  }
  const key = `${address}|${port}`;
  let host = hosts.get(key);
  if (host !== undefined) return host;
  host = new Host<UpstreamConnection, Waiter>({
    address,
    port,
    hostname: '',
    weight: 1,
    priority: 0,
    locality: '',
    localityWeight: 0,
    health: 'healthy',
    metadata: {},
  });
  if (hosts.size >= maxRemembered) {
    for (const [old, candidate] of hosts) {
      if (candidate.connections > 0 || candidate.active > 0) continue;
      hosts.delete(old);
      break;
    }
  }
  hosts.set(key, host);
  return host;
}

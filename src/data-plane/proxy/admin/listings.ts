import type { ClusterStats, HostStats } from '../data-plane.ts';
import type { ListenerState } from '../listener/listener.ts';

/** `cluster::endpoint::what::value` lines. */
export function clustersText(clusters: readonly ClusterStats[]): string {
  const lines: string[] = [];
  for (const cluster of clusters) {
    const { name, limits } = cluster;
    lines.push(`${name}::default_priority::max_connections::${limits.maxConnections}`);
    lines.push(`${name}::default_priority::max_pending_requests::${limits.maxPending}`);
    lines.push(`${name}::default_priority::max_requests::${limits.maxRequests}`);
    lines.push(`${name}::default_priority::max_retries::${limits.maxRetries}`);
    lines.push(`${name}::added_via_api::${cluster.addedByApi}`);
    for (const host of cluster.hosts) {
      const values: readonly (readonly [string, string | number | boolean])[] = [
        ['cx_active', host.connections],
        ['cx_connect_fail', host.connectFailures],
        ['cx_total', host.connectionsTotal],
        ['rq_active', host.active],
        ['rq_error', host.requestsFailed],
        ['rq_success', host.requestsOk],
        ['rq_timeout', 0],
        ['rq_total', host.requestsTotal],
        ['hostname', host.hostname],
        ['health_flags', healthFlags(host)],
        ['weight', host.weight],
        ['region', host.locality.split('/')[0] ?? ''],
        ['zone', host.locality.split('/')[1] ?? ''],
        ['sub_zone', host.locality.split('/')[2] ?? ''],
        ['canary', false],
        ['priority', host.priority],
      ];
      for (const [key, value] of values) lines.push(`${name}::${host.label}::${key}::${value}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function healthFlags(host: HostStats): string {
  const flags = [
    host.ejected ? '/failed_outlier_check' : '',
    host.health === 'healthy' ? '' : host.health === 'draining' ? '/eds_status_draining' : '/failed_eds_health',
  ];
  return flags.join('') || 'healthy';
}

/** `envoy.admin.v3.Clusters` as JSON. */
export function clustersJson(clusters: readonly ClusterStats[]): unknown {
  return {
    cluster_statuses: clusters.map((cluster) => ({
      name: cluster.name,
      added_via_api: cluster.addedByApi,
      circuit_breakers: {
        thresholds: [
          {
            max_connections: cluster.limits.maxConnections,
            max_pending_requests: cluster.limits.maxPending,
            max_requests: cluster.limits.maxRequests,
            max_retries: cluster.limits.maxRetries,
          },
        ],
      },
      host_statuses: cluster.hosts.map((host) => ({
        address: addressJson(host.label),
        stats: [
          { name: 'cx_connect_fail', value: String(host.connectFailures) },
          { name: 'cx_total', value: String(host.connectionsTotal) },
          { name: 'rq_error', value: String(host.requestsFailed) },
          { name: 'rq_success', value: String(host.requestsOk) },
          { name: 'rq_total', value: String(host.requestsTotal) },
          { type: 'GAUGE', name: 'cx_active', value: String(host.connections) },
          { type: 'GAUGE', name: 'rq_active', value: String(host.active) },
        ],
        health_status: {
          eds_health_status: host.health === 'healthy' ? 'HEALTHY' : host.health.toUpperCase(),
          ...(host.ejected ? { failed_outlier_check: true } : {}),
        },
        weight: host.weight,
        hostname: host.hostname,
        priority: host.priority,
        locality: Object.fromEntries(
          ['region', 'zone', 'sub_zone']
            .map((key, index) => [key, host.locality.split('/')[index] ?? ''])
            .filter(([, value]) => value !== ''),
        ),
      })),
    })),
  };
}

function addressJson(label: string): unknown {
  const match = /^\[?(.*?)\]?:(\d+)$/.exec(label);
  if (match === null) return { pipe: { path: label } };
  return { socket_address: { address: match[1], port_value: Number(match[2]) } };
}

/** `name::address` lines. */
export function listenersText(listeners: readonly ListenerState[]): string {
  return listeners.flatMap((listener) => listener.addresses.map((address) => `${listener.name}::${address}\n`)).join('');
}

/** `envoy.admin.v3.Listeners` as JSON; what Envoy has no place for stands under `meshwright`. */
export function listenersJson(listeners: readonly ListenerState[]): unknown {
  return {
    listener_statuses: listeners.map((listener) => ({
      name: listener.name,
      local_address: addressJson(listener.addresses[0] ?? ''),
      ...(listener.addresses.length > 1 ? { additional_local_addresses: listener.addresses.slice(1).map(addressJson) } : {}),
      meshwright: { state: listener.state, error: listener.error },
    })),
  };
}

/** Tables of a proxy's configuration, with the columns that istioctl's users know and one for the origin. */
import type { Column } from '../output/table.ts';
import { addressOf, child, type Json, list, member, originOf, text, texts } from './config-dump.ts';

export interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly string[])[];
}

const origin: Column = { name: 'origin', cut: 1 };

export function clusterTable(clusters: readonly Json[]): Table {
  const rows = clusters.map((cluster) => {
    const { direction, port, subset, host } = splitClusterName(text(cluster, 'name'));
    return [host, port, subset, direction, clusterType(cluster), originOf(cluster)];
  });
  const columns = ['service fqdn', 'port', 'subset', 'direction', 'type'].map((name, i) => ({ name, cut: i === 0 ? 1 : 0 }));
  return { columns: [...columns, origin], rows: sortRows(rows) };
}

/** `outbound|9080|v1|reviews.default.svc.cluster.local`; other names are hosts as a whole. */
export function splitClusterName(name: string): {
  readonly direction: string;
  readonly port: string;
  readonly subset: string;
  readonly host: string;
} {
  const [direction = '', port = '', subset = '', ...host] = name.split('|');
  if (host.length === 0) return { direction: '-', port: '-', subset: '-', host: name };
  return { direction, port: port || '-', subset: subset || '-', host: host.join('|') };
}

function clusterType(cluster: Json): string {
  return text(cluster, 'type') || text(child(cluster, 'cluster_type'), 'name') || 'STATIC';
}

export function listenerTable(listeners: readonly Json[]): Table {
  const rows = listeners.flatMap((listener) => {
    const addresses = [member(listener, 'address'), ...list(listener, 'additional_addresses').map((more) => member(more, 'address'))].map(
      addressOf,
    );
    const where = [...new Set(addresses.map(({ address }) => address))].join(', ') || '-';
    const port = addresses[0]?.port || '-';
    const fallback = child(listener, 'default_filter_chain');
    const chains = list(listener, 'filter_chains').map((chain) => ({ chain, match: matchOf(child(chain, 'filter_chain_match')) }));
    if (Object.keys(fallback).length > 0) chains.push({ chain: fallback, match: chains.length > 0 ? 'otherwise' : 'all' });
    return chains.map(({ chain, match }) => [where, port, match, destinationOf(chain), originOf(chain) || originOf(listener)]);
  });
  return {
    columns: [{ name: 'addresses', cut: 0 }, { name: 'port', cut: 0 }, { name: 'match' }, { name: 'destination' }, origin],
    rows: sortRows(rows),
  };
}

function matchOf(match: Json): string {
  const parts = [
    text(match, 'destination_port') && `port ${text(match, 'destination_port')}`,
    list(match, 'prefix_ranges')
      .map((range) => `${text(range, 'address_prefix')}/${text(range, 'prefix_len') || '0'}`)
      .join(','),
    texts(match, 'server_names').length > 0 && `SNI ${texts(match, 'server_names').join(',')}`,
    text(match, 'transport_protocol') && `transport ${text(match, 'transport_protocol')}`,
    texts(match, 'application_protocols').length > 0 && `app ${texts(match, 'application_protocols').join(',')}`,
  ].filter(Boolean);
  return parts.length > 0 ? parts.join('; ') : 'all';
}

function destinationOf(chain: Json): string {
  for (const filter of list(chain, 'filters')) {
    const config = child(filter, 'typed_config');
    const rds = text(child(config, 'rds'), 'route_config_name');
    if (rds) return `route ${rds}`;
    if (Object.keys(child(config, 'route_config')).length > 0) return `inline route ${text(child(config, 'route_config'), 'name')}`.trim();
    const cluster = text(config, 'cluster');
    if (cluster) return `cluster ${cluster}`;
    const weighted = list(child(config, 'weighted_clusters'), 'clusters');
    if (weighted.length > 0) return `clusters ${weighted.map((one) => `${text(one, 'name')} ${text(one, 'weight')}`).join(', ')}`;
  }
  return (
    list(chain, 'filters')
      .map((filter) => text(filter, 'name'))
      .join(', ') || '-'
  );
}

export function routeTable(configurations: readonly Json[]): Table {
  const rows = configurations.flatMap((configuration) =>
    list(configuration, 'virtual_hosts').flatMap((host) => {
      const domains = texts(host, 'domains').toSorted((a, b) => a.length - b.length);
      const shown = domains.length > 1 ? `${domains[0]} +${domains.length - 1}` : domains.join();
      const routes = list(host, 'routes');
      if (routes.length === 0) return [[text(configuration, 'name') || '-', shown, '-', 'no route', originOf(host)]];
      return routes.map((route) => [
        text(configuration, 'name') || '-',
        shown,
        routeMatch(child(route, 'match')),
        routeTarget(route),
        originOf(route) || originOf(host),
      ]);
    }),
  );
  return { columns: [{ name: 'name', cut: 0 }, { name: 'domains' }, { name: 'match' }, { name: 'target' }, origin], rows };
}

function routeMatch(match: Json): string {
  const path =
    text(match, 'path') ||
    (text(match, 'path_separated_prefix') && `${text(match, 'path_separated_prefix')}/*`) ||
    (text(child(match, 'safe_regex'), 'regex') && `~${text(child(match, 'safe_regex'), 'regex')}`) ||
    (member(match, 'connect_matcher') !== undefined && 'CONNECT') ||
    `${text(match, 'prefix')}*`;
  const conditions = [...list(match, 'headers'), ...list(match, 'query_parameters')].map((header) => {
    const exact = text(child(header, 'string_match'), 'exact') || text(header, 'exact_match');
    return `${text(header, 'name')}${exact ? `=${exact}` : ''}`;
  });
  return conditions.length > 0 ? `${path} [${conditions.join(' ')}]` : path;
}

function routeTarget(route: Json): string {
  const action = child(route, 'route');
  const cluster = text(action, 'cluster');
  if (cluster) return shortCluster(cluster);
  const weighted = list(child(action, 'weighted_clusters'), 'clusters');
  if (weighted.length > 0) return weighted.map((one) => `${text(one, 'weight') || '0'} ${shortCluster(text(one, 'name'))}`).join(', ');
  const direct = text(child(route, 'direct_response'), 'status');
  if (direct) return `answers ${direct}`;
  const redirect = child(route, 'redirect');
  if (Object.keys(redirect).length > 0) return `redirects to ${text(redirect, 'host_redirect')}${text(redirect, 'path_redirect')}`;
  return '-';
}

/** `reviews.default|v1` for `outbound|9080|v1|reviews.default.svc.cluster.local`; other clusters by their whole name. */
function shortCluster(name: string): string {
  const { direction, subset, host } = splitClusterName(name);
  if (direction !== 'outbound') return name;
  return `${host.replace(/\.svc\.[\w.-]+$/, '')}${subset === '-' ? '' : `|${subset}`}`;
}

/** Hosts of `/clusters?format=json` (envoy/admin/v3 Clusters). */
export function endpointTable(clusters: readonly Json[]): Table {
  const rows = clusters.flatMap((cluster) =>
    list(cluster, 'host_statuses').map((host) => {
      const { address, port } = addressOf(member(host, 'address'));
      const health = child(host, 'health_status');
      const outlier = member(health, 'failed_outlier_check') === true ? 'FAILED' : 'OK';
      const status = text(health, 'eds_health_status') || 'HEALTHY';
      return [port ? `${address}:${port}` : `unix://${address}`, status, outlier, text(cluster, 'name')];
    }),
  );
  const columns = ['endpoint', 'status', 'outlier check', 'cluster'].map((name, i) => ({ name, cut: i === 3 ? 1 : 0 }));
  return { columns, rows: sortRows(rows) };
}

function sortRows(rows: readonly (readonly string[])[]): (readonly string[])[] {
  return [...rows].sort((a, b) => a.join('\u0000').localeCompare(b.join('\u0000'), 'en', { numeric: true }));
}

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { codeOf, Fault, messageOf } from '#base/fault.ts';
import type { KubeObject } from '#kube/object.ts';
import { workloadEntryKind } from '#resources/networking/workload-entry-kind.ts';
import type { ProxyConfigSection, ProxyList } from '#server/api.ts';
import { closest } from '../closest.ts';
import { type Flags, type Invocation, UsageError } from '../command.ts';
import { type ExitCode, exitCode } from '../exit-code.ts';
import type { Io } from '../io.ts';
import { connectObjects } from '../objects.ts';
import { formatValue } from '../output/format.ts';
import { formatTable } from '../output/table.ts';
import { addressOf, type ConfigDump, child, decodeConfigDump, type Json, list, member, text } from '../proxy/config-dump.ts';
import { clusterTable, endpointTable, listenerTable, routeTable, splitClusterName, type Table } from '../proxy/tables.ts';
import { connectRest } from '../rest.ts';
import { isMeant, parseTarget } from '../target.ts';

const sections = ['clusters', 'listeners', 'routes', 'endpoints', 'bootstrap', 'all'] as const;
type Section = (typeof sections)[number];

/** What a proxy told: its configuration dump, and its hosts with their health when it was asked live. */
interface Told {
  readonly dump: ConfigDump;
  readonly hosts: readonly Json[];
  readonly raw: unknown;
}

/** `meshwright proxy config SECTION WORKLOAD`. */
export async function proxyConfig({ arguments: [named = '', workload], flags, io, signal }: Invocation): Promise<ExitCode> {
  const section = sectionOf(named);
  const file = flags.text('file');
  if (!workload && !file)
    throw new UsageError('a workload is missing', 'name one, or a saved dump with -f; "meshwright proxy status" lists all');
  if (flags.on('sent')) return showSent(section, workload ?? '', { flags, io, signal });
  const told = file ? readDump(resolve(io.cwd, file)) : await askProxy(workload ?? '', flags, io, signal);
  const format = flags.text('output') ?? 'short';
  const shown = chosen(told, flags);
  if (format === 'json' || format === 'yaml') {
    io.out(
      formatValue(
        section === 'all'
          ? told.raw
          : section === 'bootstrap'
            ? shown.dump.bootstrap
            : section === 'endpoints'
              ? endpointJson(shown)
              : shown.dump[section],
        { kind: format },
      ),
    );
    return exitCode.ok;
  }
  if (section === 'bootstrap') io.out(formatValue(shown.dump.bootstrap, { kind: 'yaml' }));
  else
    for (const part of section === 'all' ? (['clusters', 'listeners', 'routes', 'endpoints'] as const) : [section])
      show(part, tableOf(part, shown), section === 'all', io);
  return exitCode.ok;
}

function sectionOf(named: string): Section {
  const alias = { cds: 'clusters', lds: 'listeners', rds: 'routes', eds: 'endpoints' }[named] ?? named;
  const found = sections.find((section) => section === alias || section === `${alias}s`);
  if (!found) throw new UsageError(`no section is called ${named}`, closest(named, sections) || `sections: ${sections.join(', ')}`);
  return found;
}

function show(section: string, table: Table, titled: boolean, io: Io): void {
  if (titled) io.out(io.paint('strong', section.toUpperCase()));
  if (table.rows.length === 0) io.err(`no ${section}`);
  else for (const line of formatTable(table.columns, table.rows, io.width)) io.out(line);
  if (titled) io.out('');
}

function tableOf(section: 'clusters' | 'listeners' | 'routes' | 'endpoints', { dump, hosts }: Told): Table {
  if (section === 'clusters') return clusterTable(dump.clusters);
  if (section === 'listeners') return listenerTable(dump.listeners);
  if (section === 'routes') return routeTable(dump.routes);
  return endpointTable(hosts.length > 0 ? hosts : hostsOf(dump.endpoints));
}

function endpointJson({ dump, hosts }: Told): readonly Json[] {
  return hosts.length > 0 ? hosts : dump.endpoints;
}

/** What the filters of the flags leave over. */
function chosen(told: Told, flags: Flags): Told {
  const [fqdn, subset, direction, port, address, name, cluster, status] = [
    'fqdn',
    'subset',
    'direction',
    'port',
    'address',
    'name',
    'cluster',
    'status',
  ].map((flag) => flags.text(flag));
  const { dump } = told;
  const clusters = dump.clusters.filter((one) => {
    const parts = splitClusterName(text(one, 'name'));
    return (
      (fqdn === undefined || parts.host.includes(fqdn)) &&
      (subset === undefined || parts.subset === subset) &&
      (direction === undefined || parts.direction === direction) &&
      (port === undefined || parts.port === port)
    );
  });
  const listeners = dump.listeners.filter((one) => {
    const at = addressOf(member(one, 'address'));
    return (port === undefined || at.port === port) && (address === undefined || at.address.includes(address));
  });
  const hosts = (told.hosts.length > 0 ? told.hosts : hostsOf(dump.endpoints))
    .filter((one) => cluster === undefined || text(one, 'name').includes(cluster))
    .map((one) => ({
      ...one,
      host_statuses: list(one, 'host_statuses').filter((host) => {
        const at = addressOf(member(host, 'address'));
        const healthy = (text(child(host, 'health_status'), 'eds_health_status') || 'HEALTHY') === 'HEALTHY';
        return (
          (port === undefined || at.port === port) &&
          (address === undefined || at.address.includes(address)) &&
          (status === undefined || (status === 'healthy') === healthy)
        );
      }),
    }));
  const routes = dump.routes.filter((one) => name === undefined || text(one, 'name') === name);
  return { ...told, hosts, dump: { ...dump, clusters, listeners, routes } };
}

/** Load assignments in the shape of `/clusters`, for dumps without it. */
function hostsOf(assignments: readonly Json[]): Json[] {
  return assignments.map((assignment) => ({
    name: text(assignment, 'cluster_name'),
    host_statuses: list(assignment, 'endpoints').flatMap((locality) =>
      list(locality, 'lb_endpoints').map((endpoint) => ({
        address: member(child(endpoint, 'endpoint'), 'address'),
        health_status: { eds_health_status: text(endpoint, 'health_status') || 'HEALTHY' },
      })),
    ),
  }));
}

/** Asks the proxy's own admin port, which its WorkloadEntry names. */
async function askProxy(named: string, flags: Flags, io: Io, signal: AbortSignal): Promise<Told> {
  const api = await connectObjects(flags, io);
  const target = parseTarget(named, flags.text('namespace'));
  const { items } = await api.list(workloadEntryKind, {});
  const meant = items.find((entry) => isMeant(target, { name: entry.metadata.name, namespace: entry.metadata.namespace ?? '' }));
  const admin = meant?.metadata.annotations?.['meshwright.io/admin'];
  if (!meant) {
    throw new UsageError(
      `no workload ${named} has joined the mesh`,
      closest(
        target.name,
        items.map(({ metadata }) => metadata.name),
      ) || known(items),
    );
  }
  if (!admin)
    throw new Fault('no-admin', `${named} names no admin address`, { fix: 'Use --sent for what the control plane would send to it.' });
  const ask = async (path: string): Promise<unknown> => {
    try {
      const response = await fetch(`${admin.replace(/\/$/, '')}${path}`, {
        signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
      });
      if (!response.ok) throw new Error(`it answered ${response.status}`);
      return await response.json();
    } catch (error) {
      const cause = error instanceof Error && error.cause ? error.cause : error;
      throw new Fault('unreachable', `the proxy of ${named} does not answer at ${admin}: ${codeOf(cause) || messageOf(cause)}`, {
        cause: error,
        fix: 'It may be starting or gone. Use --sent for what the control plane would send to it.',
      });
    }
  };
  const raw = await ask('/config_dump?include_eds');
  return { raw, dump: decodeConfigDump(raw), hosts: list(await ask('/clusters?format=json'), 'cluster_statuses') };
}

function known(entries: readonly KubeObject[]): string {
  if (entries.length === 0) return 'no workload has joined; join one with "meshwright run"';
  return `workloads: ${entries
    .slice(0, 10)
    .map(({ metadata }) => `${metadata.name}.${metadata.namespace}`)
    .join(', ')}`;
}

function readDump(path: string): Told {
  try {
    const raw: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return { raw, dump: decodeConfigDump(raw), hosts: [] };
  } catch (error) {
    throw new Fault('bad-file', `${path} is no saved configuration dump: ${messageOf(error)}`, {
      cause: error,
      fix: 'Save one with: meshwright proxy config all WORKLOAD -o json > dump.json',
    });
  }
}

/** What the control plane would send, with the origins it keeps. */
async function showSent(
  section: Section,
  workload: string,
  { flags, io, signal }: Pick<Invocation, 'flags' | 'io' | 'signal'>,
): Promise<ExitCode> {
  if (section === 'bootstrap') throw new UsageError('the bootstrap is not sent', 'leave out --sent');
  const rest = connectRest(flags, io);
  const proxies = (await rest.get<ProxyList>('/proxies', signal)).items;
  const target = parseTarget(workload, flags.text('namespace'));
  const proxy = proxies.find((one) => one.id === workload || isMeant(target, { name: one.workload, namespace: one.namespace }));
  if (!proxy)
    throw new UsageError(
      `no proxy of ${workload} is connected`,
      closest(
        target.name,
        proxies.map((one) => one.workload),
      ),
    );
  const format = flags.text('output') ?? 'short';
  const wanted = section === 'all' ? (['clusters', 'listeners', 'routes', 'endpoints'] as const) : [section];
  const answers = await Promise.all(
    wanted.map((one) => rest.get<ProxyConfigSection>(`/proxies/${encodeURIComponent(proxy.id)}/config/${one}`, signal)),
  );
  if (format === 'json' || format === 'yaml') {
    const resources = answers.map(({ items }) => items.map(({ resource }) => resource));
    io.out(
      formatValue(section === 'all' ? Object.fromEntries(wanted.map((one, i) => [one, resources[i]])) : resources[0], { kind: format }),
    );
    return exitCode.ok;
  }
  for (const answer of answers) {
    const rows = answer.items.map((item) => [item.name, item.summary, item.origins.map(({ text }) => text).join(', ')]);
    show(answer.section, { columns: [{ name: 'name', cut: 0 }, { name: 'summary' }, { name: 'origin' }], rows }, section === 'all', io);
  }
  return exitCode.ok;
}

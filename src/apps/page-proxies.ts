import { type Registry, toJson } from '@bufbuild/protobuf';
import { formatOrigin, type Origin } from '#base/origin.ts';
import type { Pilot } from '#pilot/pilot.ts';
import type { ProxyStatus, SyncState } from '#pilot/proxy-status.ts';
import type { OriginView, ProxyConfigItem, ProxyConfigSection, ProxyRow } from '#server/api.ts';
import type { ProxySource, Watermark } from '#server/sources.ts';
import { planClusters } from '#translate/clusters.ts';
import { planEndpoints } from '#translate/endpoints.ts';
import { planListeners } from '#translate/listeners.ts';
import type { Built } from '#translate/plan.ts';
import { planRoutes } from '#translate/routes.ts';
import { type Scope, scopeFor } from '#translate/scope.ts';

/** The pilot's proxies as the page's server wants them, with a way to announce changes. */
export function pageProxies(pilot: Pilot): ProxySource & { changed(): void } {
  const listeners = new Set<() => void>();
  return {
    list: () =>
      pilot
        .proxies()
        .map(toRow)
        .sort((a, b) => (a.id < b.id ? -1 : 1)),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    changed() {
      for (const listener of [...listeners]) listener();
    },
    async config(id, section) {
      return sectionOf(pilot, id, section);
    },
    watermark: (epoch) => watermarkOf(pilot, epoch),
  };
}

const states: Readonly<Record<SyncState, ProxyRow['state']>> = {
  SYNCED: 'synced',
  STALE: 'stale',
  NACKED: 'rejected',
  'NOT SENT': 'never-sent',
};

function toRow(status: ProxyStatus, newest: number): ProxyRow {
  const { proxy, types } = status;
  return {
    id: status.id,
    workload: proxy.workloadName,
    namespace: proxy.namespace,
    engine: proxy.engine,
    address: proxy.ipAddresses[0] ?? '',
    connectedAt: status.connectedAt,
    state: states[status.state],
    epoch: epochOf(status, newest),
    types: types.map((type) => ({
      name: type.type.toUpperCase(),
      state: states[type.state],
      version: type.versionAcked,
      ...(type.sentAt > 0 ? { sentAt: type.sentAt } : {}),
      ...(type.answeredAt > 0 ? { ackedAt: type.answeredAt } : {}),
      ...(type.error === undefined ? {} : { error: type.error }),
    })),
  };
}

/** A proxy that owes nothing runs the newest epoch; of another the newest version it acknowledged tells (`<process>/<epoch>`). */
function epochOf(status: ProxyStatus, newest: number): number {
  if (status.state === 'SYNCED') return newest;
  return Math.max(0, ...status.types.map((type) => Number(type.versionAcked.split('/').at(-1)) || 0));
}

function watermarkOf(pilot: Pilot, epoch: number): Watermark {
  const { proxies, reached } = pilot.watermark(epoch);
  const waiting: string[] = [];
  const rejected: string[] = [];
  for (const status of pilot.proxies()) {
    if (status.state === 'NACKED') rejected.push(status.id);
    else if (epochOf(status, pilot.snapshot().epoch) < epoch) waiting.push(status.id);
  }
  return { live: reached, total: proxies, rejected, waiting };
}

const planners: Readonly<Record<string, (scope: Scope) => readonly { build(): Built }[]>> = {
  listeners: planListeners,
  routes: (scope) => planRoutes(scope),
  clusters: planClusters,
  endpoints: (scope) =>
    planEndpoints(
      scope,
      planClusters(scope).map((plan) => plan.name),
    ),
};

/** Builds one section of what the control plane serves this proxy now: milliseconds per hundred services. */
async function sectionOf(pilot: Pilot, id: string, section: string): Promise<ProxyConfigSection | undefined> {
  const connection = pilot.connection(id);
  const planner = planners[section];
  if (!connection || !planner) return undefined;
  // Descriptors of every message weigh 30 MB: loaded when somebody looks.
  const { messageRegistry } = await import('#proto/registry.ts');
  const snapshot = pilot.snapshot();
  const items = planner(scopeFor(snapshot, connection.proxy)).map((plan) => itemOf(plan.build(), messageRegistry));
  return { section, version: String(snapshot.epoch), items };
}

function itemOf(built: Built, registry: Registry): ProxyConfigItem {
  const message = built.message();
  const schema = registry.getMessage(message.$typeName);
  const resource = schema ? toJson(schema, message, { registry }) : {};
  return { name: built.name, summary: summaryOf(resource), origins: built.origins.map(toView), resource };
}

function toView(origin: Origin): OriginView {
  const { kind = '', namespace = '', name } = origin;
  const object = name === undefined ? {} : { object: { kind: kind.split('/').at(-1) ?? '', namespace, name } };
  return { text: formatOrigin(origin), ...object };
}

/** One line for a table: where a listener listens, how a cluster finds and balances, how much a list holds. */
function summaryOf(resource: unknown): string {
  if (typeof resource !== 'object' || resource === null) return '';
  const fields = resource as Readonly<Record<string, unknown>>;
  const parts: string[] = [];
  const socket = pick(fields.address, 'socketAddress');
  if (socket) parts.push(`${String(socket.address)}:${String(socket.portValue ?? '')}`);
  for (const name of ['type', 'lbPolicy']) if (typeof fields[name] === 'string') parts.push(String(fields[name]));
  for (const name of ['filterChains', 'virtualHosts', 'endpoints']) {
    const list = fields[name];
    if (Array.isArray(list)) parts.push(`${list.length} ${words[name]}`);
  }
  return parts.join(', ');
}

const words: Readonly<Record<string, string>> = { filterChains: 'filter chains', virtualHosts: 'virtual hosts', endpoints: 'localities' };

function pick(value: unknown, name: string): Readonly<Record<string, unknown>> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const inner = (value as Readonly<Record<string, unknown>>)[name];
  return typeof inner === 'object' && inner !== null ? (inner as Readonly<Record<string, unknown>>) : undefined;
}

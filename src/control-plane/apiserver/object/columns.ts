import { isJsonObject, type JsonObject, type KubeObject } from '#kube/object.ts';
import type { ApiKind } from '../kinds.ts';
import { ageSince } from './age.ts';
import { valuesAt } from './json-path.ts';

/** A column of a Table answer with the function that fills its cells. */
export interface Column {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly description: string;
  readonly priority: number;
  readonly cell: (object: KubeObject, now: number) => unknown;
}

/** The columns of `kubectl get`, the name first. Kinds of Kubernetes' own have the columns that its server prints. */
export function columnsFor(kind: ApiKind): readonly Column[] {
  return [nameColumn, ...(builtin[`${kind.group}/${kind.kind}`] ?? kind.printerColumns.map(fromPrinterColumn))];
}

const nameColumn = {
  ...column('Name', (object) => object.metadata.name),
  format: 'name',
  description: 'Name, unique within its namespace',
};

function fromPrinterColumn(printer: ApiKind['printerColumns'][number]): Column {
  const { name, type, jsonPath, description, priority, format } = printer;
  const cell: Column['cell'] =
    type === 'date'
      ? (object, now) => ageSince(valuesAt(object, jsonPath)[0], now)
      : (object) => {
          const found = valuesAt(object, jsonPath);
          if (found.length === 0) return type === 'string' ? '' : null;
          return found.length === 1 ? plainCell(found[0], type) : found.map(asText).join(',');
        };
  return { name, type: type === 'date' ? 'string' : type, format: format ?? '', description, priority, cell };
}

function plainCell(value: unknown, type: string): unknown {
  return type === 'string' || typeof value === 'object' ? asText(value) : value;
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function column(name: string, cell: Column['cell'], options: { type?: string; priority?: number } = {}): Column {
  return { name, type: options.type ?? 'string', format: '', description: name, priority: options.priority ?? 0, cell };
}

const age = column('Age', (object, now) => ageSince(object.metadata.creationTimestamp, now));

/** Columns that a JSONPath cannot say. */
const builtin: Readonly<Record<string, readonly Column[]>> = {
  '/Service': [
    column('Type', (object) => text(spec(object).type)),
    column('Cluster-IP', (object) => text(spec(object).clusterIP) || '<none>'),
    column('External-IP', externalAddress),
    column('Port(s)', (object) => items(spec(object).ports).map(servicePort).join(',') || '<none>'),
    age,
    column('Selector', (object) => pairs(spec(object).selector), { priority: 1 }),
  ],
  '/Namespace': [column('Status', (object) => text(status(object).phase)), age],
  '/ConfigMap': [column('Data', (object) => size(object.data) + size(object.binaryData), { type: 'integer' }), age],
  '/Secret': [
    column('Type', (object) => text(object.type) || 'Opaque'),
    column('Data', (object) => size(object.data), { type: 'integer' }),
    age,
  ],
  '/ServiceAccount': [column('Secrets', (object) => items(object.secrets).length, { type: 'integer' }), age],
  '/Pod': [
    column(
      'Ready',
      (object) =>
        `${items(status(object).containerStatuses).filter((one) => one.ready === true).length}/${items(spec(object).containers).length}`,
    ),
    column('Status', (object) =>
      object.metadata.deletionTimestamp ? 'Terminating' : text(status(object).reason) || text(status(object).phase) || 'Pending',
    ),
    column('Restarts', (object) =>
      String(items(status(object).containerStatuses).reduce((sum, one) => sum + Number(one.restartCount ?? 0), 0)),
    ),
    age,
    column('IP', (object) => text(status(object).podIP) || '<none>', { priority: 1 }),
    column('Node', (object) => text(spec(object).nodeName) || '<none>', { priority: 1 }),
  ],
  '/Event': [
    column('Last Seen', (object, now) => ageSince(object.lastTimestamp ?? object.eventTime ?? object.metadata.creationTimestamp, now)),
    column('Type', (object) => text(object.type)),
    column('Reason', (object) => text(object.reason)),
    column('Object', (object) => `${text(involved(object).kind).toLowerCase()}/${text(involved(object).name)}`),
    column('Subobject', (object) => text(involved(object).fieldPath), { priority: 1 }),
    column('Source', eventSource, { priority: 1 }),
    column('Message', (object) => text(object.message).trim()),
    column('First Seen', (object, now) => ageSince(object.firstTimestamp ?? object.eventTime ?? object.metadata.creationTimestamp, now), {
      priority: 1,
    }),
    column('Count', (object) => (typeof object.count === 'number' ? object.count : 1), { type: 'integer', priority: 1 }),
    { ...column('Name', (object) => object.metadata.name, { priority: 1 }) },
  ],
  'apps/Deployment': [
    column('Ready', (object) => `${count(status(object).readyReplicas)}/${count(spec(object).replicas, 1)}`),
    column('Up-to-date', (object) => count(status(object).updatedReplicas), { type: 'integer' }),
    column('Available', (object) => count(status(object).availableReplicas), { type: 'integer' }),
    age,
    column('Containers', (object) => containers(object, 'name'), { priority: 1 }),
    column('Images', (object) => containers(object, 'image'), { priority: 1 }),
    column('Selector', (object) => pairs(record(spec(object).selector).matchLabels), { priority: 1 }),
  ],
  'discovery.k8s.io/EndpointSlice': [
    column('AddressType', (object) => text(object.addressType)),
    column(
      'Ports',
      (object) =>
        items(object.ports)
          .map((port) => String(port.port ?? '*'))
          .join(',') || '<unset>',
    ),
    column('Endpoints', (object) =>
      firstThree(items(object.endpoints).flatMap((endpoint) => (Array.isArray(endpoint.addresses) ? endpoint.addresses.map(String) : []))),
    ),
    age,
  ],
};

function externalAddress(object: KubeObject): string {
  const { type, externalName, externalIPs } = spec(object);
  if (type === 'ExternalName') return text(externalName);
  const balancer = items(record(status(object).loadBalancer).ingress).map((one) => text(one.ip) || text(one.hostname));
  const all = [...balancer, ...(Array.isArray(externalIPs) ? externalIPs.map(String) : [])];
  return all.join(',') || (type === 'LoadBalancer' ? '<pending>' : '<none>');
}

function servicePort(port: JsonObject): string {
  return `${port.port}${port.nodePort ? `:${port.nodePort}` : ''}/${text(port.protocol) || 'TCP'}`;
}

function eventSource(object: KubeObject): string {
  const { component, host } = record(object.source);
  return [text(component) || text(object.reportingComponent), text(host)].filter((part) => part !== '').join(', ');
}

function containers(object: KubeObject, field: string): string {
  const podSpec = record(record(spec(object).template).spec);
  return items(podSpec.containers)
    .map((container) => text(container[field]))
    .join(',');
}

function firstThree(addresses: readonly string[]): string {
  if (addresses.length === 0) return '<unset>';
  return addresses.slice(0, 3).join(',') + (addresses.length > 3 ? ` + ${addresses.length - 3} more...` : '');
}

function pairs(selector: unknown): string {
  return (
    Object.entries(record(selector))
      .map(([key, value]) => `${key}=${value}`)
      .sort()
      .join(',') || '<none>'
  );
}

function involved(object: KubeObject): JsonObject {
  return record(object.involvedObject);
}

function spec(object: KubeObject): JsonObject {
  return record(object.spec);
}

function status(object: KubeObject): JsonObject {
  return record(object.status);
}

function record(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}

function items(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function size(value: unknown): number {
  return Object.keys(record(value)).length;
}

function count(value: unknown, otherwise = 0): number {
  return typeof value === 'number' ? value : otherwise;
}

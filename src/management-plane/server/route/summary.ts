import type { KubeObject } from '../sources.ts';

type Json = Readonly<Record<string, unknown>>;

const record = (value: unknown): Json => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {});
const items = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const words = (value: unknown): string =>
  items(value)
    .filter((item) => typeof item === 'string')
    .join(', ');

/** One line that tells a person what the object does, for lists. Reads raw objects, so it trusts nothing. */
export function summaryOf({ kind, spec: raw }: KubeObject): string {
  const spec = record(raw);
  switch (kind) {
    case 'VirtualService':
      return [words(spec.hosts), routesOf(spec)].filter(Boolean).join(': ');
    case 'DestinationRule':
      return [String(spec.host ?? ''), subsetsOf(spec)].filter(Boolean).join(': ');
    case 'ServiceEntry':
      return [words(spec.hosts), String(spec.resolution ?? '')].filter(Boolean).join(', ');
    case 'Service':
      return items(spec.ports)
        .map((port) => `${record(port).name ?? ''}:${record(port).port ?? ''}`)
        .join(', ');
    case 'WorkloadEntry':
      return String(spec.address ?? '');
    default:
      return '';
  }
}

function routesOf(spec: Json): string {
  const routes = ['http', 'tls', 'tcp'].flatMap((protocol) => items(spec[protocol]));
  if (routes.length !== 1) return routes.length ? `${routes.length} routes` : '';
  const destinations = items(record(routes[0]).route).map((entry) => {
    const { destination, weight } = record(entry);
    const { host, subset } = record(destination);
    return `${subset ?? host ?? ''}${weight === undefined ? '' : ` ${weight} %`}`;
  });
  return destinations.join(', ');
}

function subsetsOf(spec: Json): string {
  return items(spec.subsets)
    .map((subset) => String(record(subset).name ?? ''))
    .join(', ');
}

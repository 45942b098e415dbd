/** Reads Envoy's `/config_dump` (envoy/admin/v3), as both engines give it: names with underscores or in camel case. */

export type Json = Readonly<Record<string, unknown>>;

/** The resources of a proxy by section, each as plain JSON. */
export interface ConfigDump {
  readonly clusters: readonly Json[];
  readonly listeners: readonly Json[];
  readonly routes: readonly Json[];
  readonly endpoints: readonly Json[];
  readonly bootstrap: Json;
}

export function decodeConfigDump(raw: unknown): ConfigDump {
  const configs = list(raw, 'configs');
  const section = (type: string) => configs.filter((config) => text(config, '@type').endsWith(type));
  const gather = (type: string, groups: readonly string[], unwrap: (entry: Json) => Json) =>
    section(type).flatMap((config) => groups.flatMap((group) => list(config, group).map(unwrap)));
  return {
    clusters: gather('ClustersConfigDump', ['static_clusters', 'dynamic_active_clusters', 'dynamic_warming_clusters'], (entry) =>
      child(entry, 'cluster'),
    ),
    listeners: gather('ListenersConfigDump', ['static_listeners', 'dynamic_listeners'], (entry) => {
      const state = ['active_state', 'warming_state', 'draining_state']
        .map((name) => child(entry, name))
        .find((found) => Object.keys(found).length > 0);
      return child(state ?? entry, 'listener');
    }).filter((listener) => Object.keys(listener).length > 0),
    routes: gather('RoutesConfigDump', ['static_route_configs', 'dynamic_route_configs'], (entry) => child(entry, 'route_config')),
    endpoints: gather('EndpointsConfigDump', ['static_endpoint_configs', 'dynamic_endpoint_configs'], (entry) =>
      child(entry, 'endpoint_config'),
    ),
    bootstrap: child(section('BootstrapConfigDump')[0] ?? {}, 'bootstrap'),
  };
}

/** A member by its proto name, in whichever spelling it has; undefined when absent. */
export function member(value: unknown, name: string): unknown {
  if (!isObject(value)) return undefined;
  return value[name] ?? value[name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())];
}

export function child(value: unknown, ...names: readonly string[]): Json {
  const found = names.reduce<unknown>(member, value);
  return isObject(found) ? found : {};
}

export function list(value: unknown, name: string): readonly Json[] {
  const found = member(value, name);
  return Array.isArray(found) ? found.filter(isObject) : [];
}

export function text(value: unknown, name: string): string {
  const found = member(value, name);
  return typeof found === 'string' ? found : typeof found === 'number' ? String(found) : '';
}

export function texts(value: unknown, name: string): readonly string[] {
  const found = member(value, name);
  return Array.isArray(found) ? found.filter((item) => typeof item === 'string') : [];
}

/** `10.0.0.1:80`, a pipe's path, or an internal listener's name. */
export function addressOf(value: unknown): { readonly address: string; readonly port: string } {
  const socket = child(value, 'socket_address');
  if (Object.keys(socket).length > 0) return { address: text(socket, 'address'), port: text(socket, 'port_value') };
  const internal = text(child(value, 'envoy_internal_address'), 'server_listener_name');
  return { address: text(child(value, 'pipe'), 'path') || internal, port: '' };
}

/** The object or file behind a resource or route, from its metadata; empty when nobody wrote it. */
export function originOf(resource: unknown): string {
  const metadata = child(resource, 'metadata', 'filter_metadata');
  const origin = text(child(metadata, 'meshwright'), 'origin');
  if (origin) return origin;
  const path = /namespaces\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(text(child(metadata, 'istio'), 'config'));
  if (!path) return '';
  const kind = (path[2] ?? '').replace(/(^|-)(\w)/g, (_, __, letter: string) => letter.toUpperCase());
  return `${kind} ${path[1]}/${path[3]}`;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

import type { JsonValue } from '@bufbuild/protobuf';
import type { InboundBind, InterceptionMode, Proxy as MeshProxy, OutboundBind, ProxyType } from './proxy.ts';

/** What a proxy says about itself, as xDS carries it (envoy.config.core.v3.Node; metadata as JSON). */
export interface NodeDescription {
  readonly id: string;
  readonly cluster?: string;
  readonly userAgentName?: string;
  readonly metadata: Readonly<Record<string, JsonValue>>;
  readonly locality?: { readonly region: string; readonly zone: string; readonly subZone: string };
}

const proxyTypes: readonly string[] = ['sidecar', 'router', 'waypoint'] satisfies ProxyType[];

/**
 * Reads Istio's node id (`<type>~<ip>~<name>.<namespace>~<dns domain>`) and metadata. Returns a sentence that says what
 * is wrong when the id has another form; unusable metadata values count as absent.
 */
export function proxyFromNode(node: NodeDescription): MeshProxy | string {
  const [type = '', address = '', name = '', dnsDomain = '', ...rest] = node.id.split('~');
  const grpc = node.metadata.GENERATOR === 'grpc' || /grpc/i.test(node.userAgentName ?? '');
  if (!isProxyType(type) || name === '' || rest.length > 0) {
    return `node id "${node.id}" is not of the form <sidecar|router|waypoint>~<ip>~<name>.<namespace>~<dns domain>`;
  }
  const metadata = node.metadata;
  const dot = name.lastIndexOf('.');
  const namespace = textOf(metadata.NAMESPACE) || (dot > 0 ? name.slice(dot + 1) : '');
  if (namespace === '') return `node "${node.id}" names no namespace, neither in its id nor in metadata NAMESPACE`;
  const instanceIps = textOf(metadata.INSTANCE_IPS).split(',').filter(Boolean);
  const mode = textOf(metadata.INTERCEPTION_MODE);
  return {
    id: node.id,
    type,
    ipAddresses: instanceIps.length > 0 ? instanceIps : [address].filter(Boolean),
    namespace,
    dnsDomain: dnsDomain || `${namespace}.svc.cluster.local`,
    labels: labelsOf(metadata.LABELS),
    serviceAccount: textOf(metadata.SERVICE_ACCOUNT),
    clusterId: textOf(metadata.CLUSTER_ID),
    network: textOf(metadata.NETWORK),
    locality: localityOf(node),
    nodeName: textOf(metadata.NODE_NAME),
    workloadName: textOf(metadata.WORKLOAD_NAME) || (dot > 0 ? name.slice(0, dot) : name),
    interceptionMode: isInterceptionMode(mode) ? mode : 'REDIRECT',
    istioVersion: textOf(metadata.ISTIO_VERSION),
    httpProxy: httpProxyOf(metadata),
    inbound: listOf(metadata.MESHWRIGHT_INBOUND).flatMap(inboundOf),
    outbound: outboundOf(metadata.MESHWRIGHT_OUTBOUND),
    engine: grpc ? 'grpc' : metadata.MESHWRIGHT_ENGINE === 'embedded' ? 'embedded' : 'envoy',
    alsSocket: alsOf(metadata.MESHWRIGHT_ALS),
  };
}

function isProxyType(text: string): text is ProxyType {
  return proxyTypes.includes(text);
}

function isInterceptionMode(text: string): text is InterceptionMode {
  return text === 'REDIRECT' || text === 'TPROXY' || text === 'NONE';
}

/** Text of a string, number or boolean; metadata that came from environment variables is always text. */
function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

type JsonObject = Readonly<Record<string, JsonValue>>;

/** An object, also when it was handed over as JSON text. */
function objectOf(value: JsonValue | undefined): JsonObject | undefined {
  const parsed = parsedOf(value);
  return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? parsed : undefined;
}

function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  const parsed = parsedOf(value);
  return Array.isArray(parsed) ? parsed : [];
}

function parsedOf(value: JsonValue | undefined): JsonValue | undefined {
  if (typeof value !== 'string') return value;
  try {
    const parsed: unknown = JSON.parse(value);
    return typeof parsed === 'object' && parsed !== null ? (parsed as JsonValue) : undefined;
  } catch {
    return undefined;
  }
}

function labelsOf(value: JsonValue | undefined): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(objectOf(value) ?? {}).map(([name, label]) => [name, textOf(label)]));
}

function portOf(value: JsonValue | undefined): number | undefined {
  const port = Number(textOf(value));
  return Number.isInteger(port) && port > 0 && port <= 65535 ? port : undefined;
}

function inboundOf(value: JsonValue): InboundBind[] {
  const entry = objectOf(value);
  const targetPort = portOf(entry?.targetPort);
  const port = portOf(entry?.port);
  const bind = textOf(entry?.bind);
  if (targetPort === undefined || port === undefined || bind === '') return [];
  return [{ targetPort, bind, port, defaultEndpoint: textOf(entry?.defaultEndpoint) || '127.0.0.1' }];
}

function outboundOf(value: JsonValue | undefined): OutboundBind | undefined {
  const entry = objectOf(value);
  const block = textOf(entry?.block);
  if (block !== '') return { block };
  const bind = textOf(entry?.bind);
  const portBase = portOf(entry?.portBase);
  return bind !== '' && portBase !== undefined ? { bind, portBase } : undefined;
}

function httpProxyOf(metadata: JsonObject): MeshProxy['httpProxy'] {
  const port = portOf(metadata.HTTP_PROXY_PORT);
  return port === undefined ? undefined : { bind: textOf(metadata.MESHWRIGHT_HTTP_PROXY_BIND) || '127.0.0.1', port };
}

/** The service is there when the key is set; its socket stands in the proxy's bootstrap under a cluster's name. */
function alsOf(value: JsonValue | undefined): string | undefined {
  const text = textOf(value);
  return text === '' || text === 'false' ? undefined : text;
}

function localityOf(node: NodeDescription): string {
  const label = textOf(labelsOf(node.metadata.LABELS)['istio-locality']).replaceAll('.', '/');
  const { region = '', zone = '', subZone = '' } = node.locality ?? {};
  return label || [region, zone, subZone].join('/').replace(/\/+$/, '');
}

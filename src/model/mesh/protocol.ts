import type { Protocol } from './service.ts';

const named = new Set<Protocol>([
  'http',
  'http2',
  'grpc',
  'grpc-web',
  'http_proxy',
  'https',
  'tls',
  'tcp',
  'udp',
  'mongo',
  'redis',
  'mysql',
]);

/** Ports whose servers speak first (SMTP, DNS, MySQL, MongoDB): waiting for the client's first bytes there would hang. Istio: pkg/config/kube. */
const serverFirstPorts: ReadonlySet<number> = new Set([25, 53, 3306, 27017]);

const kubernetesAppProtocols: Readonly<Record<string, Protocol>> = {
  'kubernetes.io/h2c': 'http2',
  'kubernetes.io/ws': 'http',
  'kubernetes.io/wss': 'https',
};

/** The protocol that a word such as `HTTP` or `grpc-web` names; undefined when it names none. */
export function parseProtocol(word: string): Protocol | undefined {
  const lower = word.toLowerCase();
  for (const protocol of named) if (protocol === lower) return protocol;
  return undefined;
}

/** Protocol of a port by what its name says before the first dash; `auto` when it says nothing and may be detected. */
export function protocolByName(name: string, port: number): Protocol {
  if (/^grpc-web(-|$)/i.test(name)) return 'grpc-web';
  return parseProtocol(name.split('-', 1)[0] ?? '') ?? (serverFirstPorts.has(port) ? 'tcp' : 'auto');
}

/** Protocol of a Kubernetes service port: transport UDP, then `appProtocol`, then the name. */
export function kubernetesProtocol(port: { name: string; port: number; protocol: string; appProtocol?: string | undefined }): Protocol {
  if (port.protocol === 'UDP') return 'udp';
  const said = port.appProtocol ? kubernetesAppProtocols[port.appProtocol] : undefined;
  return said ?? protocolByName(port.appProtocol || port.name, port.port);
}

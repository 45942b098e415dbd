import { isCidr, isIp } from '../address.ts';
import type { Issue } from '../issue.ts';
import type { ObjectMeta } from '../object.ts';
import { checkExportTo, checkPort, checkSelector, collector, isFqdn, isWildcardDomain, type Report } from './checks.ts';
import type { ServiceEntry, ServiceEntryPort } from './service-entry.ts';
import { checkPortName, checkWorkload } from './workload-entry-rules.ts';

const protocols: ReadonlySet<string> = new Set([
  'HTTP',
  'HTTPS',
  'HTTP2',
  'GRPC',
  'GRPC-WEB',
  'MONGO',
  'REDIS',
  'MYSQL',
  'TLS',
  'TCP',
  'UDP',
  'HTTP_PROXY',
]);

/** Protocols whose requests or handshakes name the host. */
const tellableProtocols: ReadonlySet<string> = new Set(['HTTP', 'HTTPS', 'HTTP2', 'GRPC', 'GRPC-WEB', 'TLS', 'HTTP_PROXY']);

/** Protocols that proxies carry as connections. */
const tcpProtocols: ReadonlySet<string> = new Set(['TCP', 'HTTPS', 'TLS', 'MONGO', 'REDIS', 'MYSQL', '']);

/** Label by which a ServiceEntry without addresses says no to automatic ones. */
const autoAllocateLabel = 'networking.istio.io/enable-autoallocate-ip';

/** Label by which a service names its waypoint. */
const waypointLabel = 'istio.io/use-waypoint';

/** What a ServiceEntry's schema cannot say. Istio 1.30: pkg/config/validation. */
export function validateServiceEntry(spec: ServiceEntry, meta: ObjectMeta): Issue[] {
  const { issues, report } = collector();
  if (spec.workloadSelector && spec.endpoints?.length) {
    report('MW0205', ['spec', 'workloadSelector'], 'workloadSelector and endpoints exclude each other');
  }
  if (spec.workloadSelector) checkSelector(spec.workloadSelector.labels, ['spec', 'workloadSelector'], report);
  checkHosts(spec, report);
  checkAddresses(spec, report);
  checkPorts(spec, meta, report);
  checkResolution(spec, meta, report);
  const isTellable = (spec.ports ?? []).every((port) => tellableProtocols.has(protocolOf(port)));
  if (spec.hosts.length > 1 && spec.resolution !== 'NONE' && !isTellable) {
    report('MW0205', ['spec', 'hosts'], 'several hosts need ports of an HTTP or TLS protocol: connections of others cannot be told apart');
  }
  checkExportTo(spec.exportTo, { namespace: meta.namespace, allowsNone: true }, report);
  return issues;
}

function protocolOf(port: ServiceEntryPort): string {
  return (port.protocol ?? '').toUpperCase();
}

function isOpaque(port: ServiceEntryPort): boolean {
  return protocolOf(port) === 'TCP' || protocolOf(port) === '';
}

function checkHosts(spec: ServiceEntry, report: Report): void {
  if (spec.hosts.length === 0) report('MW0112', ['spec', 'hosts'], 'expected at least one host');
  for (const [i, host] of spec.hosts.entries()) {
    const path = ['spec', 'hosts', i];
    if (host === '*') report('MW0201', path, '`*` would take in every host');
    else if (!isWildcardDomain(host))
      report('MW0201', path, host === '' ? 'the host is empty' : `\`${host}\` is neither a host name nor one with \`*.\` at its start`);
    else if (host.startsWith('*') && !host.startsWith('*.') && spec.resolution !== 'DYNAMIC_DNS') {
      report('IST0133', path, `\`${host}\`: a wildcard within a label is not matched by every feature`, 'Use `*.` at the start.');
    }
  }
}

function checkAddresses(spec: ServiceEntry, report: Report): void {
  for (const [i, address] of (spec.addresses ?? []).entries()) {
    const path = ['spec', 'addresses', i];
    if (isIp(address)) continue;
    if (!isCidr(address)) report('MW0211', path, `\`${address}\` is neither an IP address nor a CIDR`);
    else if (spec.resolution !== 'NONE' && spec.resolution !== 'STATIC') {
      report('MW0205', path, 'a CIDR can be used with resolution NONE or STATIC only');
    }
  }
}

function checkPorts(spec: ServiceEntry, meta: ObjectMeta, report: Report): void {
  const names = new Set<string>();
  const numbers = new Set<number>();
  for (const [i, port] of (spec.ports ?? []).entries()) {
    const path = ['spec', 'ports', i];
    checkPortName(port.name, [...path, 'name'], report);
    checkPort(port.number, [...path, 'number'], report);
    if (port.targetPort !== undefined && port.targetPort !== 0) checkPort(port.targetPort, [...path, 'targetPort'], report);
    if (names.has(port.name)) report('MW0210', [...path, 'name'], `two ports are named \`${port.name}\``);
    if (numbers.has(port.number)) report('MW0210', [...path, 'number'], `the port number ${port.number} stands twice`);
    names.add(port.name);
    numbers.add(port.number);
    if (port.protocol && !protocols.has(protocolOf(port))) {
      report('MW0113', [...path, 'protocol'], `\`${port.protocol}\` is no protocol; expected one of ${[...protocols].join(', ')}`);
    }
    if (isOpaque(port) && !spec.addresses?.length && !canAllocate(spec, meta)) {
      report(
        'IST0134',
        path,
        `port ${port.number} carries plain TCP and the entry has no addresses, so connections are told apart by port only`,
        'Add addresses.',
      );
    }
  }
}

/** Whether addresses are allocated by themselves: not for NONE, wildcard hosts, or when the object says no. */
function canAllocate(spec: ServiceEntry, meta: ObjectMeta): boolean {
  const isPlain = spec.resolution !== 'NONE' && spec.hosts.every((host) => !host.startsWith('*'));
  return isPlain && meta.labels[autoAllocateLabel] !== 'false';
}

function checkResolution(spec: ServiceEntry, meta: ObjectMeta, report: Report): void {
  switch (spec.resolution) {
    case 'NONE':
      if (spec.endpoints?.length)
        report('MW0205', ['spec', 'endpoints'], 'with resolution NONE connections go where the caller says, so endpoints cannot be used');
      if (spec.workloadSelector) report('IST0133', ['spec', 'workloadSelector'], 'with resolution NONE the selector has no effect');
      break;
    case 'STATIC':
      checkStatic(spec, report);
      break;
    case 'DNS':
    case 'DNS_ROUND_ROBIN':
      checkDns(spec, report);
      break;
    case 'DYNAMIC_DNS':
      checkDynamic(spec, meta, report);
  }
}

function checkEndpointPorts(spec: ServiceEntry, i: number, report: Report): void {
  const known = new Set((spec.ports ?? []).map((port) => port.name));
  for (const name of Object.keys(spec.endpoints?.[i]?.ports ?? {})) {
    if (!known.has(name)) report('MW0202', ['spec', 'endpoints', i, 'ports', name], `the entry has no port named \`${name}\``);
  }
}

function checkStatic(spec: ServiceEntry, report: Report): void {
  const hasSocket = spec.endpoints?.some((endpoint) => endpoint.address?.startsWith('unix://')) ?? false;
  if (hasSocket && spec.ports?.length !== 1)
    report('MW0205', ['spec', 'ports'], 'endpoints that are sockets need exactly one port in the entry');
  for (const [i, endpoint] of (spec.endpoints ?? []).entries()) {
    checkWorkload(endpoint, ['spec', 'endpoints', i], { allowsHostName: false }, report);
    checkEndpointPorts(spec, i, report);
  }
}

function checkDns(spec: ServiceEntry, report: Report): void {
  const endpoints = spec.endpoints ?? [];
  if (endpoints.length === 0) {
    for (const [i, host] of spec.hosts.entries()) {
      if (!isFqdn(host))
        report(
          'MW0201',
          ['spec', 'hosts', i],
          `without endpoints the host is looked up in DNS, which is impossible for \`${host}\``,
          'Add endpoints.',
        );
    }
  }
  if (spec.resolution === 'DNS_ROUND_ROBIN' && endpoints.length > 1) {
    report('MW0205', ['spec', 'endpoints'], `resolution DNS_ROUND_ROBIN takes one endpoint at most, found ${endpoints.length}`);
  }
  for (const [i, endpoint] of endpoints.entries()) {
    const path = ['spec', 'endpoints', i];
    if (endpoint.address?.startsWith('unix://')) report('MW0211', [...path, 'address'], 'a socket cannot be used with resolution DNS');
    else checkWorkload(endpoint, path, { allowsHostName: true }, report);
    checkEndpointPorts(spec, i, report);
  }
  if (spec.hosts.length > 1 && spec.addresses?.length && spec.ports?.some((port) => tcpProtocols.has(protocolOf(port)))) {
    report('IST0133', ['spec', 'hosts'], 'TCP connections to the addresses cannot be told apart by host, they all go to the first');
  }
}

function checkDynamic(spec: ServiceEntry, meta: ObjectMeta, report: Report): void {
  for (const [i, host] of spec.hosts.entries()) {
    if (!host.startsWith('*'))
      report('MW0201', ['spec', 'hosts', i], `resolution DYNAMIC_DNS takes wildcard hosts only, found \`${host}\``);
  }
  if (spec.location === 'MESH_INTERNAL' && meta.labels[waypointLabel]) {
    report('MW0205', ['spec', 'resolution'], 'resolution DYNAMIC_DNS cannot be used for a service inside the mesh that has a waypoint');
  }
  if (spec.addresses?.length) report('MW0205', ['spec', 'addresses'], 'addresses cannot be used with resolution DYNAMIC_DNS');
  if (spec.endpoints?.length) report('MW0205', ['spec', 'endpoints'], 'endpoints cannot be used with resolution DYNAMIC_DNS');
  for (const [i, port] of (spec.ports ?? []).entries()) {
    if (!['HTTP', 'TLS', 'GRPC', 'HTTP2'].includes(protocolOf(port))) {
      report('MW0205', ['spec', 'ports', i, 'protocol'], 'resolution DYNAMIC_DNS takes the protocols HTTP, HTTP2, GRPC and TLS only');
    }
  }
}

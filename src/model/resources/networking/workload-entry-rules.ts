import { isIp } from '../address.ts';
import type { Issue, Path } from '../issue.ts';
import { checkLabels, checkPort, collector, isFqdn, type Report } from './checks.ts';
import type { WorkloadEntry } from './workload-entry.ts';

/** What a WorkloadEntry's schema cannot say. Istio 1.30: pkg/config/validation. */
export function validateWorkloadEntry(spec: WorkloadEntry): Issue[] {
  const { issues, report } = collector();
  checkWorkload(spec, ['spec'], { allowsHostName: true }, report);
  return issues;
}

export interface WorkloadContext {
  /** Whether the address may be a name that is looked up in DNS. */
  readonly allowsHostName: boolean;
}

/** A WorkloadEntry's spec, or an endpoint inside a ServiceEntry. */
export function checkWorkload(spec: WorkloadEntry, path: Path, context: WorkloadContext, report: Report): void {
  checkAddress(spec, [...path, 'address'], context, report);
  for (const [name, port] of Object.entries(spec.ports ?? {})) {
    checkPortName(name, [...path, 'ports', name], report);
    checkPort(port, [...path, 'ports', name], report);
  }
  checkLabels(spec.labels, [...path, 'labels'], report);
}

function checkAddress(spec: WorkloadEntry, path: Path, { allowsHostName }: WorkloadContext, report: Report): void {
  const address = spec.address ?? '';
  if (address === '') {
    if (spec.network) report('IST0133', path, 'without an address the workload is reached through the gateway of its network only');
    else report('MW0112', path, 'expected an address or a network');
    return;
  }
  if (address.startsWith('unix://')) {
    const socket = address.slice('unix://'.length);
    if (!socket.startsWith('/') && !socket.startsWith('@'))
      report('MW0211', path, `expected the absolute path of a socket, found \`${address}\``);
    else if (socket.endsWith('/')) report('MW0211', path, `\`${address}\` names a folder, expected a socket`);
    if (Object.keys(spec.ports ?? {}).length > 0) report('MW0205', [...path.slice(0, -1), 'ports'], 'a socket has no ports');
    return;
  }
  if (isIp(address) || (allowsHostName && isFqdn(address))) return;
  report(
    'MW0211',
    path,
    `\`${address}\` is ${allowsHostName ? 'neither an IP address, a host name nor a socket' : 'neither an IP address nor a socket'}`,
  );
}

/** Port names are DNS labels. */
export function checkPortName(name: string, path: Path, report: Report): void {
  if (!isPortName(name)) report('MW0202', path, name === '' ? 'the name of the port is empty' : `\`${name}\` is not a valid port name`);
}

/** Letters, digits and dashes, at most 63 of them. */
export function isPortName(name: string): boolean {
  return name.length <= 63 && /^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$/.test(name);
}

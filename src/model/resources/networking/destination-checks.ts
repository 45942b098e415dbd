import type { Path } from '../issue.ts';
import { checkPort, isDnsLabel, isFqdn, isWildcardDomain, type Report } from './checks.ts';
import type { Destination } from './destination.ts';

/** The gateway name that stands for every sidecar. */
export const meshGateway = 'mesh';

/** `mesh`, `name` or `namespace/name`. */
export function checkGateways(gateways: readonly string[] | undefined, path: Path, report: Report): void {
  for (const [i, gateway] of (gateways ?? []).entries()) {
    if (gateway === meshGateway) continue;
    const parts = gateway.split('/');
    const isDomainName = parts.length === 1 && gateway.includes('.');
    if (gateway === '') report('MW0217', [...path, i], 'the name of a gateway is empty');
    else if (isDomainName && isFqdn(gateway)) {
      report('IST0133', [...path, i], `\`${gateway}\` names the gateway like a host`, 'Write `namespace/name` instead.');
    } else if (parts.length > 2 || !parts.every(isDnsLabel)) report('MW0217', [...path, i], `\`${gateway}\` is no gateway name`);
  }
}

export function checkSourceNamespace(namespace: string | undefined, path: Path, report: Report): void {
  if (namespace && !isDnsLabel(namespace)) report('MW0212', [...path, 'sourceNamespace'], `\`${namespace}\` is not a valid namespace name`);
}

export function checkDestination(destination: Destination, path: Path, report: Report): void {
  const { host, subset, port } = destination;
  if (host === '*' || !isWildcardDomain(host)) {
    report('MW0201', [...path, 'host'], host === '' ? 'the host of the destination is empty' : `\`${host}\` is no valid destination host`);
  }
  if (subset !== undefined && subset !== '' && !isDnsLabel(subset))
    report('MW0218', [...path, 'subset'], `\`${subset}\` is not a valid subset name`);
  if (port) checkPort(port.number, [...path, 'port', 'number'], report);
}

export function checkWeights(routes: readonly { readonly weight?: number }[], path: Path, report: Report): void {
  let sum = 0;
  for (const [i, { weight = 0 }] of routes.entries()) {
    if (weight < 0) report('MW0206', [...path, i, 'weight'], `expected a weight of zero or more, found ${weight}`);
    sum += Math.max(0, weight);
  }
  if (routes.length > 1 && sum === 0) report('MW0206', path, 'the weights of the destinations add up to zero');
}

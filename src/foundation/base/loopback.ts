/**
 * The address plan of a mesh on one machine. Every workload owns a block of loopback addresses; its own address is the
 * first of them, and each service stands in the block at the offset of its cluster IP. Control plane and agent compute
 * the same without talking.
 */

/** Addresses per block; also the size of the cluster IP range that can be told apart. */
export const blockSize = 4096;

/** Ports per service where only one loopback address exists. */
const portsPerService = 8;

export interface OutboundAddress {
  readonly address: string;
  readonly port: number;
}

export function ipv4ToNumber(address: string): number | undefined {
  const parts = address.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

export function numberToIpv4(value: number): string {
  return `${(value >>> 24) & 255}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}

/** `127.64.16.0/20` to `127.64.16.1`. */
export function workloadAddress(block: string): string {
  return numberToIpv4((ipv4ToNumber(block.split('/')[0] ?? '') ?? 0) + 1);
}

/**
 * Where a workload reaches port number `servicePort` (the `portIndex`-th of its service) of the service with this
 * cluster IP; undefined for services without a usable IPv4 cluster IP.
 */
export function outboundAddress(
  outbound: { readonly block: string } | { readonly bind: string; readonly portBase: number },
  clusterIp: string,
  servicePort: number,
  portIndex: number,
): OutboundAddress | undefined {
  const ip = ipv4ToNumber(clusterIp);
  if (ip === undefined || ip === 0) return undefined;
  const offset = ip % blockSize;
  if (offset < 2) return undefined;
  if ('block' in outbound) {
    const base = ipv4ToNumber(outbound.block.split('/')[0] ?? '');
    return base === undefined ? undefined : { address: numberToIpv4(base + offset), port: servicePort };
  }
  if (portIndex >= portsPerService) return undefined;
  const port = outbound.portBase + offset * portsPerService + portIndex;
  return port > 65535 ? undefined : { address: outbound.bind, port };
}

import type { SlowStartTable } from '../table.ts';
import type { Host } from './host.ts';

/**
 * The share of its weight that a host gets now, in (0, 1]: time in the window as a fraction, to the power of
 * 1 / aggression, at least the minimum. Envoy: "slow start" of its load balancers.
 */
export function warmth(table: SlowStartTable, host: Host, now: number): number {
  const since = now - host.healthySince;
  if (since >= table.windowMs) return 1;
  return Math.max((Math.max(1, since) / table.windowMs) ** (1 / table.aggression), table.minWeightPercent / 100);
}

/** When the last of these hosts has its whole weight. */
export function warmAt(table: SlowStartTable, hosts: readonly Host[]): number {
  return hosts.reduce((last, host) => Math.max(last, host.healthySince), Number.NEGATIVE_INFINITY) + table.windowMs;
}

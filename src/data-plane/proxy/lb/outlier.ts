import type { OutlierTable } from '../table.ts';
import type { Host } from './host.ts';

/**
 * Notes one outcome: an HTTP status, or 0 for a failure that never reached the application. True when the host must be
 * ejected now.
 */
export function noteOutcome(table: OutlierTable, host: Host, status: number, random: () => number): boolean {
  if (status > 0 && status < 500) {
    host.consecutive5xx = 0;
    host.consecutiveGateway = 0;
    host.consecutiveLocal = 0;
    return false;
  }
  const local = status === 0;
  if (local && table.splitLocal) {
    return ++host.consecutiveLocal === table.consecutiveLocal && random() * 100 < table.enforceLocal;
  }
  if (!local) host.consecutiveLocal = 0;
  let eject = false;
  if (++host.consecutive5xx === table.consecutive5xx && random() * 100 < table.enforce5xx) eject = true;
  const gateway = local || (status >= 502 && status <= 504);
  if (!gateway) host.consecutiveGateway = 0;
  else if (++host.consecutiveGateway === table.consecutiveGateway && random() * 100 < table.enforceGateway) eject = true;
  return eject;
}

/** Ejects unless too much of the cluster is out already. Returns whether it did. */
export function eject(table: OutlierTable, host: Host, hosts: readonly Host[], now: number): boolean {
  if (host.ejected) return false;
  const out = hosts.reduce((count, other) => count + (other.ejected ? 1 : 0), 0);
  const percent = ((out + 1) * 100) / hosts.length;
  if (percent > table.maxEjectionPercent && !(out === 0 && table.alwaysEjectOne)) return false;
  host.ejected = true;
  host.ejections++;
  host.ejectedAt = now;
  return true;
}

/** Lets hosts whose time is over back in. Returns whether any came back. */
export function readmit(table: OutlierTable, hosts: readonly Host[], now: number): boolean {
  let changed = false;
  for (const host of hosts) {
    if (!host.ejected) {
      if (host.ejections > 0 && now - host.ejectedAt > table.baseEjectionMs * (host.ejections + 1)) host.ejections--;
      continue;
    }
    const outFor = Math.min(table.baseEjectionMs * host.ejections, table.maxEjectionMs);
    if (now - host.ejectedAt < outFor) continue;
    host.ejected = false;
    host.consecutive5xx = 0;
    host.consecutiveGateway = 0;
    host.consecutiveLocal = 0;
    changed = true;
  }
  return changed;
}

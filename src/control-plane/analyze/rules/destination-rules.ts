import type { Service } from '#mesh/service.ts';
import { serviceKey } from '#mesh/service.ts';
import type { MeshSnapshot } from '#mesh/snapshot.ts';
import { hostCovers, isWildcard, resolveHost } from '#translate/hosts.ts';
import type { Rule } from '#translate/visibility.ts';
import { viewOf } from '#translate/visibility.ts';
import { type Finding, finding } from './finding.ts';
import { nearest } from './nearest.ts';

/** DestinationRules for hosts that nobody has, subsets that select nothing, and subsets that two rules define. */
export function* destinationRuleProblems(snapshot: MeshSnapshot): Generator<Finding> {
  const seen = new Map<string, Rule>();
  for (const rule of snapshot.destinationRules) {
    const host = resolveHost(rule.spec.host, rule.metadata.namespace, snapshot.mesh.clusterDomain);
    const services = servicesOf(snapshot, rule, host);
    if (services.length === 0) yield unknownHost(snapshot, rule, host);
    for (const [i, subset] of (rule.spec.subsets ?? []).entries()) {
      const path = `spec.subsets[${i}]`;
      yield* emptySubset(snapshot, rule, services, path, subset.name, subset.labels ?? {});
      const key = `${rule.metadata.namespace}/${host}/${subset.name}`;
      const older = seen.get(key);
      if (older && older !== rule && !rule.spec.workloadSelector && !older.spec.workloadSelector) {
        yield finding('MW0210', rule.origin, {
          path: `${path}.name`,
          severity: 'warning',
          message: `${older.metadata.namespace}/${older.metadata.name} defines subset ${subset.name} of ${host} already; the older definition counts`,
        });
      }
      seen.set(key, older ?? rule);
    }
  }
}

function servicesOf(snapshot: MeshSnapshot, rule: Rule, host: string): readonly Service[] {
  const view = viewOf(snapshot, rule.metadata.namespace);
  const exact = view.service(host);
  if (exact) return [exact];
  const covered = view.hosts
    .map((entry) => entry.service)
    .filter((service) => hostCovers(host, service.hostname) || hostCovers(service.hostname, host));
  return isWildcard(host) || covered.length > 0 ? covered : snapshot.services.filter((service) => service.hostname === host);
}

function unknownHost(snapshot: MeshSnapshot, rule: Rule, host: string): Finding {
  const near = nearest(
    host,
    snapshot.services.map((service) => service.hostname),
  );
  return finding('IST0174', rule.origin, {
    path: 'spec.host',
    message: `no service has the host ${host}, so the rule has no effect`,
    ...(near ? { fix: `Did you mean ${near}?` } : {}),
  });
}

/** Only where the service has endpoints at all: a service that is not running yet says nothing about its labels. */
function* emptySubset(
  snapshot: MeshSnapshot,
  rule: Rule,
  services: readonly Service[],
  path: string,
  name: string,
  labels: Readonly<Record<string, string>>,
): Generator<Finding> {
  const endpoints = services.flatMap((service) => snapshot.endpoints.get(serviceKey(service))?.endpoints ?? []);
  const wanted = Object.entries(labels);
  if (endpoints.length === 0 || wanted.length === 0) return;
  if (endpoints.some((endpoint) => wanted.every(([label, value]) => endpoint.labels[label] === value))) return;
  yield finding('IST0173', rule.origin, {
    path: `${path}.labels`,
    severity: 'warning',
    message: `none of the ${endpoints.length} endpoints of ${rule.spec.host} carries ${wanted.map(([label, value]) => `${label}=${value}`).join(', ')}; requests to subset ${name} get 503`,
  });
}

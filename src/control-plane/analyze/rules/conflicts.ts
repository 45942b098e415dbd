import type { MeshSnapshot } from '#mesh/snapshot.ts';
import { resolveHost } from '#translate/hosts.ts';
import { boundToMesh, type Route } from '#translate/visibility.ts';
import { type Finding, finding } from './finding.ts';

/** VirtualServices that speak for the same host to the same callers: of each kind of rule only the oldest counts. */
export function* conflictProblems(snapshot: MeshSnapshot): Generator<Finding> {
  const byHost = new Map<string, Route[]>();
  for (const route of snapshot.virtualServices) {
    if (!boundToMesh(route)) continue;
    for (const written of new Set(route.spec.hosts)) {
      const host = resolveHost(written, route.metadata.namespace, snapshot.mesh.clusterDomain);
      byHost.set(host, [...(byHost.get(host) ?? []), route]);
    }
  }
  for (const [host, routes] of byHost) {
    for (const route of routes) {
      const rivals = routes.filter((other) => other !== route && overlap(snapshot, route, other));
      if (rivals.length === 0) continue;
      const first = routes.find((other) => other === route || rivals.includes(other));
      const names = rivals.map((other) => `${other.metadata.namespace}/${other.metadata.name}`).join(', ');
      yield finding('IST0109', route.origin, {
        path: `spec.hosts[${route.spec.hosts.findIndex((written) => resolveHost(written, route.metadata.namespace, snapshot.mesh.clusterDomain) === host)}]`,
        message: `${names} also speaks for ${host}; ${first === route ? 'this one is the oldest and wins' : 'an older one wins, this one has no effect'}`,
      });
    }
  }
}

/** Whether some namespace sees both, so that one hides the other there. */
function overlap(snapshot: MeshSnapshot, a: Route, b: Route): boolean {
  const [first, second] = [audience(snapshot, a), audience(snapshot, b)];
  if (first.has('*')) return second.size > 0;
  if (second.has('*')) return first.size > 0;
  return [...first].some((namespace) => second.has(namespace));
}

function audience(snapshot: MeshSnapshot, route: Route): ReadonlySet<string> {
  const exportTo = route.spec.exportTo?.length ? route.spec.exportTo : snapshot.mesh.defaultVirtualServiceExportTo;
  if (exportTo.includes('*')) return new Set(['*']);
  return new Set(exportTo.filter((name) => name !== '~').map((name) => (name === '.' ? route.metadata.namespace : name)));
}

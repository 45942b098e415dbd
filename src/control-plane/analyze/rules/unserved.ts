import type { Protocol, Service } from '#mesh/service.ts';
import type { MeshSnapshot } from '#mesh/snapshot.ts';
import type { TrafficPolicy } from '#resources/networking/destination-rule.ts';
import { tlsSupport } from '#translate/client-tls.ts';
import { isClaim } from '#translate/http-match.ts';
import type { Route, Rule } from '#translate/visibility.ts';
import { type Finding, finding } from './finding.ts';

/** Settings that are valid and that this version leaves out of what it generates: said, never silently ignored. */
export function* unservedProblems(snapshot: MeshSnapshot): Generator<Finding> {
  for (const rule of snapshot.destinationRules) yield* unservedPolicies(rule);
  for (const route of snapshot.virtualServices) yield* unservedMatches(route);
  for (const service of snapshot.services) {
    yield* unservedPorts(service);
    if (service.resolution !== 'dynamic-dns') continue;
    yield finding('MW0401', service.origin, {
      path: 'spec.resolution',
      message: `resolution DYNAMIC_DNS is not served yet; traffic to ${service.hostname} is treated as unknown`,
      fix: 'Use DNS for an exact host, or NONE for a wildcard.',
    });
  }
}

/** What a port's protocol asks for beyond its transport. */
const unservedProtocols: Readonly<Partial<Record<Protocol, { readonly message: string; readonly fix: string }>>> = {
  'grpc-web': {
    message: 'gRPC-Web is not translated to gRPC yet; its requests pass as they are',
    fix: 'Nothing, when the server speaks gRPC-Web itself; otherwise put a translating proxy beside it.',
  },
  mongo: {
    message: 'MongoDB messages are not looked into yet; connections pass as TCP, without MongoDB statistics',
    fix: 'Nothing, when TCP statistics are enough; then protocol TCP says the same.',
  },
};

function* unservedPorts({ ports, hostname, origin }: Service): Generator<Finding> {
  for (const [i, port] of ports.entries()) {
    const said = unservedProtocols[port.protocol];
    if (said === undefined) continue;
    yield finding('MW0401', origin, {
      path: `spec.ports[${i}]`,
      severity: 'info',
      message: `${hostname}:${port.number}: ${said.message}`,
      fix: said.fix,
    });
  }
}

function* unservedPolicies(rule: Rule): Generator<Finding> {
  const { trafficPolicy, subsets = [] } = rule.spec;
  const levels: [string, TrafficPolicy | undefined][] = [
    ['spec.trafficPolicy', trafficPolicy],
    ...subsets.map((subset, i): [string, TrafficPolicy | undefined] => [`spec.subsets[${i}].trafficPolicy`, subset.trafficPolicy]),
  ];
  for (const [path, policy] of levels) {
    yield* unservedSettings(rule, path, policy);
    for (const [i, settings] of (policy?.portLevelSettings ?? []).entries())
      yield* unservedSettings(rule, `${path}.portLevelSettings[${i}]`, settings);
  }
}

function* unservedSettings(
  rule: Rule,
  path: string,
  policy: Pick<TrafficPolicy, 'tls' | 'loadBalancer' | 'proxyProtocol'> | undefined,
): Generator<Finding> {
  if (tlsSupport(policy?.tls) === 'unsupported') {
    const what = policy?.tls?.credentialName
      ? 'certificates by credentialName are'
      : policy?.tls?.mode === 'ISTIO_MUTUAL'
        ? 'mode ISTIO_MUTUAL is'
        : 'mode MUTUAL without certificate and key files is';
    yield finding('MW0401', rule.origin, {
      path: `${path}.tls`,
      message: `${what} not served yet; traffic to ${rule.spec.host} goes out in plain text`,
      fix: 'Name the certificate by files, or remove the block.',
    });
  }
  if (policy?.loadBalancer?.zoneAwareLbSetting?.enabled) {
    yield finding('MW0401', rule.origin, {
      path: `${path}.loadBalancer.zoneAwareLbSetting`,
      message: 'zone-aware balancing is not served yet; localities are not preferred',
      fix: 'Use localityLbSetting.',
    });
  }
  if (policy?.proxyProtocol) {
    yield finding('MW0401', rule.origin, {
      path: `${path}.proxyProtocol`,
      message: 'the PROXY protocol is not served yet; connections start without its header',
      fix: 'Remove the block, or turn the protocol off at the destination.',
    });
  }
}

function* unservedMatches(route: Route): Generator<Finding> {
  for (const gateway of new Set(route.spec.gateways ?? [])) {
    if (gateway === 'mesh') continue;
    yield finding('MW0401', route.origin, {
      path: 'spec.gateways',
      message: `gateways are not served yet; at gateway ${gateway} this VirtualService has no effect`,
      fix: route.spec.gateways?.includes('mesh')
        ? 'Nothing, when it is enough that sidecars apply it.'
        : 'Add `mesh` to the list when sidecars shall apply it.',
    });
  }
  for (const [i, rule] of (route.spec.http ?? []).entries()) {
    for (const [j, match] of (rule.match ?? []).entries()) {
      const claim = [...Object.keys(match.headers ?? {}), ...Object.keys(match.withoutHeaders ?? {})].find(isClaim);
      if (claim === undefined) continue;
      yield finding('MW0401', route.origin, {
        path: `spec.http[${i}].match[${j}]`,
        message: `routing by the claim ${claim} is not served yet; this condition never holds`,
        fix: 'Route by a header instead.',
      });
    }
  }
}

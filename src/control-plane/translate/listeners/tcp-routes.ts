import type { Origin } from '#base/origin.ts';
import { appliesToConnections } from '../http-match.ts';
import { internRecord } from '../intern.ts';
import type { Scope } from '../scope.ts';
import { type ChainMatch, chainMatch } from './chains.ts';
import { ruleTarget, serviceTarget, type TcpTarget } from './tcp.ts';

export interface TcpChain {
  readonly match: ChainMatch;
  readonly target: TcpTarget;
  readonly name: string;
  readonly origin: Origin | undefined;
}

const ruleOrigins = new WeakMap<Origin, Map<string, Origin>>();

/** The same origin value for the same rule, so that equal chains stay one value. */
function ruleOrigin(origin: Origin, path: string): Origin {
  const paths = ruleOrigins.get(origin) ?? new Map<string, Origin>();
  ruleOrigins.set(origin, paths);
  const known = paths.get(path);
  if (known) return known;
  const made = internRecord({ ...origin, path });
  paths.set(path, made);
  return made;
}

/** Chains of the VirtualServices' `tls` rules for a host; empty when none applies. */
export function tlsChains(scope: Scope, hostname: string, port: number, prefixes: readonly string[]): readonly TcpChain[] {
  const chains: TcpChain[] = [];
  const seen = new Set<ChainMatch>();
  for (const route of scope.view.routesFor(hostname)) {
    for (const [ruleIndex, rule] of (route.spec.tls ?? []).entries()) {
      for (const [matchIndex, match] of (rule.match ?? []).entries()) {
        if (!appliesToConnections(match, port, scope.sourceFor(route))) continue;
        const key = chainMatch({
          prefixes: match.destinationSubnets?.length ? match.destinationSubnets : prefixes,
          serverNames: (match.sniHosts ?? []).filter((host) => host !== '*'),
        });
        const target = ruleTarget(scope, route, rule.route ?? [], port);
        if (seen.has(key) || !target) continue;
        seen.add(key);
        chains.push({ match: key, target, name: '', origin: ruleOrigin(route.origin, `spec.tls[${ruleIndex}].match[${matchIndex}]`) });
      }
    }
  }
  return chains;
}

/** Chains of the `tcp` rules for a host, ending with one that takes every connection to its addresses. */
export function tcpChains(scope: Scope, hostname: string, port: number, prefixes: readonly string[]): readonly TcpChain[] {
  const chains: TcpChain[] = [];
  for (const route of scope.view.routesFor(hostname)) {
    for (const [ruleIndex, rule] of (route.spec.tcp ?? []).entries()) {
      const target = ruleTarget(scope, route, rule.route ?? [], port);
      if (!target) continue;
      const origin = ruleOrigin(route.origin, `spec.tcp[${ruleIndex}]`);
      const matches = (rule.match ?? []).filter((match) => appliesToConnections(match, port, scope.sourceFor(route)));
      if ((rule.match ?? []).length > 0 && matches.length === 0) continue;
      const open = matches.length === 0 || matches.some((match) => (match.destinationSubnets ?? []).length === 0);
      if (open) return [...chains, { match: chainMatch({ prefixes }), target, name: '', origin }];
      const subnets = matches.flatMap((match) => match.destinationSubnets ?? []);
      chains.push({ match: chainMatch({ prefixes: subnets }), target, name: '', origin });
    }
  }
  const rest: TcpChain = { match: chainMatch({ prefixes }), target: serviceTarget(scope, hostname, port), name: '', origin: undefined };
  return chains.some((chain) => chain.match === rest.match) ? chains : [...chains, rest];
}

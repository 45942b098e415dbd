import { formatOrigin } from '#base/origin.ts';
import { activeMatches, appliesHere } from '#translate/http-match.ts';
import type { Scope } from '#translate/scope.ts';
import type { Route } from '#translate/visibility.ts';
import type { ExplainStep, OriginText } from './step.ts';

/**
 * VirtualServices of the host that gave the proxy no route, and rules of the one that did which were left out because of
 * what is known before a request comes.
 */
export function rivalSteps(scope: Scope, hostname: string, port: number, winner: OriginText | undefined): readonly ExplainStep[] {
  return scope.view.routesFor(hostname).flatMap((route) => {
    const isWinner = winner?.object?.name === route.metadata.name && winner.object.namespace === route.metadata.namespace;
    return isWinner ? omittedRules(scope, route, port) : [lostStep(scope, route, port)];
  });
}

function nameOf(route: Route): string {
  return `${route.metadata.namespace}/${route.metadata.name}`;
}

function originText(route: Route, path?: string): OriginText {
  const { namespace, name } = route.metadata;
  return {
    text: formatOrigin(path === undefined ? route.origin : { ...route.origin, path }),
    object: { apiVersion: route.apiVersion, kind: route.kind, namespace, name },
  };
}

function lostStep(scope: Scope, route: Route, port: number): ExplainStep {
  const speaks = (route.spec.http ?? []).length > 0 && activeMatches(route, port, scope.sourceFor(route)).length > 0;
  const reason = speaks
    ? 'another VirtualService for this host takes precedence (exact host before wildcard, then the oldest)'
    : `no HTTP rule of it applies to port ${port} and this caller`;
  return { what: 'virtual service', name: nameOf(route), verdict: 'missed', reason, origin: originText(route) };
}

function omittedRules(scope: Scope, route: Route, port: number): ExplainStep[] {
  const source = scope.sourceFor(route);
  return (route.spec.http ?? []).flatMap((rule, ruleIndex) =>
    (rule.match ?? []).flatMap((match, matchIndex): ExplainStep[] => {
      if (appliesHere(match, port, source)) return [];
      const reason =
        match.port && match.port !== port
          ? `only for port ${match.port}`
          : match.gateways?.length
            ? `only for gateways ${match.gateways.join(', ')}`
            : `only for callers ${[...Object.entries(match.sourceLabels ?? {}).map(([name, value]) => `with ${name}=${value}`), match.sourceNamespace ? `in namespace ${match.sourceNamespace}` : ''].filter((part) => part !== '').join(' and ')}`;
      const path = `spec.http[${ruleIndex}].match[${matchIndex}]`;
      return [{ what: 'rule', name: rule.name ?? path, verdict: 'missed', reason, origin: originText(route, path) }];
    }),
  );
}

import type { Duration } from '@bufbuild/protobuf/wkt';
import { type HeaderValueOption, HeaderValueOption_HeaderAppendAction } from '#proto/gen/envoy/config/core/v3/base_pb.js';
import type { Route, RouteAction } from '#proto/gen/envoy/config/route/v3/route_components_pb.js';
import { CorsPolicySchema } from '#proto/gen/envoy/extensions/filters/http/cors/v3/cors_pb.js';
import { HTTPFaultSchema } from '#proto/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { type FractionalPercent, FractionalPercent_DenominatorType } from '#proto/gen/envoy/type/v3/percent_pb.js';
import { unpacked } from '../proxy-config.ts';
import { stringTest } from '../route-match.ts';
import type { ExplainStep } from './step.ts';

/** What the route does to a request on its way, in the order in which it happens. */
export function effectsOf(route: Route): readonly ExplainStep[] {
  const action = route.action.case === 'route' ? route.action.value : undefined;
  return [
    ...faultSteps(route),
    ...corsSteps(route),
    ...answerSteps(route),
    ...headerSteps(route),
    ...(action
      ? [...rewriteSteps(action), ...timeoutSteps(action), ...retrySteps(action), ...mirrorSteps(action), ...hashSteps(action)]
      : []),
  ];
}

function applied(what: string, name: string, reason = ''): ExplainStep {
  return { what, name, verdict: 'applied', reason };
}

function ms(duration: Duration | undefined): number {
  return duration ? Number(duration.seconds) * 1000 + duration.nanos / 1e6 : 0;
}

function timeText(duration: Duration | undefined): string {
  const value = ms(duration);
  return value % 1000 === 0 ? `${value / 1000}s` : `${value}ms`;
}

function percentText(percent: FractionalPercent | undefined): string {
  const scale = {
    [FractionalPercent_DenominatorType.HUNDRED]: 1,
    [FractionalPercent_DenominatorType.TEN_THOUSAND]: 100,
    [FractionalPercent_DenominatorType.MILLION]: 10_000,
  };
  return `${(percent?.numerator ?? 0) / scale[percent?.denominator ?? FractionalPercent_DenominatorType.HUNDRED]} %`;
}

/** A fault that the route injects, and what share of its requests gets it. */
export interface Fault {
  readonly kind: 'delay' | 'abort';
  /** `delay 7s`, `abort with 500`, `abort with gRPC status 14`. */
  readonly text: string;
  readonly isForAll: boolean;
  /** `10 %` */
  readonly share: string;
}

/** The delay before the abort, as they happen; empty without faults. */
export function faultsOf(route: Route): readonly Fault[] {
  const fault = unpacked(route.typedPerFilterConfig['envoy.filters.http.fault'], HTTPFaultSchema);
  const delay = fault?.delay?.faultDelaySecifier;
  const abort = fault?.abort?.errorType;
  const faults: Fault[] = [];
  const add = (kind: Fault['kind'], text: string, percentage: FractionalPercent | undefined) => {
    const share = percentText(percentage);
    if (share !== '0 %') faults.push({ kind, text, share, isForAll: share === '100 %' });
  };
  if (delay?.case === 'fixedDelay') add('delay', `delay ${timeText(delay.value)}`, fault?.delay?.percentage);
  if (abort?.case === 'httpStatus') add('abort', `abort with ${abort.value}`, fault?.abort?.percentage);
  if (abort?.case === 'grpcStatus') add('abort', `abort with gRPC status ${abort.value}`, fault?.abort?.percentage);
  return faults;
}

function faultSteps(route: Route): ExplainStep[] {
  return faultsOf(route).map(({ text, share }) => applied('fault', text, `for ${share} of the requests`));
}

function corsSteps(route: Route): ExplainStep[] {
  const cors = unpacked(route.typedPerFilterConfig['envoy.filters.http.cors'], CorsPolicySchema);
  if (!cors) return [];
  return [applied('cors', `origin ${cors.allowOriginStringMatch.map((matcher) => stringTest(matcher).text).join(' or ')}`)];
}

function answerSteps({ action }: Route): ExplainStep[] {
  if (action.case === 'directResponse') return [applied('answer', `status ${action.value.status}`, 'the proxy answers itself')];
  if (action.case !== 'redirect') return [];
  const { hostRedirect, pathRewriteSpecifier, schemeRewriteSpecifier, portRedirect } = action.value;
  const parts = [
    schemeRewriteSpecifier.value,
    hostRedirect,
    portRedirect || undefined,
    pathRewriteSpecifier.case === 'regexRewrite' ? 'by expression' : pathRewriteSpecifier.value,
  ];
  return [applied('redirect', parts.filter((part) => part !== undefined && part !== '').join(' '), 'the proxy answers itself')];
}

function headerSteps(route: Route): ExplainStep[] {
  const steps: ExplainStep[] = [];
  const add = (direction: string, additions: readonly HeaderValueOption[], removals: readonly string[]) => {
    for (const { header, appendAction } of additions) {
      const verb = appendAction === HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD ? 'set' : 'add';
      steps.push(applied('headers', `${verb} ${header?.key}: ${header?.value}`, direction));
    }
    for (const name of removals) steps.push(applied('headers', `remove ${name}`, direction));
  };
  add('request', route.requestHeadersToAdd, route.requestHeadersToRemove);
  add('response', route.responseHeadersToAdd, route.responseHeadersToRemove);
  const specifier = route.action.case === 'route' ? route.action.value.clusterSpecifier : undefined;
  for (const cluster of specifier?.case === 'weightedClusters' ? specifier.value.clusters : []) {
    add(`request to ${cluster.name}`, cluster.requestHeadersToAdd, cluster.requestHeadersToRemove);
    add(`response of ${cluster.name}`, cluster.responseHeadersToAdd, cluster.responseHeadersToRemove);
  }
  return steps;
}

function rewriteSteps(action: RouteAction): ExplainStep[] {
  return [
    ...(action.prefixRewrite ? [applied('rewrite', `path prefix becomes ${action.prefixRewrite}`)] : []),
    ...(action.regexRewrite
      ? [applied('rewrite', `path /${action.regexRewrite.pattern?.regex}/ becomes ${action.regexRewrite.substitution}`)]
      : []),
    ...(action.hostRewriteSpecifier.case === 'hostRewriteLiteral'
      ? [applied('rewrite', `host becomes ${action.hostRewriteSpecifier.value}`)]
      : []),
  ];
}

function timeoutSteps(action: RouteAction): ExplainStep[] {
  return ms(action.timeout) > 0 ? [applied('timeout', timeText(action.timeout), 'for the whole request, all tries included')] : [];
}

function retrySteps({ retryPolicy }: RouteAction): ExplainStep[] {
  if (!retryPolicy) return [applied('retries', 'none')];
  const codes = retryPolicy.retriableStatusCodes.length > 0 ? ` (${retryPolicy.retriableStatusCodes.join(', ')})` : '';
  const perTry = retryPolicy.perTryTimeout ? `; ${timeText(retryPolicy.perTryTimeout)} for each try` : '';
  return [applied('retries', `up to ${retryPolicy.numRetries ?? 1}`, `on ${retryPolicy.retryOn}${codes}${perTry}`)];
}

function mirrorSteps(action: RouteAction): ExplainStep[] {
  return action.requestMirrorPolicies.map((mirror) =>
    applied(
      'mirror',
      mirror.cluster,
      `a copy of ${percentText(mirror.runtimeFraction?.defaultValue)} of the requests; answers are dropped`,
    ),
  );
}

function hashSteps(action: RouteAction): ExplainStep[] {
  return action.hashPolicy.map(({ policySpecifier: key }) => {
    const name =
      key.case === 'header'
        ? `header ${key.value.headerName}`
        : key.case === 'cookie'
          ? `cookie ${key.value.name}`
          : key.case === 'queryParameter'
            ? `query parameter ${key.value.name}`
            : "the caller's address";
    return applied('hash', name, 'requests with the same value go to the same endpoint');
  });
}

import type { CorsPolicy } from '#proto/gen/envoy/extensions/filters/http/cors/v3/cors_pb.js';
import type { HTTPFault } from '#proto/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import type { CorsTable, FaultTable } from '../table.ts';
import { headerRule, millionths, runtimeFraction, stringRule } from './matchers.ts';
import { durationMs } from './rejection.ts';

export function faultTable(fault: HTTPFault): FaultTable {
  const delay = fault.delay?.faultDelaySecifier;
  const abort = fault.abort?.errorType;
  return {
    delayMs: delay?.case === 'fixedDelay' ? durationMs(delay.value, 0) : 0,
    delayFraction: millionths(fault.delay?.percentage, 0),
    abortStatus: abort?.case === 'httpStatus' ? abort.value : 0,
    abortGrpcStatus: abort?.case === 'grpcStatus' ? abort.value : -1,
    abortFraction: millionths(fault.abort?.percentage, 0),
    headers: fault.headers.map(headerRule),
    maxActive: fault.maxActiveFaults ?? Number.MAX_SAFE_INTEGER,
  };
}

export function corsTable(policy: CorsPolicy): CorsTable {
  return {
    origins: policy.allowOriginStringMatch.map((matcher) => stringRule(matcher, 'cors.allow_origin_string_match')),
    allowMethods: policy.allowMethods,
    allowHeaders: policy.allowHeaders,
    exposeHeaders: policy.exposeHeaders,
    maxAge: policy.maxAge,
    allowCredentials: policy.allowCredentials ?? false,
    allowPrivateNetwork: policy.allowPrivateNetworkAccess ?? false,
    forwardNotMatching: policy.forwardNotMatchingPreflights ?? true,
    enabled: runtimeFraction(policy.filterEnabled, 1_000_000),
  };
}

import type { Any } from '@bufbuild/protobuf/wkt';
import { CorsPolicySchema } from '#proto/gen/envoy/extensions/filters/http/cors/v3/cors_pb.js';
import { HTTPFaultSchema } from '#proto/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { FractionalPercent_DenominatorType } from '#proto/gen/envoy/type/v3/percent_pb.js';
import { durationMs } from '#resources/duration.ts';
import type { Percent } from '#resources/networking/destination.ts';
import type { CorsPolicy, HttpFaultInjection } from '#resources/networking/virtual-service.ts';
import { stringMatcher } from '../http-match.ts';
import { durationOf, packed } from '../messages.ts';

export const faultFilter = 'envoy.filters.http.fault';
export const corsFilter = 'envoy.filters.http.cors';

interface Fraction {
  numerator: number;
  denominator: FractionalPercent_DenominatorType;
}

/** Of a percentage with fractions, in millionths. */
export function fraction(percent: Percent | undefined): Fraction {
  return { numerator: Math.round((percent?.value ?? 0) * 10_000), denominator: FractionalPercent_DenominatorType.MILLION };
}

function wholePercent(value: number): Fraction {
  return { numerator: value, denominator: FractionalPercent_DenominatorType.HUNDRED };
}

/** Codes of gRPC by the names that the API uses. */
const grpcCodes: Readonly<Record<string, number>> = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
};

/** Settings of the HTTP filters for one route, by filter name. */
export function filterSettings(fault: HttpFaultInjection | undefined, cors: CorsPolicy | undefined): Record<string, Any> {
  const settings: Record<string, Any> = {};
  const faults = fault && faultSettings(fault);
  if (faults) settings[faultFilter] = faults;
  if (cors) settings[corsFilter] = corsSettings(cors);
  return settings;
}

function faultSettings({ delay, abort }: HttpFaultInjection): Any | undefined {
  const wait = delay?.fixedDelay;
  const status = abortStatus(abort);
  if (wait === undefined && status === undefined) return undefined;
  return packed(HTTPFaultSchema, {
    delay:
      wait === undefined
        ? undefined
        : {
            faultDelaySecifier: { case: 'fixedDelay', value: durationOf(wait) ?? { seconds: 0n, nanos: 0 } },
            percentage: delay?.percentage ? fraction(delay.percentage) : wholePercent(delay?.percent ?? 0),
          },
    abort: status && { errorType: status, percentage: fraction(abort?.percentage) },
  });
}

function abortStatus(abort: HttpFaultInjection['abort']) {
  if (abort?.grpcStatus !== undefined) {
    const code = grpcCodes[abort.grpcStatus.toUpperCase()] ?? (/^\d+$/.test(abort.grpcStatus) ? Number(abort.grpcStatus) : undefined);
    return code === undefined ? undefined : { case: 'grpcStatus' as const, value: code };
  }
  return abort?.httpStatus === undefined ? undefined : { case: 'httpStatus' as const, value: abort.httpStatus };
}

function corsSettings(cors: CorsPolicy): Any {
  const origins = [
    ...(cors.allowOrigins ?? []).map(stringMatcher),
    ...(cors.allowOrigin ?? []).map((origin) => ({ matchPattern: { case: 'exact' as const, value: origin } })),
  ].flatMap((matcher) => (matcher ? [matcher] : []));
  return packed(CorsPolicySchema, {
    allowOriginStringMatch: origins,
    allowMethods: (cors.allowMethods ?? []).join(','),
    allowHeaders: (cors.allowHeaders ?? []).join(','),
    exposeHeaders: (cors.exposeHeaders ?? []).join(','),
    maxAge: cors.maxAge === undefined ? '' : String(Math.round(durationMs(cors.maxAge) / 1000)),
    allowCredentials: cors.allowCredentials,
    filterEnabled: { defaultValue: wholePercent(100) },
    forwardNotMatchingPreflights: cors.unmatchedPreflights !== 'IGNORE',
  });
}

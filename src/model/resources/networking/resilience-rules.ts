import type { Path } from '../issue.ts';
import { checkDuration, checkFinePercent, type Report } from './checks.ts';
import type { HttpFaultInjection, HttpRetry } from './virtual-service.ts';

/** Conditions that Envoy retries on, beside HTTP status codes. Envoy: router filter, x-envoy-retry-on and x-envoy-retry-grpc-on. */
const retryConditions: ReadonlySet<string> = new Set([
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'retriable-4xx',
  'refused-stream',
  'retriable-status-codes',
  'retriable-headers',
  'envoy-ratelimited',
  'http3-post-connect-failure',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
]);

/** Status codes that have a name in the IANA registry. */
const namedStatuses: ReadonlySet<number> = new Set([
  100, 101, 102, 103, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307, 308, 400, 401, 402, 403, 404,
  405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 423, 424, 425, 426, 428, 429, 431, 451, 500, 501, 502,
  503, 504, 505, 506, 507, 508, 510, 511,
]);

export function checkRetries(retries: HttpRetry, path: Path, report: Report): void {
  const attempts = retries.attempts ?? 0;
  if (attempts < 0) report('MW0215', [...path, 'attempts'], `expected zero or more attempts, found ${attempts}`);
  if (attempts === 0 && (retries.perTryTimeout !== undefined || retries.retryOn || retries.retryRemoteLocalities !== undefined)) {
    report(
      'MW0215',
      path,
      'retries are turned off by attempts 0, yet configured',
      'Set attempts to at least 1, or remove the other fields.',
    );
  }
  checkDuration(retries.perTryTimeout, [...path, 'perTryTimeout'], report);
  checkDuration(retries.backoff, [...path, 'backoff'], report);
  for (const word of (retries.retryOn ?? '').split(',').map((part) => part.trim())) {
    if (word === '' || retryConditions.has(word) || namedStatuses.has(Number(word))) continue;
    report('MW0215', [...path, 'retryOn'], `\`${word}\` is neither a condition of Envoy nor an HTTP status code`);
  }
}

const grpcStatuses: ReadonlySet<string> = new Set([
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
]);

export function checkFault(fault: HttpFaultInjection, path: Path, report: Report): void {
  const { delay, abort } = fault;
  if (!delay && !abort) report('MW0204', path, 'expected delay or abort');
  if (delay) {
    const at = [...path, 'delay'];
    checkFinePercent(delay.percentage, [...at, 'percentage', 'value'], report);
    if (delay.percent !== undefined) {
      report('IST0002', [...at, 'percent'], 'percent is deprecated', 'Use percentage.');
      if (delay.percent < 0 || delay.percent > 100)
        report('MW0214', [...at, 'percent'], `expected a percentage from 0 to 100, found ${delay.percent}`);
    }
    if (delay.exponentialDelay !== undefined)
      report('MW0213', [...at, 'exponentialDelay'], 'exponential delays are not supported', 'Use fixedDelay.');
    else if (delay.fixedDelay === undefined) report('IST0133', at, 'the delay says no fixedDelay, so it has no effect', 'Set fixedDelay.');
    checkDuration(delay.fixedDelay, [...at, 'fixedDelay'], report);
  }
  if (abort) checkAbort(abort, [...path, 'abort'], report);
}

function checkAbort(abort: NonNullable<HttpFaultInjection['abort']>, path: Path, report: Report): void {
  checkFinePercent(abort.percentage, [...path, 'percentage', 'value'], report);
  if (abort.http2Error !== undefined) report('MW0213', [...path, 'http2Error'], 'HTTP/2 error codes are not supported', 'Use httpStatus.');
  if (abort.httpStatus !== undefined && (abort.httpStatus < 200 || abort.httpStatus > 600)) {
    report('MW0216', [...path, 'httpStatus'], `expected a status from 200 to 599, found ${abort.httpStatus}`);
  }
  if (abort.grpcStatus !== undefined && !grpcStatuses.has(abort.grpcStatus)) {
    report('MW0216', [...path, 'grpcStatus'], `\`${abort.grpcStatus}\` is no gRPC status such as UNAVAILABLE`);
  }
  if (abort.httpStatus === undefined && abort.grpcStatus === undefined && abort.http2Error === undefined) {
    report('IST0133', path, 'the abort says no status, so it has no effect', 'Set httpStatus or grpcStatus.');
  }
}

import type { RetryPolicySchema } from '#proto/gen/envoy/config/route/v3/route_components_pb.js';
import { PreviousHostsPredicateSchema } from '#proto/gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.js';
import { PreviousPrioritiesConfigSchema } from '#proto/gen/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config_pb.js';
import type { HttpRetry } from '#resources/networking/virtual-service.ts';
import { durationOf, type InitOf, packed } from '../messages.ts';

type RetryInit = InitOf<typeof RetryPolicySchema>;

/** Istio's default: twice, on failures before the request could have had an effect. */
const defaultRetryOn = 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes';
const defaultAttempts = 2;

const avoidTriedHosts: RetryInit = {
  retryHostPredicate: [
    {
      name: 'envoy.retry_host_predicates.previous_hosts',
      configType: { case: 'typedConfig', value: packed(PreviousHostsPredicateSchema) },
    },
  ],
};

/** Undefined when retries are turned off. `sticky`: requests are bound to a host by hash, so trying another is no use. */
export function retryPolicy(retries: HttpRetry | undefined, sticky: boolean): RetryInit | undefined {
  if (!retries) {
    return { retryOn: defaultRetryOn, numRetries: defaultAttempts, hostSelectionRetryMaxAttempts: 5n, ...(sticky ? {} : avoidTriedHosts) };
  }
  const attempts = retries.attempts ?? 0;
  if (attempts <= 0) return undefined;
  const { retryOn, codes } = conditions(retries.retryOn);
  const avoid = retries.retryIgnorePreviousHosts ?? !sticky;
  return {
    retryOn,
    retriableStatusCodes: codes,
    numRetries: attempts,
    hostSelectionRetryMaxAttempts: 5n,
    perTryTimeout: durationOf(retries.perTryTimeout),
    retryBackOff: retries.backoff === undefined ? undefined : { baseInterval: durationOf(retries.backoff) },
    ...(avoid ? avoidTriedHosts : {}),
    ...(retries.retryRemoteLocalities
      ? {
          retryPriority: {
            name: 'envoy.retry_priorities.previous_priorities',
            configType: { case: 'typedConfig' as const, value: packed(PreviousPrioritiesConfigSchema, { updateFrequency: 2 }) },
          },
        }
      : {}),
  };
}

/** Status codes among the conditions become a list of their own. */
function conditions(text: string | undefined): { retryOn: string; codes: number[] } {
  const parts = (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  if (parts.length === 0) return { retryOn: defaultRetryOn, codes: [] };
  const codes = parts.filter((part) => /^[1-5]\d\d$/.test(part)).map(Number);
  const names = parts.filter((part) => !/^\d+$/.test(part));
  if (codes.length > 0 && !names.includes('retriable-status-codes')) names.push('retriable-status-codes');
  return { retryOn: names.join(','), codes };
}

import { lowerBytes } from '#http/ascii.ts';
import type { Head } from '#http/head.ts';
import type { RetryTable } from '../table.ts';
import { fieldText, type RequestView } from './request-view.ts';
import { headerTest, type RequestTest, requestTests } from './rules.ts';

/** A scanned response, for rules on its fields. */
export interface ResponseView {
  readonly head: Head;
  readonly bytes: Buffer;
  readonly start: number;
}

/** When to try again, ready to ask. */
export interface RetryPolicy {
  readonly table: RetryTable;
  readonly requestAllows: RequestTest | undefined;
  onStatus(status: number): boolean;
  onHead(view: ResponseView): boolean;
  /** The upstream refused or did not take the connection: the request never left. */
  readonly onConnectFailure: boolean;
  /** The connection broke; `sent` says whether any byte of the request had gone out. */
  onReset(sent: boolean): boolean;
}

const grpcWords: Readonly<Record<string, number>> = {
  cancelled: 1,
  'deadline-exceeded': 4,
  'resource-exhausted': 8,
  internal: 13,
  unavailable: 14,
};

/** The words `retry_on` may hold here. */
export const retryWords: ReadonlySet<string> = new Set([
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'envoy-ratelimited',
  'retriable-4xx',
  'refused-stream',
  'retriable-status-codes',
  'retriable-headers',
  'http3-post-connect-failure',
  ...Object.keys(grpcWords),
]);

const grpcStatus = lowerBytes('grpc-status');
const ratelimited = lowerBytes('x-envoy-ratelimited');

export function linkRetry(table: RetryTable | undefined): RetryPolicy | undefined {
  if (table === undefined) return undefined;
  const on = new Set(table.on);
  const grpc = new Set(table.on.map((word) => grpcWords[word]).filter((code) => code !== undefined));
  const codes = new Set(on.has('retriable-status-codes') ? table.statusCodes : []);
  const headers = on.has('retriable-headers') ? table.headers.map((rule) => headerTest(rule, readResponse)) : [];
  return {
    table,
    requestAllows: requestAllows(table),
    onConnectFailure: on.has('connect-failure') || on.has('5xx') || on.has('gateway-error') || on.has('reset'),
    onStatus: (status) =>
      (status >= 500 && on.has('5xx')) ||
      (status >= 502 && status <= 504 && on.has('gateway-error')) ||
      (status === 409 && on.has('retriable-4xx')) ||
      codes.has(status),
    onHead: (view) => {
      if (on.has('envoy-ratelimited') && fieldText(view.head, view.bytes, view.start, ratelimited) !== undefined) return true;
      if (grpc.size > 0) {
        const text = fieldText(view.head, view.bytes, view.start, grpcStatus);
        if (text !== undefined && grpc.has(Number(text))) return true;
      }
      return headers.some((test) => test(view));
    },
    onReset: (sent) => on.has('5xx') || on.has('gateway-error') || on.has('reset') || (!sent && on.has('reset-before-request')),
  };
}

/** Any of the retriable request headers suffices. */
function requestAllows(table: RetryTable): RequestTest | undefined {
  if (table.requestHeaders.length === 0) return undefined;
  const tests = table.requestHeaders.map((rule) => requestTests([rule], []));
  return (view: RequestView) => tests.some((test) => test?.(view));
}

function readResponse(view: ResponseView, name: string, lower: Uint8Array): string | undefined {
  return name === ':status' ? String(view.head.status) : fieldText(view.head, view.bytes, view.start, lower);
}

/** Envoy's jittered exponential delay before attempt `attempt` (1 is the first retry). */
export function backoffMs(table: RetryTable, attempt: number, random: () => number): number {
  const ceiling = Math.min(table.backoffMaxMs, table.backoffBaseMs * 2 ** Math.min(attempt, 20) - 1);
  return Math.max(1, Math.floor(random() * Math.max(1, ceiling)));
}

import { Fault } from '#base/fault.ts';
import { isJsonObject } from './object.ts';

/** One reason of an Invalid answer. */
export interface StatusCause {
  /** `FieldValueInvalid`, `FieldValueRequired`, ... */
  readonly reason: string;
  readonly message: string;
  /** JSON path, e.g. `spec.http[0].route`. */
  readonly field: string;
}

/** Kubernetes' `Status` object: the shape of every refusal of an API server. */
export interface KubeStatus {
  readonly kind: 'Status';
  readonly apiVersion: 'v1';
  readonly metadata: { readonly continue?: string };
  readonly status: 'Failure' | 'Success';
  readonly message: string;
  /** `NotFound`, `AlreadyExists`, `Conflict`, `Invalid`, `Expired`, ...; empty when the server gave none. */
  readonly reason: string;
  readonly details?: {
    readonly name?: string;
    readonly group?: string;
    readonly kind?: string;
    readonly uid?: string;
    readonly causes?: readonly StatusCause[];
    readonly retryAfterSeconds?: number;
  };
  /** HTTP status code. */
  readonly code: number;
}

/** An API server's refusal. `code` is `KUBE_` and the status's reason in capitals, e.g. `KUBE_NOT_FOUND`. */
export class StatusFault extends Fault {
  readonly status: KubeStatus;

  constructor(status: KubeStatus, options: { cause?: unknown; fix?: string } = {}) {
    const reason = status.reason || `HTTP_${status.code}`;
    super(`KUBE_${reason.replace(/([a-z])([A-Z])/g, '$1_$2').toUpperCase()}`, status.message, {
      ...options,
      retryable: status.code === 429 || status.code >= 500,
    });
    this.name = 'StatusFault';
    this.status = status;
  }
}

/** The Status in an answer's body; one made from the HTTP code when the body is something else. */
export function readStatus(code: number, body: unknown, fallback: string): KubeStatus {
  if (isJsonObject(body) && body.kind === 'Status') {
    const details = isJsonObject(body.details) ? { details: body.details as KubeStatus['details'] } : {};
    const metadata = isJsonObject(body.metadata) && typeof body.metadata.continue === 'string' ? { continue: body.metadata.continue } : {};
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata,
      status: 'Failure',
      message: typeof body.message === 'string' ? body.message : fallback,
      reason: typeof body.reason === 'string' ? body.reason : '',
      ...details,
      code: typeof body.code === 'number' ? body.code : code,
    };
  }
  // A group that nobody serves is answered with plain text.
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message: fallback, reason: reasons[code] ?? '', code };
}

/** What answers without a Status mean. */
const reasons: Readonly<Record<number, string>> = {
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  410: 'Gone',
  429: 'TooManyRequests',
};

/** True for refusals with this reason (`NotFound`, `Conflict`, ...). */
export function hasReason(error: unknown, reason: string): error is StatusFault {
  return error instanceof StatusFault && error.status.reason === reason;
}

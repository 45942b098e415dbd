import type { Problem } from '#base/problem.ts';
import { type KubeStatus, type StatusCause, StatusFault } from '#kube/status.ts';
import { type ApiKind, qualifiedResource } from './kinds.ts';

/** Refusals in Kubernetes' words, so that clients which match on them behave as with its own server. */

interface Refusal {
  readonly code: number;
  readonly reason: string;
  readonly message: string;
  readonly details?: KubeStatus['details'];
  readonly continue?: string;
}

export function refuse(refusal: Refusal): StatusFault {
  return new StatusFault({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: refusal.continue === undefined ? {} : { continue: refusal.continue },
    status: 'Failure',
    message: refusal.message,
    reason: refusal.reason,
    ...(refusal.details ? { details: refusal.details } : {}),
    code: refusal.code,
  });
}

export function badRequest(message: string): StatusFault {
  return refuse({ code: 400, reason: 'BadRequest', message });
}

export function forbidden(message: string, details?: KubeStatus['details']): StatusFault {
  return refuse({ code: 403, reason: 'Forbidden', message, ...(details ? { details } : {}) });
}

export function pathNotFound(): StatusFault {
  return refuse({ code: 404, reason: 'NotFound', message: 'the server could not find the requested resource' });
}

export function notFound(kind: ApiKind, name: string): StatusFault {
  return refuse({
    code: 404,
    reason: 'NotFound',
    message: `${qualifiedResource(kind)} "${name}" not found`,
    details: detailsOf(kind, name),
  });
}

export function alreadyExists(kind: ApiKind, name: string): StatusFault {
  return refuse({
    code: 409,
    reason: 'AlreadyExists',
    message: `${qualifiedResource(kind)} "${name}" already exists`,
    details: detailsOf(kind, name),
  });
}

export function conflict(kind: ApiKind, name: string, why: string): StatusFault {
  return refuse({
    code: 409,
    reason: 'Conflict',
    message: `Operation cannot be fulfilled on ${qualifiedResource(kind)} "${name}": ${why}`,
    details: detailsOf(kind, name),
  });
}

export function modifiedMeanwhile(kind: ApiKind, name: string): StatusFault {
  return conflict(kind, name, 'the object has been modified; please apply your changes to the latest version and try again');
}

export function expired(message: string, continueToken?: string): StatusFault {
  return refuse({ code: 410, reason: 'Expired', message, ...(continueToken === undefined ? {} : { continue: continueToken }) });
}

export function unsupportedMedia(found: string, accepted: readonly string[]): StatusFault {
  return refuse({
    code: 415,
    reason: 'UnsupportedMediaType',
    message: `the body of the request was in an unknown format (${found || 'no content type'}) - accepted media types include: ${accepted.join(', ')}`,
  });
}

export function tooLarge(limitBytes: number): StatusFault {
  return refuse({ code: 413, reason: 'RequestEntityTooLarge', message: `Request entity too large: limit is ${limitBytes}` });
}

export function methodNotAllowed(): StatusFault {
  return refuse({ code: 405, reason: 'MethodNotAllowed', message: 'the server does not allow this method on the requested resource' });
}

/** Invalid with every cause at once. */
export function invalid(kind: ApiKind, name: string, causes: readonly StatusCause[]): StatusFault {
  const qualified = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`;
  const lines = causes.map((cause) => (cause.field === '' ? cause.message : `${cause.field}: ${cause.message}`));
  return refuse({
    code: 422,
    reason: 'Invalid',
    message: `${qualified} "${name}" is invalid: ${lines.length === 1 ? lines[0] : `[${lines.join(', ')}]`}`,
    details: { ...detailsOf(kind, name), kind: kind.kind, causes },
  });
}

/** A decoder's problem as a cause of Invalid; the fix is part of the message, for it is all that the user sees. */
export function causeOf(problem: Problem): StatusCause {
  const fix = problem.fix === '' ? '' : ` ${problem.fix}`;
  const end = /[.!?]$/.test(problem.message) || fix === '' ? '' : '.';
  return { reason: 'FieldValueInvalid', message: `${problem.message}${end}${fix} [${problem.code}]`, field: problem.path };
}

function detailsOf(kind: ApiKind, name: string): NonNullable<KubeStatus['details']> {
  return { name, ...(kind.group === '' ? {} : { group: kind.group }), kind: kind.plural };
}

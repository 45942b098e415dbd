import { Fault } from '#base/fault.ts';
import type { Problem } from '#base/problem.ts';
import type { ApiError } from '../api.ts';
import { problemView } from '../state/views.ts';

/** A request that cannot be served, with its HTTP status. Becomes the API's one error shape. */
export class Refusal extends Error {
  readonly statusCode: number;
  readonly body: ApiError;

  constructor(statusCode: number, body: ApiError) {
    super(body.message);
    this.statusCode = statusCode;
    this.body = body;
  }
}

export function refusal(statusCode: number, code: string, message: string, fix: string, problems?: readonly Problem[]): Refusal {
  return new Refusal(statusCode, { code, message, fix, ...(problems ? { problems: problems.map(problemView) } : {}) });
}

/** Status and body for anything thrown by a handler. What is not expected is a bug and is said so without its insides. */
export function answerFor(error: unknown): { status: number; body: ApiError; bug: boolean } {
  if (error instanceof Refusal) return { status: error.statusCode, body: error.body, bug: false };
  if (error instanceof Fault) {
    return { status: error.retryable ? 503 : 502, body: { code: error.code, message: error.message, fix: error.fix }, bug: false };
  }
  const status = statusOf(error);
  if (status >= 400 && status < 500 && error instanceof Error) {
    return {
      status,
      body: { code: 'bad_request', message: error.message, fix: 'See /api/v1/openapi.json for the expected shape.' },
      bug: false,
    };
  }
  return {
    status: 500,
    body: {
      code: 'internal',
      message: 'Meshwright met a bug of its own while answering.',
      fix: 'Please report it with the log lines of this moment.',
    },
    bug: true,
  };
}

function statusOf(error: unknown): number {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500;
}

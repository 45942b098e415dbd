import type { ApiError } from '#server/api.ts';

/** A request that failed, in the API's one shape. `code` is `offline` when the server was not reached. */
export class RequestFailed extends Error {
  readonly status: number;
  readonly error: ApiError;

  constructor(status: number, error: ApiError) {
    super(error.message);
    this.status = status;
    this.error = error;
  }
}

const offline: ApiError = {
  code: 'offline',
  message: 'Meshwright does not answer.',
  fix: 'Look whether it still runs in its terminal; the page reconnects by itself.',
};

/** The body of a successful answer. Its shape is the one that the server's schema for this path promises. */
export async function request<T>(method: string, path: string, body?: unknown): Promise<T> {
  const options: RequestInit = { method };
  if (body !== undefined) Object.assign(options, { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  const response = await fetch(`/api/v1${path}`, options).catch(() => undefined);
  if (!response) throw new RequestFailed(0, offline);
  const answer: unknown = await response.json().catch(() => undefined);
  if (response.ok && answer !== undefined) return answer as T;
  const isError = typeof answer === 'object' && answer !== null && 'code' in answer;
  throw new RequestFailed(response.status, isError ? (answer as ApiError) : offline);
}

export function errorOf(thrown: unknown): ApiError {
  if (thrown instanceof RequestFailed) return thrown.error;
  return { code: 'page', message: thrown instanceof Error ? thrown.message : String(thrown), fix: 'Reload the page.' };
}

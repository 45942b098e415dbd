/** The world failed (network, API server, disk). Caught only where a retry or a status can be decided. */
export class Fault extends Error {
  readonly code: string;
  readonly retryable: boolean;
  /** What to do next, one sentence; empty when nothing but waiting helps. */
  readonly fix: string;

  constructor(code: string, message: string, options: { cause?: unknown; retryable?: boolean; fix?: string } = {}) {
    super(message, { cause: options.cause });
    this.name = 'Fault';
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.fix = options.fix ?? '';
  }
}

/** A broken invariant: a bug of ours. Stops the unit of work that hit it (stream, request, job), nothing else. */
export class Bug extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'Bug';
  }
}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Bug(message);
}

/** The message of anything thrown, for logs and answers. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Node's error code (`EADDRINUSE`), or empty. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

import { Fault, messageOf } from '#base/fault.ts';

/** Status codes of the gRPC protocol (grpc/doc/statuscodes). */
export const grpcCode = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

/** How a call ended. */
export interface GrpcStatus {
  readonly code: number;
  readonly message: string;
}

export const okStatus: GrpcStatus = { code: grpcCode.ok, message: '' };

/** A call that ended with another status than OK. Retryable when the status says that the world was at fault. */
export class GrpcFault extends Fault {
  readonly status: GrpcStatus;

  constructor(status: GrpcStatus, cause?: unknown) {
    const retryable =
      status.code === grpcCode.unavailable || status.code === grpcCode.resourceExhausted || status.code === grpcCode.aborted;
    super(`GRPC_${statusName(status.code)}`, status.message || statusName(status.code), { cause, retryable });
    this.name = 'GrpcFault';
    this.status = status;
  }
}

/** `UNAVAILABLE` and so on; `CODE_<n>` for numbers the protocol does not know. */
export function statusName(code: number): string {
  const found = Object.entries(grpcCode).find(([, value]) => value === code);
  return found ? found[0].replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase() : `CODE_${code}`;
}

/** Status of an answer that carried no `grpc-status` (grpc/doc/http-grpc-status-mapping). */
export function statusOfHttp(httpStatus: number): GrpcStatus {
  const codes: Readonly<Record<number, number>> = {
    400: grpcCode.internal,
    401: grpcCode.unauthenticated,
    403: grpcCode.permissionDenied,
    404: grpcCode.unimplemented,
    429: grpcCode.unavailable,
    502: grpcCode.unavailable,
    503: grpcCode.unavailable,
    504: grpcCode.unavailable,
  };
  return { code: codes[httpStatus] ?? grpcCode.unknown, message: `the server answered HTTP ${httpStatus} without a gRPC status` };
}

/** `grpc-message` on the wire: UTF-8, percent-encoded outside printable ASCII. */
export function encodeStatusMessage(message: string): string {
  return message.replace(/[^ -$&-~]+/g, (part) =>
    [...Buffer.from(part, 'utf8')].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}

/** Reads what `encodeStatusMessage` writes; broken escapes stay as they are. */
export function decodeStatusMessage(text: string): string {
  return text.replace(/(?:%[0-9a-fA-F]{2})+/g, (part) => Buffer.from(part.replaceAll('%', ''), 'hex').toString('utf8'));
}

const timeoutUnits: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000_001 };

/** Milliseconds of a `grpc-timeout` header (`100m`, `2S`); undefined when absent or malformed. */
export function parseTimeout(header: string | undefined): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(header ?? '');
  const unit = timeoutUnits[match?.[2] ?? ''];
  return match && unit !== undefined ? Number(match[1]) * unit : undefined;
}

/** The status that tells a peer about anything thrown. */
export function statusOf(error: unknown): GrpcStatus {
  return error instanceof GrpcFault ? error.status : { code: grpcCode.internal, message: messageOf(error) };
}

/** What a proxy in the middle answered to CONNECT, and the first bytes from beyond it. */
export interface TunnelAnswer {
  /** 0: the answer is not HTTP/1 or has no end. */
  readonly status: number;
  readonly rest: Buffer;
}

const maxAnswer = 64 * 1024;
const headEnd = Buffer.from('\r\n\r\n');

/** RFC 9110 9.3.6 over HTTP/1.1. */
export function tunnelRequest(authority: string): Buffer {
  return Buffer.from(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n\r\n`, 'latin1');
}

/** Collects the answer to a CONNECT; interim answers (1xx) are passed over. */
export class TunnelReader {
  private held: Buffer = Buffer.alloc(0);

  /** The answer once its head is complete. Bytes are copied. */
  take(bytes: Buffer, start: number, end: number): TunnelAnswer | undefined {
    this.held = Buffer.concat([this.held, bytes.subarray(start, end)]);
    for (;;) {
      const stop = this.held.indexOf(headEnd);
      if (stop < 0) return this.held.length > maxAnswer ? { status: 0, rest: this.held } : undefined;
      const status = Number(/^HTTP\/1\.[01] (\d{3})(?: |\r)/.exec(this.held.toString('latin1', 0, 16))?.[1] ?? '0');
      this.held = this.held.subarray(stop + headEnd.length);
      if (status < 100 || status > 199 || status === 101) return { status, rest: this.held };
    }
  }
}

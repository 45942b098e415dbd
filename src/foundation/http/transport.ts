/** What a transport tells its owner. All calls come from the event loop, never from inside a call to the transport. */
export interface TransportSink {
  /** An outgoing connection is up. */
  connected(): void;
  /** Bytes [start, end) arrived. They are only valid during the call. */
  data(bytes: Buffer, start: number, end: number): void;
  /** Everything handed to `write` has been taken by the kernel. */
  drain(): void;
  /** The peer will send nothing more. */
  eof(): void;
  /** The connection is gone; comes exactly once and last. `code` is Node's error code, empty when it ended in peace. */
  closed(code: string): void;
}

/** A byte stream. `net` with a shared read buffer is one back end; TLS another. */
export interface Transport {
  /** Who hears of it; may be exchanged when a connection changes hands. */
  sink: TransportSink | undefined;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** `address:port` of our end. */
  readonly localLabel: string;
  /** Bytes accepted by `write` that the kernel has not taken. */
  readonly pendingBytes: number;
  /**
   * Sends bytes [start, end). True when the kernel took them all at once: the memory is free again. False when some are
   * still waiting: the memory must stay as it is, and `drain` will come.
   */
  write(bytes: Buffer, start: number, end: number): boolean;
  pause(): void;
  resume(): void;
  /** Sends what is waiting, then closes our half. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
  /** Closes at once and lets the peer see a reset. */
  reset(): void;
}

/**
 * Memory for outgoing bytes. Callers assemble a message at `base`, write it and call `sent`: when the kernel took
 * everything, the same memory serves the next message; otherwise that piece is left alone and the next begins behind it.
 */
export class OutputArena {
  private readonly size: number;
  bytes: Buffer;
  base = 0;

  constructor(size = 256 * 1024) {
    this.size = size;
    this.bytes = Buffer.allocUnsafeSlow(size);
  }

  /** Makes room for `length` bytes at `base`. */
  reserve(length: number): void {
    if (this.bytes.length - this.base >= length) return;
    this.bytes = Buffer.allocUnsafeSlow(Math.max(this.size, length));
    this.base = 0;
  }

  /** `end` is where the message stopped; `taken` is what `write` said. */
  sent(end: number, taken: boolean): void {
    if (!taken) this.base = end;
  }
}

import { closeSync, open, write } from 'node:fs';
import type { Clock } from '#base/clock.ts';

const capacity = 64 * 1024;
const flushAfterMs = 500;
/** Bytes that may wait while the disk is slow; what comes beyond is counted and dropped. */
const maxWaiting = 4 * 1024 * 1024;

/** Appends lines to a file off the request path: they gather in memory and go out in large pieces. */
export class FileSink {
  readonly path: string;
  dropped = 0;
  private readonly clock: Clock;
  private readonly onError: (message: string) => void;
  private buffer: Buffer = Buffer.allocUnsafeSlow(capacity);
  private used = 0;
  private readonly queue: Buffer[] = [];
  private queued = 0;
  private writing = false;
  private descriptor = -1;
  private cancelFlush: (() => void) | undefined = undefined;
  private idle: (() => void) | undefined = undefined;
  private failed = false;

  constructor(path: string, clock: Clock, onError: (message: string) => void) {
    this.path = path;
    this.clock = clock;
    this.onError = onError;
  }

  append(line: string): void {
    // A character takes up to three bytes.
    if (this.used + line.length * 3 > this.buffer.length) {
      this.flush();
      if (line.length * 3 > this.buffer.length) {
        // Memory of its own: what has the buffer's size is used again after it was written.
        const long = Buffer.allocUnsafeSlow(Buffer.byteLength(line));
        long.utf8Write(line, 0);
        this.enqueue(long);
        return;
      }
    }
    this.used += this.buffer.utf8Write(line, this.used);
    this.cancelFlush ??= this.clock.after(flushAfterMs, () => this.flush());
  }

  flush(): void {
    this.cancelFlush?.();
    this.cancelFlush = undefined;
    if (this.used === 0) return;
    const full = this.buffer.subarray(0, this.used);
    this.used = 0;
    if (this.writing || this.descriptor < 0) {
      this.buffer = Buffer.allocUnsafeSlow(capacity);
      this.enqueue(full);
    } else {
      this.enqueue(full);
      this.buffer = this.spare ?? Buffer.allocUnsafeSlow(capacity);
      this.spare = undefined;
    }
  }
  private spare: Buffer | undefined = undefined;

  /** Writes what is there, then closes. */
  close(): Promise<void> {
    this.flush();
    return new Promise((resolve) => {
      const finish = () => {
        if (this.descriptor > 2) closeSync(this.descriptor);
        this.descriptor = -1;
        resolve();
      };
      if (this.queue.length === 0 && !this.writing) finish();
      else this.idle = finish;
    });
  }

  private enqueue(bytes: Buffer): void {
    if (this.queued + bytes.length > maxWaiting) {
      this.dropped++;
      return;
    }
    this.queue.push(bytes);
    this.queued += bytes.length;
    if (!this.writing) this.next();
  }

  private next(): void {
    if (this.descriptor < 0) {
      this.open();
      return;
    }
    const bytes = this.queue[0];
    if (bytes === undefined) {
      this.idle?.();
      return;
    }
    this.writing = true;
    write(this.descriptor, bytes, 0, bytes.length, null, (error, written) => this.written(error, bytes, written));
  }

  private written(error: NodeJS.ErrnoException | null, bytes: Buffer, written: number): void {
    this.writing = false;
    if (error !== null) {
      this.fail(error.message);
      this.dropped++;
    }
    this.queue.shift();
    this.queued -= bytes.length;
    if (error === null && written < bytes.length) {
      this.queue.unshift(bytes.subarray(written));
      this.queued += bytes.length - written;
    } else if (bytes.buffer.byteLength === capacity) {
      this.spare = Buffer.from(bytes.buffer);
    }
    this.next();
  }

  private open(): void {
    this.writing = true;
    open(this.path, 'a', 0o600, (error, descriptor) => {
      this.writing = false;
      if (error !== null) {
        this.fail(error.message);
        this.dropped += this.queue.length;
        this.queue.length = 0;
        this.queued = 0;
        this.idle?.();
        return;
      }
      this.descriptor = descriptor;
      this.next();
    });
  }

  private fail(message: string): void {
    if (!this.failed) this.onError(`the access log ${this.path} cannot be written: ${message}; lines are lost until this is mended`);
    this.failed = true;
  }
}

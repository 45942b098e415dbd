import type net from 'node:net';
import { getSystemErrorName } from 'node:util';

/** What Node's stream handles offer to writers. */
interface StreamHandle {
  /** Zero or an error number. The bytes may be partly unsent then: `request` hears when they have gone. */
  writeBuffer(request: WriteRequest, bytes: Buffer): number;
}

/** One write that the kernel did not take at once. */
interface WriteRequest {
  oncomplete: ((this: WriteRequest, status: number) => void) | undefined;
  writer: HandleWriter | undefined;
  /** Keeps the memory until it was sent. */
  bytes: Buffer | undefined;
}

interface StreamBinding {
  readonly WriteWrap: new () => WriteRequest;
  readonly streamBaseState: ArrayLike<number>;
  readonly kLastWriteWasAsync: number;
}

/**
 * Writes to a plain socket's handle and leaves out the stream layer, which costs a tenth of a proxied request: buffering,
 * callbacks, and a request object for every write even when the kernel takes all at once. Node has no public way, so this
 * is used only when asked for (`useBackEnd`); where the private one is missing or barred, the socket's own `write` serves.
 */
export class HandleWriter {
  private readonly socket: net.Socket;
  private readonly handle: StreamHandle;
  private readonly binding: StreamBinding;
  private readonly onDrained: () => void;
  /** Bytes of the writes that the kernel has not taken whole. */
  pendingBytes = 0;

  constructor(socket: net.Socket, handle: StreamHandle, binding: StreamBinding, onDrained: () => void) {
    this.socket = socket;
    this.handle = handle;
    this.binding = binding;
    this.onDrained = onDrained;
  }

  /** True when the kernel took everything there was; false: the memory must stay, `onDrained` will come. */
  write(bytes: Buffer): boolean {
    const { binding } = this;
    const request = unused ?? new binding.WriteWrap();
    unused = request;
    const error = this.handle.writeBuffer(request, bytes);
    if (error !== 0) {
      this.failed(error);
      return true;
    }
    if (binding.streamBaseState[binding.kLastWriteWasAsync] === 0) return this.pendingBytes === 0;
    request.oncomplete = completed;
    request.writer = this;
    request.bytes = bytes;
    this.pendingBytes += bytes.length;
    unused = undefined;
    return false;
  }

  /** A write that was waiting has ended. */
  completed(length: number, status: number): void {
    this.pendingBytes -= length;
    if (status !== 0) this.failed(status);
    else if (this.pendingBytes === 0) this.onDrained();
  }

  private failed(status: number): void {
    const code = getSystemErrorName(status);
    this.socket.destroy(Object.assign(new Error(`write ${code}`), { code, syscall: 'write' }));
  }
}

function completed(this: WriteRequest, status: number): void {
  this.writer?.completed(this.bytes?.length ?? 0, status);
  this.bytes = undefined;
  this.writer = undefined;
}

/** Serves every write of the thread that is taken at once. */
let unused: WriteRequest | undefined;

let binding: StreamBinding | undefined;

/** How plain sockets are written to: `onread` by Node's public API alone, `handle` past its stream layer. */
export type BackEnd = 'onread' | 'handle';

/** Chooses for every connection that this thread makes from now on; `onread` until then. */
export function useBackEnd(backEnd: BackEnd): void {
  binding = backEnd === 'handle' ? findBinding() : undefined;
}

/** A writer for a connected plain socket; undefined unless the handle back end was chosen and this Node has it. */
export function handleWriter(socket: net.Socket, onDrained: () => void): HandleWriter | undefined {
  const handle = (socket as { _handle?: StreamHandle | null })._handle;
  if (binding === undefined || typeof handle?.writeBuffer !== 'function') return undefined;
  return new HandleWriter(socket, handle, binding, onDrained);
}

function findBinding(): StreamBinding | undefined {
  try {
    const found = (process as { binding?: (name: string) => Partial<StreamBinding> }).binding?.('stream_wrap');
    const { WriteWrap, streamBaseState, kLastWriteWasAsync } = found ?? {};
    if (typeof WriteWrap !== 'function' || typeof kLastWriteWasAsync !== 'number' || streamBaseState === undefined) return undefined;
    return { WriteWrap, streamBaseState, kLastWriteWasAsync };
  } catch {
    return undefined;
  }
}

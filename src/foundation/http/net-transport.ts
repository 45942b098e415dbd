import net from 'node:net';
import { codeOf } from '#base/fault.ts';
import { type HandleWriter, handleWriter } from './handle-writer.ts';
import type { Transport, TransportSink } from './transport.ts';

/** One per thread: every connection reads into it, so idle connections own no read memory. */
export interface SharedReader {
  readonly buffer: Buffer;
}

export function createSharedReader(size = 64 * 1024): SharedReader {
  return { buffer: Buffer.allocUnsafeSlow(size) };
}

export interface ConnectOptions {
  readonly host: string;
  readonly port: number;
  /** Source address, or empty. */
  readonly localAddress: string;
  /** Milliseconds before the first keepalive probe; 0 leaves keepalive off. */
  readonly keepAliveMs: number;
  /** Milliseconds between probes, and how many may stay unanswered; 0 leaves either to the system. */
  readonly keepAliveIntervalMs: number;
  readonly keepAliveProbes: number;
}

/** What Linux does where nothing is said; Node would take one second and ten probes. */
const systemInterval = 75_000;
const systemProbes = 9;

/** Switches TCP keepalive on as `options` say. The socket may still be connecting. */
export function keepAlive(socket: net.Socket, options: ConnectOptions): void {
  if (options.keepAliveMs <= 0) return;
  socket.setKeepAlive(true, options.keepAliveMs, options.keepAliveIntervalMs || systemInterval, options.keepAliveProbes || systemProbes);
}

/** Opens a connection to an address (`host` is an IP) or, when `port` is 0, to the Unix socket named by `host`. */
export function connect(options: ConnectOptions, reader: SharedReader, sink: TransportSink): Transport {
  const transport = new NetTransport(sink);
  const common = { noDelay: true, allowHalfOpen: true, onread: { buffer: reader.buffer, callback: transport.onRead } };
  const socket = net.connect(
    options.port === 0
      ? { path: options.host, ...common }
      : {
          host: options.host,
          port: options.port,
          ...(options.localAddress ? { localAddress: options.localAddress } : {}),
          ...common,
        },
  );
  if (options.port !== 0) keepAlive(socket, options);
  transport.attach(socket);
  socket.on('connect', () => {
    transport.writeDirectly();
    sink.connected();
  });
  return transport;
}

/**
 * Takes over a connection that a server with `pauseOnConnect` accepted. Node has no public way to give accepted sockets
 * a read buffer, so its handle moves to a new socket; where there is no handle, plain `data` events serve.
 */
export function accept(accepted: net.Socket, reader: SharedReader, makeSink: (transport: Transport) => TransportSink): void {
  const transport = new NetTransport(undefined);
  const handle: unknown = (accepted as { _handle?: unknown })._handle;
  let socket = accepted;
  if (handle) {
    const options = { handle, allowHalfOpen: true, onread: { buffer: reader.buffer, callback: transport.onRead }, manualStart: true };
    socket = new net.Socket(options as object as net.SocketConstructorOpts);
  } else {
    accepted.on('data', (chunk) => transport.onData(chunk));
  }
  transport.attach(socket);
  transport.writeDirectly();
  transport.sink = makeSink(transport);
  socket.resume();
}

const nothing = Buffer.alloc(0);

/** A transport over a `net` or `tls` socket. Made by `connect`, `accept` and `connectTls` only. */
export class NetTransport implements Transport {
  sink: TransportSink | undefined;
  private socket: net.Socket | undefined;
  private writer: HandleWriter | undefined;
  private code = '';
  private over = false;
  remoteAddress = '';
  remotePort = 0;
  localAddress = '';
  localPort = 0;
  localLabel = ':0';
  private waiting = false;
  private readonly codeFor: (error: Error) => string;
  private ended = false;
  private readonly onDrained: (error?: Error | null) => void;
  private readonly onDirectlyDrained: () => void;
  readonly onRead: (length: number, buffer: Uint8Array) => boolean;

  /** `codeFor` names an error for `closed`. */
  constructor(sink: TransportSink | undefined, codeFor: (error: Error) => string = (error) => codeOf(error) || 'EIO') {
    this.sink = sink;
    this.codeFor = codeFor;
    this.onRead = (length, buffer) => {
      if (!this.over) this.sink?.data(buffer as Buffer, 0, length);
      return true;
    };
    this.onDirectlyDrained = () => {
      if (!this.over) this.sink?.drain();
    };
    this.onDrained = (error) => {
      this.waiting = false;
      // A write that failed comes here as well, before the socket says that it is closed.
      if (this.over || error) return;
      if (this.pendingBytes === 0) this.sink?.drain();
      else this.write(nothing, 0, 0);
    };
  }

  attach(socket: net.Socket): void {
    this.socket = socket;
    this.readAddresses(socket);
    socket.on('connect', () => this.readAddresses(socket));
    socket.on('end', () => {
      if (!this.over) this.sink?.eof();
    });
    socket.on('error', (error) => {
      this.code = this.codeFor(error);
    });
    socket.on('close', () => {
      this.over = true;
      this.writer = undefined;
      this.sink?.closed(this.code);
    });
  }

  /** From here on writes pass by the stream layer, where that can be. Only for plain sockets that are connected. */
  writeDirectly(): void {
    if (this.socket !== undefined) this.writer = handleWriter(this.socket, this.onDirectlyDrained);
  }

  private readAddresses(socket: net.Socket): void {
    this.remoteAddress = socket.remoteAddress ?? '';
    this.remotePort = socket.remotePort ?? 0;
    this.localAddress = socket.localAddress ?? '';
    this.localPort = socket.localPort ?? 0;
    this.localLabel = `${this.localAddress}:${this.localPort}`;
  }

  onData(chunk: Buffer): void {
    if (!this.over) this.sink?.data(chunk, 0, chunk.length);
  }

  get pendingBytes(): number {
    return this.writer === undefined ? (this.socket?.writableLength ?? 0) : this.writer.pendingBytes;
  }

  write(bytes: Buffer, start: number, end: number): boolean {
    const socket = this.socket;
    if (socket === undefined || this.over) return true;
    if (this.writer !== undefined) return this.ended || this.writer.write(bytes.subarray(start, end));
    if (!socket.writable) return true;
    socket.write(bytes.subarray(start, end));
    if (socket.writableLength === 0) return true;
    // An empty write queues behind what is waiting: its end is the moment everything has gone.
    if (!this.waiting) {
      this.waiting = true;
      socket.write(nothing, this.onDrained);
    }
    return false;
  }
  pause(): void {
    this.socket?.pause();
  }
  resume(): void {
    this.socket?.resume();
  }
  end(): void {
    this.ended = true;
    this.socket?.end();
  }
  destroy(): void {
    this.over = true;
    this.socket?.destroy();
  }
  reset(): void {
    this.over = true;
    this.socket?.resetAndDestroy();
  }
}

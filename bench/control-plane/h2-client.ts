/**
 * The least HTTP/2 client that can hold one gRPC stream: it shares two cores with the server it measures. One connection,
 * stream 1, no flow control towards us (windows of 2 GB), headers of the answer ignored.
 */
import { connect, type Socket } from 'node:net';
import { frameMessage } from '#grpc/frame.ts';

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const windowBytes = 2 ** 31 - 1;

/** One read buffer for all connections: a read is consumed before the next one begins. */
const readBuffer = Buffer.allocUnsafeSlow(256 * 1024);

/**
 * Bodies that came in several reads are put together in buffers that go round: a new one for each would cost more than
 * everything else the client does.
 */
const spareBodies: Buffer[] = [];
const spareBytes = 64 * 1024;
const maxSpares = 1024;

function takeBody(length: number): Buffer {
  if (length > spareBytes) return Buffer.allocUnsafeSlow(length);
  return (spareBodies.pop() ?? Buffer.allocUnsafeSlow(spareBytes)).subarray(0, length);
}

function giveBack(body: Buffer): void {
  if (body.buffer.byteLength === spareBytes && spareBodies.length < maxSpares) spareBodies.push(Buffer.from(body.buffer));
}

export interface RawStream {
  send(message: Uint8Array): void;
  close(): void;
}

/** Opens a connection and one call on it. `message` gets each gRPC message, valid until it returns. */
export function openStream(port: number, path: string, message: (bytes: Buffer) => void, failed: (why: string) => void): RawStream {
  const reader = new FrameCutter(message, (type, flags, payload) => {
    // SETTINGS and PING want an answer.
    if (type === 4 && (flags & 1) === 0) socket.write(frame(4, 1, 0, Buffer.alloc(0)));
    if (type === 6 && (flags & 1) === 0) socket.write(frame(6, 1, 0, Buffer.from(payload)));
    if (type === 3 || type === 7) failed(`frame type ${type}`);
  });
  const socket: Socket = connect({
    port,
    host: '127.0.0.1',
    noDelay: true,
    onread: {
      buffer: readBuffer,
      callback: (length) => {
        reader.push(readBuffer.subarray(0, length));
        return true;
      },
    },
  });
  socket.on('error', (error) => failed(error.message));
  socket.on('close', () => failed('closed'));
  const settings = Buffer.alloc(6);
  settings.writeUInt16BE(4, 0);
  settings.writeUInt32BE(windowBytes, 2);
  const window = Buffer.alloc(4);
  window.writeUInt32BE(windowBytes - 65535, 0);
  socket.write(Buffer.concat([preface, frame(4, 0, 0, settings), frame(8, 0, 0, window), frame(1, 4, 1, headers(path))]));
  return {
    send: (bytes) => socket.write(frame(0, 0, 1, frameMessage(bytes))),
    close: () => {
      socket.removeAllListeners('close');
      socket.destroy();
    },
  };
}

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(9 + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, 5);
  bytes.set(payload, 9);
  return bytes;
}

/** HPACK without dynamic table or Huffman code (RFC 7541 6.2.2). */
function headers(path: string): Buffer {
  const text = (value: string) => [Buffer.of(value.length), Buffer.from(value)];
  return Buffer.concat([
    Buffer.of(0x83, 0x86, 0x04),
    ...text(path),
    Buffer.of(0x01),
    ...text('127.0.0.1'),
    Buffer.of(0x0f, 0x10),
    ...text('application/grpc'),
    Buffer.of(0x00),
    ...text('te'),
    ...text('trailers'),
  ]);
}

/** Cuts a connection's bytes into HTTP/2 frames and the DATA of them into gRPC messages. */
class FrameCutter {
  readonly #message: (bytes: Buffer) => void;
  readonly #control: (type: number, flags: number, payload: Buffer) => void;
  readonly #head = Buffer.alloc(9);
  #headBytes = 0;
  /** Of the frame being read. */
  #left = 0;
  #type = 0;
  #controlParts: Buffer[] = [];
  /** gRPC message being put together. */
  #prefix = Buffer.alloc(5);
  #prefixBytes = 0;
  #body: Buffer | undefined;
  #bodyBytes = 0;

  constructor(message: (bytes: Buffer) => void, control: (type: number, flags: number, payload: Buffer) => void) {
    this.#message = message;
    this.#control = control;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length || (this.#headBytes === 9 && this.#left === 0)) {
      if (this.#headBytes < 9) {
        const take = Math.min(9 - this.#headBytes, chunk.length - at);
        chunk.copy(this.#head, this.#headBytes, at, at + take);
        at += take;
        this.#headBytes += take;
        if (this.#headBytes < 9) return;
        this.#left = this.#head.readUIntBE(0, 3);
        this.#type = this.#head[3] ?? 0;
      }
      const take = Math.min(this.#left, chunk.length - at);
      const part = chunk.subarray(at, at + take);
      at += take;
      this.#left -= take;
      if (this.#type === 0) this.#data(part);
      else if (take > 0) this.#controlParts.push(Buffer.from(part));
      if (this.#left > 0) return;
      if (this.#type !== 0) this.#control(this.#type, this.#head[4] ?? 0, Buffer.concat(this.#controlParts.splice(0)));
      this.#headBytes = 0;
    }
  }

  #data(part: Buffer): void {
    let at = 0;
    while (at < part.length) {
      if (!this.#body) {
        const take = Math.min(5 - this.#prefixBytes, part.length - at);
        part.copy(this.#prefix, this.#prefixBytes, at, at + take);
        at += take;
        this.#prefixBytes += take;
        if (this.#prefixBytes < 5) return;
        const length = this.#prefix.readUInt32BE(1);
        this.#bodyBytes = 0;
        if (part.length - at >= length) {
          this.#prefixBytes = 0;
          this.#message(part.subarray(at, at + length));
          at += length;
          continue;
        }
        this.#body = takeBody(length);
      }
      const take = Math.min(this.#body.length - this.#bodyBytes, part.length - at);
      part.copy(this.#body, this.#bodyBytes, at, at + take);
      at += take;
      this.#bodyBytes += take;
      if (this.#bodyBytes < this.#body.length) return;
      const body = this.#body;
      this.#body = undefined;
      this.#prefixBytes = 0;
      this.#message(body);
      giveBack(body);
    }
  }
}

/** Both ends of aggregated xDS against a peer that does exactly what a test says. */
import { formatGrpcAddress, type GrpcAddress } from '#grpc/address.ts';
import { createGrpcChannel, type GrpcChannel } from '#grpc/client.ts';
import type { ClientCall } from '#grpc/client-stream.ts';
import { createGrpcServer } from '#grpc/server.ts';
import type { GrpcCall, GrpcMethod } from '#grpc/server-stream.ts';
import { type GrpcStatus, grpcCode } from '#grpc/status.ts';
import { systemClock } from '#process/clock.ts';
import { logger } from '#process/log.ts';
import {
  adsMethods,
  type DeltaRequest,
  type DeltaResponse,
  frameDeltaResponse,
  readDeltaRequest,
  readDeltaResponse,
  readStateResponse,
  type StateRequest,
  type StateResponse,
  writeDeltaRequest,
  writeStateRequest,
} from '#xds/messages.ts';
import { type EncodedResource, encodedResource } from '#xds/resource.ts';
import { ResourceSet } from '#xds/resource-set.ts';
import { createXdsServer, type XdsServer } from '#xds/server.ts';
import type { ResourceSource, XdsHost, XdsStream } from '#xds/stream.ts';

export const log = logger('xds-test');
export const node = Buffer.from([10, 1, 110]);

/** A value for each that arrives, waited for in order. */
export class Inbox<T> {
  readonly #arrived: T[] = [];
  readonly #waiting: ((item: T) => void)[] = [];

  put(item: T): void {
    const taker = this.#waiting.shift();
    if (taker) taker(item);
    else this.#arrived.push(item);
  }

  next(): Promise<T> {
    const item = this.#arrived.shift();
    return item === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(item);
  }

  /** What has arrived and was not taken. */
  get rest(): readonly T[] {
    return this.#arrived;
  }
}

/** The server under test, with one set of resources per type for everybody. */
export class ServedSets implements ResourceSource {
  readonly sets = new Map<string, ResourceSet>();
  readonly events: string[] = [];
  readonly xds: XdsServer;
  #epoch = 0;

  constructor() {
    const host: XdsHost = {
      opened: (_stream, bytes) => {
        this.events.push(`opened ${bytes.subarray(2)}`);
        return this;
      },
      nodeChanged: () => this,
      closed: () => this.events.push('closed'),
      answered: (_stream, _response, error, heldBack) => error && this.events.push(`rejected ${heldBack.join(',')}: ${error.message}`),
      expired: () => this.events.push('expired'),
    };
    this.xds = createXdsServer({ host, clock: systemClock });
  }

  current(typeUrl: string): ResourceSet | undefined {
    return this.sets.get(typeUrl);
  }

  get streams(): readonly XdsStream[] {
    return [...this.xds.streams];
  }

  /** Sets texts by name (undefined = gone) and sends what follows from it. */
  put(typeUrl: string, texts: Readonly<Record<string, string | undefined>>): void {
    const updates = new Map<string, EncodedResource | undefined>();
    for (const [name, text] of Object.entries(texts))
      updates.set(name, text === undefined ? undefined : encodedResource(name, typeUrl, Buffer.from(text)));
    this.sets.set(typeUrl, (this.sets.get(typeUrl) ?? new ResourceSet(0, new Map())).with(++this.#epoch, updates));
    for (const stream of this.xds.streams) stream.pump();
  }
}

/** A client that does what the test says. */
export class ScriptedClient {
  readonly delta = new Inbox<DeltaResponse>();
  readonly state = new Inbox<StateResponse>();
  readonly ended: Promise<GrpcStatus>;
  readonly #channel: GrpcChannel;
  readonly #call: ClientCall;
  #first = true;

  constructor(address: GrpcAddress, protocol: 'delta' | 'sotw') {
    this.#channel = createGrpcChannel({ address, clock: systemClock, maxMessageBytes: 64 * 1024 * 1024 });
    let end: (status: GrpcStatus) => void = () => {};
    this.ended = new Promise((resolve) => {
      end = resolve;
    });
    this.#call = this.#channel.stream(adsMethods[protocol], {
      message: (bytes) => (protocol === 'delta' ? this.delta.put(readDeltaResponse(bytes)) : this.state.put(readStateResponse(bytes))),
      closed: (status) => end(status),
    });
  }

  sendDelta(request: Partial<DeltaRequest> & { readonly typeUrl: string }): void {
    this.#call.send(writeDeltaRequest({ subscribe: [], unsubscribe: [], nonce: '', ...this.#nodeOnce(), ...request }));
  }

  sendState(request: Partial<StateRequest> & { readonly typeUrl: string }): void {
    this.#call.send(writeStateRequest({ names: [], nonce: '', versionInfo: '', ...this.#nodeOnce(), ...request }));
  }

  sendRaw(bytes: Uint8Array): void {
    this.#call.send(bytes);
  }

  close(): void {
    this.#channel.close();
  }

  #nodeOnce(): { readonly node?: Buffer } {
    const first = this.#first;
    this.#first = false;
    return first ? { node } : {};
  }
}

/** A server that does what the test says; each stream of a client in the order of arrival. */
export class ScriptedServer {
  readonly streams = new Inbox<ScriptedStream>();
  #server = this.#create();
  #nonce = 0;

  #create() {
    const accept: GrpcMethod = (call) => {
      const stream = new ScriptedStream(call, () => `n${++this.#nonce}`);
      this.streams.put(stream);
      return { message: (bytes) => stream.requests.put(readDeltaRequest(Buffer.from(bytes))) };
    };
    return createGrpcServer({ methods: { [adsMethods.delta]: accept }, clock: systemClock, log });
  }

  async listen(address: GrpcAddress = { host: '127.0.0.1', port: 0 }): Promise<string> {
    return formatGrpcAddress(await this.#server.listen(address));
  }

  async stop(): Promise<void> {
    await this.#server.close();
    this.#server = this.#create();
  }
}

export class ScriptedStream {
  readonly requests = new Inbox<DeltaRequest>();
  readonly #call: GrpcCall;
  readonly #nonce: () => string;

  constructor(call: GrpcCall, nonce: () => string) {
    this.#call = call;
    this.#nonce = nonce;
  }

  /** Sends texts by name; the nonce. */
  send(typeUrl: string, texts: Readonly<Record<string, string>>, removed: readonly string[] = []): string {
    const nonce = this.#nonce();
    const resources = Object.entries(texts).map(([name, text]) => ({ name, typeUrl, version: `v-${text}`, bytes: Buffer.from(text) }));
    this.#call.sendFramed(frameDeltaResponse({ typeUrl, nonce, version: '1' }, resources, removed));
    return nonce;
  }

  sendRaw(bytes: Uint8Array): void {
    this.#call.send(bytes);
  }

  end(): void {
    this.#call.finish({ code: grpcCode.unavailable, message: 'going away' });
  }
}

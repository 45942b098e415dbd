import type { ConnectionOptions } from 'node:tls';
import { createBackoff } from '#base/backoff.ts';
import type { Clock } from '#base/clock.ts';
import { messageOf } from '#base/fault.ts';
import { formatGrpcAddress, type GrpcAddress, parseGrpcAddress } from '#grpc/address.ts';
import { createGrpcChannel, type GrpcChannel } from '#grpc/client.ts';
import type { ClientCall } from '#grpc/client-stream.ts';
import { type GrpcStatus, grpcCode } from '#grpc/status.ts';
import type { Logger } from '#process/log.ts';
import { adsMethods, type DeltaResponse, type ReceivedResource, readDeltaResponse, writeDeltaRequest } from './messages.ts';

/** What the receiver thinks of an update: undefined = taken, a text = rejected (say which resource and field). */
export type Verdict = string | undefined;

export interface XdsClientOptions {
  /** One or several servers, `host:port` or `unix:/path`; after a failure the next one is tried. */
  readonly target: string | readonly string[];
  /** Encoded `envoy.config.core.v3.Node`. */
  readonly node: Uint8Array;
  /** By type URL: names, or `*` for everything. Requests go out in this order. */
  readonly subscriptions: Readonly<Record<string, readonly string[] | '*'>>;
  /** Called for one response at a time, in order of arrival; nothing further is read of a type before the verdict. */
  onUpdate(typeUrl: string, added: readonly ReceivedResource[], removed: readonly string[]): Verdict | Promise<Verdict>;
  onConnection?(connected: boolean, status: GrpcStatus | undefined): void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly tls?: ConnectionOptions;
  /** Source address of the connection. */
  readonly localAddress?: string;
  /** Limit for one response; default 64 MiB. */
  readonly maxMessageBytes?: number;
}

export interface XdsClient {
  /** Changes what is asked for. Names already asked for are left alone; a name given up is forgotten at once. */
  subscribe(typeUrl: string, names: readonly string[]): void;
  unsubscribe(typeUrl: string, names: readonly string[]): void;
  /** Accepted versions by name, as they go to the server after a reconnect. */
  versions(typeUrl: string): ReadonlyMap<string, string>;
  readonly connected: boolean;
  /** The server in use, or tried last. */
  readonly target: string;
  close(): void;
}

interface TypeState {
  wildcard: boolean;
  readonly names: Set<string>;
  readonly versions: Map<string, string>;
}

/** Delays between attempts to reach a server. */
const firstRetryMs = 100;
const lastRetryMs = 10_000;

/** A stream that lasted this long was a good one: the next failure starts from the shortest delay again. */
const goodStreamMs = 5000;

/**
 * Client end of delta aggregated xDS. Starts at once and never gives up: it connects again with growing, jittered
 * delays, tells the server which versions it kept, and so gets only what changed. What was accepted stays accepted
 * while no server can be reached.
 */
export function xdsClient(options: XdsClientOptions): XdsClient {
  const { clock, log } = options;
  const addresses = (typeof options.target === 'string' ? [options.target] : options.target).map(parseGrpcAddress);
  const types = new Map<string, TypeState>();
  for (const [typeUrl, names] of Object.entries(options.subscriptions)) {
    types.set(typeUrl, { wildcard: names === '*', names: new Set(names === '*' ? [] : names), versions: new Map() });
  }
  const backoff = createBackoff(firstRetryMs, lastRetryMs, clock.random);
  let attempt = 0;
  let channel: GrpcChannel | undefined;
  let call: ClientCall | undefined;
  let connected = false;
  let closed = false;
  let cancelRetry: (() => void) | undefined;
  let generation = 0;

  function connect(): void {
    const address = addresses[attempt % addresses.length];
    if (closed || !address) return;
    const mine = ++generation;
    const startedAt = clock.monotonic();
    channel = createGrpcChannel({
      address,
      clock,
      tls: options.tls,
      localAddress: options.localAddress,
      maxMessageBytes: options.maxMessageBytes ?? 64 * 1024 * 1024,
    });
    const queue = createQueue((response: DeltaResponse) => apply(response, mine));
    call = channel.stream(adsMethods.delta, {
      message(bytes) {
        if (mine !== generation) return;
        markConnected(address);
        try {
          queue(readDeltaResponse(bytes));
        } catch (error) {
          log.error('the server sent something unreadable', { error: messageOf(error) });
          call?.cancel();
        }
      },
      closed: (status) => mine === generation && lost(status, clock.monotonic() - startedAt),
    });
    let node: Buffer | undefined = Buffer.from(options.node);
    for (const [typeUrl, state] of types) {
      send(typeUrl, { subscribe: [...(state.wildcard ? ['*'] : []), ...state.names], initialVersions: state.versions, node });
      node = undefined;
    }
  }

  function markConnected(address: GrpcAddress): void {
    if (connected) return;
    connected = true;
    log.info('configuration stream established', { server: formatGrpcAddress(address) });
    options.onConnection?.(true, undefined);
  }

  function lost(status: GrpcStatus, lastedMs: number): void {
    generation++;
    channel?.close();
    call = undefined;
    if (closed) return;
    if (connected && lastedMs > goodStreamMs) backoff.reset();
    const delayMs = backoff.next();
    const wasConnected = connected;
    connected = false;
    attempt++;
    log[wasConnected ? 'warn' : 'debug']('configuration stream lost; keeping the last configuration', {
      ...status,
      retryMs: Math.round(delayMs),
    });
    options.onConnection?.(false, status);
    cancelRetry = clock.after(delayMs, connect);
  }

  async function apply(response: DeltaResponse, mine: number): Promise<void> {
    const { typeUrl, nonce, resources, removed } = response;
    const state = types.get(typeUrl);
    let verdict: Verdict;
    try {
      verdict = state ? await options.onUpdate(typeUrl, resources, removed) : `type ${typeUrl} was not asked for`;
    } catch (error) {
      verdict = messageOf(error);
    }
    if (verdict === undefined && state) {
      for (const { name, version } of resources) if (state.wildcard || state.names.has(name)) state.versions.set(name, version);
      for (const name of removed) state.versions.delete(name);
    }
    if (mine !== generation) return;
    send(typeUrl, { nonce, error: verdict === undefined ? undefined : { code: grpcCode.internal, message: verdict } });
  }

  function send(typeUrl: string, request: Partial<Parameters<typeof writeDeltaRequest>[0]>): void {
    call?.send(writeDeltaRequest({ typeUrl, nonce: '', subscribe: [], unsubscribe: [], ...request }));
  }

  function stateOf(typeUrl: string): TypeState {
    let state = types.get(typeUrl);
    if (!state) {
      state = { wildcard: false, names: new Set(), versions: new Map() };
      types.set(typeUrl, state);
    }
    return state;
  }

  connect();
  return {
    subscribe(typeUrl, names) {
      const state = stateOf(typeUrl);
      const added = names.filter((name) => !state.names.has(name));
      for (const name of added) state.names.add(name);
      if (added.length > 0) send(typeUrl, { subscribe: added });
    },
    unsubscribe(typeUrl, names) {
      const state = stateOf(typeUrl);
      const gone = names.filter((name) => state.names.delete(name));
      if (!state.wildcard) for (const name of gone) state.versions.delete(name);
      if (gone.length > 0) send(typeUrl, { unsubscribe: gone });
    },
    versions: (typeUrl) => types.get(typeUrl)?.versions ?? new Map(),
    get connected() {
      return connected;
    },
    get target() {
      const address = addresses[attempt % addresses.length];
      return address ? formatGrpcAddress(address) : '';
    },
    close() {
      closed = true;
      cancelRetry?.();
      channel?.close();
    },
  };
}

/** Runs `work` for one item after the other. */
function createQueue<T>(work: (item: T) => Promise<void>): (item: T) => void {
  let tail = Promise.resolve();
  return (item) => {
    tail = tail.then(() => work(item));
  };
}

import net from 'node:net';
import { codeOf, messageOf } from '#base/fault.ts';
import { Deadline, type DeadlineOwner } from '#http/deadlines.ts';
import { accept } from '#http/net-transport.ts';
import type { Transport, TransportSink } from '#http/transport.ts';
import { type HttpChain, linkHttpChain } from '../http/chain.ts';
import { type ConnectionFacts, Downstream } from '../http/downstream.ts';
import type { Runtime } from '../runtime.ts';
import type { ChainTable, ListenerTable } from '../table.ts';
import { linkTcpChain, type TcpChain, TcpSession } from '../tcp/session.ts';
import { matchChain } from './chain-match.ts';
import { maxSniffBytes, type Sniffed, sniff, undecided } from './sniff.ts';

const plain: Sniffed = { transport: 'raw_buffer', serverName: '', protocols: [] };
const retryMs = [250, 1000, 3000] as const;

/** A connection that can be asked to end when it is idle. */
interface Drainable {
  drainConnection(): void;
}

/** What the admin port and the control thread learn of a listener. */
export interface ListenerState {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly state: 'listening' | 'unbound' | 'failed' | 'warming';
  readonly error: string;
  readonly accepted: number;
  readonly active: number;
}

/** One listener: its sockets, its chains, and the connections it accepted. */
export class Listener {
  table: ListenerTable;
  accepted = 0;
  private readonly runtime: Runtime;
  private servers: net.Server[] = [];
  private readonly http = new Map<ChainTable, HttpChain>();
  private readonly tcp = new Map<ChainTable, TcpChain>();
  private readonly connections = new Set<Drainable>();
  private error = '';
  private stopped = false;
  private draining = false;
  private readonly cancels = new Set<() => void>();

  constructor(runtime: Runtime, table: ListenerTable) {
    this.runtime = runtime;
    this.table = table;
    this.link(table);
  }

  /** Opens the sockets. Resolves when all listen or one failed; a port in use is tried again in the background. */
  async open(): Promise<string> {
    if (!this.table.bind) return '';
    const results = await Promise.all(this.table.addresses.map((place) => this.listen(place.address, place.port, 0)));
    return results.find((error) => error !== '') ?? '';
  }

  /** Takes a new definition with the same addresses: new requests see it at once, on old connections too. */
  update(table: ListenerTable): void {
    this.table = table;
    this.http.clear();
    this.tcp.clear();
    this.link(table);
  }

  /** Accepts no more; connections end as they become idle. */
  stop(): void {
    this.stopped = true;
    for (const cancel of this.cancels) cancel();
    for (const server of this.servers) {
      this.runtime.ownSockets.delete(socketKey(server));
      server.close();
    }
    this.servers = [];
    this.drain();
  }

  drain(): void {
    this.draining = true;
    for (const connection of [...this.connections]) connection.drainConnection();
  }

  get state(): ListenerState {
    const bound = this.servers.map((server) => addressText(server)).filter((text) => text !== '');
    return {
      name: this.table.name,
      addresses: bound.length > 0 ? bound : this.table.addresses.map((place) => `${place.address}:${place.port}`),
      state: this.error !== '' ? 'failed' : this.table.bind ? 'listening' : 'unbound',
      error: this.error,
      accepted: this.accepted,
      active: this.connections.size,
    };
  }

  private link(table: ListenerTable): void {
    const chains = table.defaultChain === undefined ? table.chains : [...table.chains, table.defaultChain];
    for (const chain of chains) {
      const place = { listenerName: table.name, chainName: chain.name, direction: table.direction, bufferLimit: table.bufferLimit };
      if (chain.filter.kind === 'http') this.http.set(chain, linkHttpChain(this.runtime, chain.filter, place));
      else this.tcp.set(chain, linkTcpChain(this.runtime, chain.filter, place));
    }
  }

  private listen(address: string, port: number, attempt: number): Promise<string> {
    return new Promise((resolve) => {
      const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (socket) => this.accept(socket));
      server.on('error', (error) => {
        this.error = `${address}:${port} cannot be opened: ${messageOf(error)}`;
        this.runtime.report('warn', 'a listener cannot open its address', {
          listener: this.table.name,
          error: this.error,
          code: codeOf(error),
        });
        this.retryListen(address, port, attempt);
        resolve(this.error);
      });
      const reusePort = this.runtime.facts.concurrency > 1;
      server.listen({ host: address, port, backlog: this.table.backlog || 1024, ...(reusePort ? { reusePort } : {}) }, () => {
        this.error = '';
        if (this.stopped) server.close();
        else {
          this.servers.push(server);
          this.runtime.ownSockets.add(socketKey(server));
        }
        resolve('');
      });
    });
  }

  private retryListen(address: string, port: number, attempt: number): void {
    if (this.stopped) return;
    const cancel = this.runtime.clock.after(retryMs[Math.min(attempt, retryMs.length - 1)] ?? 3000, () => {
      this.cancels.delete(cancel);
      void this.listen(address, port, attempt + 1);
    });
    this.cancels.add(cancel);
  }

  private accept(socket: net.Socket): void {
    this.accepted++;
    this.runtime.counters.downstreamConnections++;
    accept(socket, this.runtime.reader, (transport) => {
      if (this.table.inspectTls || this.table.inspectHttp) return new Inspector(this.runtime, this, transport);
      return this.serve(transport, plain) ?? dead(transport);
    });
  }

  /** The sink that serves a connection from now on; undefined when no chain takes it. */
  serve(transport: Transport, sniffed: Sniffed): TransportSink | undefined {
    const query = { localAddress: transport.localAddress, localPort: transport.localPort, remoteAddress: transport.remoteAddress, sniffed };
    let table = this.table;
    let chain = matchChain(table, query);
    if (chain === undefined) return undefined;
    const facts: ConnectionFacts = {
      remote: label(transport.remoteAddress, transport.remotePort),
      local: label(transport.localAddress, transport.localPort),
      remoteAddress: transport.remoteAddress,
      localPort: transport.localPort,
      serverName: sniffed.serverName,
      id: ++this.runtime.counters.connectionId,
    };
    const onClosed = (connection: Drainable) => {
      this.connections.delete(connection);
      this.runtime.counters.downstreamActive--;
    };
    this.runtime.counters.downstreamActive++;
    const tcp = this.tcp.get(chain);
    if (tcp !== undefined) {
      const session = new TcpSession(this.runtime, transport, facts, tcp, onClosed);
      this.connections.add(session);
      return session;
    }
    const source = () => {
      if (this.table !== table) {
        table = this.table;
        chain = matchChain(table, query);
      }
      return chain === undefined ? undefined : this.http.get(chain);
    };
    const http = this.http.get(chain);
    if (http === undefined) return undefined;
    const downstream = new Downstream(this.runtime, transport, facts, source, http, onClosed);
    this.connections.add(downstream);
    if (this.draining) downstream.closeAfterNext();
    return downstream;
  }
}

/** Reads a connection's first bytes until its chain is known, then hands everything over. */
class Inspector implements TransportSink, DeadlineOwner {
  private readonly runtime: Runtime;
  private readonly listener: Listener;
  private readonly transport: Transport;
  private bytes: Buffer = Buffer.alloc(0);
  private readonly alarm = new Deadline(this);
  private over = false;

  constructor(runtime: Runtime, listener: Listener, transport: Transport) {
    this.runtime = runtime;
    this.listener = listener;
    this.transport = transport;
    if (listener.table.inspectTimeoutMs > 0) runtime.deadlines.set(this.alarm, listener.table.inspectTimeoutMs);
  }

  connected(): void {}
  drain(): void {}

  data(bytes: Buffer, start: number, end: number): void {
    this.bytes = Buffer.concat([this.bytes, bytes.subarray(start, end)]);
    this.decide(this.bytes.length >= maxSniffBytes);
  }
  eof(): void {
    if (this.bytes.length > 0) this.decide(true);
    if (this.over) this.transport.sink?.eof();
    else this.transport.destroy();
  }
  closed(): void {
    this.over = true;
    this.runtime.deadlines.clear(this.alarm);
  }
  deadlinePassed(): void {
    if (this.listener.table.continueOnTimeout) this.decide(true);
    else this.transport.destroy();
  }

  private decide(final: boolean): void {
    const { inspectTls, inspectHttp } = this.listener.table;
    const result = sniff(this.bytes, { tls: inspectTls, http: inspectHttp }, final);
    if (result === undecided || this.over) return;
    this.over = true;
    this.runtime.deadlines.clear(this.alarm);
    const sink = this.listener.serve(this.transport, result);
    if (sink === undefined) {
      this.transport.destroy();
      return;
    }
    this.transport.sink = sink;
    if (this.bytes.length > 0) sink.data(this.bytes, 0, this.bytes.length);
  }
}

/** A connection that no chain takes is closed without a word. */
function dead(transport: Transport): TransportSink {
  transport.destroy();
  const nothing = () => {};
  return { connected: nothing, data: nothing, drain: nothing, eof: nothing, closed: nothing };
}

function label(address: string, port: number): string {
  const plainAddress = address.startsWith('::ffff:') ? address.slice(7) : address;
  return plainAddress.includes(':') ? `[${plainAddress}]:${port}` : `${plainAddress}:${port}`;
}

function addressText(server: net.Server): string {
  const address = server.address();
  return address === null || typeof address === 'string' ? '' : label(address.address, address.port);
}

function socketKey(server: net.Server): string {
  const address = server.address();
  return address === null || typeof address === 'string' ? '' : `${address.address}|${address.port}`;
}

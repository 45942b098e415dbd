import net from 'node:net';
import tls from 'node:tls';
import type { ConnectOptions } from './net-transport.ts';
import { NetTransport } from './net-transport.ts';
import type { Transport, TransportSink } from './transport.ts';

/** What an outgoing TLS connection presents and demands. */
export interface TlsOptions {
  readonly sni: string;
  /** PEM text; empty takes Node's root certificates. */
  readonly roots: string;
  readonly verify: boolean;
  /** When not empty, the certificate must carry one of these DNS names; else it must fit `sni`. */
  readonly sanDns: readonly string[];
  readonly alpn: readonly string[];
}

/** Opens a TLS connection over public `tls` sockets; `connected` comes after the peer was verified. */
export function connectTls(options: ConnectOptions, security: TlsOptions, sink: TransportSink): Transport {
  const transport = new NetTransport(sink);
  const place =
    options.port === 0
      ? { path: options.host }
      : { host: options.host, port: options.port, localAddress: options.localAddress || undefined };
  const socket = tls.connect({
    socket: net.connect({ ...place, noDelay: true, allowHalfOpen: true }),
    ...(security.sni ? { servername: security.sni } : {}),
    ...(security.roots ? { ca: security.roots } : {}),
    ...(security.alpn.length > 0 ? { ALPNProtocols: [...security.alpn] } : {}),
    rejectUnauthorized: security.verify,
    ...(security.sanDns.length > 0
      ? { checkServerIdentity: (_host: string, certificate: tls.PeerCertificate) => checkNames(security.sanDns, certificate) }
      : {}),
    minVersion: 'TLSv1.2',
  });
  transport.attach(socket);
  socket.on('data', (chunk: Buffer) => transport.onData(chunk));
  socket.on('secureConnect', () => sink.connected());
  return transport;
}

function checkNames(names: readonly string[], certificate: tls.PeerCertificate): Error | undefined {
  const failures = names.map((name) => tls.checkServerIdentity(name, certificate));
  return failures.some((failure) => failure === undefined) ? undefined : failures[0];
}

import { readFileSync, statSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { codeOf, messageOf } from '#base/fault.ts';
import { type ConnectOptions, keepAlive, NetTransport } from './net-transport.ts';
import type { Transport, TransportSink } from './transport.ts';

/** PEM text: given, in a file that is read again once it changed, or what the system trusts. */
export type PemSource =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'file'; readonly file: string }
  | { readonly kind: 'system' };

/** A name that a peer's certificate may carry. `dns` names in certificates may be wildcards, which exact rules then fit. */
export interface PeerNameRule {
  readonly type: 'dns' | 'uri' | 'ip' | 'email';
  readonly match: 'exact' | 'prefix' | 'suffix' | 'contains';
  readonly value: string;
  readonly ignoreCase: boolean;
}

/** What outgoing TLS connections present and demand. */
export interface TlsOptions {
  /** Who may have signed the peer's certificate; undefined: it is not looked at. */
  readonly roots: PemSource | undefined;
  readonly crl: PemSource | undefined;
  /** Our own certificate, chain included, and its key. */
  readonly certificate: PemSource | undefined;
  readonly key: PemSource | undefined;
  /** When not empty, the peer's certificate must fit one of them. */
  readonly names: readonly PeerNameRule[];
  readonly alpn: readonly string[];
  readonly minVersion: tls.SecureVersion;
  readonly maxVersion: tls.SecureVersion;
}

/** What one connection says and demands beyond its cluster's settings. */
export interface TlsPeer {
  /** Server name in the greeting; empty sends none. */
  readonly sni: string;
  /** The name or address that the certificate must be for, in place of `names`; empty: `names` hold. */
  readonly requiredName: string;
}

/** How `closed` begins for a failed handshake, after Envoy's wording. */
export const tlsFailure = 'TLS_error:';

/**
 * Opens a TLS connection over public `tls` sockets; `connected` comes after the peer was verified. A handshake that fails
 * closes with `TLS_error:` and the cause, settings that cannot be used with a sentence.
 */
export function connectTls(options: ConnectOptions, security: TlsOptions, peer: TlsPeer, sink: TransportSink): Transport {
  const transport = new NetTransport(sink, failureOf);
  let secureContext: tls.SecureContext;
  try {
    secureContext = contextFor(security);
  } catch (error) {
    const never = new net.Socket();
    transport.attach(never);
    never.destroy(new Error(`TLS cannot start: ${messageOf(error)}`));
    return transport;
  }
  const settings = {
    ...(options.port === 0 ? { path: options.host } : { host: options.host, port: options.port }),
    ...(options.localAddress ? { localAddress: options.localAddress } : {}),
    secureContext,
    allowHalfOpen: true,
    ...(peer.sni ? { servername: peer.sni } : {}),
    ...(security.alpn.length > 0 ? { ALPNProtocols: [...security.alpn] } : {}),
    rejectUnauthorized: security.roots !== undefined,
    checkServerIdentity: (_host: string, certificate: tls.PeerCertificate) => checkNames(security.names, peer.requiredName, certificate),
  };
  const socket = tls.connect(settings);
  socket.setNoDelay(true);
  if (options.port !== 0) keepAlive(socket, options);
  transport.attach(socket);
  socket.on('data', (chunk: Buffer) => transport.onData(chunk));
  socket.on('secureConnect', () => sink.connected());
  return transport;
}

/** System errors by their code, settings by their sentence, and what TLS itself found by cause and text. */
function failureOf(error: Error): string {
  const code = codeOf(error);
  if ('syscall' in error || code === 'ECONNRESET') return code;
  if (code === '') return error.message;
  const cause = code.replace(/^ERR_(SSL|TLS)_/, '').replace('CERT_ALTNAME_INVALID', 'CERTIFICATE_VERIFY_FAILED');
  return `${tlsFailure}|${cause}:${error.message.split('\n')[0]?.replace(/^[0-9A-F]+:error:/, '') ?? ''}:TLS_error_end`;
}

interface Made {
  readonly stamp: string;
  readonly context: tls.SecureContext;
}

const maxMade = 256;
/** Contexts by what they are made of: the system's authorities alone take milliseconds to read. */
const made = new Map<string, Made>();

/** Files are looked at on each call and read when one changed. Throws when one cannot be read or says nothing usable. */
function contextFor(options: TlsOptions): tls.SecureContext {
  const { roots, crl, certificate, key, minVersion, maxVersion } = options;
  const id = JSON.stringify([roots, crl, certificate, key, minVersion, maxVersion]);
  const stamp = [roots, crl, certificate, key].map(stampOf).join('|');
  const known = made.get(id);
  if (known?.stamp === stamp) return known.context;
  const pem = { ca: read(roots), crl: read(crl), cert: read(certificate), key: read(key) };
  try {
    const context = tls.createSecureContext({ ...pem, minVersion, maxVersion });
    if (made.size >= maxMade) made.clear();
    made.set(id, { stamp, context });
    return context;
  } catch (error) {
    // Half of a pair has been exchanged: what was good until now serves until the other half follows.
    if (known !== undefined) return known.context;
    throw new Error(`${[roots, crl, certificate, key].map(fileOf).filter(Boolean).join(', ')}: ${messageOf(error)}`);
  }
}

function fileOf(source: PemSource | undefined): string {
  return source?.kind === 'file' ? source.file : '';
}

function stampOf(source: PemSource | undefined): string {
  if (source?.kind !== 'file') return '';
  try {
    const { mtimeNs, size, ino } = statSync(source.file, { bigint: true });
    return `${mtimeNs}:${size}:${ino}`;
  } catch (error) {
    throw new Error(`${source.file} cannot be read (${codeOf(error)})`);
  }
}

function read(source: PemSource | undefined): string | string[] | undefined {
  if (source === undefined) return undefined;
  if (source.kind === 'text') return source.text;
  if (source.kind === 'system') return tls.getCACertificates('system');
  try {
    return readFileSync(source.file, 'utf8');
  } catch (error) {
    throw new Error(`${source.file} cannot be read (${codeOf(error)})`);
  }
}

function checkNames(rules: readonly PeerNameRule[], required: string, certificate: tls.PeerCertificate): Error | undefined {
  const wanted: readonly PeerNameRule[] =
    required === '' ? rules : [{ type: net.isIP(required) === 0 ? 'dns' : 'ip', match: 'exact', value: required, ignoreCase: true }];
  if (wanted.length === 0) return undefined;
  const carried = namesOf(certificate.subjectaltname ?? '');
  if (wanted.some((rule) => carried.some((name) => name.type === rule.type && fits(rule, name.value)))) return undefined;
  const found = carried.map((name) => name.value).join(', ');
  const text = `the certificate is for [${found}], expected one of [${wanted.map((rule) => rule.value).join(', ')}]`;
  return Object.assign(new Error(text), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
}

const kinds: Readonly<Record<string, PeerNameRule['type']>> = { DNS: 'dns', URI: 'uri', 'IP Address': 'ip', email: 'email' };

/** Reads `DNS:a, URI:b, DNS:"c, d"`: Node quotes values that could be taken for several. */
export function namesOf(text: string): { type: PeerNameRule['type']; value: string }[] {
  const names: { type: PeerNameRule['type']; value: string }[] = [];
  for (const [, kind = '', quoted, plain = ''] of text.matchAll(/([A-Za-z ]+):(?:("(?:[^"\\]|\\.)*")|([^,]*))(?:, |$)/g)) {
    const type = kinds[kind];
    if (type === undefined) continue;
    const value: unknown = quoted === undefined ? plain : JSON.parse(quoted);
    if (typeof value === 'string') names.push({ type, value });
  }
  return names;
}

function fits(rule: PeerNameRule, name: string): boolean {
  const fold = rule.ignoreCase || rule.type === 'dns';
  const value = fold ? rule.value.toLowerCase() : rule.value;
  const carried = fold ? name.toLowerCase() : name;
  switch (rule.match) {
    case 'exact':
      // A wildcard stands for exactly one leftmost label (RFC 6125 6.4.3).
      return carried === value || (rule.type === 'dns' && carried.startsWith('*.') && value.slice(value.indexOf('.')) === carried.slice(1));
    case 'prefix':
      return carried.startsWith(value);
    case 'suffix':
      return carried.endsWith(value);
    case 'contains':
      return carried.includes(value);
  }
}

import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto';
import { isIP } from 'node:net';
import { Fault, messageOf } from '#base/fault.ts';
import { bitString, boolean, context, integer, octetString, oid, sequence, setOf, time, utf8String } from './der.ts';
import { SecretBytes } from './secret.ts';

/** A certificate and the private key of its subject. The key is an opaque handle. */
export interface KeyedCertificate {
  readonly certificatePem: string;
  readonly privateKey: KeyObject;
}

export interface Validity {
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface ServingRequest extends Validity {
  readonly commonName: string;
  /** DNS names and IP addresses (v4 or v6), as clients will dial them. */
  readonly hosts: readonly string[];
}

// RFC 5480, RFC 5280 4.2.1
const oids = {
  ecPublicKeyWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
};
const organization = 'Meshwright';
const keyUsage = { digitalSignature: bitString(Buffer.from([0x80]), 7), signCertificatesAndLists: bitString(Buffer.from([0x06]), 1) };

/** A new self-signed authority (P-256, path length 0: it signs leaves only). */
export function createAuthority(commonName: string, validity: Validity): KeyedCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keyId = keyIdOf(publicKey);
  const extensions = [
    extension(oids.basicConstraints, sequence(boolean(true), integer(0)), true),
    extension(oids.keyUsage, keyUsage.signCertificatesAndLists, true),
    extension(oids.subjectKeyId, octetString(keyId)),
    extension(oids.authorityKeyId, sequence(context(0, false, keyId))),
  ];
  const name = distinguishedName(commonName);
  return { certificatePem: build({ issuer: name, subject: name, publicKey, validity, extensions, signer: privateKey }), privateKey };
}

/** A certificate for a TLS server under `authority`, with a new P-256 key. */
export function issueServing(authority: KeyedCertificate, request: ServingRequest): KeyedCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const extensions = [
    extension(oids.basicConstraints, sequence(), true),
    extension(oids.keyUsage, keyUsage.digitalSignature, true),
    extension(oids.extendedKeyUsage, sequence(oid(oids.serverAuth))),
    extension(oids.subjectKeyId, octetString(keyIdOf(publicKey))),
    extension(oids.authorityKeyId, sequence(context(0, false, keyIdOf(createPublicKey(authority.privateKey))))),
    extension(oids.subjectAltName, sequence(...request.hosts.map(generalName))),
  ];
  const issuer = subjectOf(authority.certificatePem);
  const subject = distinguishedName(request.commonName);
  return { certificatePem: build({ issuer, subject, publicKey, validity: request, extensions, signer: authority.privateKey }), privateKey };
}

/** PKCS 8 PEM of a private key, still hidden from logs. */
export function privateKeyPem(key: KeyObject): SecretBytes {
  return new SecretBytes(key.export({ type: 'pkcs8', format: 'pem' }));
}

/**
 * Reads a certificate with its key. Throws the Fault `PKI_UNREADABLE` when either is malformed or they do not belong
 * together; `source` names them in its message.
 */
export function readKeyedCertificate(certificatePem: string, keyPem: SecretBytes, source: string): KeyedCertificate {
  try {
    const certificate = new X509Certificate(certificatePem);
    const privateKey = createPrivateKey(keyPem.reveal());
    if (certificate.checkPrivateKey(privateKey)) return { certificatePem, privateKey };
  } catch (error) {
    throw new Fault('PKI_UNREADABLE', `${source} cannot be read: ${messageOf(error)}`, {
      cause: error,
      fix: `Delete ${source} to have new ones made.`,
    });
  }
  throw new Fault('PKI_UNREADABLE', `${source}: the private key does not belong to the certificate`, {
    fix: `Delete ${source} to have new ones made.`,
  });
}

interface Draft {
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly publicKey: KeyObject;
  readonly validity: Validity;
  readonly extensions: readonly Uint8Array[];
  readonly signer: KeyObject;
}

/** RFC 5280 4.1: version 3, 128-bit random serial, ECDSA with SHA-256. */
function build(draft: Draft): string {
  const algorithm = sequence(oid(oids.ecPublicKeyWithSha256));
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const toBeSigned = sequence(
    context(0, true, integer(2)),
    integer(serial),
    algorithm,
    draft.issuer,
    sequence(time(draft.validity.notBefore), time(draft.validity.notAfter)),
    draft.subject,
    draft.publicKey.export({ type: 'spki', format: 'der' }),
    context(3, true, sequence(...draft.extensions)),
  );
  const signature = sign('sha256', toBeSigned, { key: draft.signer, dsaEncoding: 'der' });
  return toPem('CERTIFICATE', sequence(toBeSigned, algorithm, bitString(signature)));
}

function distinguishedName(commonName: string): Buffer {
  const attribute = (type: string, value: string) => setOf(sequence(oid(type), utf8String(value)));
  return sequence(attribute(oids.organization, organization), attribute(oids.commonName, commonName));
}

/** The issuer must repeat the authority's subject byte for byte; ours always has this one form. */
function subjectOf(certificatePem: string): Buffer {
  const commonName = /^CN=(.*)$/m.exec(new X509Certificate(certificatePem).subject)?.[1] ?? '';
  return distinguishedName(commonName);
}

function extension(type: string, value: Uint8Array, critical = false): Buffer {
  return sequence(oid(type), ...(critical ? [boolean(true)] : []), octetString(value));
}

/** RFC 5280 4.2.1.6: dNSName is [2], iPAddress is [7]. */
function generalName(host: string): Buffer {
  return isIP(host) === 0 ? context(2, false, Buffer.from(host, 'ascii')) : context(7, false, addressBytes(host));
}

function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail] = address.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 255]));
}

/** RFC 7093 method 1: the leftmost 160 bits of the SHA-256 of the key's bits. */
function keyIdOf(publicKey: KeyObject): Buffer {
  // The uncompressed point is the last 65 bytes of a P-256 SubjectPublicKeyInfo.
  const point = publicKey.export({ type: 'spki', format: 'der' }).subarray(-65);
  return hash('sha256', point, 'buffer').subarray(0, 20);
}

function toPem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import {
  createAuthority,
  issueServing,
  type KeyedCertificate,
  privateKeyPem,
  readKeyedCertificate,
  type Validity,
} from '#pki/certificate.ts';
import { writePrivateFile } from '#pki/private-file.ts';
import { createToken, SecretBytes } from '#pki/secret.ts';

export interface Credentials {
  readonly authorityPem: string;
  readonly serving: KeyedCertificate;
  readonly token: SecretBytes;
}

const dayMs = 86_400_000;
const authorityDays = 3650;
const servingDays = 365;
/** Certificates are made anew when less than this is left. */
const renewalDays = 30;
/** Clocks of clients may be a little behind. */
const backdatedMs = 300_000;

/**
 * The server's authority, serving certificate and token, kept in `<stateDir>/pki` so that a kubeconfig stays valid over
 * restarts. What is missing, nearly expired or made for other hosts is made anew. Throws `PKI_UNREADABLE`, `FILE_WRITE`.
 */
export function loadCredentials(stateDir: string, hosts: readonly string[], now: number): Credentials {
  const folder = join(stateDir, 'pki');
  const validity = (days: number): Validity => ({ notBefore: now - backdatedMs, notAfter: now + days * dayMs });
  const authority = keep(
    folder,
    'ca',
    (found) => lasts(found, now),
    () => createAuthority(`meshwright-${now.toString(36)}`, validity(authorityDays)),
  );
  const isUsable = (found: KeyedCertificate) => lasts(found, now) && namesAll(found, hosts) && isFrom(found, authority);
  const serving = keep(folder, 'apiserver', isUsable, () =>
    issueServing(authority, { ...validity(servingDays), commonName: 'meshwright-apiserver', hosts }),
  );
  return { authorityPem: authority.certificatePem, serving, token: keepToken(join(folder, 'token')) };
}

function keep(
  folder: string,
  name: string,
  isUsable: (found: KeyedCertificate) => boolean,
  make: () => KeyedCertificate,
): KeyedCertificate {
  const certificatePath = join(folder, `${name}.crt`);
  const keyPath = join(folder, `${name}.key`);
  if (existsSync(certificatePath) && existsSync(keyPath)) {
    const found = readKeyedCertificate(readFileSync(certificatePath, 'utf8'), new SecretBytes(readFileSync(keyPath)), certificatePath);
    if (isUsable(found)) return found;
  }
  const made = make();
  writePrivateFile(keyPath, privateKeyPem(made.privateKey));
  writePrivateFile(certificatePath, made.certificatePem);
  return made;
}

function keepToken(path: string): SecretBytes {
  const found = existsSync(path) ? readFileSync(path, 'utf8').trim() : '';
  if (found !== '') return new SecretBytes(found);
  const token = createToken();
  writePrivateFile(path, token);
  return token;
}

function lasts(found: KeyedCertificate, now: number): boolean {
  return new X509Certificate(found.certificatePem).validToDate.getTime() - now > renewalDays * dayMs;
}

function isFrom(found: KeyedCertificate, authority: KeyedCertificate): boolean {
  return new X509Certificate(found.certificatePem).checkIssued(new X509Certificate(authority.certificatePem));
}

function namesAll(found: KeyedCertificate, hosts: readonly string[]): boolean {
  const certificate = new X509Certificate(found.certificatePem);
  return hosts.every((host) => (isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host)) !== undefined);
}

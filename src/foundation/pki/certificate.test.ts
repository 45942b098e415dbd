import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect, createServer } from 'node:tls';
import { inspect } from 'node:util';
import { createAuthority, issueServing, type KeyedCertificate, privateKeyPem, readKeyedCertificate } from './certificate.ts';
import { writePrivateFile } from './private-file.ts';
import { createToken, SecretBytes } from './secret.ts';

const validity = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 86_400_000 };
const hosts = ['localhost', '127.0.0.1', '::1', '2001:db8::8:800:200c:417a'];
const authority = createAuthority('test authority', validity);
const serving = issueServing(authority, { ...validity, commonName: 'apiserver', hosts });

test('the serving certificate verifies under its authority and names its hosts', () => {
  const ca = new X509Certificate(authority.certificatePem);
  const leaf = new X509Certificate(serving.certificatePem);
  assert.equal(ca.ca, true);
  assert.equal(leaf.ca, false);
  assert.ok(ca.verify(ca.publicKey));
  assert.ok(leaf.verify(ca.publicKey));
  assert.ok(leaf.checkIssued(ca));
  assert.ok(leaf.checkPrivateKey(serving.privateKey));
  assert.equal(leaf.checkHost('localhost'), 'localhost');
  for (const address of hosts.slice(1)) assert.ok(leaf.checkIP(address), address);
  assert.equal(leaf.checkIP('10.0.0.1'), undefined);
  assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1']);
});

test('dates past 2049 take the long form', () => {
  const far = createAuthority('far', { notBefore: Date.UTC(2026, 0, 1), notAfter: Date.UTC(2061, 4, 6, 7, 8, 9) });
  assert.equal(new X509Certificate(far.certificatePem).validToDate.toISOString(), '2061-05-06T07:08:09.000Z');
});

test('a TLS client that trusts the authority connects by address and by name', async () => {
  const server = createServer({ cert: serving.certificatePem, key: privateKeyPem(serving.privateKey).reveal() }, (socket) =>
    socket.end('hello'),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert.ok(address && typeof address === 'object');
  for (const servername of ['localhost', '']) {
    const text = await new Promise<string>((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: address.port, ca: authority.certificatePem, servername });
      socket.on('data', (chunk) => resolve(String(chunk)));
      socket.on('error', reject);
    });
    assert.equal(text, 'hello');
  }
  await new Promise((resolve) => server.close(resolve));
});

test('openssl verifies the chain', (t) => {
  if (spawnSync('openssl', ['version']).status !== 0) return t.skip('openssl is not on the PATH');
  const folder = mkdtempSync(join(tmpdir(), 'pki-'));
  try {
    writeFileSync(join(folder, 'ca.pem'), authority.certificatePem);
    writeFileSync(join(folder, 'leaf.pem'), serving.certificatePem);
    const arguments_ = ['verify', '-x509_strict', '-purpose', 'sslserver', '-verify_ip', '127.0.0.1', '-CAfile', 'ca.pem', 'leaf.pem'];
    const result = spawnSync('openssl', arguments_, { cwd: folder, encoding: 'utf8' });
    assert.equal(result.status, 0, result.stdout + result.stderr);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a key and certificate survive writing and reading; strangers do not match', () => {
  const read = readKeyedCertificate(serving.certificatePem, privateKeyPem(serving.privateKey), 'tls');
  assert.equal(read.certificatePem, serving.certificatePem);
  const other = privateKeyPem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
  const cases: readonly [string, SecretBytes, RegExp][] = [
    [serving.certificatePem, other, /does not belong/],
    [serving.certificatePem, new SecretBytes('garbage'), /cannot be read/],
    ['garbage', privateKeyPem(serving.privateKey), /cannot be read/],
  ];
  for (const [certificate, key, message] of cases)
    assert.throws(() => readKeyedCertificate(certificate, key, 'tls'), { code: 'PKI_UNREADABLE', message });
});

test('secrets show themselves to nobody', () => {
  const token = createToken();
  const keyed: KeyedCertificate = serving;
  assert.equal(token.reveal().length, 43);
  for (const shown of [
    `${token}`,
    inspect({ token }),
    JSON.stringify({ token }),
    inspect(privateKeyPem(keyed.privateKey)),
    inspect(keyed),
    JSON.stringify(keyed),
  ]) {
    assert.ok(!shown.includes(String(token.reveal())) && !shown.includes('PRIVATE KEY--'), shown);
  }
});

test('private files have mode 0600, are replaced whole and leave nothing beside them', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pki-'));
  try {
    const path = join(folder, 'deep', 'key.pem');
    writePrivateFile(path, 'one');
    writePrivateFile(path, new SecretBytes('two'));
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(statSync(join(folder, 'deep')).mode & 0o777, 0o700);
    assert.deepEqual(readdirSync(join(folder, 'deep')), ['key.pem']);
    writeFileSync(join(folder, 'file'), '');
    assert.throws(() => writePrivateFile(join(folder, 'file', 'key.pem'), 'x'), { code: 'FILE_WRITE' });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { createAuthority, issueServing, type KeyedCertificate, privateKeyPem } from '#pki/certificate.ts';
import { ClusterSchema } from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import { HttpGrpcAccessLogConfigSchema } from '#proto/gen/envoy/extensions/access_loggers/grpc/v3/als_pb.js';
import { SubjectAltNameMatcher_SanType as SanType } from '#proto/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import { type CommonTlsContextSchema, UpstreamTlsContextSchema } from '#proto/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { HttpProtocolOptionsSchema } from '#proto/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import type { AccessRecord } from '#proxy/records.ts';
import {
  ask,
  type Backend,
  type ClusterInit,
  clusterInit,
  namedBackend,
  packed,
  prefix,
  type Rig,
  rawBackend,
  rig,
  toCluster,
  types,
} from './proxy-support.ts';

type Context = Exclude<MessageInitShape<typeof CommonTlsContextSchema>, { $typeName: string }>;
type Validation = Extract<NonNullable<Context['validationContextType']>, { case: 'validationContext' }>['value'];

const folder = mkdtempSync(join(tmpdir(), 'mw-tls-'));
const validity = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 };
const authority = createAuthority('good', validity);
const stranger = createAuthority('bad', validity);
const issue = (commonName: string, ...hosts: string[]) => issueServing(authority, { ...validity, commonName, hosts });
const keyText = (certificate: KeyedCertificate) => Buffer.from(privateKeyPem(certificate.privateKey).reveal()).toString();

/** Writes a file whole, as rotation does: no reader sees half of it. */
function put(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
  return file;
}

interface TlsBackend {
  readonly port: number;
  handshakes: number;
  present(certificate: KeyedCertificate): void;
  close(): Promise<void>;
}

/** Answers each request with the server name and the client's certificate that it saw; keeps connections. */
async function tlsBackend(certificate: KeyedCertificate, demandCertificate = false): Promise<TlsBackend> {
  const sockets = new Set<tls.TLSSocket>();
  const pair = (one: KeyedCertificate) => ({ cert: one.certificatePem, key: keyText(one) });
  const server = tls.createServer({ ...pair(certificate), requestCert: demandCertificate, rejectUnauthorized: false }, (socket) => {
    backend.handshakes++;
    sockets.add(socket);
    socket.on('error', () => {});
    const client = socket.getPeerCertificate().subject?.CN ?? 'none';
    if (demandCertificate && client === 'none') socket.destroy();
    socket.on('data', () => {
      const body = `${socket.servername || 'none'} ${client}`;
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    });
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const backend: TlsBackend = {
    port: typeof address === 'object' && address ? address.port : 0,
    handshakes: 0,
    present: (other) => server.setSecureContext(pair(other)),
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return backend;
}

const file = (filename: string) => ({ specifier: { case: 'filename' as const, value: filename } });
const exactly = (value: string, sanType = SanType.DNS) => ({ sanType, matcher: { matchPattern: { case: 'exact' as const, value } } });
const checking = (value: Validation): Context => ({ validationContextType: { case: 'validationContext', value } });

/** The cluster as a DestinationRule with client TLS makes it. */
function secured(port: number, common: Context, more: { sni?: string; automatic?: boolean } = {}): ClusterInit {
  const context = packed(UpstreamTlsContextSchema, { sni: more.sni ?? '', commonTlsContext: common });
  const options = packed(HttpProtocolOptionsSchema, {
    upstreamHttpProtocolOptions: { autoSni: true, autoSanValidation: true },
    upstreamProtocolOptions: {
      case: 'explicitHttpConfig',
      value: { protocolConfig: { case: 'httpProtocolOptions', value: {} } },
    },
  });
  return clusterInit('secure', [port], {
    transportSocket: { name: 'envoy.transport_sockets.tls', configType: { case: 'typedConfig', value: context } },
    ...(more.automatic ? { typedExtensionProtocolOptions: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': options } } : {}),
  });
}

const records: AccessRecord[] = [];
async function proxyFor(cluster: ClusterInit, action: object = {}): Promise<Rig> {
  records.length = 0;
  return rig({
    clusters: [cluster, clusterInit('plain', [neighbour.port])],
    routes: [
      { match: prefix('/plain'), action: toCluster('plain') },
      { match: prefix('/'), action: toCluster('secure', action) },
    ],
    manager: {
      accessLog: [
        {
          name: 'records',
          configType: { case: 'typedConfig', value: packed(HttpGrpcAccessLogConfigSchema, { commonConfig: { logName: 'test' } }) },
        },
      ],
    },
    proxy: { onAccessRecords: (batch) => records.push(...batch) },
  });
}

let neighbour: Backend;
let caFile = '';
before(async () => {
  neighbour = await namedBackend('neighbour');
  caFile = put('ca.pem', authority.certificatePem);
  put('stranger.pem', stranger.certificatePem);
});
after(async () => {
  await neighbour.close();
  rmSync(folder, { recursive: true });
});

interface Case {
  readonly name: string;
  readonly common: () => Context;
  readonly sni?: string;
  readonly automatic?: boolean;
  readonly authority?: string;
  readonly rewrite?: string;
  /** The body of a 200, or how the failure reads in the log. */
  readonly want: string | RegExp;
}

const cases: readonly Case[] = [
  {
    name: 'a known authority and a fixed server name',
    common: () => checking({ trustedCa: file(caFile) }),
    sni: 'a.test',
    want: 'a.test none',
  },
  { name: 'no server name sent where none is set', common: () => checking({ trustedCa: file(caFile) }), want: 'none none' },
  {
    name: 'an inline authority',
    common: () => checking({ trustedCa: { specifier: { case: 'inlineString', value: authority.certificatePem } } }),
    want: 'none none',
  },
  {
    name: "a wanted name among the certificate's",
    common: () => checking({ trustedCa: file(caFile), matchTypedSubjectAltNames: [exactly('x.test'), exactly('a.test')] }),
    want: 'none none',
  },
  {
    name: "a wanted name under the certificate's wildcard",
    common: () => checking({ trustedCa: file(caFile), matchTypedSubjectAltNames: [exactly('any.wild.test')] }),
    want: 'none none',
  },
  {
    name: 'an authority unknown to us',
    common: () => checking({ trustedCa: file(join(folder, 'stranger.pem')) }),
    want: /^TLS_error:\|UNABLE_TO_VERIFY_LEAF_SIGNATURE/,
  },
  {
    name: 'a certificate for other names',
    common: () => checking({ trustedCa: file(caFile), matchTypedSubjectAltNames: [exactly('b.test')] }),
    want: /CERTIFICATE_VERIFY_FAILED:.*a\.test.*expected one of \[b\.test\]/,
  },
  {
    name: 'two labels under a wildcard',
    common: () => checking({ trustedCa: file(caFile), matchTypedSubjectAltNames: [exactly('very.deep.wild.test')] }),
    want: /CERTIFICATE_VERIFY_FAILED/,
  },
  {
    name: 'a wanted identity where there are host names only',
    common: () => checking({ trustedCa: file(caFile), matchTypedSubjectAltNames: [exactly('a.test', SanType.URI)] }),
    want: /CERTIFICATE_VERIFY_FAILED/,
  },
  { name: 'no validation, whoever signed', common: () => ({}), want: 'none none' },
  {
    name: 'names from the request',
    common: () => checking({ trustedCa: file(caFile) }),
    automatic: true,
    authority: 'A.test:80',
    want: 'a.test none',
  },
  {
    name: 'an address from the request',
    common: () => checking({ trustedCa: file(caFile) }),
    automatic: true,
    authority: '127.0.0.1',
    want: 'none none',
  },
  {
    name: 'names from the rewritten host',
    common: () => checking({ trustedCa: file(caFile) }),
    automatic: true,
    authority: 'b.test',
    rewrite: 'a.test',
    want: 'a.test none',
  },
  {
    name: 'a request for a host that the certificate is not for',
    common: () => checking({ trustedCa: file(caFile) }),
    automatic: true,
    authority: 'b.test',
    want: /CERTIFICATE_VERIFY_FAILED.*expected one of \[b\.test\]/,
  },
  {
    name: "an authority's file that is not there",
    common: () => checking({ trustedCa: file(join(folder, 'absent.pem')) }),
    want: /^TLS cannot start: .*absent\.pem cannot be read \(ENOENT\)$/,
  },
  {
    name: "an authority's file that is nonsense",
    common: () => ({
      ...checking({ trustedCa: file(caFile) }),
      tlsCertificates: [{ certificateChain: file(put('nonsense.pem', 'x')), privateKey: file(caFile) }],
    }),
    want: /^TLS cannot start: .*nonsense\.pem/,
  },
];

describe('TLS to the upstream', () => {
  for (const { name, common, want, rewrite, ...more } of cases) {
    test(`${name}: ${typeof want === 'string' ? 'served' : '503, UF and the cause'}`, async () => {
      const backend = await tlsBackend(issue('server', 'a.test', '*.wild.test', '127.0.0.1'));
      const proxy = await proxyFor(
        secured(backend.port, common(), more),
        rewrite ? { hostRewriteSpecifier: { case: 'hostRewriteLiteral', value: rewrite } } : {},
      );
      try {
        const reply = await ask(proxy.port, '/', { host: more.authority ?? 'svc' });
        if (typeof want === 'string') assert.deepEqual([reply.status, reply.body], [200, want]);
        else await failed(proxy, reply, want);
        assert.equal((await ask(proxy.port, '/plain')).body, 'neighbour', 'the neighbour is unharmed');
      } finally {
        await proxy.close();
        await backend.close();
      }
    });
  }

  async function failed(proxy: Rig, reply: { status: number; body: string }, cause: RegExp): Promise<void> {
    assert.equal(reply.status, 503);
    assert.match(reply.body, /reset reason: remote connection failure/);
    assert.doesNotMatch(reply.body, /TLS_error/, 'what TLS found is for the log');
    assert.equal((await proxy.proxy.metrics()).find((row) => row.responseCode === 503)?.responseFlags, 'UF');
    while (records.length === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.match(records[0]?.upstreamTransportFailureReason ?? '', cause);
  }

  test('a plain-text server: 503 and UF', async () => {
    const plain = await rawBackend((_text, socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const proxy = await proxyFor(secured(plain.port, checking({ trustedCa: file(caFile) })));
    try {
      await failed(proxy, await ask(proxy.port, '/'), /^TLS_error:\|(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)/);
    } finally {
      await proxy.close();
      await plain.close();
    }
  });

  test('a client certificate goes to a server that demands one, and without it there is no answer', async () => {
    const backend = await tlsBackend(issue('server', 'a.test'), true);
    const own = issue('client', 'client.test');
    const pair = { certificateChain: file(put('own.pem', own.certificatePem)), privateKey: file(put('own.key', keyText(own))) };
    const validation = checking({ trustedCa: file(caFile) });
    const proxy = await proxyFor(secured(backend.port, { ...validation, tlsCertificates: [pair] }));
    try {
      assert.equal((await ask(proxy.port, '/')).body, 'none client');
      const without = secured(backend.port, validation);
      assert.equal(await proxy.take(types.cluster, ClusterSchema, 'secure', { ...without, name: 'secure' }), undefined);
      // The pooled connection has shown the old certificate; a new one is needed to tell.
      await proxy.take(types.cluster, ClusterSchema, 'secure', clusterInit('secure', [neighbour.port]));
      await proxy.take(types.cluster, ClusterSchema, 'secure', without);
      assert.equal((await ask(proxy.port, '/')).status, 503);
    } finally {
      await proxy.close();
      await backend.close();
    }
  });

  test('files are read again at the next connection once they changed', async () => {
    const backend = await tlsBackend(issue('server', 'a.test'), true);
    const write = (name: string) => {
      const own = issue(name, 'client.test');
      return { certificateChain: file(put('turn.pem', own.certificatePem)), privateKey: file(put('turn.key', keyText(own))) };
    };
    const ca = put('turn-ca.pem', authority.certificatePem);
    const cluster = secured(backend.port, { ...checking({ trustedCa: file(ca) }), tlsCertificates: [write('first')] });
    const proxy = await proxyFor({ ...cluster, maxRequestsPerConnection: 1 });
    try {
      const body = async () => (await ask(proxy.port, '/')).body;
      assert.equal(await body(), 'none first');
      write('second');
      assert.equal(await body(), 'none second');
      const half = issue('third', 'client.test');
      put('turn.pem', half.certificatePem);
      assert.equal(await body(), 'none second', 'half of a pair changes nothing');
      put('turn.key', keyText(half));
      assert.equal(await body(), 'none third');
      put('turn-ca.pem', stranger.certificatePem);
      assert.equal((await ask(proxy.port, '/')).status, 503);
      rmSync(ca);
      assert.match(await body(), /turn-ca\.pem cannot be read \(ENOENT\)/);
      put('turn-ca.pem', authority.certificatePem);
      assert.equal(await body(), 'none third');
    } finally {
      await proxy.close();
      await backend.close();
    }
  });

  test("with names from requests, a connection verified for one name never carries another's requests", async () => {
    const backend = await tlsBackend(issue('server', 'a.test', 'b.test'));
    const proxy = await proxyFor(secured(backend.port, checking({ trustedCa: file(caFile) }), { automatic: true }));
    try {
      const bodies: string[] = [];
      for (const host of ['a.test', 'b.test', 'a.test', 'b.test', 'c.test']) bodies.push((await ask(proxy.port, '/', { host })).body);
      assert.deepEqual(bodies.slice(0, 4), ['a.test none', 'b.test none', 'a.test none', 'b.test none']);
      assert.match(bodies[4] ?? '', /remote connection failure/);
      // The fifth handshake is only refused by us after the server thought it done.
      assert.ok(backend.handshakes <= 3, `${backend.handshakes} handshakes`);
    } finally {
      await proxy.close();
      await backend.close();
    }
  });

  const refused: readonly { name: string; cluster: () => ClusterInit; field: RegExp }[] = [
    {
      name: 'names without an authority',
      cluster: () => secured(1, checking({ matchTypedSubjectAltNames: [exactly('a.test')] })),
      field: /trusted_ca: is missing/,
    },
    {
      name: 'names from requests without an authority',
      cluster: () => secured(1, {}, { automatic: true }),
      field: /trusted_ca: is missing/,
    },
    {
      name: 'two certificates',
      cluster: () => secured(1, { tlsCertificates: [{ certificateChain: file('a') }, { certificateChain: file('b') }] }),
      field: /tls_certificates/,
    },
    {
      name: 'a pinned certificate',
      cluster: () => secured(1, checking({ trustedCa: file(caFile), verifyCertificateHash: ['aa'] })),
      field: /verify_certificate_hash/,
    },
    { name: 'ciphers', cluster: () => secured(1, { tlsParams: { cipherSuites: ['x'] } }), field: /cipher_suites/ },
  ];
  test('what is not supported is refused by name', async () => {
    const proxy = await proxyFor(clusterInit('secure', [neighbour.port]));
    try {
      for (const { name, cluster, field } of refused)
        assert.match((await proxy.take(types.cluster, ClusterSchema, 'secure', { ...cluster() })) ?? '', field, name);
      assert.equal((await ask(proxy.port, '/')).body, 'neighbour', 'the last good one goes on');
    } finally {
      await proxy.close();
    }
  });

  test('an unreadable file is told apart from an absent one', { skip: process.getuid?.() === 0 && 'root reads everything' }, async () => {
    const hidden = put('hidden.pem', authority.certificatePem);
    chmodSync(hidden, 0);
    const proxy = await proxyFor(secured(neighbour.port, checking({ trustedCa: file(hidden) })));
    try {
      await failed(proxy, await ask(proxy.port, '/'), /cannot be read \(EACCES\)/);
    } finally {
      await proxy.close();
    }
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { ClusterSchema } from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import { type UpstreamTlsContext, UpstreamTlsContextSchema } from '#proto/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { ClientTlsSettings } from '#resources/networking/destination-rule.ts';
import { automaticTls, tlsSettings, tlsSupport } from './client-tls.ts';

function contextOf(tls: ClientTlsSettings, subjectAltNames: readonly string[] = [], http2 = false): UpstreamTlsContext | undefined {
  const { transportSocket } = create(ClusterSchema, tlsSettings(tls, subjectAltNames, http2));
  const config = transportSocket?.configType;
  return config?.case === 'typedConfig' ? anyUnpack(config.value, UpstreamTlsContextSchema) : undefined;
}

describe('tlsSupport', () => {
  for (const [tls, expected] of [
    [undefined, 'none'],
    [{ mode: 'DISABLE' }, 'none'],
    [{ mode: 'SIMPLE' }, 'files'],
    [{ mode: 'SIMPLE', credentialName: 'c' }, 'unsupported'],
    [{ mode: 'MUTUAL', clientCertificate: 'c.pem', privateKey: 'k.pem' }, 'files'],
    [{ mode: 'MUTUAL', clientCertificate: 'c.pem' }, 'unsupported'],
    [{ mode: 'ISTIO_MUTUAL' }, 'unsupported'],
  ] as const) {
    it(`of ${JSON.stringify(tls)} is ${expected}`, () => assert.equal(tlsSupport(tls), expected));
  }
});

describe('tlsSettings', () => {
  it('names certificate, key, authorities and revocations of MUTUAL by their files', () => {
    const files = { clientCertificate: 'c.pem', privateKey: 'k.pem', caCertificates: 'ca.pem', caCrl: 'crl.pem' };
    const context = contextOf(
      { mode: 'MUTUAL', ...files, sni: 'a.example', subjectAltNames: ['a.example', 'spiffe://td/ns/x/sa/y'] },
      [],
      true,
    );
    const common = context?.commonTlsContext;
    assert.equal(context?.sni, 'a.example');
    assert.deepEqual(common?.alpnProtocols, ['h2']);
    assert.deepEqual(
      common?.tlsCertificates.map((c) => [c.certificateChain?.specifier.value, c.privateKey?.specifier.value]),
      [['c.pem', 'k.pem']],
    );
    const validation = common?.validationContextType.case === 'validationContext' ? common.validationContextType.value : undefined;
    assert.deepEqual([validation?.trustedCa?.specifier.value, validation?.crl?.specifier.value], ['ca.pem', 'crl.pem']);
    assert.deepEqual(
      validation?.matchTypedSubjectAltNames.map((m) => [m.sanType, m.matcher?.matchPattern.value]),
      [
        [2, 'a.example'],
        [3, 'spiffe://td/ns/x/sa/y'],
      ],
    );
  });
  it('checks against the names of the ServiceEntry when the rule gives none, and against nothing when told so', () => {
    const names = (context: UpstreamTlsContext | undefined) => {
      const type = context?.commonTlsContext?.validationContextType;
      return type?.case === 'validationContext'
        ? type.value.matchTypedSubjectAltNames.map((m) => m.matcher?.matchPattern.value)
        : type?.case;
    };
    assert.deepEqual(names(contextOf({ mode: 'SIMPLE' }, ['entry.example'])), ['entry.example']);
    assert.equal(names(contextOf({ mode: 'SIMPLE', insecureSkipVerify: true }, ['entry.example'])), undefined);
  });
  it('makes no socket for what is not supported', () => assert.equal(contextOf({ mode: 'ISTIO_MUTUAL' }), undefined));
});

describe('automaticTls', () => {
  it("takes name and check from the request's host unless the rule says them", () => {
    assert.deepEqual(automaticTls({ mode: 'SIMPLE' }, []), { autoSni: true, autoSanValidation: true });
    assert.deepEqual(automaticTls({ mode: 'SIMPLE', subjectAltNames: ['a'] }, []), { autoSni: true, autoSanValidation: false });
    assert.deepEqual(automaticTls({ mode: 'SIMPLE', insecureSkipVerify: true }, []), { autoSni: true, autoSanValidation: false });
    assert.equal(automaticTls({ mode: 'SIMPLE', sni: 'a' }, []), undefined);
    assert.equal(automaticTls(undefined, []), undefined);
  });
});

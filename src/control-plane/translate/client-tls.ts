import { TlsParameters_TlsProtocol } from '#proto/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import { UpstreamTlsContextSchema } from '#proto/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { ClientTlsSettings } from '#resources/networking/destination-rule.ts';
import type { ClusterInit } from './clusters/policy.ts';
import { packed } from './messages.ts';

/** Where common Linux systems keep the authorities that programs trust. */
const systemRoots = '/etc/ssl/certs/ca-certificates.crt';

/** What this build can make of a TLS block; `unsupported` ones are left out and reported by `analyze`. */
export function tlsSupport(tls: ClientTlsSettings | undefined): 'none' | 'files' | 'unsupported' {
  if (!tls || tls.mode === undefined || tls.mode === 'DISABLE') return 'none';
  if (tls.mode === 'ISTIO_MUTUAL' || tls.credentialName) return 'unsupported';
  if (tls.mode === 'MUTUAL' && !(tls.clientCertificate && tls.privateKey)) return 'unsupported';
  return 'files';
}

/** What an HTTP cluster checks by the request's host when the block names neither server name nor alternative names. */
export function automaticTls(tls: ClientTlsSettings | undefined, subjectAltNames: readonly string[]): AutomaticTls | undefined {
  if (!tls || tlsSupport(tls) !== 'files' || tls.sni) return undefined;
  const named = (tls.subjectAltNames ?? []).length > 0 || subjectAltNames.length > 0;
  return { autoSni: true, autoSanValidation: !named && !tls.insecureSkipVerify };
}

export interface AutomaticTls {
  readonly autoSni: boolean;
  readonly autoSanValidation: boolean;
}

/** Transport socket of a DestinationRule's SIMPLE or MUTUAL block with files. */
export function tlsSettings(tls: ClientTlsSettings | undefined, subjectAltNames: readonly string[], http2: boolean): ClusterInit {
  if (!tls || tlsSupport(tls) !== 'files') return {};
  const names = tls.subjectAltNames?.length ? tls.subjectAltNames : subjectAltNames;
  const verify = !tls.insecureSkipVerify;
  const context = packed(UpstreamTlsContextSchema, {
    sni: tls.sni ?? '',
    commonTlsContext: {
      tlsParams: {
        tlsMinimumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_2,
        tlsMaximumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
      },
      alpnProtocols: http2 ? ['h2'] : [],
      tlsCertificates:
        tls.mode === 'MUTUAL' ? [{ certificateChain: file(tls.clientCertificate ?? ''), privateKey: file(tls.privateKey ?? '') }] : [],
      validationContextType: verify
        ? {
            case: 'validationContext',
            value: {
              trustedCa: file(tls.caCertificates || systemRoots),
              crl: tls.caCrl ? file(tls.caCrl) : undefined,
              matchTypedSubjectAltNames: names.flatMap((name) => sanMatchers(name)),
            },
          }
        : { case: undefined },
    },
  });
  return { transportSocket: { name: 'envoy.transport_sockets.tls', configType: { case: 'typedConfig', value: context } } };
}

function file(filename: string) {
  return { specifier: { case: 'filename' as const, value: filename } };
}

const dns = 2;
const uri = 3;

function sanMatchers(name: string) {
  const matcher = { matchPattern: { case: 'exact' as const, value: name } };
  return [{ sanType: name.includes('://') ? uri : dns, matcher }];
}

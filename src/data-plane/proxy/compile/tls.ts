import type { SecureVersion } from 'node:tls';
import type { PeerNameRule, PemSource } from '#http/tls-transport.ts';
import type { Cluster } from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { DataSource } from '#proto/gen/envoy/config/core/v3/base_pb.js';
import { RawBufferSchema } from '#proto/gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.js';
import {
  type CertificateValidationContext,
  SubjectAltNameMatcher_SanType as SanType,
  type SubjectAltNameMatcher,
  type TlsParameters,
  TlsParameters_TlsProtocol as Version,
} from '#proto/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import { UpstreamTlsContextSchema } from '#proto/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { TlsTable } from '../table.ts';
import { reject, typeOf, unpack } from './rejection.ts';

const tls = 'envoy.extensions.transport_sockets.tls.v3.';

/** What the cluster's HTTP options say about names taken from requests, and whether HTTP/1 is all that is spoken. */
export interface TlsNaming {
  readonly autoSni: boolean;
  readonly autoSan: boolean;
  readonly http2: boolean;
}

/** TLS of a cluster, undefined for plain text. Without trust anchors the peer's certificate is not looked at, as in Envoy. */
export function upstreamTls(cluster: Cluster, naming: TlsNaming): TlsTable | undefined {
  const socket = cluster.transportSocket;
  if (socket === undefined) return undefined;
  const any = socket.configType.case === 'typedConfig' ? socket.configType.value : undefined;
  if (any !== undefined && typeOf(any) === RawBufferSchema.typeName) return undefined;
  const context = unpack(any, UpstreamTlsContextSchema, 'envoy.config.cluster.v3.Cluster.transport_socket');
  const common = context.commonTlsContext;
  const validation = common?.validationContextType.case === 'validationContext' ? common.validationContextType.value : undefined;
  const [pair, ...more] = common?.tlsCertificates ?? [];
  if (more.length > 0) reject(`${tls}CommonTlsContext.tls_certificates`, 'more than one is not supported');
  const roots = rootsOf(validation);
  const names = (validation?.matchTypedSubjectAltNames ?? []).map(nameRule);
  if (roots === undefined && (names.length > 0 || naming.autoSan))
    reject(`${tls}CertificateValidationContext.trusted_ca`, 'is missing, so names in certificates would prove nothing');
  return {
    sni: context.sni,
    roots,
    crl: pem(validation?.crl, 'CertificateValidationContext.crl'),
    certificate: pem(pair?.certificateChain, 'TlsCertificate.certificate_chain'),
    key: pem(pair?.privateKey, 'TlsCertificate.private_key'),
    names,
    ...versions(common?.tlsParams),
    // HTTP/1.1 is spoken inside, so nothing else may be agreed on; raw bytes to an HTTP/2 cluster announce what they are.
    alpn: (common?.alpnProtocols ?? []).filter((name) => naming.http2 || name.startsWith('http/1')),
    autoSni: naming.autoSni,
    autoSan: naming.autoSan,
  };
}

function rootsOf(validation: CertificateValidationContext | undefined): PemSource | undefined {
  // ACCEPT_UNTRUSTED
  if (validation === undefined || validation.trustChainVerification !== 0) return undefined;
  const own = pem(validation.trustedCa, 'CertificateValidationContext.trusted_ca');
  return own ?? (validation.systemRootCerts === undefined ? undefined : { kind: 'system' });
}

function pem(source: DataSource | undefined, field: string): PemSource | undefined {
  const specifier = source?.specifier;
  switch (specifier?.case) {
    case undefined:
      return undefined;
    case 'filename':
      return { kind: 'file', file: specifier.value };
    case 'inlineString':
      return { kind: 'text', text: specifier.value };
    case 'inlineBytes':
      return { kind: 'text', text: Buffer.from(specifier.value).toString() };
    default:
      return reject(tls + field, `${specifier?.case} is not supported, only a file or inline content`);
  }
}

const sanTypes: Readonly<Record<number, PeerNameRule['type']>> = {
  [SanType.DNS]: 'dns',
  [SanType.URI]: 'uri',
  [SanType.IP_ADDRESS]: 'ip',
  [SanType.EMAIL]: 'email',
};

function nameRule(matcher: SubjectAltNameMatcher): PeerNameRule {
  const type = sanTypes[matcher.sanType];
  if (type === undefined)
    return reject(`${tls}SubjectAltNameMatcher.san_type`, `${SanType[matcher.sanType] ?? matcher.sanType} is not supported`);
  const pattern = matcher.matcher?.matchPattern;
  switch (pattern?.case) {
    case 'exact':
    case 'prefix':
    case 'suffix':
    case 'contains':
      return { type, match: pattern.case, value: pattern.value, ignoreCase: matcher.matcher?.ignoreCase ?? false };
    default:
      return reject(`${tls}SubjectAltNameMatcher.matcher`, `${pattern?.case ?? 'nothing'} is not supported; use plain text`);
  }
}

/** Envoy's client speaks 1.2 to 1.3 where nothing is said. */
function versions(parameters: TlsParameters | undefined): { minVersion: SecureVersion; maxVersion: SecureVersion } {
  const at = (version: Version | undefined, field: string, fallback: SecureVersion): SecureVersion => {
    if (version === undefined || version === Version.TLS_AUTO) return fallback;
    if (version === Version.TLSv1_2) return 'TLSv1.2';
    if (version === Version.TLSv1_3) return 'TLSv1.3';
    return reject(`${tls}TlsParameters.${field}`, `${Version[version]} is not supported; TLS 1.2 and 1.3 are`);
  };
  return {
    minVersion: at(parameters?.tlsMinimumProtocolVersion, 'tls_minimum_protocol_version', 'TLSv1.2'),
    maxVersion: at(parameters?.tlsMaximumProtocolVersion, 'tls_maximum_protocol_version', 'TLSv1.3'),
  };
}

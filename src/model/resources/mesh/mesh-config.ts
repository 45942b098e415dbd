import { localityLbSetting, keepalive as tcpKeepalive } from '../networking/destination-rule.ts';
import { httpRetry } from '../networking/virtual-service.ts';
import { anything, choice, duration, flag, list, message, type Schema, text, unsigned, type Value } from '../schema.ts';
import { proxyConfig } from './proxy-config.ts';
import { unused, withDefault } from './settings.ts';

const namespaces = text('Namespace, `.` for its own or `*` for all.');

function exportTo(what: string): Schema<readonly string[]> {
  return list(`Who sees ${what} that say nothing about it: namespaces, \`.\` their own, \`*\` all.`, namespaces, { default: ['*'] });
}

/** The fields that a mesh configuration always has once decoded: each has a default. */
const always = [
  'rootNamespace',
  'trustDomain',
  'trustDomainAliases',
  'clusterDomain',
  'outboundTrafficPolicy',
  'inboundTrafficPolicy',
  'connectTimeout',
  'protocolDetectionTimeout',
  'h2UpgradePolicy',
  'localityLbSetting',
  'accessLogFile',
  'accessLogFormat',
  'accessLogEncoding',
  'defaultServiceExportTo',
  'defaultVirtualServiceExportTo',
  'defaultDestinationRuleExportTo',
  'proxyHttpPort',
  'proxyListenPort',
  'proxyInboundListenPort',
  'enableTracing',
  'enableAutoMtls',
  'enablePrometheusMerge',
  'verifyCertificateAtClient',
  'pathNormalization',
  'dnsRefreshRate',
] as const;

/** Settings of the whole mesh under the names of Istio's MeshConfig, with the values Istio 1.30 takes where nothing is said. */
export const meshConfigSchema = message(
  'Settings of the whole mesh.',
  {
    rootNamespace: text('Namespace of the control plane; configuration there applies to every namespace.', { default: 'istio-system' }),
    trustDomain: text('Trust domain of the identities of workloads.', { default: 'cluster.local' }),
    trustDomainAliases: unused(list('Other trust domains whose identities count as this one.', text('Trust domain.'), { default: [] })),
    clusterDomain: text(
      'Domain of Kubernetes services, whose hosts are `NAME.NAMESPACE.svc.` and this. A field of Meshwright: Istio has an environment variable for it.',
      {
        default: 'cluster.local',
      },
    ),
    outboundTrafficPolicy: withDefault(
      message(
        'What happens to requests to hosts that the mesh does not know.',
        {
          mode: choice('`ALLOW_ANY` lets them through, `REGISTRY_ONLY` refuses them.', ['ALLOW_ANY', 'REGISTRY_ONLY'], {
            default: 'ALLOW_ANY',
          }),
        },
        ['mode'],
      ),
      { mode: 'ALLOW_ANY' },
    ),
    inboundTrafficPolicy: withDefault(
      message(
        'Where the proxy looks for the program beside it.',
        {
          mode: choice('`PASSTHROUGH` at the address that was called, `LOCALHOST` at the loopback address.', ['PASSTHROUGH', 'LOCALHOST'], {
            default: 'PASSTHROUGH',
          }),
        },
        ['mode'],
      ),
      { mode: 'PASSTHROUGH' },
    ),
    connectTimeout: withDefault(duration('Time limit for a TCP connection to be made.'), '10s'),
    protocolDetectionTimeout: withDefault(duration('Time to wait for the first bytes of a connection; `0s` waits for ever.'), '0s'),
    defaultHttpRetryPolicy: httpRetry,
    h2UpgradePolicy: choice('Whether HTTP/1.1 requests are carried over HTTP/2 between proxies.', ['DO_NOT_UPGRADE', 'UPGRADE'], {
      default: 'DO_NOT_UPGRADE',
    }),
    tcpKeepalive,
    localityLbSetting: withDefault(localityLbSetting, { enabled: true }),
    accessLogFile: text('File of the access log, such as `/dev/stdout`; empty turns it off.', { default: '' }),
    accessLogFormat: text("Format of a line in Envoy's words; with `JSON` an object of formats. Empty means the default of the encoding.", {
      default: '',
    }),
    accessLogEncoding: choice('How a line is written.', ['TEXT', 'JSON'], { default: 'TEXT' }),
    defaultServiceExportTo: exportTo('services and ServiceEntries'),
    defaultVirtualServiceExportTo: exportTo('VirtualServices'),
    defaultDestinationRuleExportTo: exportTo('DestinationRules'),
    proxyHttpPort: unsigned('Port of the outbound HTTP proxy of every sidecar; 0 = none.', { maximum: 65535, default: 0 }),
    proxyListenPort: unsigned('Port to which outbound connections are redirected.', { minimum: 1, maximum: 65535, default: 15001 }),
    proxyInboundListenPort: unsigned('Port to which inbound connections are redirected.', { minimum: 1, maximum: 65535, default: 15006 }),
    pathNormalization: withDefault(
      message(
        'How paths are brought to one form before they are matched.',
        {
          normalization: choice(
            '`DEFAULT` is `BASE`: as RFC 3986 has it.',
            ['DEFAULT', 'NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'],
            { default: 'DEFAULT' },
          ),
        },
        ['normalization'],
      ),
      { normalization: 'DEFAULT' },
    ),
    dnsRefreshRate: withDefault(duration('Time between look-ups of hosts by DNS.'), '60s'),

    enableTracing: unused(flag('Whether requests are traced.', { default: true })),
    enableAutoMtls: unused(flag('Whether proxies use mutual TLS with each other by themselves.', { default: true })),
    enablePrometheusMerge: unused(flag("Whether a program's own metrics are served together with its proxy's.", { default: true })),
    verifyCertificateAtClient: unused(
      flag('Whether certificates of servers are checked against the authorities of the system.', { default: true }),
    ),
    hboneIdleTimeout: unused(duration('Idle time after which a tunnel between proxies is closed.')),
    defaultConfig: proxyConfig,
    extensionProviders: unused(list('Services for tracing, access logs and authorisation.', anything('A provider and its name.'))),
    defaultProviders: unused(anything('Names of the providers of metrics, tracing and access logs.')),
    discoverySelectors: unused(list('Only namespaces with these labels count.', anything('A label selector.'))),
    enableEnvoyAccessLogService: unused(
      flag('Whether proxies send their access log to the service of `defaultConfig`.', { default: false }),
    ),
    disableEnvoyListenerLog: unused(
      flag('Whether connections that no filter chain takes are left out of the access log.', { default: false }),
    ),
    outboundClusterStatName: unused(text('Pattern for the names of outbound clusters in statistics.')),
    inboundClusterStatName: unused(text('Pattern for the names of inbound clusters in statistics.')),
    ingressService: unused(text('Service of the ingress gateway.')),
    ingressSelector: unused(text('Label `istio` of the ingress gateway.')),
    ingressClass: unused(text('Class of Ingress objects that count.')),
    ingressControllerMode: unused(choice('Which Ingress objects count.', ['UNSPECIFIED', 'OFF', 'DEFAULT', 'STRICT'])),
    configSources: unused(list('Where configuration comes from.', anything('Address of a source.'))),
    serviceSettings: unused(list('Settings by host.', anything('Hosts and their settings.'))),
    serviceScopeConfigs: unused(list('Which services are seen beyond their cluster.', anything('Selectors and a scope.'))),
    serviceEntryVisibility: unused(list('Limits on who sees ServiceEntries, by namespace.', anything('Namespaces and a limit.'))),
    defaultTrafficPolicy: unused(anything('Traffic policy of hosts without a DestinationRule.')),
    certificates: unused(list('Certificates for the control plane.', anything('Secret and DNS names.'))),
    caCertificates: unused(list('Further authorities whose certificates are trusted.', anything('An authority.'))),
    ca: unused(anything('Where certificates of workloads are signed.')),
    meshMTLS: unused(anything('Least TLS version and curves between proxies.')),
    tlsDefaults: unused(anything('Least TLS version and curves elsewhere.')),
  },
  always,
);

/** The settings in force in a mesh. Durations are text as in the YAML (`10s`). */
export type MeshConfig = Value<typeof meshConfigSchema>;

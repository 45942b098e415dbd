import { anything, choice, duration, flag, integer, list, map, message, text } from '../schema.ts';
import { unused } from './settings.ts';

/**
 * Istio's ProxyConfig, as `defaultConfig` of the mesh has it. The agent starts proxies with settings of its own, so that
 * nothing of it has an effect yet; files written for Istio are read nevertheless.
 */
export const proxyConfig = message('Settings with which proxies are started.', {
  concurrency: unused(integer('Worker threads; 0 takes one per core.', { minimum: 0 })),
  drainDuration: unused(duration('Time in which connections of an old configuration are closed.')),
  terminationDrainDuration: unused(duration('Time between the end of the program and that of the proxy.')),
  holdApplicationUntilProxyStarts: unused(flag('Whether the program waits for its proxy.')),
  discoveryAddress: unused(text('Address of the control plane.')),
  proxyMetadata: unused(map('Environment variables of the proxy.', text('Value.'))),
  interceptionMode: unused(choice('How connections reach the proxy.', ['REDIRECT', 'TPROXY', 'NONE'])),
  tracing: unused(anything('Where spans are sent, and how many.')),
  tracingServiceName: unused(
    choice('Name of the program in traces.', ['APP_LABEL_AND_NAMESPACE', 'CANONICAL_NAME_ONLY', 'CANONICAL_NAME_AND_NAMESPACE']),
  ),
  envoyAccessLogService: unused(anything('Address of a service for access logs.')),
  envoyMetricsService: unused(anything('Address of a service for metrics.')),
  statsdUdpAddress: unused(text('Address of a statsd server.')),
  zipkinAddress: unused(text('Address of a Zipkin server.')),
  proxyStatsMatcher: unused(anything('Which statistics of Envoy are kept.')),
  extraStatTags: unused(list('Further labels of statistics.', text('Name.'))),
  statsCompression: unused(flag('Whether statistics are served compressed.')),
  statNameLength: unused(integer('Longest name of a statistic.')),
  statusPort: unused(integer('Port of the agent for probes.', { minimum: 0, maximum: 65535 })),
  proxyAdminPort: unused(integer("Port of Envoy's administration.", { minimum: 0, maximum: 65535 })),
  readinessProbe: unused(anything('Probe of the program by the agent.')),
  gatewayTopology: unused(anything('Trusted proxies before a gateway.')),
  proxyHeaders: unused(anything('Headers that proxies set by themselves.')),
  image: unused(anything('Flavour of the image of the proxy.')),
  privateKeyProvider: unused(anything('Hardware that holds private keys.')),
  caCertificatesPem: unused(list('Authorities of the control plane.', text('Certificate in PEM.'))),
  controlPlaneAuthPolicy: unused(choice('How proxies identify themselves to the control plane.', ['NONE', 'MUTUAL_TLS', 'INHERIT'])),
  runtimeValues: unused(map('Runtime settings of Envoy.', text('Value.'))),
  fileFlushInterval: unused(duration('Time after which files of access logs are written out.')),
  fileFlushMinSizeKb: unused(integer('Buffered KiB after which files of access logs are written out.', { minimum: 0 })),
  meshId: unused(text('Name of the mesh.')),
  serviceCluster: unused(text('Name of the program as Envoy has it.')),
  configPath: unused(text('Folder of generated files.')),
  binaryPath: unused(text('Path of Envoy.')),
  customConfigFile: unused(text('Path of an own bootstrap.')),
  proxyBootstrapTemplatePath: unused(text('Path of a template for the bootstrap.')),
  availabilityZone: unused(text('Zone of the proxy.')),
});

import { isObject, nodeOf, type SchemaNode } from '../decode-value.ts';
import type { Issue, Path } from '../issue.ts';
import { checkDuration, collector, isFqdn, type Report } from '../networking/checks.ts';
import { checkLocality } from '../networking/locality-rules.ts';
import { checkRetries } from '../networking/resilience-rules.ts';
import type { MeshConfig } from './mesh-config.ts';

/** What the schema cannot say; paths begin at the mesh configuration. Istio 1.30: pkg/config/validation, mesh configuration. */
export function meshConfigIssues(mesh: MeshConfig): Issue[] {
  const { issues, report } = collector();
  checkDuration(mesh.connectTimeout, ['connectTimeout'], report);
  checkDuration(mesh.protocolDetectionTimeout, ['protocolDetectionTimeout'], report, 0);
  checkDuration(mesh.dnsRefreshRate, ['dnsRefreshRate'], report);
  checkDuration(mesh.tcpKeepalive?.time, ['tcpKeepalive', 'time'], report);
  checkDuration(mesh.tcpKeepalive?.interval, ['tcpKeepalive', 'interval'], report);
  if (mesh.defaultHttpRetryPolicy) checkRetries(mesh.defaultHttpRetryPolicy, ['defaultHttpRetryPolicy'], report);
  // Whether endpoints can fail over depends on each host's own outlier detection.
  if (mesh.localityLbSetting) checkLocality(mesh.localityLbSetting, true, ['localityLbSetting'], report);
  for (const field of ['trustDomain', 'clusterDomain'] as const) {
    if (!isFqdn(mesh[field])) report('MW0201', [field], `expected a DNS name such as \`cluster.local\`, found \`${mesh[field]}\``);
  }
  checkAccessLog(mesh, report);
  for (const field of ['defaultServiceExportTo', 'defaultVirtualServiceExportTo', 'defaultDestinationRuleExportTo'] as const)
    checkExport(mesh[field], [field], field === 'defaultServiceExportTo', report);
  const { proxyListenPort: outbound, proxyInboundListenPort: inbound } = mesh;
  if (outbound === inbound) report('MW0205', ['proxyInboundListenPort'], `port ${inbound} is that of proxyListenPort already`);
  return issues;
}

function checkAccessLog({ accessLogFile, accessLogFormat, accessLogEncoding }: MeshConfig, report: Report): void {
  if (accessLogFile !== '' && !accessLogFile.startsWith('/')) {
    report('MW0115', ['accessLogFile'], `expected an absolute path such as \`/dev/stdout\`, found \`${accessLogFile}\``);
  }
  if (accessLogEncoding === 'JSON' && accessLogFormat !== '' && !isObjectOfTexts(accessLogFormat)) {
    report('MW0115', ['accessLogFormat'], 'with the encoding `JSON` a JSON object whose values are texts is expected here');
  }
}

function isObjectOfTexts(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) && Object.values(value).every((item) => typeof item === 'string');
  } catch {
    return false;
  }
}

function checkExport(exportTo: readonly string[], path: Path, allowsNone: boolean, report: Report): void {
  for (const [i, to] of exportTo.entries()) {
    const isKnown = to === '.' || to === '*' || (allowsNone && to === '~') || /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(to);
    if (!isKnown) report('MW0209', [...path, i], `\`${to}\` is neither a namespace nor \`.\` or \`*\``);
    else if (exportTo.indexOf(to) !== i) report('MW0209', [...path, i], `\`${to}\` stands twice`);
    else if (exportTo.length > 1 && (to === '*' || to === '~')) report('MW0209', [...path, i], `\`${to}\` must stand alone`);
  }
}

/** One issue per written field that is checked but not read by anything; a field that says the default says nothing new. */
export function unusedFields(schema: Parameters<typeof nodeOf>[0], value: unknown): Issue[] {
  return unusedIn(nodeOf(schema), value, []);
}

function unusedIn(node: SchemaNode, value: unknown, path: Path): Issue[] {
  if (!isObject(value) || !node.properties) return [];
  return Object.entries(value).flatMap(([name, item]) => {
    const field = Object.hasOwn(node.properties ?? {}, name) ? node.properties?.[name] : undefined;
    if (!field || item === null || item === undefined) return [];
    const at = [...path, name];
    if (!field['x-unused']) return unusedIn(field, item, at);
    if (field.default !== undefined && JSON.stringify(field.default) === JSON.stringify(item)) return [];
    return [{ code: 'MW0119', path: at, message: `the field \`${name}\` is known and has no effect in Meshwright yet` } as const];
  });
}

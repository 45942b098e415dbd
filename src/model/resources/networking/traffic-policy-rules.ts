import { isIp } from '../address.ts';
import type { Path } from '../issue.ts';
import { checkDuration, checkPercent, checkPort, isFqdn, type Report } from './checks.ts';
import type {
  ClientTlsSettings,
  ConnectionPoolSettings,
  ConsistentHashLb,
  LoadBalancerSettings,
  OutlierDetection,
  PortTrafficPolicy,
  TrafficPolicy,
} from './destination-rule.ts';
import { checkLocality } from './locality-rules.ts';

export interface PolicyContext {
  /** Namespace of the object, to which credentials must belong. */
  readonly namespace: string;
}

export function checkTrafficPolicy(policy: TrafficPolicy, path: Path, context: PolicyContext, report: Report): void {
  if (Object.values(policy).every((value) => value === undefined)) report('MW0204', path, 'the policy is empty');
  if (policy.tunnel && policy.proxyProtocol) report('MW0205', path, 'tunnel and proxyProtocol exclude each other');
  checkShared(policy, path, context, report);
  for (const [i, port] of (policy.portLevelSettings ?? []).entries()) {
    const at = [...path, 'portLevelSettings', i];
    if (!port.port) report('MW0112', [...at, 'port'], 'expected the port that the settings are for');
    else checkPort(port.port.number, [...at, 'port', 'number'], report);
    const { port: _, ...settings } = port;
    if (Object.values(settings).every((value) => value === undefined)) report('MW0204', at, 'expected at least one setting for the port');
    checkShared(port, at, context, report);
  }
  if (policy.tunnel) checkTunnel(policy.tunnel, [...path, 'tunnel'], report);
  if (policy.retryBudget) checkPercent(policy.retryBudget.percent, [...path, 'retryBudget', 'percent'], report);
}

function checkShared(policy: TrafficPolicy | PortTrafficPolicy, path: Path, context: PolicyContext, report: Report): void {
  if (policy.outlierDetection) checkOutliers(policy.outlierDetection, [...path, 'outlierDetection'], report);
  if (policy.connectionPool) checkPool(policy.connectionPool, [...path, 'connectionPool'], report);
  if (policy.loadBalancer) checkLoadBalancer(policy.loadBalancer, policy.outlierDetection, [...path, 'loadBalancer'], report);
  if (policy.tls) checkTls(policy.tls, [...path, 'tls'], context, report);
}

function checkTunnel(tunnel: NonNullable<TrafficPolicy['tunnel']>, path: Path, report: Report): void {
  if (tunnel.protocol && tunnel.protocol !== 'CONNECT' && tunnel.protocol !== 'POST') {
    report('MW0113', [...path, 'protocol'], `expected \`CONNECT\` or \`POST\`, found \`${tunnel.protocol}\``);
  }
  if (!isFqdn(tunnel.targetHost) && !isIp(tunnel.targetHost)) {
    report('MW0201', [...path, 'targetHost'], `\`${tunnel.targetHost}\` is neither a host name nor an IP address`);
  }
  checkPort(tunnel.targetPort, [...path, 'targetPort'], report);
}

function checkOutliers(outliers: OutlierDetection, path: Path, report: Report): void {
  checkDuration(outliers.interval, [...path, 'interval'], report);
  checkDuration(outliers.baseEjectionTime, [...path, 'baseEjectionTime'], report);
  checkPercent(outliers.maxEjectionPercent, [...path, 'maxEjectionPercent'], report);
  checkPercent(outliers.minHealthPercent, [...path, 'minHealthPercent'], report);
  if ((outliers.consecutiveLocalOriginFailures ?? 0) > 0 && !outliers.splitExternalLocalOriginErrors) {
    const fix = 'Set splitExternalLocalOriginErrors to true.';
    report(
      'MW0205',
      [...path, 'consecutiveLocalOriginFailures'],
      'failures to connect are counted apart only with splitExternalLocalOriginErrors',
      fix,
    );
  }
  if (outliers.consecutiveErrors !== undefined) {
    report(
      'IST0002',
      [...path, 'consecutiveErrors'],
      'consecutiveErrors is deprecated',
      'Use consecutive5xxErrors or consecutiveGatewayErrors.',
    );
  }
}

function checkPool(pool: ConnectionPoolSettings, path: Path, report: Report): void {
  if (!pool.http && !pool.tcp) report('MW0204', path, 'expected tcp or http');
  const { http, tcp } = pool;
  const counts = ['http1MaxPendingRequests', 'http2MaxRequests', 'maxRequestsPerConnection', 'maxRetries', 'maxConcurrentStreams'] as const;
  for (const name of counts) checkCount(http?.[name], [...path, 'http', name], report);
  checkCount(tcp?.maxConnections, [...path, 'tcp', 'maxConnections'], report);
  checkDuration(http?.idleTimeout, [...path, 'http', 'idleTimeout'], report);
  checkDuration(tcp?.connectTimeout, [...path, 'tcp', 'connectTimeout'], report);
  checkDuration(tcp?.maxConnectionDuration, [...path, 'tcp', 'maxConnectionDuration'], report);
  // 0s turns the idle timeout of TCP off.
  checkDuration(tcp?.idleTimeout, [...path, 'tcp', 'idleTimeout'], report, 0);
  checkDuration(tcp?.tcpKeepalive?.time, [...path, 'tcp', 'tcpKeepalive', 'time'], report);
  checkDuration(tcp?.tcpKeepalive?.interval, [...path, 'tcp', 'tcpKeepalive', 'interval'], report);
  if (http?.useClientProtocol && http.h2UpgradePolicy === 'UPGRADE') {
    report('MW0205', [...path, 'http', 'useClientProtocol'], 'useClientProtocol and h2UpgradePolicy UPGRADE exclude each other');
  }
  if (!http?.http2KeepAlive) return;
  for (const name of ['interval', 'timeout'] as const) {
    const at = [...path, 'http', 'http2KeepAlive', name];
    if (http.http2KeepAlive[name] === undefined) report('MW0112', at, `expected ${name}`);
    checkDuration(http.http2KeepAlive[name], at, report);
  }
}

function checkCount(value: number | undefined, path: Path, report: Report): void {
  if (value !== undefined && value < 0) report('MW0114', path, `expected zero or more, found ${value}`);
}

function checkLoadBalancer(settings: LoadBalancerSettings, outliers: OutlierDetection | undefined, path: Path, report: Report): void {
  if (settings.consistentHash) checkHash(settings.consistentHash, [...path, 'consistentHash'], report);
  if (settings.localityLbSetting && settings.zoneAwareLbSetting) {
    report('MW0205', path, 'localityLbSetting and zoneAwareLbSetting exclude each other');
  }
  if (settings.localityLbSetting) checkLocality(settings.localityLbSetting, outliers !== undefined, [...path, 'localityLbSetting'], report);
  checkDuration(settings.warmupDurationSecs, [...path, 'warmupDurationSecs'], report);
  const { warmup } = settings;
  if (!warmup) return;
  const at = [...path, 'warmup'];
  if (warmup.duration === undefined) report('MW0112', [...at, 'duration'], 'expected the duration of the warmup');
  checkDuration(warmup.duration, [...at, 'duration'], report);
  checkPercent(warmup.minimumPercent, [...at, 'minimumPercent'], report);
  if (warmup.aggression !== undefined && warmup.aggression <= 0)
    report('MW0114', [...at, 'aggression'], `expected more than 0, found ${warmup.aggression}`);
}

/** Envoy's Maglev tables have a prime size below this. */
const maglevLimit = 5_000_011;

function checkHash(hash: ConsistentHashLb, path: Path, report: Report): void {
  const keys = [hash.httpHeaderName, hash.httpCookie, hash.useSourceIp, hash.httpQueryParameterName];
  if (keys.every((key) => key === undefined)) {
    report('MW0204', path, 'expected one of httpHeaderName, httpCookie, useSourceIp or httpQueryParameterName');
  }
  if (hash.httpCookie) checkCookie(hash.httpCookie, [...path, 'httpCookie'], report);
  if (hash.minimumRingSize) {
    if (hash.ringHash || hash.maglev)
      report('MW0205', [...path, 'minimumRingSize'], 'minimumRingSize and ringHash or maglev exclude each other');
    else report('IST0002', [...path, 'minimumRingSize'], 'minimumRingSize is deprecated', 'Use ringHash.minimumRingSize.');
  }
  if (!hash.maglev) return;
  const size = hash.maglev.tableSize ?? 0;
  const at = [...path, 'maglev', 'tableSize'];
  if (size === 0) report('MW0112', at, 'expected the size of the table');
  else if (size >= maglevLimit || !isPrime(size)) report('MW0114', at, `expected a prime number below ${maglevLimit}, found ${size}`);
}

function isPrime(value: number): boolean {
  if (value < 2) return false;
  for (let i = 2; i * i <= value; i++) if (value % i === 0) return false;
  return true;
}

function checkCookie(cookie: NonNullable<ConsistentHashLb['httpCookie']>, path: Path, report: Report): void {
  if (cookie.name === '') report('MW0112', [...path, 'name'], 'expected the name of the cookie');
  const names = new Set<string>();
  for (const [i, { name }] of (cookie.attributes ?? []).entries()) {
    const at = [...path, 'attributes', i, 'name'];
    if (!name) report('MW0112', at, 'expected the name of the attribute');
    else if (names.has(name)) report('MW0210', at, `the attribute \`${name}\` stands twice`);
    if (name) names.add(name);
  }
}

/** Settings that `credentialName` replaces. */
const fileFields = ['clientCertificate', 'privateKey', 'caCertificates', 'caCrl'] as const;

function checkTls(tls: ClientTlsSettings, path: Path, context: PolicyContext, report: Report): void {
  const excluded = (names: readonly (keyof ClientTlsSettings)[], reason: string) => {
    for (const name of names) {
      const value = tls[name];
      if (value && !(Array.isArray(value) && value.length === 0)) report('MW0205', [...path, name], `${name} cannot be used ${reason}`);
    }
  };
  const isMutual = tls.mode === 'MUTUAL';
  const isSkipping = tls.insecureSkipVerify === true;
  if (isSkipping && tls.mode === 'SIMPLE') excluded(['caCertificates', 'credentialName', 'subjectAltNames'], 'with insecureSkipVerify');
  if (isSkipping && isMutual) excluded(['caCertificates', 'subjectAltNames'], 'with insecureSkipVerify');
  if (tls.credentialName && (tls.mode === 'SIMPLE' || isMutual)) {
    excluded(fileFields, 'together with credentialName');
    checkCredential(tls.credentialName, [...path, 'credentialName'], context, report);
    return;
  }
  if (!isMutual) return;
  for (const name of ['clientCertificate', 'privateKey'] as const) {
    if (!tls[name]) report('MW0112', [...path, name], `mode MUTUAL needs ${name}, or credentialName`);
  }
}

function checkCredential(name: string, path: Path, { namespace }: PolicyContext, report: Report): void {
  if (!name.startsWith('configmap://')) return;
  const rest = name.slice('configmap://'.length);
  const [owner = '', map = '', ...more] = rest.split('/');
  if (owner === '' || map === '' || more.length > 0) report('MW0115', path, `expected \`configmap://namespace/name\`, found \`${name}\``);
  else if (owner !== namespace) report('MW0205', path, `the ConfigMap belongs to namespace ${owner}, the object to ${namespace}`);
}

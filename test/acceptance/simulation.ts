/** Adapter of the `simulation` set: calls replayed on what is generated for a described proxy. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { configFor } from '#analyze/proxy-config.ts';
import { type Call, type Outcome, simulate } from '#analyze/simulate.ts';
import type { Proxy as MeshProxy } from '#mesh/proxy.ts';
import { meshFromYaml, type YamlText } from '../sim/mesh-from-yaml.ts';
import type { CaseResult } from './sets.ts';

export const name = 'simulation';

/** Kinds and settings that cases use and this version does not serve yet. */
const skippedFeatures: readonly { readonly reason: string; readonly applies: (data: SimulationCase, text: string) => boolean }[] = [
  { reason: 'gateways (Gateway, Ingress and router proxies) are not served yet', applies: (data) => data.proxy.type === 'router' },
  { reason: 'PeerAuthentication is not served yet', applies: (_, text) => /kind: PeerAuthentication/.test(text) },
  { reason: 'the Sidecar kind is not served yet', applies: (_, text) => /kind: Sidecar/.test(text) },
  { reason: 'Gateway API routes are not served yet', applies: (_, text) => /gateway\.networking\.k8s\.io/.test(text) },
  {
    reason: 'the outbound policy ALLOW_ANY_DYNAMIC_DNS is newer than the releases that Meshwright follows',
    applies: (data) => data.meshConfig?.outboundTrafficPolicy?.mode === 'ALLOW_ANY_DYNAMIC_DNS',
  },
];

interface SimulationCall {
  readonly name: string;
  readonly call: Readonly<Record<string, string | number | undefined>>;
  readonly expected: Readonly<Record<string, unknown>>;
}

interface SimulationCase {
  readonly id: string;
  readonly group: string;
  readonly name: string;
  readonly config?: string;
  readonly kubernetes?: string;
  readonly proxy: {
    readonly type?: string;
    readonly labels?: Record<string, string>;
    readonly ipAddresses?: string[];
    readonly metadataNamespace?: string;
  };
  readonly meshConfig?: { readonly outboundTrafficPolicy?: { readonly mode?: string } };
  readonly calls: readonly SimulationCall[];
}

interface SimulationData {
  readonly proxyDefaults: {
    readonly ipAddresses: string[];
    readonly configNamespace: string;
    readonly dnsDomain: string;
    readonly id: string;
    readonly istioVersion: string;
  };
  readonly callDefaults: { readonly path: string; readonly address: string };
  readonly cases: readonly SimulationCase[];
}

export async function run(dir: string): Promise<CaseResult[]> {
  const folder = join(dir, 'istio/simulation');
  const file = join(folder, 'cases.json');
  if (!existsSync(file)) return [];
  const data: SimulationData = JSON.parse(readFileSync(file, 'utf8'));
  return data.cases.flatMap((item) => runCase(data, item, folder));
}

function runCase(data: SimulationData, item: SimulationCase, folder: string): CaseResult[] {
  const texts = [item.config, item.kubernetes].flatMap((source): YamlText[] =>
    source ? [{ file: 'case.yaml', text: textOf(folder, source) }] : [],
  );
  const label = (call: SimulationCall, i: number) => `${item.id}/${i}-${call.name}`;
  const skip = skippedFeatures.find((feature) => feature.applies(item, texts.map((text) => text.text).join('\n')));
  if (skip) return item.calls.map((call, i) => ({ case: label(call, i), outcome: 'skipped', reason: skip.reason }));
  const mode = item.meshConfig?.outboundTrafficPolicy?.mode === 'REGISTRY_ONLY' ? 'REGISTRY_ONLY' : 'ALLOW_ANY';
  const { snapshot, problems } = meshFromYaml(texts, { mesh: { outboundTrafficPolicy: { mode } }, complete: completeSlice });
  const errors = problems.filter((problem) => problem.severity === 'error');
  const config = configFor(snapshot, proxyOf(data, item));
  return item.calls.map((call, i) => {
    const wrong = differences(simulate(config, callOf(data, call)), call.expected);
    if (wrong.length === 0) return { case: label(call, i), outcome: 'passed' };
    return { case: label(call, i), outcome: 'failed', reason: [...wrong, ...errors.map((problem) => problem.message)].join('; ') };
  });
}

/** The cases' EndpointSlices never went through an API server, which demands an address type. */
function completeSlice(kind: string, raw: object): object {
  return kind === 'EndpointSlice' ? { addressType: 'IPv4', ...raw } : raw;
}

/** Configuration stands in the case itself or in a file beside it. */
function textOf(folder: string, source: string): string {
  return source.includes('\n') ? source : readFileSync(join(folder, source), 'utf8');
}

function proxyOf({ proxyDefaults }: SimulationData, item: SimulationCase): MeshProxy {
  return {
    id: `sidecar~${proxyDefaults.ipAddresses[0]}~${proxyDefaults.id}~${proxyDefaults.dnsDomain}`,
    type: 'sidecar',
    ipAddresses: item.proxy.ipAddresses ?? proxyDefaults.ipAddresses,
    namespace: item.proxy.metadataNamespace ?? proxyDefaults.configNamespace,
    dnsDomain: proxyDefaults.dnsDomain,
    labels: item.proxy.labels ?? {},
    serviceAccount: '',
    clusterId: 'Kubernetes',
    network: '',
    locality: '',
    nodeName: '',
    workloadName: 'app',
    interceptionMode: 'REDIRECT',
    istioVersion: proxyDefaults.istioVersion,
    inbound: [],
    engine: 'envoy',
  };
}

const alpnDefaults: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  tls: { http: 'http/1.1', http2: 'h2', tcp: '' },
  mtls: { http: 'istio-http/1.1', http2: 'istio-h2', tcp: 'istio' },
};

function callOf(data: SimulationData, { call }: SimulationCall): Call {
  const text = (key: string, fallback = '') => String(call[key] ?? fallback);
  const protocol = text('protocol', 'http');
  const tls = text('tls', 'plaintext');
  const host = text('hostHeader');
  return {
    address: text('address', data.callDefaults.address),
    port: Number(call.port ?? 0),
    callMode: text('callMode') === 'inbound' ? 'inbound' : 'outbound',
    protocol: protocol === 'tcp' || protocol === 'http2' ? protocol : 'http',
    tls: tls === 'tls' || tls === 'mtls' ? tls : 'plaintext',
    alpn: text('alpn', alpnDefaults[tls]?.[protocol] ?? ''),
    sni: text('sni', tls === 'tls' ? host : ''),
    request: { method: 'GET', authority: host, path: text('path', data.callDefaults.path), scheme: 'http', headers: {} },
    compare: 'path',
  };
}

function differences(outcome: Outcome, expected: Readonly<Record<string, unknown>>): string[] {
  const found: Readonly<Record<string, string>> = {
    error: outcome.error ?? '',
    listenerMatched: outcome.listener?.name ?? '',
    filterChainMatched: outcome.chain?.name ?? '',
    routeConfigMatched: outcome.routeConfiguration?.name ?? '',
    virtualHostMatched: outcome.virtualHost?.name ?? '',
    routeMatched: outcome.route?.name ?? '',
    clusterMatched: outcome.cluster,
  };
  const strict = expected.strictMatch === true;
  return Object.entries(found).flatMap(([key, value]) => {
    const wanted = String(expected[key] ?? '');
    // A call without an expected error must succeed; other fields count only when given.
    if (wanted === '' && !strict && key !== 'error') return [];
    return wanted === value ? [] : [`${key}: expected ${wanted || 'none'}, found ${value || 'none'}`];
  });
}

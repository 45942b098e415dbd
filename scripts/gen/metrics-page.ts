import { exposeIstioMetrics } from '#agent/istio-metrics.ts';
import type { MetricRow } from '#agent/metric-rows.ts';
import { createPilotMetrics } from '#pilot/pilot-metrics.ts';
import type { Metrics } from '#process/metrics.ts';
import { cell, table } from '../../src/cli/reference/markdown.ts';

interface Described {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labels: readonly string[];
}

/** docs/reference/metrics.md, from what the code declares and exposes. */
export function metricsPage(): string {
  return [
    '# Metrics',
    '',
    'Prometheus text. Names that Istio has too mean the same as there.',
    '',
    '## Workloads',
    '',
    'Served by the agent beside each proxy at `/stats/prometheus`; see the `meshwright.io/agent` annotation of the WorkloadEntry.',
    '',
    rowsOf(workloadMetrics()),
    '',
    '## Control plane',
    '',
    'Served at `/metrics` of the debug port (15014).',
    '',
    rowsOf(pilotMetrics()),
    '',
  ].join('\n');
}

function rowsOf(metrics: readonly Described[]): string {
  const rows = [...metrics]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, type, help, labels }) => [`\`${name}\``, type, cell(help), labels.map((label) => `\`${label}\``).join(' ')]);
  return table(['Metric', 'Type', 'Meaning', 'Labels'], rows);
}

/** Declared in code: a registry that only listens. */
function pilotMetrics(): readonly Described[] {
  const found: Described[] = [];
  const note = (type: string, metric: { readonly name: string; readonly help: string; readonly labels?: readonly string[] }) =>
    found.push({ name: metric.name, type, help: metric.help, labels: metric.labels ?? [] });
  const listening: Metrics = {
    counter(metric) {
      note('counter', metric);
      return { add: () => {} };
    },
    gauge(metric) {
      note('gauge', metric);
      return { set: () => {} };
    },
    histogram(metric) {
      note('histogram', metric);
      return { observe: () => {} };
    },
    text: async () => '',
    contentType: '',
  };
  const none = () => 0;
  createPilotMetrics(listening, '', {
    proxies: none,
    services: none,
    virtualServices: none,
    groups: none,
    keptBytes: none,
    rejecting: none,
  });
  return found;
}

/** Exposed as text: one row of each sort shows every family. */
function workloadMetrics(): readonly Described[] {
  const histogram = { sum: 0, buckets: [1] };
  const row = {
    reporter: 'source',
    cluster: '',
    upstreamWorkload: '',
    peer: '',
    responseCode: 200,
    responseFlags: '',
    grpcStatus: -1,
    count: 1,
  } as const;
  const rows: MetricRow[] = (['http', 'tcp'] as const).map((kind) => ({
    ...row,
    kind,
    durationMs: histogram,
    requestBytes: histogram,
    responseBytes: histogram,
    opened: 1,
    closed: 1,
    received: 1,
    sent: 1,
  }));
  const text = exposeIstioMetrics(rows, { peer: '', serviceHost: '', inbound: new Set() });
  return [...text.matchAll(/^# HELP (\S+) (.*)\n# TYPE \S+ (\w+)\n\S+?\{(.*)\}/gm)].map(
    ([, name = '', help = '', type = '', labels = '']) => ({
      name,
      type,
      help,
      labels: [...labels.matchAll(/(\w+)="/g)].map(([, label = '']) => label).filter((label) => label !== 'le'),
    }),
  );
}

import type { CounterMetric, HistogramMetric, Metrics } from '#process/metrics.ts';

/** What the metrics read when they are scraped. */
export interface PilotGauges {
  proxies(): number;
  services(): number;
  virtualServices(): number;
  groups(): number;
  keptBytes(): number;
  /** Proxies that hold a rejected version back, by short type name. */
  rejecting(type: string): number;
}

/** The counters that the pilot moves. Names and buckets are Istio's where Istio has the metric. */
export interface PilotMetrics {
  readonly pushes: CounterMetric;
  readonly configSize: HistogramMetric;
  readonly convergence: HistogramMetric;
  readonly queueTime: HistogramMetric;
  readonly debounceTime: HistogramMetric;
  readonly pushTime: HistogramMetric;
  readonly buildTime: HistogramMetric;
  readonly triggers: CounterMetric;
  readonly inbound: CounterMetric;
  readonly rejects: CounterMetric;
  readonly expiredNonces: CounterMetric;
  readonly internalErrors: CounterMetric;
  readonly cacheReads: CounterMetric;
}

const slow = [0.1, 0.5, 1, 3, 5, 10, 20, 30];
/** Istio's buckets begin where our pushes end, so smaller ones are put before them. */
const fine = [0.005, 0.01, 0.025, 0.05];

export function createPilotMetrics(metrics: Metrics, version: string, gauges: PilotGauges): PilotMetrics {
  metrics.gauge({ name: 'pilot_xds', help: 'Connected proxies.', read: gauges.proxies });
  metrics.gauge({ name: 'pilot_services', help: 'Services known.', read: gauges.services });
  metrics.gauge({ name: 'pilot_virt_services', help: 'VirtualServices known.', read: gauges.virtualServices });
  for (const type of ['cds', 'eds', 'lds', 'rds']) {
    metrics.gauge({
      name: `pilot_xds_${type}_reject`,
      help: `Proxies that rejected ${type.toUpperCase()} and keep their last good configuration.`,
      read: () => gauges.rejecting(type),
    });
  }
  metrics.gauge({ name: 'meshwright_pilot_scope_groups', help: 'Groups of proxies with equal configuration.', read: gauges.groups });
  metrics.gauge({ name: 'meshwright_pilot_shared_bytes', help: 'Bytes of responses kept for sharing.', read: gauges.keptBytes });
  metrics.gauge({ name: 'istiod_uptime_seconds', help: 'Seconds since the process started.', read: () => process.uptime() });
  metrics.gauge({ name: 'process_resident_memory_bytes', help: 'Resident memory.', read: () => process.memoryUsage.rss() });
  metrics.gauge({ name: 'process_cpu_seconds_total', help: 'CPU time, user and system.', read: cpuSeconds });
  metrics.gauge({ name: 'pilot_info', help: 'Version of the control plane.', labels: ['version'] }).set(1, { version });
  metrics
    .gauge({ name: 'istio_build', help: 'Build of the control plane.', labels: ['component', 'tag'] })
    .set(1, { component: 'pilot', tag: version });
  return {
    pushes: metrics.counter({ name: 'pilot_xds_pushes', help: 'Responses sent.', labels: ['type'] }),
    configSize: metrics.histogram({
      name: 'pilot_xds_config_size_bytes',
      help: 'Size of responses sent.',
      labels: ['type'],
      buckets: [1, 10_000, 1_000_000, 4_000_000, 10_000_000, 40_000_000],
    }),
    convergence: metrics.histogram({
      name: 'pilot_proxy_convergence_time',
      help: 'Seconds from a change to its acknowledgement by a proxy.',
      buckets: [...fine, ...slow],
    }),
    queueTime: metrics.histogram({
      name: 'pilot_proxy_queue_time',
      help: 'Seconds from a change to the start of writing to proxies.',
      buckets: [...fine, ...slow],
    }),
    pushTime: metrics.histogram({
      name: 'pilot_xds_push_time',
      help: 'Seconds from the start of a push to the writing of its last response of a type.',
      labels: ['type'],
      buckets: [...fine, 0.1, 1, 3, 5, 10, 20, 30],
    }),
    debounceTime: metrics.histogram({
      name: 'pilot_debounce_time',
      help: 'Seconds from the first of several joined changes to the start of their push.',
      buckets: [0.01, 0.1, 0.5, 1, 3, 5, 10, 20, 30],
    }),
    buildTime: metrics.histogram({
      name: 'pilot_pushcontext_init_seconds',
      help: 'Seconds to bring all groups to a new snapshot.',
      buckets: [0.001, 0.01, 0.1, 0.5, 1, 3, 5],
    }),
    triggers: metrics.counter({ name: 'pilot_push_triggers', help: 'Pushes by cause.', labels: ['type'] }),
    inbound: metrics.counter({ name: 'pilot_inbound_updates', help: 'Changes received.', labels: ['type'] }),
    rejects: metrics.counter({
      name: 'pilot_total_xds_rejects',
      help: 'Responses rejected by proxies, by the first hundred proxies that did (others are `other`).',
      labels: ['type', 'node', 'err'],
    }),
    expiredNonces: metrics.counter({
      name: 'pilot_xds_expired_nonce',
      help: 'Requests that answer a replaced response.',
      labels: ['type'],
    }),
    internalErrors: metrics.counter({ name: 'pilot_total_xds_internal_errors', help: 'Failures inside the control plane.' }),
    cacheReads: metrics.counter({ name: 'xds_cache_reads', help: 'Reads of built resources.', labels: ['type'] }),
  };
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

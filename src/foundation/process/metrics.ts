import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Label values by name. */
export type Labels = Readonly<Record<string, string>>;

export interface CounterMetric {
  add(labels?: Labels, amount?: number): void;
}

export interface GaugeMetric {
  set(value: number, labels?: Labels): void;
}

export interface HistogramMetric {
  observe(value: number, labels?: Labels): void;
}

interface Described {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

/** The metrics of one process. Each name is declared once, by the room that counts it. */
export interface Metrics {
  counter(metric: Described): CounterMetric;
  /** With `read`, the value is asked for at each scrape (unlabelled). */
  gauge(metric: Described & { readonly read?: () => number }): GaugeMetric;
  histogram(metric: Described & { readonly buckets: readonly number[] }): HistogramMetric;
  /** Prometheus text format, 0.0.4. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** Starts empty, with nothing registered globally: two control planes in one process do not meet. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const base = (metric: Described) => ({
    name: metric.name,
    help: metric.help,
    labelNames: [...(metric.labels ?? [])],
    registers: [registry],
  });
  return {
    counter(metric) {
      const counter = new Counter(base(metric));
      return { add: (labels = {}, amount = 1) => counter.inc(labels, amount) };
    },
    gauge(metric) {
      const { read } = metric;
      const gauge = new Gauge({
        ...base(metric),
        ...(read && {
          collect() {
            this.set(read());
          },
        }),
      });
      return { set: (value, labels = {}) => gauge.set(labels, value) };
    },
    histogram(metric) {
      const histogram = new Histogram({ ...base(metric), buckets: [...metric.buckets] });
      return { observe: (value, labels = {}) => histogram.observe(labels, value) };
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

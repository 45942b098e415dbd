/** One line of interest in an agent's Prometheus text: Istio's standard metrics and nothing else. */
export interface Series {
  readonly metric: 'requests' | 'duration' | 'bytes';
  readonly labels: Readonly<Record<string, string>>;
}

const metrics: Readonly<Record<string, Series['metric']>> = {
  istio_requests_total: 'requests',
  istio_request_duration_milliseconds_bucket: 'duration',
  istio_tcp_sent_bytes_total: 'bytes',
  istio_tcp_received_bytes_total: 'bytes',
};

/**
 * Calls `visit` with the identity (name and labels as written) and value of every line that carries one of Istio's
 * metrics. Labels are not read here: an identity repeats with each scrape, so callers parse it once (parseSeries).
 */
export function forEachSample(text: string, visit: (identity: string, value: number) => void): void {
  let start = 0;
  while (start < text.length) {
    let end = text.indexOf('\n', start);
    if (end < 0) end = text.length;
    if (text.startsWith('istio_', start)) {
      const close = text.lastIndexOf('}', end);
      if (close > start) {
        const value = Number.parseFloat(text.slice(close + 1, end));
        if (Number.isFinite(value)) visit(text.slice(start, close + 1), value);
      }
    }
    start = end + 1;
  }
}

/** undefined: a metric of no interest. Escapes in label values as in the Prometheus text format 0.0.4. */
export function parseSeries(identity: string): Series | undefined {
  const brace = identity.indexOf('{');
  const metric = brace < 0 ? undefined : metrics[identity.slice(0, brace)];
  if (!metric) return undefined;
  const labels: Record<string, string> = {};
  for (const match of identity.slice(brace).matchAll(/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g)) {
    const [, name = '', value = ''] = match;
    labels[name] = value.includes('\\') ? value.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped)) : value;
  }
  return { metric, labels };
}

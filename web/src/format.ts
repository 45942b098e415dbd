/** Numbers as text: always the same precision for the same quantity, so that columns stand still. */

export function rate(rps: number): string {
  if (rps === 0) return '0';
  return rps >= 1000 ? `${(rps / 1000).toFixed(1)}k` : rps.toFixed(1);
}

export function share(errors: number): string {
  return `${(errors * 100).toFixed(1)} %`;
}

export function duration(ms: number | null): string {
  if (ms === null) return '–';
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
}

export function bytes(bps: number): string {
  const units = ['B/s', 'KB/s', 'MB/s', 'GB/s'];
  let value = bps;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value.toFixed(unit ? 1 : 0)} ${units[unit]}`;
}

/** `3 s`, `12 min`, `2 h`, `5 d`: how long ago, one unit. */
export function age(fromMs: number, nowMs = Date.now()): string {
  const seconds = Math.max(0, Math.round((nowMs - fromMs) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

export function clockTime(atMs: number): string {
  return new Date(atMs).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/**
 * A name of Envoy's clusters in words: `outbound|9080|v1|reviews.default.svc.cluster.local` is `reviews.default subset v1,
 * port 9080`. Other names stay as they are.
 */
export function clusterWords(name: string): string {
  const [direction, port, subset, host, ...more] = name.split('|');
  if (!host || more.length || !port || (direction !== 'outbound' && direction !== 'inbound')) return name;
  const service = host.replace(/\.svc\.cluster\.local$/, '');
  return `${direction === 'inbound' ? 'inbound ' : ''}${service}${subset ? ` subset ${subset}` : ''}, port ${port}`;
}

/** The same for every such name inside a sentence. */
export function withClusterWords(text: string): string {
  return text.replace(/\b(?:out|in)bound\|\d*\|[^|\s"']*\|[\w.*-]*\w/g, clusterWords);
}

import type { Numbers } from '../api.ts';

/** Upper bounds of Istio's request duration histogram in milliseconds; the last is open. */
export const bounds = [
  0.5,
  1,
  5,
  10,
  25,
  50,
  100,
  250,
  500,
  1000,
  2500,
  5000,
  10_000,
  30_000,
  60_000,
  300_000,
  600_000,
  1_800_000,
  3_600_000,
  Number.POSITIVE_INFINITY,
] as const;

/** Seconds that numbers are taken over. */
export const windowSeconds = 6;
/** Newest seconds left out, because agents are asked once a second and the answer for them may still be on its way. */
const lagSeconds = 1;
const slots = 10;
const fields = 3 + bounds.length;

export const noNumbers: Numbers = { rps: 0, errors: 0, p50: null, p95: null, p99: null, bps: 0 };

/**
 * Traffic of one edge or object over the last seconds, in one small array of one-second slots: about 1 KB whatever the
 * rate. Increments of counters go in, rates and percentiles come out.
 */
export interface TrafficWindow {
  /** Spreads increments seen between two scrapes evenly over the seconds they cover. */
  add(fromMs: number, toMs: number, what: 'requests' | 'errors' | 'bytes', amount: number): void;
  /** `bucket` is an index into `bounds`; the amount is that bucket's own, not cumulative. */
  addDuration(atMs: number, bucket: number, amount: number): void;
  numbers(nowMs: number): Numbers;
  /** When something was added last. */
  readonly touchedAt: number;
}

const fieldOf = { requests: 0, errors: 1, bytes: 2 } as const;

export function createTrafficWindow(): TrafficWindow {
  const data = new Float32Array(slots * fields);
  const seconds = new Float64Array(slots).fill(-1);
  let touchedAt = 0;
  let addedAt = 0;
  let beganAt = 0;

  const slotFor = (second: number): number | undefined => {
    const slot = second % slots;
    const held = seconds[slot] ?? -1;
    if (held > second) return undefined;
    if (held < second) {
      data.fill(0, slot * fields, (slot + 1) * fields);
      seconds[slot] = second;
    }
    return slot * fields;
  };
  const put = (second: number, field: number, amount: number) => {
    const at = slotFor(second);
    if (at !== undefined) data[at + field] = (data[at + field] ?? 0) + amount;
  };

  return {
    get touchedAt() {
      return touchedAt;
    },
    add(fromMs, toMs, what, amount) {
      // After a pause it begins anew: seconds before the first observation do not count against the rate.
      if (fromMs - addedAt > slots * 1000) beganAt = fromMs;
      addedAt = Math.max(addedAt, toMs);
      touchedAt = Math.max(touchedAt, toMs);
      const span = toMs - fromMs;
      const last = Math.floor(toMs / 1000);
      if (span <= 0 || span > slots * 1000) return put(last, fieldOf[what], amount);
      for (let second = Math.floor(fromMs / 1000); second <= last; second++) {
        const overlap = Math.min(toMs, (second + 1) * 1000) - Math.max(fromMs, second * 1000);
        if (overlap > 0) put(second, fieldOf[what], (amount * overlap) / span);
      }
    },
    addDuration(atMs, bucket, amount) {
      touchedAt = Math.max(touchedAt, atMs);
      put(Math.floor(atMs / 1000), 3 + bucket, amount);
    },
    numbers(nowMs) {
      const last = Math.floor(nowMs / 1000) - lagSeconds - 1;
      const first = last - windowSeconds + 1;
      const sums = new Float64Array(fields);
      for (let slot = 0; slot < slots; slot++) {
        const second = seconds[slot] ?? -1;
        // Durations arrive undated within their scrape: the newest seconds count for them too.
        const from = second >= first && second <= last ? 0 : second > last ? 3 : fields;
        for (let field = from; field < fields; field++) sums[field] = (sums[field] ?? 0) + (data[slot * fields + field] ?? 0);
      }
      const covered = ((last + 1) * 1000 - beganAt) / 1000;
      return summarise(sums, Math.min(windowSeconds, Math.max(1, covered)));
    },
  };
}

function summarise(sums: Float64Array, seconds: number): Numbers {
  const [requests = 0, errors = 0, bytes = 0] = sums;
  if (requests < 1e-3 && bytes < 1e-3) return noNumbers;
  const durations = sums.subarray(3);
  return {
    rps: round(requests / seconds),
    errors: requests > 0 ? round(Math.min(1, errors / requests), 3) : 0,
    p50: percentile(durations, 0.5),
    p95: percentile(durations, 0.95),
    p99: percentile(durations, 0.99),
    bps: Math.round(bytes / seconds),
  };
}

/** By linear interpolation inside the bucket, as Prometheus' histogram_quantile does; null without samples. */
export function percentile(counts: Float64Array, share: number): number | null {
  let total = 0;
  for (const count of counts) total += count;
  if (total < 1e-6) return null;
  const rank = total * share;
  let below = 0;
  for (let bucket = 0; bucket < bounds.length; bucket++) {
    const count = counts[bucket] ?? 0;
    if (count > 0 && below + count >= rank) {
      const low = bucket === 0 ? 0 : (bounds[bucket - 1] ?? 0);
      const high = bounds[bucket] ?? low;
      return Number.isFinite(high) ? round(low + ((high - low) * (rank - below)) / count) : low;
    }
    below += count;
  }
  return bounds[bounds.length - 2] ?? null;
}

function round(value: number, digits = 1): number {
  const scale = 10 ** digits;
  return Math.round(value * scale) / scale;
}

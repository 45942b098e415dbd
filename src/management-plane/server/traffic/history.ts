import type { History, Numbers } from '../api.ts';

/** Milliseconds between points and number of points kept: a quarter of an hour. */
export const historyStepMs = 5_000;
const points = 180;
const columns = ['rps', 'errors', 'p50', 'p95', 'p99'] as const;

/** Numbers over time for at most `limit` objects, 3.6 KB each. */
export interface TrafficHistory {
  record(atMs: number, read: (id: string) => Numbers, ids: Iterable<string>): void;
  read(id: string): History;
}

export function createTrafficHistory(limit = 2_000): TrafficHistory {
  const rings = new Map<string, Float32Array>();
  const times: number[] = [];
  return {
    record(atMs, read, ids) {
      const slot = times.length < points ? times.length : points - 1;
      if (times.length === points) {
        times.shift();
        for (const ring of rings.values()) ring.copyWithin(0, columns.length);
      }
      times.push(atMs);
      for (const ring of rings.values()) ring.fill(Number.NaN, slot * columns.length);
      for (const id of ids) {
        const ring = rings.get(id) ?? (rings.size < limit ? new Float32Array(points * columns.length).fill(Number.NaN) : undefined);
        if (!ring) continue;
        rings.set(id, ring);
        const numbers = read(id);
        columns.forEach((column, index) => {
          ring[slot * columns.length + index] = numbers[column] ?? Number.NaN;
        });
      }
      for (const [id, ring] of rings) if (ring.every(Number.isNaN)) rings.delete(id);
    },
    read(id) {
      const ring = rings.get(id);
      const column = (index: number) =>
        times.map((_, slot) => {
          const value = ring?.[slot * columns.length + index];
          return value === undefined || Number.isNaN(value) ? null : Math.round(value * 1e4) / 1e4;
        });
      return { stepMs: historyStepMs, at: [...times], rps: column(0), errors: column(1), p50: column(2), p95: column(3), p99: column(4) };
    },
  };
}

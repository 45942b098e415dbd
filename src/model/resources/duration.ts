const unitMs: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

const shape = /^([+-]?)((?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/;
const part = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;

/** Milliseconds (with fraction) of duration text such as `1.5s` or `1h2m3s`; `0` needs no unit. Undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  if (!shape.test(text)) return undefined;
  let total = 0;
  for (const [, amount = '0', unit = 's'] of text.matchAll(part)) total += Number(amount) * (unitMs[unit] ?? 0);
  // Sums of decimal fractions are rounded to the nanosecond, the unit of the wire format.
  const exact = Math.round(total * 1e6) / 1e6;
  return text.startsWith('-') ? -exact : exact;
}

/** Milliseconds of a duration that decoding has accepted; `fallback` when it is absent. */
export function durationMs(text: string | undefined, fallback = 0): number {
  return text === undefined ? fallback : (parseDuration(text) ?? fallback);
}

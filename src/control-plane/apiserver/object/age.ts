const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** A span as kubectl prints ages: two units while that says something, one above (`45s`, `3m20s`, `25m`, `5h10m`, `3d4h`, `2y80d`). */
export function formatAge(spanMs: number): string {
  if (spanMs < -second) return '<invalid>';
  const span = Math.max(0, spanMs);
  if (span < 2 * minute) return `${Math.floor(span / second)}s`;
  if (span < 10 * minute) return two(span, minute, 'm', second, 's');
  if (span < 3 * hour) return `${Math.floor(span / minute)}m`;
  if (span < 8 * hour) return two(span, hour, 'h', minute, 'm');
  if (span < 2 * day) return `${Math.floor(span / hour)}h`;
  if (span < 8 * day) return two(span, day, 'd', hour, 'h');
  if (span < 2 * 365 * day) return `${Math.floor(span / day)}d`;
  if (span < 8 * 365 * day) return two(span, 365 * day, 'y', day, 'd');
  return `${Math.floor(span / (365 * day))}y`;
}

/** The age of an RFC 3339 time; `<unknown>` without one, as kubectl has it. */
export function ageSince(time: unknown, now: number): string {
  const at = typeof time === 'string' ? Date.parse(time) : Number.NaN;
  return Number.isNaN(at) ? '<unknown>' : formatAge(now - at);
}

function two(span: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((span % large) / small);
  return `${Math.floor(span / large)}${largeName}${rest === 0 ? '' : `${rest}${smallName}`}`;
}

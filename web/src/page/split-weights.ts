import type { SplitDestination } from '#server/api.ts';

/** Moves the boundary after destination `index` to `percent`; boundaries it meets are pushed along. Weights keep adding up to 100. */
export function moveBoundary(destinations: readonly SplitDestination[], index: number, percent: number): SplitDestination[] {
  const target = Math.max(0, Math.min(100, percent));
  let sum = 0;
  const boundaries = destinations.slice(0, -1).map(({ weight }, position) => {
    sum += weight;
    if (position === index) return target;
    return position < index ? Math.min(sum, target) : Math.max(sum, target);
  });
  const edges = [0, ...boundaries, 100];
  return destinations.map((destination, position) => ({ ...destination, weight: (edges[position + 1] ?? 100) - (edges[position] ?? 0) }));
}

/** Gives one destination a weight; the others give or take in proportion to what they have. */
export function setWeight(destinations: readonly SplitDestination[], index: number, weight: number): SplitDestination[] {
  const wanted = Math.max(0, Math.min(100, Math.round(weight) || 0));
  const rest = 100 - wanted;
  const others = destinations.filter((_, position) => position !== index);
  const sum = others.reduce((total, other) => total + other.weight, 0);
  const shares = others.map((other) => Math.floor(sum ? (other.weight * rest) / sum : rest / others.length));
  // What rounding left goes to the largest.
  const left = rest - shares.reduce((total, share) => total + share, 0);
  const largest = shares.indexOf(Math.max(...shares));
  let at = 0;
  return destinations.map((destination, position) => {
    if (position === index) return { ...destination, weight: others.length ? wanted : 100 };
    const share = (shares[at] ?? 0) + (at === largest ? left : 0);
    at++;
    return { ...destination, weight: share };
  });
}

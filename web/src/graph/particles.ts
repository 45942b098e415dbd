import type { Point } from './arrange.ts';

/** An edge as it lies in the drawing. */
export interface Stream {
  readonly id: string;
  readonly from: Point;
  /** Half way: bends the line when several edges join the same two nodes. */
  readonly middle: Point;
  readonly to: Point;
  readonly rps: number;
  /** Share of failed requests, 0 to 1. */
  readonly errors: number;
  /** Half the length that the label covers around the middle: dots pass under it. */
  readonly covered: number;
}

export interface Dot extends Point {
  readonly failed: boolean;
}

const unitsPerSecond = 70;
/** At most about this many dots at once, and this many in a second on one edge. */
const mostDots = 160;
const mostPerSecond = 6;
/** An edge that fails shows at least this share of failed dots, else few would be seen. */
const leastFailed = 0.25;

/** How many requests one dot stands for: 1, 2, 5, 10, 20, ..., so that the screen is never flooded. */
export function requestsPerDot(streams: readonly Stream[]): number {
  const flying = streams.reduce((sum, stream) => sum + (stream.rps * lengthOf(stream)) / unitsPerSecond, 0);
  const fastest = streams.reduce((most, stream) => Math.max(most, stream.rps), 0);
  const least = Math.max(1, flying / mostDots, fastest / mostPerSecond);
  const decade = 10 ** Math.floor(Math.log10(least));
  return decade * ([1, 2, 5, 10].find((step) => step * decade >= least - 1e-9) ?? 10);
}

/** Where the dots are. Each edge keeps how many it has sent, so that a new rate changes the distance, not the place. */
export class Flow {
  readonly #sent = new Map<string, number>();

  /** Moves on by `seconds` and tells the dots of every stream. */
  step(streams: readonly Stream[], seconds: number): Dot[] {
    const unit = requestsPerDot(streams);
    const dots: Dot[] = [];
    for (const stream of streams) {
      const perSecond = stream.rps / unit;
      if (perSecond <= 0) continue;
      const sent = (this.#sent.get(stream.id) ?? startOf(stream.id)) + perSecond * seconds;
      this.#sent.set(stream.id, sent);
      const failing = stream.errors >= 0.01 ? Math.max(stream.errors, leastFailed) : 0;
      const travel = lengthOf(stream) / unitsPerSecond;
      for (let number = Math.floor(sent); number >= 0; number--) {
        const part = (sent - number) / perSecond / travel;
        if (part > 1) break;
        if (Math.abs(part - 0.5) * lengthOf(stream) < stream.covered) continue;
        dots.push({ ...pointOn(stream, part), failed: fraction(number * 0.618034) < failing });
      }
    }
    return dots;
  }
}

/** The place after `part` of the way, on the curve through the middle. */
function pointOn({ from, middle, to }: Stream, part: number): Point {
  const along = (a: number, m: number, b: number) => {
    const bend = 2 * m - (a + b) / 2;
    return (1 - part) ** 2 * a + 2 * part * (1 - part) * bend + part ** 2 * b;
  };
  return { x: along(from.x, middle.x, to.x), y: along(from.y, middle.y, to.y) };
}

const lengthOf = ({ from, to }: Stream) => Math.max(1, Math.hypot(to.x - from.x, to.y - from.y));
const fraction = (value: number) => value - Math.floor(value);

/** Edges do not beat in time: each starts somewhere else. */
function startOf(id: string): number {
  let hash = 7;
  for (const char of id) hash = (hash * 31 + char.charCodeAt(0)) % 9973;
  return hash / 97;
}

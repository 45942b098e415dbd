/**
 * A part of RE2's syntax, read into a position automaton over ASCII: literals, classes, `.`, groups, alternation,
 * repetition, and anchors where they say nothing in a full match. Everything else is left to the full engine.
 */

/** 128 flags, one per ASCII character. */
export type CharSet = Uint8Array;

/** Glushkov automaton: each occurrence of a character set in the expression is one position. */
export interface Positions {
  readonly sets: readonly CharSet[];
  readonly first: readonly number[];
  /** Positions that may come after each position. */
  readonly follow: readonly (readonly number[])[];
  readonly accepting: ReadonlySet<number>;
  readonly matchesEmpty: boolean;
}

/** Beyond this many positions the full engine is used. */
const maxPositions = 400;

type Tree =
  | { readonly type: 'empty' }
  | { readonly type: 'set'; readonly set: CharSet }
  | { readonly type: 'sequence' | 'choice'; readonly parts: readonly Tree[] }
  | { readonly type: 'repeat'; readonly part: Tree; readonly least: number; readonly most: number };

/** The automaton of an expression that RE2 accepts; undefined when the expression uses more than the supported part. */
export function asciiPositions(source: string): Positions | undefined {
  try {
    const reader = new Reader(source);
    const tree = reader.choice(0);
    return reader.at === source.length ? build(tree) : undefined;
  } catch (error) {
    if (error === unsupported) return undefined;
    throw error;
  }
}

const unsupported = new Error('unsupported');

function stop(): never {
  throw unsupported;
}

class Reader {
  readonly source: string;
  at = 0;

  constructor(source: string) {
    this.source = source;
  }

  choice(depth: number): Tree {
    if (depth > 50) stop();
    const parts = [this.sequence(depth)];
    while (this.source[this.at] === '|') {
      this.at++;
      parts.push(this.sequence(depth));
    }
    return parts.length === 1 && parts[0] ? parts[0] : { type: 'choice', parts };
  }

  private sequence(depth: number): Tree {
    const parts: Tree[] = [];
    // At the outermost level the match is anchored at both ends anyway.
    if (depth === 0 && this.source[this.at] === '^') this.at++;
    for (;;) {
      const char = this.source[this.at];
      if (char === undefined || char === '|' || char === ')') break;
      if (char === '$' && depth === 0) {
        const next = this.source[this.at + 1];
        if (next !== undefined && next !== '|') stop();
        this.at++;
        break;
      }
      parts.push(this.repeated(this.atom(depth)));
    }
    return { type: 'sequence', parts };
  }

  private repeated(part: Tree): Tree {
    const char = this.source[this.at];
    let range: readonly [number, number];
    if (char === '*') range = [0, Number.POSITIVE_INFINITY];
    else if (char === '+') range = [1, Number.POSITIVE_INFINITY];
    else if (char === '?') range = [0, 1];
    else if (char === '{') {
      const counts = /^\{(\d{1,4})(?:(,)(\d{1,4})?)?\}/.exec(this.source.slice(this.at, this.at + 12));
      if (!counts) stop();
      const least = Number(counts[1]);
      range = [least, counts[3] === undefined ? (counts[2] ? Number.POSITIVE_INFINITY : least) : Number(counts[3])];
      this.at += counts[0].length - 1;
    } else return part;
    this.at++;
    // Greedy or not makes no difference to whether the whole text matches.
    if (this.source[this.at] === '?') this.at++;
    return { type: 'repeat', part, least: range[0], most: range[1] };
  }

  private atom(depth: number): Tree {
    const char = this.source[this.at] ?? stop();
    if (char === '(') return this.group(depth);
    if (char === '[') return { type: 'set', set: this.charClass() };
    this.at++;
    if (char === '.') return { type: 'set', set: complement(setOf('\n')) };
    if (char === '\\') return { type: 'set', set: this.escape() };
    if ('*+?{}$^)|'.includes(char) || char.charCodeAt(0) > 127) stop();
    return { type: 'set', set: setOf(char) };
  }

  private group(depth: number): Tree {
    this.at++;
    if (this.source[this.at] === '?') {
      if (this.source[this.at + 1] !== ':') stop();
      this.at += 2;
    }
    const inside = this.choice(depth + 1);
    if (this.source[this.at] !== ')') stop();
    this.at++;
    return inside;
  }

  private escape(): CharSet {
    const char = this.source[this.at++] ?? stop();
    const named = namedSet(char);
    if (named) return named;
    if (/[A-Za-z0-9_]/.test(char) || char.charCodeAt(0) > 127) stop();
    return setOf(char);
  }

  private charClass(): CharSet {
    this.at++;
    const set = new Uint8Array(128);
    const negated = this.source[this.at] === '^';
    if (negated) this.at++;
    for (let isFirst = true; isFirst || this.source[this.at] !== ']'; isFirst = false) {
      const low = this.classItem();
      if (typeof low !== 'number') {
        for (let i = 0; i < 128; i++) if (low[i]) set[i] = 1;
        continue;
      }
      let high = low;
      if (this.source[this.at] === '-' && this.source[this.at + 1] !== ']') {
        this.at++;
        const end = this.classItem();
        high = typeof end === 'number' ? end : stop();
      }
      for (let i = low; i <= high; i++) set[i] = 1;
    }
    this.at++;
    return negated ? complement(set) : set;
  }

  private classItem(): number | CharSet {
    const char = this.source[this.at++] ?? stop();
    if (char === '[' && this.source[this.at] === ':') stop();
    if (char.charCodeAt(0) > 127) stop();
    if (char !== '\\') return char.charCodeAt(0);
    const escaped = this.source[this.at++] ?? stop();
    const named = namedSet(escaped);
    if (named) return named;
    if (/[A-Za-z0-9_]/.test(escaped) || escaped.charCodeAt(0) > 127) stop();
    return escaped.charCodeAt(0);
  }
}

function setOf(chars: string): CharSet {
  const set = new Uint8Array(128);
  for (const char of chars) set[char.charCodeAt(0)] = 1;
  return set;
}

function complement(set: CharSet): CharSet {
  return set.map((flag) => 1 - flag);
}

const digits = setOf('0123456789');
const word = setOf('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_');
const space = setOf('\t\n\f\r ');

function namedSet(char: string): CharSet | undefined {
  switch (char) {
    case 'd':
      return digits;
    case 'D':
      return complement(digits);
    case 'w':
      return word;
    case 'W':
      return complement(word);
    case 's':
      return space;
    case 'S':
      return complement(space);
    case 'n':
      return setOf('\n');
    case 't':
      return setOf('\t');
    case 'r':
      return setOf('\r');
    default:
      return undefined;
  }
}

interface Part {
  readonly first: readonly number[];
  readonly last: readonly number[];
  readonly nullable: boolean;
}

function build(tree: Tree): Positions {
  const sets: CharSet[] = [];
  const follow: Set<number>[] = [];
  const connect = (from: readonly number[], to: readonly number[]) => {
    for (const position of from) for (const next of to) follow[position]?.add(next);
  };
  const nothing: Part = { first: [], last: [], nullable: true };

  const sequence = (left: Part, right: Part): Part => {
    connect(left.last, right.first);
    return {
      first: left.nullable ? [...left.first, ...right.first] : left.first,
      last: right.nullable ? [...left.last, ...right.last] : right.last,
      nullable: left.nullable && right.nullable,
    };
  };

  const visit = (node: Tree): Part => {
    switch (node.type) {
      case 'empty':
        return nothing;
      case 'set': {
        if (sets.length >= maxPositions) stop();
        sets.push(node.set);
        follow.push(new Set());
        return { first: [sets.length - 1], last: [sets.length - 1], nullable: false };
      }
      case 'sequence':
        return node.parts.reduce((left, part) => sequence(left, visit(part)), nothing);
      case 'choice': {
        const parts = node.parts.map(visit);
        return { first: parts.flatMap((p) => p.first), last: parts.flatMap((p) => p.last), nullable: parts.some((p) => p.nullable) };
      }
      case 'repeat':
        return repeat(node.part, node.least, node.most);
    }
  };

  const repeat = (node: Tree, least: number, most: number): Part => {
    let all = nothing;
    for (let i = 0; i < least; i++) {
      const copy = visit(node);
      if (i === least - 1 && most === Number.POSITIVE_INFINITY) connect(copy.last, copy.first);
      all = sequence(all, copy);
    }
    if (most === Number.POSITIVE_INFINITY) {
      if (least > 0) return all;
      const loop = visit(node);
      connect(loop.last, loop.first);
      return { ...loop, nullable: true };
    }
    for (let i = least; i < most; i++) all = sequence(all, { ...visit(node), nullable: true });
    return all;
  };

  const whole = visit(tree);
  return {
    sets,
    first: whole.first,
    follow: follow.map((next) => [...next]),
    accepting: new Set(whole.last),
    matchesEmpty: whole.nullable,
  };
}

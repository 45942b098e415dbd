import type { PathRule } from '../table.ts';

interface Node {
  readonly next: Map<number, Node>;
  /** Routes whose literal ends here. */
  readonly ends: number[];
}

/** Below this many routes a plain walk is as quick. */
const worthIndexing = 8;

/**
 * Narrows a virtual host's routes to those whose literal path could match: a character trie over prefixes and exact
 * paths; routes without a literal (regular expressions, folded case, CONNECT) are always candidates. Order is kept.
 */
export class RouteIndex {
  private readonly all: number[];
  private readonly always: number[] = [];
  private readonly root: Node = { next: new Map(), ends: [] };
  private readonly indexed: boolean;
  private found: number[] = [];

  constructor(rules: readonly PathRule[]) {
    this.all = rules.map((_, index) => index);
    this.indexed = rules.length > worthIndexing;
    if (!this.indexed) return;
    rules.forEach((rule, index) => {
      if (rule.kind === 'regex' || rule.kind === 'connect' || rule.ignoreCase || rule.value === '/') this.always.push(index);
      else this.insert(rule.value, index);
    });
  }

  /** Positions of the routes to try, ascending. Valid until the next call. */
  candidates(path: string, queryAt: number): readonly number[] {
    if (!this.indexed) return this.all;
    let found = this.found;
    // Cutting an array short costs more than a new one.
    if (found.length > 0) found = this.found = [];
    let node: Node | undefined = this.root;
    for (let i = 0; i < queryAt && node !== undefined; i++) {
      node = node.next.get(path.charCodeAt(i));
      if (node !== undefined && node.ends.length > 0) for (const index of node.ends) found.push(index);
    }
    if (found.length === 0) return this.always;
    for (const index of this.always) found.push(index);
    if (found.length > 1) found.sort((a, b) => a - b);
    return found;
  }

  private insert(text: string, index: number): void {
    let node = this.root;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      let next = node.next.get(code);
      if (next === undefined) {
        next = { next: new Map(), ends: [] };
        node.next.set(code, next);
      }
      node = next;
    }
    node.ends.push(index);
  }
}

import { equalsFolded, lowerBytes } from '#http/ascii.ts';
import type { Head } from '#http/head.ts';
import { putBytes, putText } from '#http/put.ts';
import type { HeaderOperation, HeaderOperations } from '../table.ts';
import type { FormatContext } from './format.ts';
import { type Formatter, formatterFor } from './format.ts';

interface LinkedAddition {
  readonly lower: Uint8Array;
  /** `Name: ` as it goes on the wire. */
  readonly prefix: Buffer;
  readonly action: HeaderOperation['action'];
  readonly fixed: Buffer | undefined;
  readonly format: Formatter | undefined;
  readonly keepEmpty: boolean;
}

/** Header operations of one configuration level, ready to run. */
export interface LinkedOperations {
  readonly remove: readonly Uint8Array[];
  readonly add: readonly LinkedAddition[];
}

export function linkOperations(operations: HeaderOperations): LinkedOperations | undefined {
  if (operations.remove.length === 0 && operations.add.length === 0) return undefined;
  return {
    remove: operations.remove.map(lowerBytes),
    add: operations.add.map((operation) => {
      const dynamic = operation.value.includes('%');
      return {
        lower: lowerBytes(operation.name),
        prefix: Buffer.from(`${operation.name}: `, 'latin1'),
        action: operation.action,
        fixed: dynamic ? undefined : Buffer.from(operation.value, 'latin1'),
        format: dynamic ? formatterFor(operation.value) : undefined,
        keepEmpty: operation.keepEmpty,
      };
    }),
  };
}

const endOfLine = Buffer.from('\r\n');

/**
 * What changes between a head that came in and the head that goes out: lines left out and lines added. One object per
 * thread and direction, filled and written within one call.
 */
export class HeaderEdits {
  private drops = new Uint8Array(32);
  private readonly prefixes: Buffer[] = [];
  private readonly lowers: (Uint8Array | undefined)[] = [];
  private readonly values: (Buffer | string)[] = [];
  private added = 0;
  private head: Head | undefined = undefined;
  private bytes: Buffer = endOfLine;
  private start = 0;

  begin(head: Head, bytes: Buffer, start: number): void {
    this.head = head;
    this.bytes = bytes;
    this.start = start;
    this.added = 0;
    if (this.drops.length < head.count) this.drops = new Uint8Array(head.ids.length);
    else for (let i = 0; i < head.count; i++) this.drops[i] = 0;
  }

  /** Nothing came in: only added lines will go out. */
  beginEmpty(): void {
    this.head = undefined;
    this.added = 0;
  }

  drop(index: number): void {
    this.drops[index] = 1;
  }
  kept(index: number): boolean {
    return this.drops[index] === 0;
  }

  /** Adds a line. `prefix` is `name: `; `lower` lets later operations find it. */
  add(prefix: Buffer, value: Buffer | string, lower?: Uint8Array): void {
    this.prefixes[this.added] = prefix;
    this.values[this.added] = value;
    this.lowers[this.added++] = lower;
  }

  has(lower: Uint8Array): boolean {
    for (let i = 0; i < this.added; i++) if (sameName(this.lowers[i], lower)) return true;
    const head = this.head;
    if (head === undefined) return false;
    for (let i = head.find(this.bytes, this.start, lower); i >= 0; i = head.find(this.bytes, this.start, lower, i + 1))
      if (this.kept(i)) return true;
    return false;
  }

  remove(lower: Uint8Array): void {
    const head = this.head;
    if (head !== undefined) {
      for (let i = 0; i < head.count; i++) {
        if (equalsFolded(this.bytes, this.start + head.nameStart(i), this.start + head.nameEnd(i), lower)) this.drops[i] = 1;
      }
    }
    let keep = 0;
    for (let i = 0; i < this.added; i++) {
      if (sameName(this.lowers[i], lower)) continue;
      this.prefixes[keep] = this.prefixes[i] ?? endOfLine;
      this.values[keep] = this.values[i] ?? '';
      this.lowers[keep++] = this.lowers[i];
    }
    this.added = keep;
  }

  apply(operations: LinkedOperations, context: FormatContext): void {
    for (let i = 0; i < operations.remove.length; i++) {
      const name = operations.remove[i];
      if (name !== undefined) this.remove(name);
    }
    for (let i = 0; i < operations.add.length; i++) {
      const addition = operations.add[i];
      if (addition !== undefined) this.applyOne(addition, context);
    }
  }

  private applyOne(addition: LinkedAddition, context: FormatContext): void {
    const value = addition.fixed ?? cleanValue(addition.format?.(context) ?? '');
    if (value.length === 0 && !addition.keepEmpty) return;
    const action = addition.action;
    if (action !== 'append') {
      const present = this.has(addition.lower);
      if (action === 'add-if-absent' && present) return;
      if (action === 'overwrite-if-exists' && !present) return;
      if (present) this.remove(addition.lower);
    }
    this.add(addition.prefix, value, addition.lower);
  }

  /** Upper bound of what `write` will need. */
  get size(): number {
    let size = (this.head?.length ?? 0) + 2;
    for (let i = 0; i < this.added; i++) size += (this.prefixes[i]?.length ?? 0) + (this.values[i]?.length ?? 0) + 2;
    return size;
  }

  /** Writes kept lines, added lines and the empty line at `at`; returns where it stopped. */
  write(out: Buffer, at: number): number {
    let to = at;
    const head = this.head;
    if (head !== undefined) {
      let runStart = head.fieldsStart;
      for (let i = 0; i < head.count; i++) {
        if (this.drops[i] === 0) continue;
        const lineStart = head.nameStart(i);
        if (lineStart > runStart) to = putBytes(out, to, this.bytes, this.start + runStart, this.start + lineStart);
        runStart = head.lineEnd(i);
      }
      const stop = head.length - 2;
      if (stop > runStart) to = putBytes(out, to, this.bytes, this.start + runStart, this.start + stop);
    }
    for (let i = 0; i < this.added; i++) {
      const prefix = this.prefixes[i];
      const value = this.values[i];
      if (prefix === undefined || value === undefined) continue;
      to = putBytes(out, to, prefix, 0, prefix.length);
      to = typeof value === 'string' ? putText(out, to, value) : putBytes(out, to, value, 0, value.length);
      out[to++] = 13;
      out[to++] = 10;
    }
    out[to++] = 13;
    out[to++] = 10;
    return to;
  }
}

function sameName(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a === b || (a !== undefined && a.length === b.length && equalsFolded(a, 0, a.length, b));
}

/** A computed value must not be able to end its line. */
function cleanValue(text: string): string {
  return /[\r\n\0]/.test(text) ? text.replace(/[\r\n\0]/g, ' ') : text;
}

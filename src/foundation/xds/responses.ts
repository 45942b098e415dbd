import { frameDeltaResponse, frameStateResponse } from './messages.ts';
import type { EncodedResource } from './resource.ts';
import { type Difference, differenceOf, type View } from './resource-set.ts';

export type XdsProtocol = 'delta' | 'sotw';

/** One response, encoded once, ready for every stream that takes the same step. Immutable. */
export interface SharedResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly version: string;
  /** Of the state that it brings. */
  readonly epoch: number;
  /** Resources that are new to the receiver (a state-of-the-world response carries others as well). */
  readonly changed: readonly EncodedResource[];
  /** Names of `changed`. */
  readonly names: readonly string[];
  readonly removed: readonly string[];
  /** With its gRPC prefix. */
  readonly framed: Buffer;
}

/** A step that needs no message. */
const nothing = Symbol('nothing');

export interface StepOptions {
  readonly protocol: XdsProtocol;
  readonly typeUrl: string;
  /** State of the world only: every resource of the view and not just those that changed. */
  readonly whole: boolean;
  /** An answer is due even when it is empty. */
  readonly owed: boolean;
  /** Names to be sent again though the receiver has them. */
  readonly again: readonly string[];
}

/**
 * Makes responses and keeps them while others are likely to take the same step. Bounded by bytes: what is dropped is
 * made again when needed.
 */
export class Responses {
  readonly #maxBytes: number;
  readonly #prefix: string;
  readonly #kept = new WeakMap<View, WeakMap<View, Map<string, SharedResponse | typeof nothing>>>();
  /** Weak: the steps of views that nobody is at any more go by themselves. */
  #queue: { steps: WeakRef<Map<string, SharedResponse | typeof nothing>>; key: string; bytes: number }[] = [];
  #head = 0;
  #bytes = 0;
  #count = 0;
  #made = 0;

  /** `prefix` tells this process's nonces and versions from those of others. */
  constructor(prefix: string, maxBytes = 64 * 1024 * 1024) {
    this.#prefix = prefix;
    this.#maxBytes = maxBytes;
  }

  /** Responses encoded so far. */
  get made(): number {
    return this.#made;
  }

  /** Bytes that are kept for sharing; an upper bound, part of them may be gone already. */
  get keptBytes(): number {
    return this.#bytes;
  }

  /** The response that takes a client from one view to another; undefined when there is nothing to say. */
  step(from: View, to: View, options: StepOptions): SharedResponse | undefined {
    const key = `${options.protocol}${options.whole ? 'w' : ''}${options.owed ? 'o' : ''}\t${options.again.join('\n')}`;
    const steps = this.#stepsOf(from, to);
    const known = steps.get(key);
    if (known !== undefined) return known === nothing ? undefined : known;
    const made = this.#make(from, to, options);
    steps.set(key, made ?? nothing);
    if (made) this.#keep(steps, key, made.framed.length);
    return made;
  }

  #make(from: View, to: View, options: StepOptions): SharedResponse | undefined {
    const difference = differenceOf(from, to, options.again);
    const { changed, removed } = difference;
    const silent = options.protocol === 'sotw' && !options.whole ? changed.length === 0 : changed.length + removed.length === 0;
    if (silent && !options.owed) return undefined;
    const nonce = `${this.#prefix}-${(++this.#count).toString(36)}`;
    const head = { typeUrl: options.typeUrl, nonce, version: `${this.#prefix}/${to.set.epoch}` };
    this.#made++;
    return {
      ...head,
      ...difference,
      epoch: to.set.epoch,
      names: changed.map((resource) => resource.name),
      framed: this.#frame(head, to, difference, options),
    };
  }

  #frame(
    head: { typeUrl: string; nonce: string; version: string },
    to: View,
    { changed, removed }: Difference,
    options: StepOptions,
  ): Buffer {
    if (options.protocol === 'delta') return frameDeltaResponse(head, changed, removed);
    return frameStateResponse(head, options.whole ? resourcesOf(to) : changed);
  }

  #stepsOf(from: View, to: View): Map<string, SharedResponse | typeof nothing> {
    let byFrom = this.#kept.get(to);
    if (!byFrom) {
      byFrom = new WeakMap();
      this.#kept.set(to, byFrom);
    }
    let steps = byFrom.get(from);
    if (!steps) {
      steps = new Map();
      byFrom.set(from, steps);
    }
    return steps;
  }

  #keep(steps: Map<string, SharedResponse | typeof nothing>, key: string, bytes: number): void {
    this.#queue.push({ steps: new WeakRef(steps), key, bytes });
    this.#bytes += bytes;
    while (this.#bytes > this.#maxBytes || this.#queue.length - this.#head > maxKept) {
      const oldest = this.#queue[this.#head++];
      if (!oldest) break;
      this.#bytes -= oldest.bytes;
      oldest.steps.deref()?.delete(oldest.key);
    }
    if (this.#head > 1024) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }
}

const maxKept = 4096;

/** Every resource of a view. */
function resourcesOf(view: View): EncodedResource[] {
  const found: EncodedResource[] = [];
  for (const name of view.names()) {
    const resource = view.get(name);
    if (resource) found.push(resource);
  }
  return found;
}

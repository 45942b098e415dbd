import { typeUrls } from '#proto/type-url.ts';
import type { DeltaRequest, RejectDetail, StateRequest } from './messages.ts';
import type { EncodedResource } from './resource.ts';
import { ResourceSet, View } from './resource-set.ts';
import type { Responses, SharedResponse, XdsProtocol } from './responses.ts';
import type { Selection, Selections } from './selection.ts';

/** What a request meant to the state machine. */
export type RequestOutcome = 'subscribed' | 'acked' | 'rejected' | 'stale' | 'unchanged';

/** What the last rejection was about. */
export interface Rejection {
  readonly error: RejectDetail;
  /** All resources held back, this time's and earlier ones. */
  readonly names: readonly string[];
}

export interface SubscriptionOptions {
  readonly typeUrl: string;
  readonly protocol: XdsProtocol;
  readonly selections: Selections;
  readonly responses: Responses;
  /** State of the world: answer with every resource asked for, also where Envoy takes changed ones only (gRPC's own clients). */
  readonly wholeAnswers?: boolean;
}

/** Types of which a client has to name what it wants; an empty request means nothing, not everything. */
const namedTypes: ReadonlySet<string> = new Set([
  typeUrls.endpoint,
  typeUrls.route,
  typeUrls.virtualHost,
  typeUrls.scopedRoute,
  typeUrls.secret,
  typeUrls.extensionConfig,
]);

const emptySet = new ResourceSet(0, new Map());

/** Attempts to find the bad ones in a rejected response whose error names none, before all of it is held back. */
const maxTrials = 64;

/**
 * Server's side of one type on one stream: what the client wants, has, and was sent. Does no I/O: `request` takes what
 * the client said, `next` gives the response that is due. At most one response is unanswered, and `next` always goes to
 * the newest state, so a slow client skips what came between.
 *
 * A rejected version is never sent again: it is held back until the resource changes, and the client keeps what it
 * accepted before.
 */
export class Subscription {
  readonly typeUrl: string;
  readonly #protocol: XdsProtocol;
  readonly #selections: Selections;
  readonly #responses: Responses;
  readonly #wholeAnswers: boolean;
  #selection: Selection;
  #started = false;
  /** Whether the client has acknowledged anything on this stream. */
  #known = false;
  #named = false;
  /** What the client acknowledged. */
  #has: View;
  #sent: { readonly response: SharedResponse; readonly view: View } | undefined;
  #lastNonce = '';
  #owed = false;
  #again: readonly string[] = [];
  #held: Map<string, EncodedResource> | undefined;
  #trials: (readonly EncodedResource[])[] = [];
  #trialsLeft = maxTrials;
  #rejection: Rejection | undefined;

  constructor(options: SubscriptionOptions) {
    this.typeUrl = options.typeUrl;
    this.#protocol = options.protocol;
    this.#selections = options.selections;
    this.#responses = options.responses;
    this.#wholeAnswers = options.wholeAnswers ?? false;
    this.#selection = options.selections.none;
    this.#has = emptySet.view(options.selections.none);
  }

  get selection(): Selection {
    return this.#selection;
  }

  /** The response that the client has not answered yet. */
  get unanswered(): SharedResponse | undefined {
    return this.#sent?.response;
  }

  /** The last rejection, until everything held back because of it has changed or was accepted after all. */
  get rejection(): Rejection | undefined {
    return this.#rejection;
  }

  /** Epoch of the state that the client acknowledged. */
  get ackedEpoch(): number {
    return this.#has.set.epoch;
  }

  /** Whether the client acknowledged this very state, with nothing on the way. */
  settledAt(set: ResourceSet): boolean {
    const has = this.#has;
    return this.#started && !this.#sent && !this.#owed && has.set === set && has.selection === this.#selection && !has.keepsRemoved;
  }

  /** Whether `next` has nothing to say about `set`: the client has it, or has not answered yet. Cheap. */
  isQuietAt(set: ResourceSet): boolean {
    return this.#sent !== undefined || (this.#again.length === 0 && this.#held === undefined && this.settledAt(set)) || !this.#started;
  }

  /** What the client acknowledged. Resources that it brought along from an earlier stream have no bytes here. */
  get acknowledged(): View {
    return this.#has;
  }

  /** Whether the client has asked for this type. */
  get started(): boolean {
    return this.#started;
  }

  deltaRequest(request: DeltaRequest): RequestOutcome {
    const outcome = request.nonce === '' ? 'unchanged' : this.#answer(request.nonce, request.error);
    const first = !this.#started;
    if (!first && request.subscribe.length === 0 && request.unsubscribe.length === 0) return outcome;
    const legacyWildcard = first && request.subscribe.length === 0 && !namedTypes.has(this.typeUrl);
    const before = this.#selection;
    this.#selection = this.#selections.change(before, legacyWildcard ? ['*'] : request.subscribe, request.unsubscribe);
    if (first) {
      this.#started = true;
      this.#owed = true;
      if (request.initialVersions) this.#has = this.#knownView(request.initialVersions);
    } else {
      this.#repeat(request.subscribe);
      if (this.#selection === before && request.subscribe.length === 0) return outcome;
    }
    return outcome === 'rejected' ? outcome : 'subscribed';
  }

  stateRequest(request: StateRequest): RequestOutcome {
    const first = !this.#started;
    const outcome = first || request.nonce === '' ? 'unchanged' : this.#answer(request.nonce, request.error);
    if (outcome === 'stale') {
      // Not to be answered; but a name missing here has been dropped by the client, even if its next request has it again.
      const named = new Set(request.names);
      this.#repeat([...this.#selection.names].filter((name) => !named.has(name)));
      return outcome;
    }
    if (request.names.length > 0) this.#named = true;
    const legacyWildcard = request.names.length === 0 && !this.#named && !namedTypes.has(this.typeUrl);
    const before = this.#selection;
    this.#selection = this.#selections.of(legacyWildcard ? ['*'] : request.names);
    if (first) {
      this.#started = true;
      this.#owed = this.#selection !== this.#selections.none;
      return this.#owed ? 'subscribed' : 'unchanged';
    }
    if (this.#selection === before) return outcome;
    this.#repeat([...this.#selection.names].filter((name) => !before.names.has(name)));
    return outcome === 'rejected' ? outcome : 'subscribed';
  }

  /** Sends these again with the next response, although the client has them (those it asked for). */
  resend(names: readonly string[]): void {
    if (!this.#started) return;
    const wanted = names.every((name) => this.#wants(name)) ? names : names.filter((name) => this.#wants(name));
    if (wanted.length > 0) this.#again = this.#again.length > 0 ? [...new Set([...this.#again, ...wanted])] : wanted;
  }

  /**
   * The response that brings the client to `set`; undefined when it has it, or has not answered the last one yet. With
   * `keepRemoved` it gets what is new and changed and may keep for now what is gone.
   */
  next(set: ResourceSet, keepRemoved = false): SharedResponse | undefined {
    if (!this.#started || this.#sent) return undefined;
    const target = keepRemoved ? this.#keepingTarget(set) : this.#target(set);
    if (target === this.#has && !this.#owed && this.#again.length === 0) return undefined;
    const response = this.#responses.step(this.#has, target, {
      protocol: this.#protocol,
      typeUrl: this.typeUrl,
      whole: this.#wholeAnswers || !namedTypes.has(this.typeUrl),
      owed: this.#owed,
      again: this.#again.length > 0 ? this.#again.filter((name) => target.covers(name) && !this.#held?.has(name)) : this.#again,
    });
    this.#owed = false;
    if (this.#again.length > 0) this.#again = this.#again.filter((name) => this.#held?.has(name));
    if (response) {
      this.#sent = { response, view: target };
      this.#lastNonce = response.nonce;
    } else {
      this.#has = target;
      if (this.#trials.length > 0) return this.next(set, keepRemoved);
    }
    return response;
  }

  #answer(nonce: string, error: RejectDetail | undefined): RequestOutcome {
    const sent = this.#sent;
    if (nonce !== this.#lastNonce) return 'stale';
    // A changed subscription carries the last nonce once more in the state-of-the-world variant.
    if (!sent) return 'unchanged';
    this.#sent = undefined;
    if (error) {
      this.#reject(sent.response, sent.view, error);
      return 'rejected';
    }
    this.#has = sent.view;
    this.#known = true;
    if (this.#trials.length === 0) this.#trialsLeft = maxTrials;
    return 'acked';
  }

  #reject(response: SharedResponse, view: View, error: RejectDetail): void {
    const { changed } = response;
    // Nothing to hold back: taking it as known is the only way not to send the same again for ever.
    if (changed.length === 0) this.#has = view;
    // A client that connected again still has what it had then, of which only a whole answer can relieve it.
    else if (this.#protocol === 'sotw' && !this.#known) this.#owed = true;
    const named = changed.filter((resource) => mentions(error.message, resource.name));
    const culprits = named.length > 0 ? named : changed;
    this.#held ??= new Map();
    for (const resource of culprits) this.#held.set(resource.name, resource);
    if (culprits.length > 1 && named.length === 0 && this.#trialsLeft > 0) {
      // One of them is bad and drags the others along: try the halves.
      const half = culprits.length >> 1;
      this.#trials.push(culprits.slice(half), culprits.slice(0, half));
    }
    // What was to be sent again, and went down with the others, is still to be sent again.
    const repeated = changed.filter((resource) => this.#has.get(resource.name)?.version === resource.version);
    if (repeated.length > 0) this.#again = [...new Set([...this.#again, ...repeated.map((resource) => resource.name)])];
    this.#rejection = { error, names: [...this.#held.keys()] };
  }

  /** The view that the client should get to: `set`, less what is held back. */
  #target(set: ResourceSet): View {
    const held = this.#held;
    if (!held) return set.view(this.#selection);
    for (const [name, resource] of held) {
      if (set.resources.get(name)?.version !== resource.version) held.delete(name);
    }
    const trying = this.#takeTrial(held);
    if (held.size === 0) {
      this.#held = undefined;
      this.#trials = [];
      this.#rejection = undefined;
      return set.view(this.#selection);
    }
    const same = !trying && !this.#has.plain && !this.#has.keepsRemoved && this.#has.set === set && this.#has.selection === this.#selection;
    if (same) return this.#has;
    return new View(set, this.#selection, new Map([...held.keys()].map((name) => [name, this.#has.get(name)])));
  }

  #keepingTarget(set: ResourceSet): View {
    const has = this.#has;
    if (has.keepsRemoved && has.set === set && has.selection === this.#selection && this.#trials.length === 0) return has;
    return this.#target(set).keeping(has);
  }

  /** Lets the next part of a rejected response out of `held`; false when there is none. */
  #takeTrial(held: Map<string, EncodedResource>): boolean {
    for (let trial = this.#trials.pop(); trial; trial = this.#trials.pop()) {
      const open = trial.filter((resource) => held.get(resource.name) === resource);
      if (open.length === 0) continue;
      if (this.#trialsLeft-- <= 0) {
        this.#trials = [];
        return false;
      }
      for (const resource of open) held.delete(resource.name);
      return true;
    }
    return false;
  }

  /** A client that asks again for what it has wants it once more. */
  #repeat(names: readonly string[]): void {
    const view = this.#sent?.view ?? this.#has;
    const known = names.filter((name) => this.#has.get(name) !== undefined || view.get(name) !== undefined);
    if (known.length > 0) this.#again = [...new Set([...this.#again, ...known])];
  }

  #wants(name: string): boolean {
    return this.#selection.wildcard || this.#selection.names.has(name);
  }

  #knownView(versions: ReadonlyMap<string, string>): View {
    const bytes = new Uint8Array(0);
    const known = [...versions].map(([name, version]) => ({ name, version, typeUrl: this.typeUrl, bytes }));
    return ResourceSet.of(0, known).view(this.#selections.of([...versions.keys()]));
  }
}

/** Whether an error text speaks of this name: the name stands there as a whole word. */
function mentions(text: string, name: string): boolean {
  const part = /[\w.|:-]/;
  for (let at = text.indexOf(name); at >= 0 && name !== ''; at = text.indexOf(name, at + 1)) {
    const before = text[at - 1] ?? ' ';
    const after = text[at + name.length] ?? ' ';
    const ends = !part.test(after) || (/[.:]/.test(after) && !part.test(text[at + name.length + 1] ?? ' '));
    if (!part.test(before) && ends) return true;
  }
  return false;
}

import type { Clock } from '#base/clock.ts';
import type { CallHandler, GrpcCall } from '#grpc/server-stream.ts';
import { GrpcFault, grpcCode } from '#grpc/status.ts';
import { typeUrls } from '#proto/type-url.ts';
import { type RejectDetail, readDeltaRequest, readStateRequest } from './messages.ts';
import { ResourceSet } from './resource-set.ts';
import type { Responses, SharedResponse, XdsProtocol } from './responses.ts';
import type { Selection, Selections } from './selection.ts';
import { Subscription } from './subscription.ts';

/** Where a stream's resources come from. Asked often: answers must cost next to nothing when nothing changed. */
export interface ResourceSource {
  /** The newest set of a type; it holds at least the selected names that exist. Undefined = not served (taken as empty). */
  current(typeUrl: string, selection: Selection): ResourceSet | undefined;
}

/** The one who knows the meaning of nodes and resources. */
export interface XdsHost {
  /** A stream's first message. Throws GrpcFault to refuse it. */
  opened(stream: XdsStream, node: Buffer): ResourceSource;
  /** A later message carried a different node. */
  nodeChanged(stream: XdsStream, node: Buffer): ResourceSource;
  closed(stream: XdsStream): void;
  sent?(stream: XdsStream, response: SharedResponse): void;
  /** The client acknowledged or, with `error`, rejected. `heldBack` are the resources that wait for a change because of it. */
  answered?(stream: XdsStream, response: SharedResponse, error: RejectDetail | undefined, heldBack: readonly string[]): void;
  /** A response to something long replaced. */
  expired?(stream: XdsStream, typeUrl: string): void;
}

export interface XdsStreamOptions {
  readonly protocol: XdsProtocol;
  readonly host: XdsHost;
  readonly selections: Selections;
  readonly responses: Responses;
  readonly clock: Clock;
  readonly id: number;
}

/** One type on one stream, for status pages. Times are epoch milliseconds, 0 = never. */
export interface TypeStatus {
  readonly subscription: Subscription;
  readonly sentAt: number;
  readonly answeredAt: number;
  readonly nonceSent: string;
  readonly nonceAcked: string;
  readonly versionSent: string;
  readonly versionAcked: string;
}

interface TypeState {
  readonly subscription: Subscription;
  sentAt: number;
  answeredAt: number;
  nonceSent: string;
  nonceAcked: string;
  versionSent: string;
  versionAcked: string;
}

/** Types one stream may subscribe to, and names of one type: far above any real client's needs. */
const maxTypes = 32;
const maxNames = 200_000;

/** Types that name clusters. */
const routeTypes: ReadonlySet<string> = new Set([typeUrls.listener, typeUrls.route]);

/** Order in which types go out, so that what is referred to comes first. Others follow. */
const pushOrder: readonly string[] = [typeUrls.cluster, typeUrls.endpoint, typeUrls.listener, typeUrls.route];

const endpointsOnly: readonly string[] = [typeUrls.endpoint];

const empty = new ResourceSet(0, new Map());

/** How long listeners and routes wait for the client to take changed clusters, which may never get warm. */
const warmingMs = 2000;

/** One aggregated stream: reads requests, keeps one Subscription per type, writes what is due when the peer can take it. */
export class XdsStream implements CallHandler {
  readonly id: number;
  readonly protocol: XdsProtocol;
  readonly connectedAt: number;
  readonly #call: GrpcCall;
  readonly #options: XdsStreamOptions;
  readonly #types = new Map<string, TypeState>();
  #order: readonly TypeState[] = [];
  #source: ResourceSource | undefined;
  #node: Buffer | undefined;
  /** Set while changed clusters are on their way. */
  #stopWarming: (() => void) | undefined;

  constructor(call: GrpcCall, options: XdsStreamOptions) {
    this.#call = call;
    this.#options = options;
    this.id = options.id;
    this.protocol = options.protocol;
    this.connectedAt = options.clock.now();
  }

  /** `address:port` of the client. */
  get peer(): string {
    return this.#call.peer;
  }

  get types(): Iterable<TypeStatus> {
    return this.#order;
  }

  typeStatus(typeUrl: string): TypeStatus | undefined {
    return this.#types.get(typeUrl);
  }

  /** True while written bytes wait for the client. */
  get blocked(): boolean {
    return !this.#call.writable;
  }

  message(bytes: Buffer): void {
    const request = this.protocol === 'delta' ? readDeltaRequest(bytes) : readStateRequest(bytes);
    const source = this.#source;
    this.#identify(request.node);
    if (request.typeUrl === '') throw invalid('a discovery request without type_url');
    const state = this.#stateOf(request.typeUrl);
    const answered = state.subscription.unanswered;
    const outcome = 'subscribe' in request ? state.subscription.deltaRequest(request) : state.subscription.stateRequest(request);
    if (state.subscription.selection.names.size > maxNames) throw invalid(`more than ${maxNames} names of one type`);
    if (answered && !state.subscription.unanswered) this.#answered(state, answered, request.error);
    else if (outcome === 'stale') this.#options.host.expired?.(this, request.typeUrl);
    // Nothing waits for endpoints to be acknowledged but newer endpoints.
    if (outcome === 'acked' && request.typeUrl === typeUrls.endpoint && this.#source === source) this.pump(endpointsOnly);
    else this.pump();
  }

  drained(): void {
    this.pump();
  }

  halfClosed(): void {
    this.#call.finish();
  }

  closed(): void {
    this.#stopWarming?.();
    if (this.#source) this.#options.host.closed(this);
    this.#source = undefined;
  }

  /** Takes the place of the source given at the start; `pump` sends the difference. */
  setSource(source: ResourceSource): void {
    this.#source = source;
  }

  /**
   * Writes whatever is due, make before break: listeners and routes follow when the client has taken (Envoy: warmed) new
   * and changed clusters, and clusters that are gone stay until it has taken the listeners and routes that no longer name
   * them. `changed` are the types that may have become due since the last call, in the order of pushing; default all.
   */
  pump(changed?: readonly string[]): void {
    const states = changed ? changed.map((typeUrl) => this.#types.get(typeUrl)) : this.#order;
    for (const state of states) {
      if (!this.#source || !this.#call.writable) return;
      if (!state || (this.#isWarming && routeTypes.has(state.subscription.typeUrl))) continue;
      const set = this.#currentSet(state.subscription);
      if (!state.subscription.isQuietAt(set)) this.#pumpType(state, set);
    }
    const clusters = this.#types.get(typeUrls.cluster);
    if (clusters?.subscription.acknowledged.keepsRemoved) this.#pumpType(clusters, this.#currentSet(clusters.subscription));
  }

  #pumpType(state: TypeState, set: ResourceSet): void {
    const keepRemoved = state.subscription.typeUrl === typeUrls.cluster && !this.#hasNewRoutes();
    const response = state.subscription.next(set, keepRemoved);
    if (response) this.#send(state, response);
  }

  /** Whether the client has acknowledged the newest listeners and routes, as far as it asks for them. */
  #hasNewRoutes(): boolean {
    for (const typeUrl of routeTypes) {
      const subscription = this.#types.get(typeUrl)?.subscription;
      if (subscription && !subscription.settledAt(this.#currentSet(subscription))) return false;
    }
    return true;
  }

  #currentSet({ typeUrl, selection }: Subscription): ResourceSet {
    return this.#source?.current(typeUrl, selection) ?? empty;
  }

  /** Refuses the client with a gRPC status. */
  refuse(code: number, message: string): void {
    this.#call.finish({ code, message });
  }

  /** Asks the client to connect again. */
  disconnect(): void {
    this.#call.finish({ code: grpcCode.unavailable, message: 'connect again' });
  }

  #send(state: TypeState, response: SharedResponse): void {
    state.sentAt = this.#options.clock.now();
    state.nonceSent = response.nonce;
    state.versionSent = response.version;
    this.#call.sendFramed(response.framed);
    // Envoy warms a changed cluster until it hears of its endpoints, does not ask for them when it had them before, and
    // acknowledges the cluster only when it is warm: they have to follow at once.
    if (response.typeUrl === typeUrls.cluster) {
      this.#types.get(typeUrls.endpoint)?.subscription.resend(response.names);
      if (response.changed.length > 0) this.#startWarming();
    }
    this.#options.host.sent?.(this, response);
  }

  #startWarming(): void {
    this.#stopWarming?.();
    const cancel = this.#options.clock.after(warmingMs, () => {
      this.#stopWarming = undefined;
      this.pump();
    });
    this.#stopWarming = () => {
      this.#stopWarming = undefined;
      cancel();
    };
  }

  get #isWarming(): boolean {
    return this.#stopWarming !== undefined;
  }

  #answered(state: TypeState, response: SharedResponse, error: RejectDetail | undefined): void {
    state.answeredAt = this.#options.clock.now();
    if (response.typeUrl === typeUrls.cluster) this.#stopWarming?.();
    if (!error) {
      state.nonceAcked = response.nonce;
      state.versionAcked = response.version;
    }
    this.#options.host.answered?.(this, response, error, error ? (state.subscription.rejection?.names ?? []) : []);
  }

  #identify(node: Buffer | undefined): void {
    if (!this.#source) {
      if (!node) throw invalid('the first message of a stream must carry the node');
      this.#node = Buffer.from(node);
      this.#source = this.#options.host.opened(this, this.#node);
    } else if (node && !this.#node?.equals(node)) {
      this.#node = Buffer.from(node);
      this.#source = this.#options.host.nodeChanged(this, this.#node);
    }
  }

  #stateOf(typeUrl: string): TypeState {
    const known = this.#types.get(typeUrl);
    if (known) return known;
    if (this.#types.size >= maxTypes) throw invalid(`more than ${maxTypes} types on one stream`);
    const { protocol, selections, responses } = this.#options;
    const wholeAnswers = this.#isGrpcClient();
    const subscription = new Subscription({ typeUrl, protocol, selections, responses, wholeAnswers });
    const made: TypeState = { subscription, sentAt: 0, answeredAt: 0, nonceSent: '', nonceAcked: '', versionSent: '', versionAcked: '' };
    this.#types.set(typeUrl, made);
    this.#order = [...this.#types.values()].sort((a, b) => rankOf(a.subscription.typeUrl) - rankOf(b.subscription.typeUrl));
    return made;
  }

  /** gRPC's own xDS clients name themselves so in the node's user agent. */
  #isGrpcClient(): boolean {
    return this.#node?.includes('gRPC ') ?? false;
  }
}

function rankOf(typeUrl: string): number {
  const rank = pushOrder.indexOf(typeUrl);
  return rank < 0 ? pushOrder.length : rank;
}

function invalid(message: string): GrpcFault {
  return new GrpcFault({ code: grpcCode.invalidArgument, message });
}

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { prefixBytes } from '#grpc/frame.ts';
import { typeUrls } from '#proto/type-url.ts';
import { readDeltaResponse, readStateResponse } from './messages.ts';
import { type EncodedResource, encodedResource } from './resource.ts';
import { ResourceSet } from './resource-set.ts';
import { Responses, type SharedResponse, type XdsProtocol } from './responses.ts';
import { Selections } from './selection.ts';
import { Subscription } from './subscription.ts';

/** What may happen between a server and a client of one type. */
type Step =
  | { readonly do: 'set'; readonly name: string; readonly content: number }
  | { readonly do: 'remove'; readonly name: string }
  | { readonly do: 'subscribe' | 'unsubscribe'; readonly names: readonly string[] }
  | { readonly do: 'receive' }
  | { readonly do: 'keep'; readonly removed: boolean }
  | { readonly do: 'reconnect'; readonly newServer: boolean };

const names = ['a', 'b', 'c', 'd', 'e'];
/** Contents from here on are those that the client rejects. */
const firstBad = 8;

const anyName = fc.constantFrom(...names);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('set' as const), name: anyName, content: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), name: anyName }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('subscribe' as const, 'unsubscribe' as const), names: fc.uniqueArray(anyName) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('receive' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('keep' as const), removed: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reconnect' as const), newServer: fc.boolean() }) },
);

const contentOf = (bytes: Uint8Array) => Number(Buffer.from(bytes).toString().split('=')[1]);

/** Plays server and client against each other and checks what must hold at every message and at the end. */
class Play {
  readonly protocol: XdsProtocol;
  readonly typeUrl: string;
  readonly wildcard: boolean;
  readonly naming: boolean;
  readonly wanted = new Set<string>();
  readonly has = new Map<string, { content: number; version: string }>();
  readonly rejectedNow = new Map<string, Set<string>>();
  set = new ResourceSet(0, new Map());
  epoch = 0;
  selections = new Selections();
  responses = new Responses('x');
  subscription: Subscription;
  wire: SharedResponse[] = [];
  lastNonce = '';
  messages = 0;
  keepRemoved = false;

  constructor(protocol: XdsProtocol, typeUrl: string, naming: boolean) {
    this.protocol = protocol;
    this.typeUrl = typeUrl;
    this.wildcard = typeUrl === typeUrls.cluster;
    this.naming = naming;
    this.subscription = this.connect();
  }

  connect(): Subscription {
    const { protocol, typeUrl, selections, responses } = this;
    this.subscription = new Subscription({ typeUrl, protocol, selections, responses });
    this.rejectedNow.clear();
    this.wire = [];
    this.lastNonce = '';
    if (protocol === 'delta') {
      const initialVersions = new Map([...this.has].map(([name, { version }]) => [name, version]));
      this.subscription.deltaRequest({
        typeUrl,
        subscribe: this.wildcard ? [] : [...this.wanted],
        unsubscribe: [],
        nonce: '',
        initialVersions,
      });
    } else this.stateRequest();
    return this.subscription;
  }

  stateRequest(error?: { code: number; message: string }): void {
    this.subscription.stateRequest({
      typeUrl: this.typeUrl,
      names: this.wildcard ? [] : [...this.wanted],
      nonce: this.lastNonce,
      versionInfo: '',
      error,
    });
  }

  run(todo: Step): void {
    if (todo.do === 'set') this.update(todo.name, encodedResource(todo.name, this.typeUrl, Buffer.from(`${todo.name}=${todo.content}`)));
    else if (todo.do === 'remove') this.update(todo.name, undefined);
    else if (todo.do === 'receive') this.receive();
    else if (todo.do === 'keep') this.keepRemoved = todo.removed;
    else if (todo.do === 'reconnect') {
      if (todo.newServer) {
        this.selections = new Selections();
        this.responses = new Responses('y');
        this.set = ResourceSet.of(1, this.set.resources.values());
      }
      this.connect();
    } else if (!this.wildcard) this.change(todo);
    this.pump();
  }

  update(name: string, resource: EncodedResource | undefined): void {
    const before = this.set;
    this.set = this.set.with(++this.epoch, new Map([[name, resource]]));
    // What has changed in between may be tried again.
    if (this.set !== before) this.rejectedNow.delete(name);
  }

  change(todo: { readonly do: 'subscribe' | 'unsubscribe'; readonly names: readonly string[] }): void {
    const changed = todo.names.filter((name) => this.wanted.has(name) === (todo.do === 'unsubscribe'));
    if (changed.length === 0) return;
    for (const name of changed) {
      if (todo.do === 'subscribe') this.wanted.add(name);
      else {
        this.wanted.delete(name);
        this.has.delete(name);
      }
    }
    if (this.protocol === 'sotw') this.stateRequest();
    else {
      const lists = todo.do === 'subscribe' ? { subscribe: changed, unsubscribe: [] } : { subscribe: [], unsubscribe: changed };
      this.subscription.deltaRequest({ typeUrl: this.typeUrl, nonce: '', ...lists });
    }
  }

  pump(): void {
    const response = this.subscription.next(this.set, this.keepRemoved);
    if (!response) return;
    const lost = response.removed.filter((name) => this.has.has(name) && !this.set.resources.has(name));
    if (this.keepRemoved && this.protocol === 'delta') assert.deepEqual(lost, [], 'what is gone may stay for now');
    this.wire.push(response);
    assert.ok(this.wire.length <= 1, 'never two unanswered responses');
    assert.ok(++this.messages < 2000, 'a storm');
  }

  /** The client reads one response, whole or not at all, and answers. */
  receive(): void {
    const response = this.wire.shift();
    if (!response) return;
    const bytes = response.framed.subarray(prefixBytes);
    const got: { name: string; version: string; bytes: Buffer }[] =
      this.protocol === 'delta'
        ? [...readDeltaResponse(bytes).resources]
        : readStateResponse(bytes).resources.map((r) => ({ name: r.bytes.toString().split('=')[0] ?? '', version: '', bytes: r.bytes }));
    const fresh = got.filter(({ name, bytes: b }) => this.has.get(name)?.content !== contentOf(b));
    const bad = fresh.filter((resource) => contentOf(resource.bytes) >= firstBad);
    for (const { name, bytes: b } of got) {
      const alone = this.rejectedNow.get(name);
      assert.ok(!alone?.has(String(b)), `${b} was rejected for itself and came again`);
    }
    this.lastNonce = response.nonce;
    const error =
      bad.length > 0
        ? { code: 13, message: this.naming ? `cannot take ${bad.map((r) => `'${r.name}'`).join(', ')}: bad` : 'bad' }
        : undefined;
    if (error) {
      const known = this.naming ? bad : response.changed.length === 1 ? response.changed : [];
      for (const { name, bytes: b } of known) this.rejectedNow.set(name, new Set([String(Buffer.from(b))]));
    } else this.take(got, response);
    if (this.protocol === 'sotw') this.stateRequest(error);
    else this.subscription.deltaRequest({ typeUrl: this.typeUrl, subscribe: [], unsubscribe: [], nonce: response.nonce, error });
  }

  take(got: readonly { name: string; version: string; bytes: Buffer }[], response: SharedResponse): void {
    if (this.protocol === 'sotw' && this.wildcard) this.has.clear();
    for (const { name, version, bytes } of got) {
      if (this.wildcard || this.wanted.has(name)) this.has.set(name, { content: contentOf(bytes), version });
    }
    if (this.protocol === 'delta') for (const name of response.removed) this.has.delete(name);
  }

  /** Every good resource that is asked for has arrived, and nothing else is there but what was good before. */
  settle(): void {
    this.keepRemoved = false;
    for (let turn = 0; turn < 300; turn++) {
      this.pump();
      if (this.wire.length === 0) break;
      this.receive();
    }
    assert.equal(this.wire.length, 0, 'settles');
    for (const name of names) {
      const want = this.wildcard || this.wanted.has(name) ? this.set.resources.get(name) : undefined;
      const have = this.has.get(name)?.content;
      if (want && contentOf(want.bytes) < firstBad) assert.equal(have, contentOf(want.bytes), `${name} is up to date`);
      else if (want) assert.ok(have === undefined || have < firstBad, `${name} keeps its last good content`);
      else if (this.protocol === 'delta' || this.wildcard) assert.equal(have, undefined, `${name} is gone`);
    }
  }
}

describe('a client ends up with what it asked for, whatever happens in between', () => {
  for (const protocol of ['delta', 'sotw'] as const) {
    for (const typeUrl of [typeUrls.cluster, typeUrls.route]) {
      for (const naming of [true, false]) {
        it(`${protocol}, ${typeUrl === typeUrls.cluster ? 'wildcard' : 'by name'}, errors ${naming ? 'name' : 'do not name'} the culprit`, () => {
          fc.assert(
            fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
              const play = new Play(protocol, typeUrl, naming);
              for (const todo of steps) play.run(todo);
              play.settle();
            }),
            { numRuns: 400 },
          );
        });
      }
    }
  }
});

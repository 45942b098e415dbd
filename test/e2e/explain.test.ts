/** What `explain request` says of a request is what the access log then shows of it, on both proxies. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ExplainAnswer } from '#server/api.ts';
import { type Backend, createBackends } from '../support/backends.ts';
import type { Engine } from '../support/mesh.ts';
import { needPeer, peerPath } from '../support/peers.ts';
import { type Joined, type Plane, startPlane, type Tap, until } from './plane.ts';

const rules = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets:
    - {name: v1, labels: {version: v1}}
    - {name: v2, labels: {version: v2}}
    - {name: v3, labels: {version: v3}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
    - name: jason
      match: [{headers: {end-user: {exact: jason}}}]
      route: [{destination: {host: reviews, subset: v2}}]
    - match: [{headers: {end-user: {regex: 'test-[0-9]+'}}, uri: {prefix: /reviews}}, {queryParams: {debug: {exact: 'yes'}}}]
      route: [{destination: {host: reviews, subset: v3}}]
    - name: gone
      match: [{uri: {exact: /reviews/old}}]
      redirect: {uri: /reviews/0, redirectCode: 302}
    - name: writers
      match: [{method: {exact: POST}}]
      directResponse: {status: 405, body: {string: read only}}
    - name: moved
      match: [{uri: {prefix: /v1/}}]
      rewrite: {uri: /reviews/}
      route: [{destination: {host: reviews, subset: v1}}]
    - name: split
      match: [{uri: {regex: '/reviews/[0-9]+'}}]
      route:
        - {destination: {host: reviews, subset: v1}, weight: 60}
        - {destination: {host: reviews, subset: v3}, weight: 40}
        - {destination: {host: reviews, subset: v2}, weight: 0}
    - route: [{destination: {host: reviews, subset: v1}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ratings}
spec:
  hosts: [ratings]
  http:
    - match: [{sourceLabels: {app: nobody}}]
      directResponse: {status: 500}
    - match: [{uri: {prefix: /Ratings}, ignoreUriCase: true, withoutHeaders: {x-internal: {}}}]
      route: [{destination: {host: ratings}}]
      timeout: 3s
    - match: [{headers: {x-internal: {prefix: a}}}]
      route: [{destination: {host: details}}]
    - directResponse: {status: 404}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: outside}
spec:
  hosts: [outside.example]
  http:
    - match: [{uri: {prefix: /to-details}, port: 80}]
      route: [{destination: {host: details}}]
    - redirect: {authority: elsewhere.example}
`;

const hosts = [
  { host: 'reviews', port: 80, vias: ['address', 'proxy'] },
  { host: 'ratings', port: 80, vias: ['address', 'proxy'] },
  { host: 'details', port: 80, vias: ['address', 'proxy'] },
  { host: 'outside.example', port: 80, vias: ['proxy'] },
] as const;
const paths = [
  '/',
  '/reviews',
  '/reviews/0',
  '/reviews/17',
  '/reviews/old',
  '/reviews/x',
  '/v1/3',
  '/ratings/0',
  '/RATINGS',
  '/to-details/1',
  '/details/0',
];
const headerSets: readonly Readonly<Record<string, string>>[] = [
  {},
  {},
  { 'end-user': 'jason' },
  { 'end-user': 'test-12' },
  { 'end-user': 'tester' },
  { 'x-internal': 'abc' },
  { 'x-internal': 'b' },
];
const methods = ['GET', 'GET', 'GET', 'POST', 'DELETE'];
const queries = ['', '', 'debug=yes&', 'debug=no&'];

const backends = createBackends();
const served: Backend[] = [];
let plane: Plane;
let tap: Tap;
const visitors = new Map<Engine, Joined>();

before(async () => {
  plane = await startPlane('explain');
  const workloads = [
    ['reviews', 'v1'],
    ['reviews', 'v2'],
    ['reviews', 'v3'],
    ['ratings', 'v1'],
    ['details', 'v1'],
  ] as const;
  const joinBackend = async ([service, version]: (typeof workloads)[number]) => {
    const backend = await backends.http(`${service}-${version}`);
    served.push(backend);
    await plane.join({ service, version, port: `80:${backend.port}` });
  };
  const engines: Engine[] = peerPath('envoy') ? ['embedded', 'envoy'] : ['embedded'];
  const joinVisitor = async (engine: Engine) => visitors.set(engine, await plane.join({ service: `shop-${engine}`, engine }));
  await Promise.all([...workloads.map(joinBackend), ...engines.map(joinVisitor)]);
  await plane.apply(rules);
  await plane.converged();
  tap = plane.tap();
});
after(async () => {
  tap?.close();
  await plane.close();
  for (const backend of served) backend.close();
});

/** Numbers in [0, 1) that are the same in every run (a linear congruence with the constants of ANSI C). */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >> 8) / 0x800000;
  };
}

interface Asked {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly via: 'address' | 'proxy';
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

function randomRequests(engine: Engine, count: number): Asked[] {
  const random = createRandom(20_260);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] ?? assert.fail('an empty list');
  return Array.from({ length: count }, (_, n) => {
    const { host, port, vias } = pick(hosts);
    const id = `${engine}-${n}-`;
    return {
      id,
      host,
      port,
      via: pick(vias),
      method: pick(methods),
      path: `${pick(paths)}?${pick(queries)}id=${id}`,
      headers: pick(headerSets),
    };
  });
}

describe('200 random requests', () => {
  for (const engine of ['embedded', 'envoy'] as const) {
    it(`go where explain says, on the ${engine} proxy`, async (t) => {
      if (engine === 'envoy' && !needPeer(t, 'envoy')) return;
      const visitor = visitors.get(engine) ?? assert.fail();
      await until('the tap shows requests of the visitor', async () => {
        await plane.ask(visitor, 'details:80', '/ready');
        return tap.records.some(({ source, reporter }) => source === visitor.name && reporter === 'source');
      });
      const requests = randomRequests(engine, 200);
      const clusters = new Map<string, number>();
      for (let at = 0; at < requests.length; at += 10) {
        await Promise.all(
          requests.slice(at, at + 10).map(async (asked) => {
            const explained = (await plane.rest('/explain', {
              from: visitor.name,
              host: asked.host,
              port: asked.port,
              ...requestOf(asked),
            })) as ExplainAnswer;
            const answer = await plane.ask(visitor, `${asked.host}:${asked.port}`, asked.path, {
              method: asked.method,
              headers: asked.headers,
              via: asked.via,
            });
            const record = await until(`a record of ${JSON.stringify(asked)}, answered ${answer.status}`, () =>
              tap.records.find(({ path, reporter }) => reporter === 'source' && path.endsWith(`id=${asked.id}`)),
            );
            const shown = `${JSON.stringify(asked)}\n${JSON.stringify(record)}\n${JSON.stringify(explained, null, 1)}`;
            const route = explained.steps.find(({ what, verdict }) => what === 'route' && verdict === 'matched');
            assert.equal(record.route || '(unnamed)', route?.name, shown);
            assert.equal(record.origin, route?.origin?.text ?? '', shown);
            const possible = explained.destinations.filter(({ weightPercent }) => weightPercent > 0).map(({ cluster }) => cluster);
            if (explained.outcome === 'forwarded') assert.ok(possible.includes(record.cluster), shown);
            else assert.equal(record.cluster, '', shown);
            assert.equal(record.status, answer.status, shown);
            clusters.set(record.cluster, (clusters.get(record.cluster) ?? 0) + 1);
          }),
        );
      }
      assert.ok(clusters.size >= 6, `the requests reach all corners: ${JSON.stringify([...clusters])}`);
    });
  }
});

function requestOf({ method, path, headers }: Asked): Pick<Asked, 'method' | 'path' | 'headers'> {
  return { method, path, headers };
}

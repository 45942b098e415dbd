/** Every route of the OpenAPI document answers as the document says. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Check, Errors } from 'typebox/schema';
import { openStage, type Stage } from './stage.ts';

interface Operation {
  readonly summary: string;
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { readonly schema: object }>> }>>;
}
type Document = { readonly openapi: string; readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>> };

const id = encodeURIComponent('sidecar~127.64.16.1~productpage-v1.default~default.svc.cluster.local');
const reviews = { kind: 'VirtualService', namespace: 'default', name: 'reviews' };
const yaml =
  'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: details}\nspec: {hosts: [details], http: [{route: [{destination: {host: details}}]}]}\n';

/** How each route is asked, by method and path of the document; a route without an entry fails the test. */
const samples: Readonly<Record<string, { readonly path?: string; readonly body?: object }>> = {
  'get /overview': {},
  'get /graph': {},
  'get /services': {},
  'get /workloads': {},
  'get /history': { path: '/history?id=mesh' },
  'get /events': {},
  'get /kinds': {},
  'get /resources/{kind}': { path: '/resources/VirtualService' },
  'get /resources/{kind}/{namespace}/{name}': { path: '/resources/VirtualService/default/ratings' },
  'get /resources/{kind}/{namespace}/{name}/yaml': { path: '/resources/VirtualService/default/ratings/yaml' },
  'post /resources': { body: { yaml, dryRun: true } },
  'delete /resources/{kind}/{namespace}/{name}': { path: '/resources/VirtualService/default/ratings?dryRun=true' },
  'get /watermark/{kind}/{namespace}/{name}': { path: '/watermark/VirtualService/default/reviews?generation=1' },
  'get /splits': { path: '/splits?service=service/default/reviews' },
  'post /splits': {
    body: {
      ref: reviews,
      protocol: 'http',
      index: 0,
      generation: 1,
      destinations: [{ host: 'reviews', subset: 'v1', weight: 100 }],
      dryRun: true,
    },
  },
  'get /proxies': {},
  'get /proxies/{id}': { path: `/proxies/${id}` },
  'get /proxies/{id}/config/{section}': { path: `/proxies/${id}/config/routes` },
  'get /problems': {},
  'post /explain': { body: { from: 'productpage-v1', host: 'reviews', port: 9080 } },
  'get /session': {},
  'post /session': { body: { token: 'token-of-the-server-tests' } },
  'delete /session': {},
  'post /session/links': {},
};
/** Streams: rest-live.test.ts asks them. */
const streams = new Set(['get /live', 'get /tap']);

describe('every route', () => {
  let stage: Stage;
  let document: Document;
  before(async () => {
    stage = await openStage();
    await stage.clock.advance(3_000);
    document = (await stage.ask('GET', '/api/v1/openapi.json')).body as Document;
  });
  after(() => stage.server.close());

  it('is in the document, and nothing else', () => {
    assert.match(document.openapi, /^3\.1/);
    const routes = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method} ${path.replace('/api/v1', '')}`),
    );
    assert.deepEqual(routes.filter((route) => !streams.has(route)).sort(), Object.keys(samples).sort());
  });

  for (const [route, { path, body }] of Object.entries(samples)) {
    it(`${route} answers by its schema`, async () => {
      const [method = '', template = ''] = route.split(' ');
      const operation = document.paths[`/api/v1${template}`]?.[method] ?? assert.fail('not documented');
      const address = `/api/v1${path ?? template}`;
      const answer =
        method === 'get' ? await stage.ask('GET', address) : await stage.write(method === 'post' ? 'POST' : 'DELETE', address, body);
      assert.equal(answer.status, 200, answer.text);
      const schema = operation.responses['200']?.content?.['application/json']?.schema;
      if (!schema) return assert.match(String(answer.headers['content-type']), /yaml/);
      assert.ok(Check(schema, answer.body), `${JSON.stringify(Errors(schema, answer.body))}`);
      return undefined;
    });
  }
});

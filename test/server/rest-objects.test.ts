/** Reading, checking, writing, taking back; splits; how far a write has come. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { ApiError, KindList, ResourceList, ResourceView, SplitList, WatermarkView, WriteAnswer } from '#server/api.ts';
import { openStage, type Stage } from './stage.ts';

const reviews = '/api/v1/resources/VirtualService/default/reviews';
const route = (...weights: readonly (readonly [string, number])[]) =>
  weights.map(([subset, weight]) => ({ host: 'reviews', subset, weight }));
const split = { ref: { kind: 'VirtualService', namespace: 'default', name: 'reviews' }, protocol: 'http', index: 0 } as const;

describe('objects', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await openStage();
  });
  afterEach(() => stage.server.close());
  const view = async () => (await stage.ask('GET', reviews)).body as ResourceView;
  const apply = (yaml: string, more: object = {}) => stage.write('POST', '/api/v1/resources', { yaml, ...more });

  it('are listed by kind, plural or short name, in pages', async () => {
    for (const name of ['VirtualService', 'virtualservices', 'vs']) {
      const { items } = (await stage.ask('GET', `/api/v1/resources/${name}`)).body as ResourceList;
      assert.deepEqual(
        items.map((item) => `${item.ref.name} ${item.errors}`),
        ['ratings 1', 'reviews 0'],
        name,
      );
    }
    const first = (await stage.ask('GET', '/api/v1/resources/WorkloadEntry?limit=4')).body as ResourceList;
    const second = (await stage.ask('GET', `/api/v1/resources/WorkloadEntry?limit=4&continueToken=${first.continueToken}`))
      .body as ResourceList;
    assert.deepEqual([first.items.length, second.items.length, second.continueToken], [4, 2, undefined]);
  });

  it('never include secrets', async () => {
    const { items } = (await stage.ask('GET', '/api/v1/kinds')).body as KindList;
    assert.ok(items.length > 3 && !items.some((item) => item.kind === 'Secret'));
    const answer = await stage.ask('GET', '/api/v1/resources/Secret');
    assert.equal(answer.status, 404);
    assert.match((answer.body as ApiError).fix, /Known kinds: VirtualService/);
  });

  it('are shown as a person writes them', async () => {
    const { yaml } = await view();
    assert.match(
      yaml,
      /^apiVersion: networking.istio.io\/v1\nkind: VirtualService\nmetadata:\n {2}name: reviews\n {2}namespace: default\nspec:\n/,
    );
    assert.doesNotMatch(yaml, /managedFields|resourceVersion|uid|generation/);
    const plain = await stage.ask('GET', `${reviews}/yaml`);
    assert.equal(plain.text, yaml);
    assert.match(String(plain.headers['content-type']), /^application\/yaml/);
    assert.equal((await stage.ask('GET', '/api/v1/resources/vs/default/nothing')).status, 404);
  });

  it('are compared before and written after', async () => {
    const { yaml, resourceVersion } = await view();
    const changed = yaml.replace('weight: 80', 'weight: 70').replace('weight: 20', 'weight: 30');
    const dry = (await apply(changed, { dryRun: true, resourceVersion })).body as WriteAnswer;
    assert.deepEqual([dry.dryRun, dry.changes[0]?.action, dry.changes[0]?.before, dry.changes[0]?.after], [true, 'update', yaml, changed]);
    assert.equal((await view()).yaml, yaml, 'a dry run writes nothing');
    const wet = (await apply(changed, { resourceVersion })).body as WriteAnswer;
    assert.equal(wet.changes[0]?.generation, 2);
    assert.equal((await view()).yaml, changed);
    const again = (await apply(changed)).body as WriteAnswer;
    assert.equal(again.changes[0]?.action, 'unchanged');
    assert.equal((await apply(yaml, { generation: 1, dryRun: true })).status, 409, 'another generation');
    assert.equal((await apply(yaml, { generation: 2, dryRun: true })).status, 200, 'this generation, whatever the version');
    const late = await apply(yaml, { resourceVersion });
    assert.equal(late.status, 409, late.text);
    assert.match((late.body as ApiError).message, /changed by someone else/);
  });

  it('are created in the namespace default when none is named, and deleted', async () => {
    const yaml =
      'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: new}\nspec: {hosts: [details], http: [{route: [{destination: {host: details}}]}]}\n';
    const { changes } = (await apply(yaml)).body as WriteAnswer;
    assert.deepEqual([changes[0]?.action, changes[0]?.ref.namespace, changes[0]?.before], ['create', 'default', '']);
    const path = '/api/v1/resources/VirtualService/default/new';
    const dry = (await stage.write('DELETE', `${path}?dryRun=true`)).body as WriteAnswer;
    assert.equal(dry.changes[0]?.action, 'delete');
    assert.equal((await stage.ask('GET', path)).status, 200);
    assert.equal((await stage.write('DELETE', path)).status, 200);
    assert.equal((await stage.write('DELETE', path)).status, 404);
  });

  it('are refused with every problem and its line', async () => {
    const yaml =
      'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: x\nspec:\n  hosts: [a]\n  htpp: []\n  http: [{route: [{destination: {host: a}}]}]\n';
    const strict = await apply(yaml);
    assert.equal(strict.status, 422);
    const { problems = [], message } = strict.body as ApiError;
    assert.match(message, /htpp/);
    assert.ok(
      problems.some((problem) => problem.line === 7 && problem.path === 'spec.htpp'),
      JSON.stringify(problems),
    );
    const bad = (await apply('a: 1\na: 2\n---\nkind: [\n')).body as ApiError;
    assert.equal(bad.code, 'unreadable');
    assert.ok((bad.problems ?? []).length >= 2, 'one bad document hides none');
    for (const text of ['', '# nothing\n', 'just: text\n']) assert.equal((await apply(text)).status, 422, JSON.stringify(text));
    const unknown = await apply('apiVersion: v1\nkind: Gizmo\nmetadata: {name: x}\n');
    assert.equal(unknown.status, 404);
  });

  it('are written all or, when one is wrong, not at all', async () => {
    const good =
      'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: one}\nspec: {hosts: [a], http: [{route: [{destination: {host: a}}]}]}\n';
    const bad = good.replace('one', 'two').replace('hosts:', 'hsots:');
    assert.equal((await apply(`${good}---\n${bad}`)).status, 422);
    assert.equal((await stage.ask('GET', '/api/v1/resources/vs/default/one')).status, 404);
    const { changes } = (await apply(`${good}---\n${good.replace('one', 'two')}`)).body as WriteAnswer;
    assert.deepEqual(
      changes.map((change) => change.action),
      ['create', 'create'],
    );
  });

  it('have one error shape for everything', async () => {
    for (const [method, path, body] of [
      ['GET', '/api/v1/nothing', undefined],
      ['GET', '/api/v1/resources/VirtualService?limit=0', undefined],
      ['POST', '/api/v1/resources', {}],
      ['POST', '/api/v1/splits', { ref: 1 }],
    ] as const) {
      const answer = method === 'POST' ? await stage.write('POST', path, body) : await stage.ask('GET', path);
      const { code, message, fix } = answer.body as ApiError;
      assert.ok(answer.status >= 400 && answer.status < 500 && code && message && fix !== undefined, `${method} ${path}: ${answer.text}`);
    }
  });

  it('know how many proxies run them', async () => {
    const read = async (generation: number) =>
      (await stage.ask('GET', `/api/v1/watermark/VirtualService/default/reviews?generation=${generation}`)).body as WatermarkView;
    assert.deepEqual(await read(1), { epoch: 1, live: 6, total: 6, rejected: [], waiting: [] });
    assert.equal((await read(2)).epoch, null, 'not written yet');
    const { yaml } = await view();
    await apply(yaml.replace('weight: 80', 'weight: 75').replace('weight: 20', 'weight: 25'));
    const at = await read(2);
    assert.deepEqual([at.epoch, at.live, at.waiting.length], [2, 0, 6]);
    await stage.clock.advance(150);
    const some = await read(2);
    assert.ok(some.live > 0 && some.live < 6, String(some.live));
    await stage.clock.advance(1_000);
    assert.equal((await read(2)).live, 6);
  });

  describe('splits', () => {
    const read = async () => ((await stage.ask('GET', '/api/v1/splits?service=service/default/reviews')).body as SplitList).items;

    it('offer every subset', async () => {
      const [found] = await read();
      assert.deepEqual(found?.destinations, route(['v1', 80], ['v3', 20], ['v2', 0]));
    });

    it('change weights and nothing else', async () => {
      const [{ generation } = assert.fail()] = await read();
      const destinations = route(['v1', 50], ['v3', 0], ['v2', 50]);
      const dry = (await stage.write('POST', '/api/v1/splits', { ...split, generation, destinations, dryRun: true })).body as WriteAnswer;
      assert.equal(dry.changes[0]?.action, 'update');
      assert.equal((await view()).generation, 1);
      await stage.write('POST', '/api/v1/splits', { ...split, generation, destinations });
      const { yaml } = await view();
      assert.match(yaml, /subset: v1\n\s+weight: 50\n[\s\S]*subset: v2\n\s+weight: 50\n/);
      assert.doesNotMatch(yaml, /v3/);
      const stale = await stage.write('POST', '/api/v1/splits', { ...split, generation, destinations });
      assert.equal(stale.status, 409, stale.text);
    });

    it('do not mind that the status was written meanwhile', async () => {
      const [{ generation } = assert.fail()] = await read();
      const before = await view();
      await apply(before.yaml);
      assert.notEqual((await view()).resourceVersion, before.resourceVersion);
      const answer = await stage.write('POST', '/api/v1/splits', { ...split, generation, destinations: route(['v1', 1], ['v3', 99]) });
      assert.equal(answer.status, 200, answer.text);
    });

    it('keep what else a destination carries', async () => {
      const { yaml } = await view();
      await apply(yaml.replace(/weight: 80\n/, 'weight: 80\n          headers: { request: { set: { x: "1" } } }\n'));
      const [{ generation } = assert.fail()] = await read();
      await stage.write('POST', '/api/v1/splits', { ...split, generation, destinations: route(['v1', 10], ['v3', 90]) });
      assert.match((await view()).yaml, /weight: 10\n\s+headers:\n/);
    });

    it('are refused when they do not add up, or the object is another', async () => {
      const [{ generation } = assert.fail()] = await read();
      const send = async (body: object) => (await stage.write('POST', '/api/v1/splits', { ...split, generation, ...body })).status;
      assert.equal(await send({ destinations: route(['v1', 50], ['v3', 49]) }), 422);
      assert.equal(await send({ destinations: [] }), 400);
      assert.equal(await send({ destinations: route(['v1', 100]), index: 3 }), 409);
      assert.equal(await send({ destinations: route(['v1', 100]), ref: { ...split.ref, kind: 'Service' } }), 400);
      assert.equal(await send({ destinations: route(['v1', 100]), ref: { ...split.ref, name: 'gone' } }), 409);
      assert.equal(await send({ destinations: route(['v1', 100]), generation: 7 }), 409);
    });

    it('create the VirtualService when there is none', async () => {
      await stage.write('DELETE', reviews);
      const [offered = assert.fail()] = await read();
      assert.deepEqual([offered.exists, offered.destinations.map((each) => each.weight)], [false, [34, 33, 33]]);
      const { ref, protocol, index, generation } = offered;
      const answer = await stage.write('POST', '/api/v1/splits', {
        ref,
        protocol,
        index,
        generation,
        destinations: route(['v1', 60], ['v2', 40], ['v3', 0]),
      });
      assert.equal((answer.body as WriteAnswer).changes[0]?.action, 'create', answer.text);
      assert.deepEqual((await read())[0]?.destinations, route(['v1', 60], ['v2', 40], ['v3', 0]));
    });
  });
});

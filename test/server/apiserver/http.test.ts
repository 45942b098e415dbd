import assert from 'node:assert/strict';
import { connect } from 'node:http2';
import { after, before, test } from 'node:test';
import { ask, configMap, type Running, startServer, virtualService, watch } from './fixture.ts';

const cm = '/api/v1/namespaces/default/configmaps';
const vs = '/apis/networking.istio.io/v1/namespaces/default/virtualservices';
const services = '/api/v1/namespaces/default/services';

let running: Running;
before(async () => {
  running = await startServer({ historyEvents: 200 });
});
after(() => running.stop());

test('every refusal is a Status of Kubernetes with the right code', async () => {
  await ask(running, 'POST', cm, { body: configMap('taken') });
  const cases: readonly [string, string, Parameters<typeof ask>[3], number, string, RegExp][] = [
    ['GET', `${cm}/absent`, {}, 404, 'NotFound', /^configmaps "absent" not found$/],
    ['GET', '/apis/nope/v1/things', {}, 404, 'NotFound', /could not find/],
    ['GET', '/nonsense', {}, 404, 'NotFound', /could not find/],
    ['GET', '/openapi/v3/apis/nope/v1', {}, 404, 'NotFound', /could not find/],
    ['POST', cm, { body: configMap('taken') }, 409, 'AlreadyExists', /configmaps "taken" already exists/],
    ['POST', cm, { body: '{"a":' }, 400, 'BadRequest', /not valid JSON/],
    ['POST', cm, { body: 'a: b\na: c\n', type: 'application/yaml' }, 400, 'BadRequest', /not valid YAML: line 2, column 1/],
    ['POST', cm, { body: '[]' }, 400, 'BadRequest', /one object/],
    ['POST', cm, { body: { ...configMap('x'), metadata: { name: 5 } } }, 400, 'BadRequest', /metadata.name must be text, found 5/],
    ['POST', cm, { body: virtualService('x') }, 400, 'BadRequest', /but the path is for "ConfigMap" in "v1"/],
    ['POST', cm, { body: configMap('x', {}, { namespace: 'other' }) }, 400, 'BadRequest', /does not match the namespace/],
    ['POST', cm, { body: configMap('Bad_Name') }, 422, 'Invalid', /ConfigMap "Bad_Name" is invalid: metadata.name/],
    ['POST', cm, { body: configMap('') }, 422, 'Invalid', /name or generateName is required/],
    ['POST', cm, { body: configMap('x', {}, { labels: { 'a b': '1', ok: '-' } }) }, 422, 'Invalid', /metadata.labels.*metadata.labels/],
    [
      'POST',
      '/api/v1/namespaces/nowhere/configmaps',
      { body: configMap('x', {}, { namespace: 'nowhere' }) },
      404,
      'NotFound',
      /namespaces "nowhere" not found/,
    ],
    ['POST', cm, { body: 'k8s', type: 'text/plain' }, 415, 'UnsupportedMediaType', /application\/json/],
    ['POST', cm, { body: Buffer.alloc(3 * 1024 * 1024 + 1, 32) }, 413, 'RequestEntityTooLarge', /limit is 3145728/],
    ['POST', cm, { body: `${'['.repeat(100_000)}${']'.repeat(100_000)}` }, 400, 'BadRequest', /nested|not valid JSON/],
    ['PUT', `${cm}/absent`, { body: configMap('absent') }, 404, 'NotFound', /not found/],
    ['PUT', `${cm}/taken`, { body: configMap('taken', {}, { resourceVersion: '1' }) }, 409, 'Conflict', /the object has been modified/],
    ['PUT', `${cm}/taken`, { body: configMap('another') }, 400, 'BadRequest', /does not match the name on the URL/],
    ['PUT', cm, { body: configMap('taken') }, 405, 'MethodNotAllowed', /does not allow/],
    ['POST', '/api/v1/configmaps', { body: configMap('taken') }, 405, 'MethodNotAllowed', /does not allow/],
    ['PATCH', `${vs}/absent`, { body: {}, type: 'application/strategic-merge-patch+json' }, 415, 'UnsupportedMediaType', /merge-patch/],
    [
      'PATCH',
      `${cm}/taken`,
      { body: [{ op: 'remove', path: '/data/none' }], type: 'application/json-patch+json' },
      422,
      'Invalid',
      /nothing to remove|missing/,
    ],
    ['PATCH', `${cm}/taken`, { body: configMap('taken'), type: 'application/apply-patch+yaml' }, 400, 'BadRequest', /fieldManager/],
    ['DELETE', '/api/v1/namespaces/default', {}, 403, 'Forbidden', /may not be deleted/],
    ['DELETE', `${cm}/taken`, { body: { preconditions: { uid: 'other' } } }, 409, 'Conflict', /UID in precondition: other/],
    ['GET', `${cm}?labelSelector=a%20in`, {}, 400, 'BadRequest', /unable to parse label selector/],
    ['GET', `${cm}?fieldSelector=spec.x%3D1`, {}, 400, 'BadRequest', /field label not supported/],
    ['GET', `${cm}?limit=x`, {}, 400, 'BadRequest', /limit must be a whole number/],
    ['GET', `${cm}?continue=xxx`, {}, 400, 'BadRequest', /continue key is not valid/],
    ['GET', `${cm}?resourceVersion=999999`, {}, 504, 'Timeout', /Too large resource version/],
    ['GET', `${cm}?watch=true&resourceVersion=999999`, {}, 410, 'Expired', /the store was replaced/],
    ['GET', cm, { accept: 'application/vnd.kubernetes.protobuf' }, 406, 'NotAcceptable', /application\/json/],
    ['POST', `${cm}?dryRun=Some`, { body: configMap('x') }, 400, 'BadRequest', /dryRun must be All/],
    ['GET', cm, { headers: { authorization: 'Bearer wrong' } }, 401, 'Unauthorized', /Unauthorized/],
    ['GET', cm, { headers: { authorization: '' } }, 401, 'Unauthorized', /Unauthorized/],
  ];
  for (const [method, path, options, code, reason, message] of cases) {
    const answer = await ask(running, method, path, options);
    const what = `${method} ${path} ${answer.text}`;
    assert.equal(answer.code, code, what);
    const { kind, apiVersion, status, code: inBody } = answer.json;
    assert.deepEqual([kind, apiVersion, status, inBody, answer.json.reason], ['Status', 'v1', 'Failure', code, reason], what);
    assert.match(answer.json.message, message);
  }
});

test('health and version need no token', async () => {
  for (const path of ['/healthz', '/livez', '/readyz', '/readyz/ping']) {
    assert.equal((await ask(running, 'GET', path, { headers: { authorization: '' } })).text, 'ok');
  }
  assert.match((await ask(running, 'GET', '/version', { headers: { authorization: '' } })).json.gitVersion, /^v1\.\d+\.\d+\+meshwright/);
});

test('generation follows the content, resourceVersion every change, and no change is no version', async () => {
  const { json: made } = await ask(running, 'POST', vs, { body: virtualService('generations') });
  assert.equal(made.metadata.generation, 1);
  const labelled = { ...made, metadata: { ...made.metadata, labels: { a: 'b' } } };
  const { json: second } = await ask(running, 'PUT', `${vs}/generations`, { body: labelled });
  assert.equal(second.metadata.generation, 1);
  assert.notEqual(second.metadata.resourceVersion, made.metadata.resourceVersion);
  const { json: third } = await ask(running, 'PUT', `${vs}/generations`, {
    body: { ...second, spec: virtualService('generations', [1, 99]).spec },
  });
  assert.equal(third.metadata.generation, 2);
  const { json: again } = await ask(running, 'PUT', `${vs}/generations`, { body: third });
  assert.equal(again.metadata.resourceVersion, third.metadata.resourceVersion);
  const blind = await ask(running, 'PUT', `${vs}/generations`, { body: virtualService('generations') });
  assert.equal(blind.code, 422);
  assert.match(blind.text, /must be specified for an update/);
});

test('status and spec are written apart', async () => {
  const status = { conditions: [{ type: 'Accepted', status: 'True' }] };
  const { json: made } = await ask(running, 'POST', vs, { body: { ...virtualService('apart'), status } });
  assert.equal(made.status, undefined);
  const { json: withStatus } = await ask(running, 'PUT', `${vs}/apart/status`, { body: { ...made, status, spec: { hosts: ['ignored'] } } });
  assert.deepEqual(withStatus.status, status);
  assert.deepEqual(withStatus.spec.hosts, ['apart']);
  assert.equal(withStatus.metadata.generation, 1);
  const { json: updated } = await ask(running, 'PUT', `${vs}/apart`, { body: { ...withStatus, status: {} } });
  assert.deepEqual(updated.status, status);
  const { json: patched } = await ask(running, 'PATCH', `${vs}/apart/status`, {
    body: { status: { observedGeneration: 1 } },
    type: 'application/merge-patch+json',
  });
  assert.deepEqual(patched.status, { ...status, observedGeneration: 1 });
});

test('objects are served in every version of their kind', async () => {
  await ask(running, 'POST', vs, { body: virtualService('versions') });
  for (const version of ['v1', 'v1beta1', 'v1alpha3']) {
    const base = `/apis/networking.istio.io/${version}/namespaces/default/virtualservices`;
    assert.equal((await ask(running, 'GET', `${base}/versions`)).json.apiVersion, `networking.istio.io/${version}`);
    const { json } = await ask(running, 'GET', base);
    assert.equal(json.apiVersion, `networking.istio.io/${version}`);
    assert.equal(json.items[0].apiVersion, `networking.istio.io/${version}`);
  }
  const old = { ...virtualService('old-version'), apiVersion: 'networking.istio.io/v1alpha3' };
  const made = await ask(running, 'POST', '/apis/networking.istio.io/v1alpha3/namespaces/default/virtualservices', { body: old });
  assert.equal(made.json.apiVersion, 'networking.istio.io/v1alpha3');
  assert.equal((await ask(running, 'GET', `${vs}/old-version`)).json.apiVersion, 'networking.istio.io/v1');
});

test('pages show one moment, and say so when that is forgotten', async () => {
  const base = '/api/v1/namespaces/kube-system/secrets';
  const secret = (name: string) => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name } });
  for (const name of ['a', 'b', 'c', 'd', 'e']) await ask(running, 'POST', base, { body: secret(name) });
  const { json: first } = await ask(running, 'GET', `${base}?limit=2`);
  assert.deepEqual(namesOf(first), ['a', 'b']);
  assert.equal(first.metadata.remainingItemCount, 3);
  await ask(running, 'DELETE', `${base}/d`);
  await ask(running, 'POST', base, { body: secret('cc') });
  const { json: second } = await ask(running, 'GET', `${base}?limit=2&continue=${first.metadata.continue}`);
  assert.deepEqual(namesOf(second), ['c', 'd']);
  assert.equal(second.metadata.resourceVersion, first.metadata.resourceVersion);
  const { json: third } = await ask(running, 'GET', `${base}?limit=2&continue=${second.metadata.continue}`);
  assert.deepEqual(namesOf(third), ['e']);
  assert.equal(third.metadata.continue, undefined);
  for (let index = 0; index < 201; index += 1) running.server.store.update(configMap('taken', { index: String(index) }));
  const late = await ask(running, 'GET', `${base}?limit=2&continue=${first.metadata.continue}`);
  assert.deepEqual([late.code, late.json.reason], [410, 'Expired']);
  const { json: goneOn } = await ask(running, 'GET', `${base}?continue=${late.json.metadata.continue}`);
  assert.deepEqual(namesOf(goneOn), ['c', 'cc', 'e']);
});

test('a watch goes on from its version, honours selectors, and sends bookmarks', async () => {
  const { store } = running.server;
  store.create(configMap('w1', {}, { labels: { w: 'yes' } }));
  const { json } = await ask(running, 'GET', `${cm}?labelSelector=w%3Dyes`);
  const events = await watch(running, `${cm}?watch=true&labelSelector=w%3Dyes&resourceVersion=${json.metadata.resourceVersion}`);
  store.create(configMap('w2'));
  store.update(configMap('w2', {}, { labels: { w: 'yes' } }));
  store.update(configMap('w2', { a: 'b' }, { labels: { w: 'yes' } }));
  store.update(configMap('w2'));
  store.delete({ group: '', kind: 'ConfigMap', namespace: 'default', name: 'w1' });
  const seen = [];
  for (let index = 0; index < 4; index += 1) {
    const { type, object } = await events.next();
    seen.push(`${type} ${object.metadata.name}`);
  }
  assert.deepEqual(seen, ['ADDED w2', 'MODIFIED w2', 'DELETED w2', 'DELETED w1']);
  events.end();
  const old = await ask(running, 'GET', `${cm}?watch=true&resourceVersion=1`);
  assert.deepEqual([old.code, old.json.reason], [410, 'Expired']);
  const initial = await watch(
    running,
    `${cm}?watch=true&labelSelector=w%3Dyes&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1`,
  );
  const bookmark = await initial.next();
  assert.equal(bookmark.type, 'BOOKMARK');
  assert.equal(bookmark.object.metadata.annotations['k8s.io/initial-events-end'], 'true');
  assert.equal(bookmark.object.metadata.resourceVersion, String(store.version()));
  assert.equal((await initial.next()).type, 'BOOKMARK');
  await initial.ended;
});

test('a watch ends when its client goes, and many watchers share one connection of HTTP/2', async () => {
  const { store } = running.server;
  const session = connect(running.server.url, running.access.tls());
  const open = () =>
    new Promise<{ line: Promise<string> }>((resolve) => {
      const stream = session.request({ ':path': `${cm}?watch=true&resourceVersion=${store.version()}`, ...running.access.headers() });
      stream.on('response', () => resolve({ line: new Promise((done) => stream.once('data', (chunk) => done(String(chunk)))) }));
    });
  const watchers = await Promise.all(Array.from({ length: 20 }, open));
  assert.equal(running.server.watchCount(), 20);
  store.create(configMap('shared'));
  const lines = await Promise.all(watchers.map((one) => one.line));
  assert.deepEqual([...new Set(lines.map((line) => JSON.parse(line).object.metadata.name))], ['shared']);
  session.destroy();
  while (running.server.watchCount() > 0) await new Promise((resolve) => setImmediate(resolve));
});

test('fieldValidation refuses, warns of, or silently drops unknown and repeated fields', async () => {
  const body = JSON.stringify({ ...virtualService('fields'), spec: { ...(virtualService('fields').spec as object), nonsense: 1 } }).replace(
    '"kind"',
    '"kind":"VirtualService","kind"',
  );
  const strict = await ask(running, 'POST', `${vs}?fieldValidation=Strict`, { body });
  assert.equal(strict.code, 400);
  assert.match(strict.json.message, /strict decoding error: unknown field "spec.nonsense", duplicate field "kind"/);
  const warn = await ask(running, 'POST', `${vs}?fieldValidation=Warn&dryRun=All`, { body });
  assert.equal(warn.code, 201);
  assert.match(String(warn.headers.warning), /299 - "unknown field \\"spec.nonsense\\""/);
  assert.equal(warn.json.spec.nonsense, undefined);
  const ignore = await ask(running, 'POST', `${vs}?fieldValidation=Ignore&dryRun=All`, { body });
  assert.deepEqual([ignore.code, ignore.headers.warning], [201, undefined]);
  const bad = await ask(running, 'POST', `${vs}?fieldValidation=Loose`, { body });
  assert.equal(bad.code, 400);
});

test('an invalid object is refused with all its causes at once', async () => {
  const body = { ...virtualService('causes'), spec: { hosts: 5, http: [{ timeout: 'soon', route: 'x' }] } };
  const answer = await ask(running, 'POST', vs, { body });
  assert.deepEqual([answer.code, answer.json.reason], [422, 'Invalid']);
  const fields = answer.json.details.causes.map((cause: { field: string }) => cause.field);
  for (const field of ['spec.hosts', 'spec.http[0].timeout', 'spec.http[0].route'])
    assert.ok(fields.includes(field), `${field} in ${fields}`);
});

test('services get an address of their own, by name, and keep it', async () => {
  const service = (name: string, spec: object = {}) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { ports: [{ port: 80 }], ...spec },
  });
  const { json } = await ask(running, 'POST', services, { body: service('addressed') });
  assert.match(json.spec.clusterIP, /^10\.96\.\d+\.\d+$/);
  assert.deepEqual(json.spec.clusterIPs, [json.spec.clusterIP]);
  assert.deepEqual(json.spec.ports, [{ port: 80, protocol: 'TCP', targetPort: 80 }]);
  const { json: updated } = await ask(running, 'PUT', `${services}/addressed`, { body: service('addressed', { selector: { a: 'b' } }) });
  assert.equal(updated.spec.clusterIP, json.spec.clusterIP);
  const moved = await ask(running, 'PUT', `${services}/addressed`, { body: service('addressed', { clusterIP: '10.96.0.77' }) });
  assert.match(moved.json.message, /spec.clusterIP: Invalid value: "10.96.0.77": field is immutable/);
  const twice = await ask(running, 'POST', services, { body: service('second', { clusterIP: json.spec.clusterIP }) });
  assert.match(twice.json.message, /already allocated/);
  assert.equal((await ask(running, 'POST', services, { body: service('headless', { clusterIP: 'None' }) })).json.spec.clusterIP, 'None');
  await ask(running, 'DELETE', `${services}/addressed`);
  assert.equal((await ask(running, 'POST', services, { body: service('addressed') })).json.spec.clusterIP, json.spec.clusterIP);
});

test('tables and bare metadata are given to those who ask', async () => {
  await ask(running, 'POST', cm, { body: configMap('tabled', { a: 'b' }) });
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
  const { json: table } = await ask(running, 'GET', `${cm}?fieldSelector=metadata.name%3Dtabled`, { accept });
  assert.deepEqual([table.kind, table.apiVersion], ['Table', 'meta.k8s.io/v1']);
  assert.deepEqual(
    table.columnDefinitions.map((column: { name: string }) => column.name),
    ['Name', 'Data', 'Age'],
  );
  assert.deepEqual(table.rows[0].cells.slice(0, 2), ['tabled', 1]);
  assert.equal(table.rows[0].object.kind, 'PartialObjectMetadata');
  const { json: whole } = await ask(running, 'GET', `${cm}/tabled?includeObject=Object`, { accept });
  assert.deepEqual(whole.rows[0].object.data, { a: 'b' });
  const { json: partial } = await ask(running, 'GET', `${cm}/tabled`, {
    accept: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io',
  });
  assert.deepEqual([partial.kind, partial.metadata.name, partial.data], ['PartialObjectMetadata', 'tabled', undefined]);
});

test('finalizers hold an object, owners take theirs along, namespaces everything inside', async () => {
  const { json: held } = await ask(running, 'POST', cm, { body: configMap('held', {}, { finalizers: ['example.com/wait'] }) });
  const { json: deleting } = await ask(running, 'DELETE', `${cm}/held`);
  assert.ok(deleting.metadata.deletionTimestamp);
  assert.equal((await ask(running, 'GET', `${cm}/held`)).code, 200);
  await ask(running, 'PATCH', `${cm}/held`, { body: { metadata: { finalizers: null } }, type: 'application/merge-patch+json' });
  assert.equal((await ask(running, 'GET', `${cm}/held`)).code, 404);

  const { json: owner } = await ask(running, 'POST', cm, { body: configMap('owner') });
  const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: owner.metadata.uid }];
  await ask(running, 'POST', cm, { body: configMap('owned', {}, { ownerReferences }) });
  const shared = [...ownerReferences, { apiVersion: 'v1', kind: 'ConfigMap', name: 'held', uid: held.metadata.uid }];
  await ask(running, 'POST', cm, { body: configMap('half-owned', {}, { ownerReferences: shared }) });
  await ask(running, 'DELETE', `${cm}/owner`);
  assert.equal((await ask(running, 'GET', `${cm}/owned`)).code, 404);
  assert.equal((await ask(running, 'GET', `${cm}/half-owned`)).json.metadata.ownerReferences.length, 1);

  await ask(running, 'POST', '/api/v1/namespaces', { body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'going' } } });
  const inside = '/api/v1/namespaces/going/configmaps';
  await ask(running, 'POST', inside, { body: configMap('plain', {}, { namespace: 'going' }) });
  await ask(running, 'POST', inside, { body: configMap('slow', {}, { namespace: 'going', finalizers: ['example.com/wait'] }) });
  assert.equal((await ask(running, 'DELETE', '/api/v1/namespaces/going')).json.status.phase, 'Terminating');
  assert.equal((await ask(running, 'GET', `${inside}/plain`)).code, 404);
  const late = await ask(running, 'POST', inside, { body: configMap('late', {}, { namespace: 'going' }) });
  assert.deepEqual([late.code, late.json.details.causes[0].reason], [403, 'NamespaceTerminating']);
  await ask(running, 'PATCH', `${inside}/slow`, { body: { metadata: { finalizers: [] } }, type: 'application/merge-patch+json' });
  assert.equal((await ask(running, 'GET', '/api/v1/namespaces/going')).code, 404);
});

test('deletecollection takes what the selector names', async () => {
  for (const name of ['d1', 'd2', 'd3'])
    await ask(running, 'POST', cm, { body: configMap(name, {}, { labels: { drop: name === 'd3' ? 'no' : 'yes' } }) });
  const { json } = await ask(running, 'DELETE', `${cm}?labelSelector=drop%3Dyes`);
  assert.deepEqual(namesOf(json), ['d1', 'd2']);
  assert.deepEqual(namesOf((await ask(running, 'GET', `${cm}?labelSelector=drop`)).json), ['d3']);
});

test('generateName completes a name', async () => {
  const { code, json } = await ask(running, 'POST', cm, {
    body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { generateName: 'made-' } },
  });
  assert.equal(code, 201);
  assert.match(json.metadata.name, /^made-[a-z0-9]{5}$/);
});

test('discovery and OpenAPI agree about what is served', async () => {
  const { json: groups } = await ask(running, 'GET', '/apis');
  assert.ok(groups.groups.some((group: { name: string }) => group.name === 'networking.istio.io'));
  const { json: list } = await ask(running, 'GET', '/apis/networking.istio.io/v1');
  const names = list.resources.map((resource: { name: string }) => resource.name);
  assert.ok(names.includes('virtualservices') && names.includes('virtualservices/status'));
  const { json: index } = await ask(running, 'GET', '/openapi/v3');
  const entry = index.paths['apis/networking.istio.io/v1'];
  assert.match(entry.serverRelativeURL, /^\/openapi\/v3\/apis\/networking.istio.io\/v1\?hash=[0-9A-F]{64}$/);
  const { json: document } = await ask(running, 'GET', entry.serverRelativeURL);
  for (const plural of names.filter((name: string) => !name.includes('/'))) {
    const path = document.paths[`/apis/networking.istio.io/v1/namespaces/{namespace}/${plural}/{name}`];
    const parameters = path.patch.parameters.map((parameter: { name: string }) => parameter.name);
    assert.ok(parameters.includes('fieldValidation') && parameters.includes('dryRun'), plural);
    assert.ok(document.components.schemas[path.get.responses[200].content['application/json'].schema.$ref.split('/').at(-1)], plural);
  }
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json';
  const { json: aggregated } = await ask(running, 'GET', '/apis', { accept });
  assert.equal(aggregated.kind, 'APIGroupDiscoveryList');
  assert.deepEqual((await ask(running, 'GET', '/openapi/v2')).json.definitions, {});
});

function namesOf(list: { items: readonly { metadata: { name: string } }[] }): string[] {
  return list.items.map((item) => item.metadata.name);
}

import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { needPeer } from '../../support/peers.ts';
import { type Output, type Running, run, startServer } from './fixture.ts';

let running: Running;
before(async () => {
  running = await startServer();
});
after(() => running.stop());

/** kubectl bound to the server of this file, or undefined after the test was skipped. */
function kubectlFor(t: TestContext) {
  const program = needPeer(t, 'kubectl');
  if (!program) return undefined;
  const env = { KUBECONFIG: running.kubeconfig, HOME: running.folder };
  const call = (
    args: string,
    options: { input?: string; env?: Record<string, string>; onSpawn?: (child: ChildProcess) => void } = {},
  ): Promise<Output> => run(program, split(args), { ...options, env: { ...env, ...options.env } });
  const good = async (args: string, options: Parameters<typeof call>[1] = {}): Promise<string> => {
    const { code, out, err } = await call(args, options);
    assert.equal(code, 0, `kubectl ${args}: ${err}${out}`);
    return out;
  };
  return { call, good };
}

/** Splits at blanks; single quotes keep an argument together. */
function split(args: string): string[] {
  return [...args.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '');
}

function file(name: string, text: string): string {
  const path = join(running.folder, name);
  writeFileSync(path, text);
  return path;
}

const reviews = (one: number, two: number, extra = '') => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews
spec:
  hosts: [reviews]
  http:
  - route:
    - {destination: {host: reviews, subset: v1}, weight: ${one}}
    - {destination: {host: reviews, subset: v2}, weight: ${two}}
${extra}`;

const service = (ports: string) => `
apiVersion: v1
kind: Service
metadata: {name: ratings, labels: {app: ratings}}
spec:
  selector: {app: ratings}
  ports:
${ports}`;

test('apply creates, repeats as unchanged, and changes, on the client side', async (t) => {
  const kubectl = kubectlFor(t);
  if (!kubectl) return;
  const path = file('reviews.yaml', reviews(50, 50));
  assert.match(await kubectl.good(`apply -f ${path}`), /reviews created/);
  assert.match(await kubectl.good(`apply -f ${path}`), /reviews unchanged/);
  file('reviews.yaml', reviews(80, 20));
  assert.equal((await kubectl.call(`diff -f ${path}`)).code, 1);
  assert.match(await kubectl.good(`apply -f ${path}`), /reviews configured/);
  await kubectl.good(`diff -f ${path}`);
  assert.equal(await kubectl.good("get vs reviews -o 'jsonpath={.spec.http[0].route[*].weight} {.metadata.generation}'"), '80 20 2');
});

test('apply of a core kind merges lists by their keys', async (t) => {
  const kubectl = kubectlFor(t);
  if (!kubectl) return;
  const path = file('ratings.yaml', service('  - {name: http, port: 9080}\n  - {name: admin, port: 9090}\n'));
  assert.match(await kubectl.good(`apply -f ${path}`), /ratings created/);
  assert.match(await kubectl.good(`apply -f ${path}`), /ratings unchanged/);
  await kubectl.good('patch svc ratings -p \'{"spec":{"ports":[{"port":7070,"name":"extra"}]}}\'');
  file('ratings.yaml', service('  - {name: http, port: 9080, appProtocol: http}\n'));
  assert.match(await kubectl.good(`apply -f ${path}`), /ratings configured/);
  assert.equal(await kubectl.good("get svc ratings -o 'jsonpath={.spec.ports[*].name}'"), 'http extra');
  await kubectl.good('patch svc ratings --type json -p \'[{"op":"remove","path":"/spec/ports/1"}]\'');
  await kubectl.good('patch svc ratings --type merge -p \'{"metadata":{"annotations":{"note":"x"}}}\'');
  assert.equal(
    await kubectl.good("get svc ratings -o 'jsonpath={.spec.ports[*].name} {.metadata.annotations.note} {.spec.ports[0].appProtocol}'"),
    'http x http',
  );
});

test('server-side apply is repeatable and removes what was left out', async (t) => {
  const kubectl = kubectlFor(t);
  if (!kubectl) return;
  const path = file('server-side.yaml', reviews(50, 50, '    timeout: 3s\n').replace('name: reviews', 'name: applied'));
  await kubectl.good(`apply --server-side -f ${path}`);
  const versionNow = () => kubectl.good("get vs applied -o 'jsonpath={.metadata.resourceVersion}'");
  const version = await versionNow();
  await kubectl.good(`apply --server-side -f ${path}`);
  assert.equal(await versionNow(), version);
  await kubectl.good('label vs applied kept=yes');
  file('server-side.yaml', reviews(50, 50).replace('name: reviews', 'name: applied'));
  await kubectl.good(`apply --server-side -f ${path}`);
  assert.equal(await kubectl.good("get vs applied -o 'jsonpath={.spec.http[0].timeout}|{.metadata.labels.kept}'"), '|yes');
});

test('get prints every form', async (t) => {
  const kubectl = kubectlFor(t);
  if (!kubectl) return;
  await kubectl.good('create configmap shown --from-literal=a=b');
  await kubectl.good('label configmap shown tier=front');
  assert.match(await kubectl.good('get cm shown'), /^NAME +DATA +AGE\nshown +1 +\d+s\n$/);
  assert.match(await kubectl.good('get cm shown -o yaml'), /^apiVersion: v1\ndata:\n {2}a: b\nkind: ConfigMap\n/);
  assert.equal(JSON.parse(await kubectl.good('get cm shown -o json')).data.a, 'b');
  assert.equal(await kubectl.good('get cm shown -o name'), 'configmap/shown\n');
  assert.match(await kubectl.good('get cm shown -o custom-columns=N:.metadata.name,A:.data.a'), /^N +A\nshown +b\n$/);
  assert.match(await kubectl.good('get cm shown --show-labels'), /tier=front/);
  assert.match(await kubectl.good('get cm -A -l tier=front'), /^NAMESPACE +NAME +DATA +AGE\ndefault +shown +1 /);
  assert.equal(await kubectl.good("get cm -l 'tier in (front,back),!absent' -o name"), 'configmap/shown\n');
  assert.equal(await kubectl.good('get cm --field-selector metadata.name=shown -o name'), 'configmap/shown\n');
  assert.match(await kubectl.good('get ns'), /default +Active/);
  assert.match(await kubectl.good('get svc -o wide'), /NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\) +AGE +SELECTOR/);
});

test('get pages with --chunk-size and refuses what it does not know', async (t) => {
  const kubectl = kubectlFor(t);
  if (!kubectl) return;
  for (let index = 0; index < 7; index += 1) {
    running.server.store.create({ apiVersion: 'v1', kind: 'Secret', metadata: { name: `page-${index}`, namespace: 'default' } });
  }
  const names = (await kubectl.good('get secrets --chunk-size=3 -o name')).trim().split('\n');
  assert.deepEqual(
    names,
    [0, 1, 2, 3, 4, 5, 6].map((index) => `secret/page-${index}`),
  );
  const missing = await kubectl.call('get vs nothing');
  assert.equal(missing.code, 1);
  assert.match(missing.err, /Error from server \(NotFound\): virtualservices.networking.istio.io "nothing" not found/);
});

test('strict validation refuses unknown fields, invalid content is refused with its causes', async (t) => {
  const kubectl = kubectlFor(t);
  if (!kubectl) return;
  const unknown = await kubectl.call('apply -f -', {
    input: reviews(50, 50, '  gatewayz: [a]\n').replace('name: reviews', 'name: unknown'),
  });
  assert.equal(unknown.code, 1);
  assert.match(unknown.err, /strict decoding error: unknown field "spec.gatewayz"/);
  const warned = await kubectl.call('apply --validate=warn -f -', {
    input: reviews(50, 50, '  gatewayz: [a]\n').replace('name: reviews', 'name: warned'),
  });
  assert.equal(warned.code, 0, warned.err);
  assert.match(warned.err, /Warning: unknown field "spec.gatewayz"/);
  const unserved = await kubectl.call('apply -f -', { input: 'apiVersion: networking.istio.io/v1\nkind: Nonsense\nmetadata: {name: a}\n' });
  assert.match(unserved.err, /no matches for kind "Nonsense" in version "networking.istio.io\/v1"/);
  const invalid = await kubectl.call('apply -f -', {
    input: 'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: invalid}\nspec: {hosts: 5}\n',
  });
  assert.equal(invalid.code, 1);
  assert.match(invalid.err, /The VirtualService "invalid" is invalid/);
  assert.match(invalid.err, /spec\.hosts/);
});

test('edit opens an editor and keeps its changes', async (t) => {
  const kubectl = kubectlFor(t);
  if (!kubectl) return;
  await kubectl.good('apply -f -', { input: reviews(10, 90).replace('name: reviews', 'name: edited') });
  const editor = file('editor.sh', '#!/bin/sh\nsed -i "s/weight: 10$/weight: 30/; s/weight: 90$/weight: 70/" "$1"\n');
  chmodSync(editor, 0o755);
  assert.match(await kubectl.good('edit vs edited', { env: { EDITOR: editor } }), /edited/);
  assert.equal(await kubectl.good("get vs edited -o 'jsonpath={.spec.http[0].route[*].weight}'"), '30 70');
  const ports = file('ports.sh', '#!/bin/sh\nsed -i "s/name: edit-me/name: edited/" "$1"\n');
  chmodSync(ports, 0o755);
  await kubectl.good('create service clusterip edited-service --tcp=80:80');
  await kubectl.good('patch svc edited-service -p \'{"spec":{"ports":[{"port":80,"name":"edit-me"}]}}\'');
  await kubectl.good('edit svc edited-service', { env: { EDITOR: ports } });
  assert.equal(await kubectl.good("get svc edited-service -o 'jsonpath={.spec.ports[0].name}'"), 'edited');
});

test('describe, explain and api-resources read the server', async (t) => {
  const kubectl = kubectlFor(t);
  if (!kubectl) return;
  await kubectl.good('apply -f -', { input: reviews(50, 50).replace('name: reviews', 'name: described') });
  const { uid } =
    running.server.store.get({ group: 'networking.istio.io', kind: 'VirtualService', namespace: 'default', name: 'described' })?.metadata ??
    {};
  const involvedObject = { kind: 'VirtualService', namespace: 'default', name: 'described', uid };
  const event = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'one', namespace: 'default' },
    involvedObject,
    type: 'Warning',
    reason: 'Rejected',
    message: 'a proxy refused it',
  };
  running.server.store.create(event);
  assert.match(await kubectl.good('describe vs described'), /Weight: +50[\s\S]*Rejected[\s\S]*a proxy refused it/);
  assert.match(await kubectl.good('describe ns default'), /Status: +Active/);
  assert.match(await kubectl.good('explain vs.spec.http.route'), /destination\t<Object>/);
  const recursive = await kubectl.good('explain virtualservice --recursive');
  for (const field of ['hosts', 'http', 'retries', 'perTryTimeout', 'mirrorPercentage']) assert.ok(recursive.includes(field), field);
  assert.match(await kubectl.good('explain svc.spec.ports'), /targetPort/);
  const resources = await kubectl.good('api-resources');
  assert.match(resources, /virtualservices +vs +networking.istio.io\/v1 +true +VirtualService/);
  assert.match(await kubectl.good('api-versions'), /networking.istio.io\/v1alpha3/);
});

test('events are listed and selected by what they are about', async (t) => {
  const kubectl = kubectlFor(t);
  if (!kubectl) return;
  const event = (name: string, type: string, about: string) =>
    running.server.store.create({
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name, namespace: 'kube-system' },
      involvedObject: { kind: 'Service', name: about },
      type,
      reason: 'R',
      message: 'm',
    });
  event('e1', 'Normal', 'a');
  event('e2', 'Warning', 'b');
  assert.match(await kubectl.good('get events -n kube-system'), /LAST SEEN +TYPE +REASON +OBJECT +MESSAGE\n/);
  assert.match(await kubectl.good('get events -n kube-system --field-selector type=Warning'), /service\/b +m\n$/);
  assert.equal(await kubectl.good('get events -n kube-system --field-selector involvedObject.name=a,type!=Warning -o name'), 'event/e1\n');
  assert.match(await kubectl.good('events -n kube-system'), /Service\/b/);
  const refused = await kubectl.call('get events --field-selector nonsense=1');
  assert.match(refused.err, /field label not supported: nonsense/);
});

test('the other verbs: create, label, annotate, replace, delete', async (t) => {
  const kubectl = kubectlFor(t);
  if (!kubectl) return;
  await kubectl.good('create namespace shop');
  await kubectl.good('create configmap c --from-literal=k=v -n shop');
  await kubectl.good('create secret generic s --from-literal=k=v -n shop');
  await kubectl.good('create serviceaccount a -n shop');
  await kubectl.good('create deployment d --image=x --replicas=0 -n shop');
  assert.equal(await kubectl.good("get deploy d -n shop -o 'jsonpath={.spec.replicas} {.spec.template.spec.containers[0].image}'"), '0 x');
  assert.equal(await kubectl.good("get secret s -n shop -o 'jsonpath={.data.k}'"), 'dg==');
  await kubectl.good('annotate cm c why=because -n shop');
  await kubectl.good('label ns shop istio-injection=enabled');
  const yaml = (await kubectl.good('get cm c -n shop -o yaml')).replace('k: v', 'k: w');
  await kubectl.good('replace -f -', { input: yaml });
  assert.equal(await kubectl.good("get cm c -n shop -o 'jsonpath={.data.k} {.metadata.annotations.why}'"), 'w because');
  const missing = await kubectl.call('create configmap c -n nowhere');
  assert.match(missing.err, /namespaces "nowhere" not found/);
  assert.match(await kubectl.good('delete namespace shop'), /namespace "shop" deleted/);
  assert.equal((await kubectl.call('get cm c -n shop')).code, 1);
  assert.match(await kubectl.good('auth can-i create virtualservices'), /yes/);
  assert.match(await kubectl.good('auth can-i --list'), /\*\.\* +\[\] +\[\] +\[\*\]/);
  assert.match(await kubectl.good('auth whoami'), /meshwright:admin/);
  const dry = await kubectl.good('create configmap dry --dry-run=server -o name');
  assert.equal(dry, 'configmap/dry\n');
  assert.equal((await kubectl.call('get cm dry')).code, 1);
});

test('get -w follows, wait ends when the condition holds or the object is gone', async (t) => {
  const kubectl = kubectlFor(t);
  if (!kubectl) return;
  const { store } = running.server;
  const name = 'watched';
  store.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' }, data: { step: '0' } });
  let out = '';
  const following = run(needPeer(t, 'kubectl') ?? '', ['get', 'cm', name, '-w', '-o', 'custom-columns=S:.data.step'], {
    env: { KUBECONFIG: running.kubeconfig, HOME: running.folder },
    onSpawn: (child) => {
      child.stdout?.on('data', (chunk: Buffer) => {
        out += chunk;
        if (/1\s*\n/.test(out)) child.kill();
      });
    },
  });
  // kubectl ignores the first event of a watch of one object: the change must come after the watch began.
  while (running.server.watchCount() === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  store.update({ ...present(store, name), data: { step: '1' } });
  const seen = (await following).out;
  assert.equal(seen.replace(/ /g, ''), 'S\n0\n1\n');
  await kubectl.good(`wait cm/${name} --for=jsonpath={.data.step}=1 --timeout=5s`);
  const gone = kubectl.good(`wait cm/${name} --for=delete --timeout=10s`);
  store.delete({ group: '', kind: 'ConfigMap', namespace: 'default', name });
  await gone;
});

function present(store: Running['server']['store'], name: string) {
  const object = store.get({ group: '', kind: 'ConfigMap', namespace: 'default', name });
  assert.ok(object);
  return object;
}

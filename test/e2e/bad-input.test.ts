/** What users get wrong: it is said where it stands, and nobody else's traffic is touched. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createKubeClient } from '#kube/client.ts';
import { loadKubeconfig } from '#kube/kubeconfig.ts';
import { isJsonObject } from '#kube/object.ts';
import type { ProblemView } from '#server/api.ts';
import { type Backend, createBackends } from '../support/backends.ts';
import { createPlane, debugPage, type Joined, type Plane, until } from './plane.ts';

const backends = createBackends();
let plane: Plane;
let configDir: string;
let api: Backend;
let client: Joined;

before(async () => {
  plane = await createPlane('bad-input');
  configDir = join(plane.folder, 'mesh');
  mkdirSync(configDir);
  writeFileSync(
    join(configDir, 'neighbour.yaml'),
    virtualService('neighbour', 'hosts: [api]\n  http: [{route: [{destination: {host: api}}], name: good}]'),
  );
  await plane.up('--config', configDir);
  api = await backends.http('api-v1');
  [, client] = await Promise.all([plane.join({ service: 'api', port: `80:${api.port}` }), plane.join({ service: 'client' })]);
  await plane.converged();
});
after(async () => {
  await plane.close();
  api?.close();
});

function virtualService(name: string, spec: string): string {
  return `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: ${name}\nspec:\n  ${spec}\n`;
}

/** Whom it must not hurt: the answer is there, and fast. */
async function neighbourServes(): Promise<void> {
  const startedAt = performance.now();
  const answers = await Promise.all(Array.from({ length: 10 }, () => plane.ask(client, 'api:80', '/neighbour')));
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
  assert.ok(performance.now() - startedAt < 2_000, 'and is not slowed down');
}

async function problemsOf(file: string): Promise<ProblemView[]> {
  const { items } = (await plane.rest('/problems')) as { items: ProblemView[] };
  return items.filter(({ origin }) => origin?.text.includes(`/${file}`));
}

const files = [
  {
    what: 'a key that stands twice',
    text: virtualService('dup', 'hosts: [a]\n  hosts: [b]'),
    wants: [{ code: 'MW0102', line: 7, column: 3, message: /`hosts` stands twice.*each key may stand once/ }],
  },
  {
    what: 'a tab',
    text: virtualService('tab', 'hosts: [a]').replace('  name', '\tname'),
    wants: [{ code: 'MW0103', line: 4, column: 1, message: /tab.*expects spaces/ }],
  },
  {
    what: 'lines that end in CR LF',
    text: 'apiVersion: v1\nkind: Service\nmetadata: {name: crlf}\nspec:\n  ports:\n    - name: http\n      port: eighty\n'.replaceAll(
      '\n',
      '\r\n',
    ),
    wants: [{ code: 'MW0111', line: 7, column: 13, message: /expected a whole number, found the text `eighty`/ }],
  },
  {
    what: 'an alias of an anchor that holds what is wrong',
    text: virtualService(
      'anchors',
      'hosts: [a]\n  http:\n    - timeout: &t soon\n      retries: {attempts: 1, perTryTimeout: *t}\n      route: [{destination: {host: api}}]',
    ),
    wants: [
      { code: 'MW0115', line: 8, column: 19, message: /expected a duration/ },
      { code: 'MW0115', line: 9, message: /expected a duration/ },
    ],
  },
  {
    what: 'aliases that explode',
    text: [
      'a: &a [x, x, x, x, x, x, x, x, x, x]',
      ...[...'bcdefgh'].map((name, i) => `${name}: &${name} [${Array(10).fill(`*${'abcdefg'[i]}`).join(', ')}]`),
    ].join('\n'),
    wants: [{ code: 'MW0104', line: 1, message: /aliases make the document more than \d+ nodes larger/ }],
  },
  {
    what: 'weights of zero and a hostile expression',
    text: virtualService(
      'rules',
      "hosts: [a]\n  http:\n    - match: [{uri: {regex: '(?=a)b'}}]\n      route:\n        - {destination: {host: api}, weight: 0}\n        - {destination: {host: api}, weight: 0}",
    ),
    wants: [
      { code: 'MW0203', line: 8, message: /not valid RE2.*\(\?=/ },
      { code: 'MW0206', line: 10, message: /weights.*add up to zero/ },
    ],
  },
] as const;

describe('a file of a watched folder', () => {
  for (const [index, { what, text, wants }] of files.entries()) {
    it(`with ${what} is named with line, column and what was expected`, async () => {
      const file = `wrong-${index}.yaml`;
      const path = join(configDir, file);
      writeFileSync(path, text);
      const found = await until(`${wants.length} problems are reported`, async () => {
        const problems = await problemsOf(file);
        return problems.length >= wants.length && problems;
      });
      assert.equal(found.length, wants.length, JSON.stringify(found));
      for (const [i, want] of wants.entries()) {
        const problem = found[i];
        assert.match(problem?.message ?? '', want.message);
        assert.deepEqual(
          { code: problem?.code, line: problem?.line, ...('column' in want ? { column: problem?.column } : {}) },
          strip(want),
        );
        assert.notEqual(problem?.fix, '');
      }
      await neighbourServes();
      rmSync(path);
      await until('the problems are gone with the file', async () => (await problemsOf(file)).length === 0);
    });
  }

  it('that breaks keeps its last good state', async () => {
    const path = join(configDir, 'neighbour.yaml');
    writeFileSync(path, virtualService('neighbour', 'hosts: [api]\n  http: [{route: [{destination: {host: api}}], name: ['));
    await until('the problem is reported', async () => (await problemsOf('neighbour.yaml')).length > 0);
    await neighbourServes();
    const explained = (await plane.rest('/explain', { from: 'client-v1', host: 'api', port: 80 })) as {
      steps: { name: string; origin?: { text: string } }[];
    };
    assert.ok(
      explained.steps.some(({ origin }) => origin?.text.includes('neighbour.yaml:')),
      JSON.stringify(explained),
    );
  });
});

/** The rest of `want` after its message. */
function strip({ message: _, ...rest }: (typeof files)[number]['wants'][number]): object {
  return rest;
}

describe('an object', () => {
  it('is refused with all its problems at once', async () => {
    const kube = createKubeClient(loadKubeconfig([join(plane.state, 'kubeconfig')]));
    const resource = { group: 'networking.istio.io', version: 'v1', plural: 'virtualservices', kind: 'VirtualService', namespaced: true };
    const match = [{ uri: { regex: '(' } }];
    const route = [{ destination: { host: 'api' }, weight: 'x' }];
    const spec = { hosts: 'api', http: [{ match, route, timeout: 'fast' }], tcp: [{ route: [{ weight: 5 }] }] };
    const object = { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'bad', namespace: 'default' }, spec };
    const refusal = await kube.create(resource, object).then(
      () => assert.fail('it was taken'),
      (error: { status: { code: number; details: { causes: { field: string; message: string }[] } } }) => error.status,
    );
    kube.close();
    assert.equal(refusal.code, 422);
    const fields = refusal.details.causes.map(({ field }) => field);
    for (const field of ['spec.hosts', 'spec.http[0].timeout', 'spec.http[0].route[0].weight'])
      assert.ok(fields.includes(field), `${field} is not among ${fields}`);
  });

  it('of a file given to apply is refused with all problems, each with line and column, before anything is written', async () => {
    const text = `${virtualService('fine', 'hosts: [x]\n  http: [{route: [{destination: {host: api}}]}]')}---\n${virtualService('bad', 'hosts: 7\n  http:\n    - timeout: fast\n      route: [{destination: {host: api}, weight: x}]')}`;
    writeFileSync(join(plane.folder, 'two.yaml'), text);
    const { code, err } = await plane.run('apply', '-f', 'two.yaml');
    assert.equal(code, 65, err);
    for (const place of ['two.yaml:14:10', 'two.yaml:16:16', 'two.yaml:17:50'])
      assert.ok(err.includes(place), `${place} is missing in:\n${err}`);
    assert.equal(await plane.object('VirtualService', 'fine'), undefined);
  });

  const route = (destination: string) => `http: [{route: [{destination: {${destination}}}]}]`;
  const rows = [
    {
      what: 'a subset that is not there',
      spec: `hosts: [elsewhere]\n  ${route('host: api, subset: nope')}`,
      path: 'spec.http[0].route[0].destination.subset',
      message: /subset nope/,
    },
    {
      what: 'a host that is not there',
      spec: `hosts: [elsewhere]\n  ${route('host: missing')}`,
      path: 'spec.http[0].route[0].destination.host',
      message: /missing\.default\.svc\.cluster\.local/,
    },
    {
      what: 'a port that is not there',
      spec: `hosts: [elsewhere]\n  ${route('host: api, port: {number: 99}')}`,
      path: 'spec.http[0].route[0].destination.port.number',
      message: /no port 99; its ports are 80/,
    },
    {
      what: 'a host that an older one speaks for',
      spec: `hosts: [api]\n  ${route('host: api')}`,
      path: 'spec.hosts[0]',
      message: /default\/neighbour also speaks for/,
    },
  ] as const;
  for (const { what, spec, path, message } of rows) {
    it(`with ${what} says so in its status`, async () => {
      await plane.apply(virtualService('told', spec));
      const told = await until('the status is written', async () => {
        const status = (await plane.object('VirtualService', 'told'))?.status;
        const messages =
          isJsonObject(status) && Array.isArray(status.validationMessages) ? status.validationMessages.filter(isJsonObject) : [];
        return messages.find((one) => one.path === path);
      });
      assert.match(String(told.message), message);
      await neighbourServes();
      await plane.remove('VirtualService', 'told');
    });
  }

  it('with an expression that backtracks without end in many engines slows nobody', async () => {
    await plane.apply(
      virtualService(
        'slow',
        `hosts: [slow.example]\n  http:\n    - match: [{headers: {x-try: {regex: '^(a+)+$'}}}]\n      directResponse: {status: 201}\n    - directResponse: {status: 202}`,
      ),
    );
    await plane.converged();
    const hostile = { 'x-try': `${'a'.repeat(5_000)}!` };
    const startedAt = performance.now();
    const waiting = Array.from({ length: 20 }, () => plane.ask(client, 'slow.example', '/', { via: 'proxy', headers: hostile }));
    await neighbourServes();
    const answers = await Promise.all(waiting);
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([202]));
    assert.ok(performance.now() - startedAt < 3_000);
    assert.equal((await plane.ask(client, 'slow.example', '/', { via: 'proxy', headers: { 'x-try': 'aaaa' } })).status, 201);
  });

  it('of these kinds was never refused by a proxy', async () => {
    const { rejections } = await debugPage<{ rejections: unknown[] }>(plane, 'push_status');
    assert.deepEqual(rejections, []);
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseYaml } from '#yaml/document.ts';
import { kindFor, kinds } from './kinds.ts';
import type { VirtualService } from './networking/virtual-service.ts';
import { virtualServiceKind } from './networking/virtual-service-kind.ts';

const origin = { source: 'file', file: 'x.yaml' } as const;

function object(spec: unknown, metadata: unknown = { name: 'reviews' }) {
  return { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata, spec };
}

test('every problem of an object is reported at once, with its place', () => {
  const text = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: Reviews}
spec:
  hots: [reviews]
  hosts: reviews
  http:
  - timeout: 5
    retries: {attempts: "3"}
    match:
    - uri: {exact: /a, prefix: /b}
    - headers: {x: {exact: 8}}
    route:
    - destination: {subset: v1}
      wieght: 10
`;
  const [document] = parseYaml(text);
  assert.ok(document);
  const { resource, problems } = virtualServiceKind.decode(document.value, origin, { position: document.position });
  assert.equal(resource, undefined);
  assert.deepEqual(
    problems.map((p) => `${p.code} ${p.line}:${p.column} ${p.path}`).sort(),
    [
      'MW0108 3:18 metadata.name',
      'MW0110 15:7 spec.http[0].route[0].wieght',
      'MW0110 5:3 spec.hots',
      'MW0111 12:28 spec.http[0].match[1].headers.x.exact',
      'MW0111 6:10 spec.hosts',
      'MW0111 8:14 spec.http[0].timeout',
      'MW0111 9:25 spec.http[0].retries.attempts',
      'MW0112 14:20 spec.http[0].route[0].destination.host',
      'MW0116 11:12 spec.http[0].match[0].uri',
    ].sort(),
  );
  assert.match(problems.find((p) => p.path === 'spec.hots')?.message ?? '', /did you mean `hosts`/);
  assert.match(problems.find((p) => p.path.endsWith('attempts'))?.fix ?? '', /without quotes/);
});

test('defaults are filled in, what needs none is the same value', () => {
  const spec = { gateways: ['mesh'], http: [{ route: [{ destination: { host: 'a' } }] }] };
  const raw = object({ ...spec, hosts: ['a'] });
  const { resource } = virtualServiceKind.decode(raw, origin);
  assert.equal(resource?.spec, raw.spec, 'no copy');
  assert.equal(resource?.metadata.namespace, 'default');
  const entry = kindFor('networking.istio.io/v1beta1', 'ServiceEntry')?.decode(
    {
      apiVersion: 'networking.istio.io/v1beta1',
      kind: 'ServiceEntry',
      metadata: { name: 'e', namespace: 'n' },
      spec: { hosts: ['a.com'], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }] },
    },
    origin,
  );
  assert.deepEqual(entry?.problems, []);
  assert.deepEqual(entry?.resource?.spec, {
    hosts: ['a.com'],
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
    location: 'MESH_EXTERNAL',
    resolution: 'NONE',
  });
  assert.equal(entry?.resource?.origin.kind, 'networking.istio.io/v1beta1/ServiceEntry');
});

test('a field without a value counts as not written', () => {
  const { resource, problems } = virtualServiceKind.decode(
    object({ hosts: ['a'], tls: null, http: [{ route: [{ destination: { host: 'a' } }] }] }),
    origin,
  );
  assert.deepEqual(problems, []);
  assert.ok(resource && !('tls' in resource.spec));
});

test('another spelling of a field is the same field', () => {
  const route = { route: [{ destination: { host: 'a' } }], mirror: { host: 'b' }, mirror_percent: 10 };
  const { resource, problems } = virtualServiceKind.decode(object({ hosts: ['a'], http: [route] }), origin);
  assert.deepEqual([resource?.spec.http?.[0]?.mirrorPercent, 'mirror_percent' in (resource?.spec.http?.[0] ?? {})], [10, false]);
  assert.deepEqual(
    problems.map((p) => p.code),
    ['IST0002'],
  );
});

test('unknown fields from an API server that may be newer are warnings', () => {
  const raw = object({ hosts: ['a'], http: [{ route: [{ destination: { host: 'a' } }], shadow: {} }] });
  const { resource, problems } = virtualServiceKind.decode(raw, { source: 'kubernetes' }, { unknownFields: 'warning' });
  assert.ok(resource);
  assert.deepEqual(
    problems.map((p) => [p.code, p.severity]),
    [['MW0110', 'warning']],
  );
});

test('what is no object at all', () => {
  for (const raw of [undefined, null, 3, 'x', [], { kind: 'VirtualService' }, { apiVersion: 'v1', kind: 'VirtualService' }]) {
    const { resource, problems } = virtualServiceKind.decode(raw, origin);
    assert.equal(resource, undefined);
    assert.ok(problems.length > 0);
  }
});

test('every default is a valid value of its own schema, and no kind is listed twice', () => {
  assert.equal(new Set(kinds.map((kind) => kind.plural + kind.group)).size, kinds.length);
  for (const kind of kinds) {
    assert.ok(kind.versions.length > 0 && kind.description.length > 10, kind.kind);
    const version = kind.group === '' ? 'v1' : `${kind.group}/${kind.versions[0]}`;
    assert.equal(kindFor(version, kind.kind), kind);
  }
});

test('decoding never throws', () => {
  const names = [
    'hosts',
    'http',
    'route',
    'match',
    'destination',
    'host',
    'weight',
    'uri',
    'exact',
    'tcp',
    'spec',
    'metadata',
    'name',
    'retries',
    'timeout',
    'fault',
  ];
  const tree = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 6 },
      fc.constantFrom(null, 1, -1, '5s', '', 'a.b', true),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...names), tie('value')),
    ),
  }));
  fc.assert(
    fc.property(tree.value, fc.constantFrom(...kinds), (value, kind) => {
      const apiVersion = kind.group === '' ? 'v1' : `${kind.group}/${kind.versions[0]}`;
      const { resource, problems } = kind.decode({ apiVersion, kind: kind.kind, metadata: { name: 'x' }, spec: value }, origin);
      assert.ok(resource !== undefined || problems.some((p) => p.severity === 'error'));
    }),
    { numRuns: 500 },
  );
});

test('a decoded value has the type that its schema says', () => {
  const { resource } = virtualServiceKind.decode(
    object({ hosts: ['a'], http: [{ route: [{ destination: { host: 'a' }, weight: 3 }] }] }),
    origin,
  );
  const spec: VirtualService | undefined = resource?.spec;
  assert.equal(spec?.http?.[0]?.route?.[0]?.weight, 3);
});

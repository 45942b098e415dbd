import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '#kube/object.ts';
import type { Entry } from '../storage/entry.ts';
import { mergeApplied } from './apply.ts';
import { applyJsonPatch } from './json-patch.ts';
import { applyMergePatch } from './merge-patch.ts';
import { applyStrategicPatch } from './strategic.ts';

test('JSON patches do what RFC 6902 says', () => {
  const cases: readonly [unknown, readonly object[], unknown][] = [
    [{ a: 1 }, [{ op: 'add', path: '/b', value: 2 }], { a: 1, b: 2 }],
    [{ a: [1, 3] }, [{ op: 'add', path: '/a/1', value: 2 }], { a: [1, 2, 3] }],
    [{ a: [1] }, [{ op: 'add', path: '/a/-', value: 2 }], { a: [1, 2] }],
    [{ a: [1, 2] }, [{ op: 'remove', path: '/a/0' }], { a: [2] }],
    [{ a: 1 }, [{ op: 'replace', path: '/a', value: null }], { a: null }],
    [{ a: { b: 1 } }, [{ op: 'move', from: '/a/b', path: '/c' }], { a: {}, c: 1 }],
    [{ a: [1] }, [{ op: 'copy', from: '/a', path: '/b' }], { a: [1], b: [1] }],
    [
      { 'a/b': 1, 'm~n': 2 },
      [
        { op: 'remove', path: '/a~1b' },
        { op: 'test', path: '/m~0n', value: 2 },
      ],
      { 'm~n': 2 },
    ],
    [{ a: 1 }, [{ op: 'add', path: '', value: { z: 1 } }], { z: 1 }],
  ];
  for (const [document, patch, expected] of cases) {
    const before = structuredClone(document);
    assert.deepEqual(applyJsonPatch(document, patch), expected, JSON.stringify(patch));
    assert.deepEqual(document, before);
  }
});

test('JSON patches that are malformed or do not fit are refused', () => {
  const document = { a: { b: 1 }, list: [1, 2] };
  const cases: readonly [unknown, string][] = [
    [{}, 'KUBE_BAD_REQUEST'],
    [[5], 'KUBE_BAD_REQUEST'],
    [[{ op: 'jump', path: '/a' }], 'KUBE_BAD_REQUEST'],
    [[{ op: 'add', path: 'a', value: 1 }], 'KUBE_BAD_REQUEST'],
    [[{ op: 'add', path: '/x' }], 'KUBE_BAD_REQUEST'],
    [Array.from({ length: 10_001 }, () => ({ op: 'remove', path: '/a' })), 'KUBE_BAD_REQUEST'],
    [[{ op: 'remove', path: '/x' }], 'KUBE_INVALID'],
    [[{ op: 'replace', path: '/x', value: 1 }], 'KUBE_INVALID'],
    [[{ op: 'add', path: '/x/y', value: 1 }], 'KUBE_INVALID'],
    [[{ op: 'add', path: '/list/3', value: 1 }], 'KUBE_INVALID'],
    [[{ op: 'add', path: '/list/01', value: 1 }], 'KUBE_INVALID'],
    [[{ op: 'remove', path: '/list/-' }], 'KUBE_INVALID'],
    [[{ op: 'test', path: '/a/b', value: 2 }], 'KUBE_INVALID'],
    [[{ op: 'move', from: '/a', path: '/a/b' }], 'KUBE_INVALID'],
    [[{ op: 'copy', from: '/toString', path: '/x' }], 'KUBE_INVALID'],
    [[{ op: 'remove', path: '' }], 'KUBE_INVALID'],
    // Copies of copies: 2^40 times the document, were it carried out.
    [Array.from({ length: 40 }, (_, i) => ({ op: 'copy', from: '', path: `/c${i}` })), 'KUBE_REQUEST_ENTITY_TOO_LARGE'],
  ];
  for (const [patch, code] of cases) assert.throws(() => applyJsonPatch(document, patch), { code }, JSON.stringify(patch)?.slice(0, 80));
});

test('merge patches do what RFC 7386 says, and cannot reach prototypes', () => {
  const cases: readonly [unknown, unknown, unknown][] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [{ a: 'foo' }, null, null],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [target, patch, expected] of cases) assert.deepEqual(applyMergePatch(target, patch), expected, JSON.stringify(patch));
  applyMergePatch({}, JSON.parse('{"__proto__":{"polluted":true}}'));
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
});

const deployment = { group: 'apps', kind: 'Deployment' };
const service = { group: '', kind: 'Service' };
const pod = (containers: unknown, extra: object = {}) => ({ spec: { template: { spec: { containers, ...extra } } } });

test('strategic merge patches merge lists by key and obey directives', () => {
  const two = [
    { name: 'a', image: 'a:1', env: [{ name: 'X', value: '1' }] },
    { name: 'b', image: 'b:1' },
  ];
  const cases: readonly [string, { group: string; kind: string }, unknown, unknown, unknown][] = [
    [
      'merge an item',
      deployment,
      pod(two),
      pod([{ name: 'a', image: 'a:2' }]),
      pod([{ name: 'a', image: 'a:2', env: [{ name: 'X', value: '1' }] }, two[1]]),
    ],
    [
      'merge deeper',
      deployment,
      pod(two),
      pod([{ name: 'a', env: [{ name: 'Y', value: '2' }] }]),
      pod([
        {
          ...two[0],
          env: [
            { name: 'X', value: '1' },
            { name: 'Y', value: '2' },
          ],
        },
        two[1],
      ]),
    ],
    ['delete an item', deployment, pod(two), pod([{ name: 'a', $patch: 'delete' }]), pod([two[1]])],
    ['replace a list', deployment, pod(two), pod([{ $patch: 'replace' }, { name: 'c' }]), pod([{ name: 'c' }])],
    [
      'order a list',
      deployment,
      pod(two),
      pod([{ name: 'c' }], { '$setElementOrder/containers': [{ name: 'c' }, { name: 'b' }, { name: 'a' }] }),
      pod([{ name: 'c' }, two[1], two[0]]),
    ],
    [
      'atomic list',
      deployment,
      pod([{ name: 'a', args: ['x', 'y'] }]),
      pod([{ name: 'a', args: ['z'] }]),
      pod([{ name: 'a', args: ['z'] }]),
    ],
    [
      'service ports',
      service,
      { spec: { ports: [{ port: 80 }] } },
      { spec: { ports: [{ port: 81 }] } },
      { spec: { ports: [{ port: 80 }, { port: 81 }] } },
    ],
    ['null removes', service, { spec: { selector: { a: 'b' } } }, { spec: { selector: null } }, { spec: {} }],
    [
      'replace a map',
      service,
      { spec: { selector: { a: 'b' } } },
      { spec: { selector: { $patch: 'replace', c: 'd' } } },
      { spec: { selector: { c: 'd' } } },
    ],
    ['delete a map', service, { spec: { selector: { a: 'b' } } }, { spec: { selector: { $patch: 'delete' } } }, { spec: {} }],
    [
      'retain keys',
      deployment,
      { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: {} } } },
      { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } },
      { spec: { strategy: { type: 'Recreate' } } },
    ],
    [
      'sets',
      service,
      { metadata: { finalizers: ['a'] } },
      { metadata: { finalizers: ['b'], '$deleteFromPrimitiveList/finalizers': ['a'] } },
      { metadata: { finalizers: ['b'] } },
    ],
  ];
  for (const [name, kind, target, patch, expected] of cases) assert.deepEqual(applyStrategicPatch(kind, target, patch), expected, name);
  assert.throws(() => applyStrategicPatch(service, {}, { spec: { ports: [{ name: 'x' }] } }), { message: /lacks its merge key port/ });
  assert.throws(() => applyStrategicPatch(service, {}, { spec: { $patch: 'explode' } }), {
    message: /unknown \$patch directive "explode" at spec/,
  });
});

function entry(object: object, applied: Entry['applied']): Entry {
  return {
    ref: { group: '', kind: 'Service', namespace: 'n', name: 'x' },
    object: { apiVersion: 'v1', kind: 'Service', metadata: { name: 'x' }, ...object } as KubeObject,
    json: '',
    applied,
  };
}

test('applying removes what its manager no longer says, and nothing of others', () => {
  const live = {
    metadata: { name: 'x', labels: { mine: '1', theirs: '2' } },
    spec: {
      selector: { a: '1', b: '2' },
      clusterIP: '10.96.0.10',
      ports: [
        { port: 80, targetPort: 80 },
        { port: 90, targetPort: 90 },
      ],
    },
  };
  const before = { metadata: { labels: { mine: '1' } }, spec: { selector: { a: '1', b: '2' }, ports: [{ port: 80 }, { port: 90 }] } };
  const now = { spec: { selector: { a: '3' }, ports: [{ port: 90, name: 'admin' }] } };
  const { object, applied } = mergeApplied(service, entry(live, { me: before, other: { spec: { selector: { b: '2' } } } }), 'me', now);
  assert.deepEqual(object.metadata, { name: 'x', labels: { theirs: '2' } });
  assert.deepEqual(object.spec, {
    selector: { a: '3', b: '2' },
    clusterIP: '10.96.0.10',
    ports: [{ port: 90, targetPort: 90, name: 'admin' }],
  });
  assert.deepEqual(applied.me, now);
  const empty = mergeApplied(service, entry(live, { me: before }), 'me', {});
  assert.deepEqual(empty.object.spec, { clusterIP: '10.96.0.10' });
  const first = mergeApplied(service, entry(live, {}), 'me', { spec: { ports: [{ port: 70 }] } });
  assert.deepEqual((first.object.spec as { ports: unknown[] }).ports.length, 3);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '#kube/object.ts';
import { fieldSelector, labelSelector } from './selector.ts';

const object = (labels: Record<string, string>, extra: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Event',
  metadata: { name: 'n', namespace: 'ns', labels },
  ...extra,
});

test('label selectors match as in Kubernetes', () => {
  const cases: readonly [string, Record<string, string>, boolean][] = [
    ['', {}, true],
    ['  ', {}, true],
    ['a=b', { a: 'b' }, true],
    ['a=b', { a: 'c' }, false],
    ['a==b', { a: 'b' }, true],
    ['a = b', { a: 'b' }, true],
    ['a!=b', { a: 'c' }, true],
    ['a!=b', {}, true],
    ['a!=b', { a: 'b' }, false],
    ['a=', { a: '' }, true],
    ['a', { a: '' }, true],
    ['a', {}, false],
    ['!a', {}, true],
    ['!a', { a: 'x' }, false],
    ['a in (b, c)', { a: 'c' }, true],
    ['a in (b,c)', { a: 'd' }, false],
    ['a in (b,c)', {}, false],
    ['a in ()', { a: '' }, true],
    ['a notin (b,c)', {}, true],
    ['a notin (b,c)', { a: 'b' }, false],
    ['a>1', { a: '2' }, true],
    ['a>1', { a: 'x' }, false],
    ['a<5', { a: '5' }, false],
    ['a=b,c in (d,e),!f', { a: 'b', c: 'e' }, true],
    ['a=b,c in (d,e),!f', { a: 'b', c: 'e', f: '' }, false],
    ['app.kubernetes.io/name=x', { 'app.kubernetes.io/name': 'x' }, true],
    ['toString', {}, false],
  ];
  for (const [text, labels, expected] of cases)
    assert.equal(labelSelector(text)(object(labels)), expected, `${text} on ${JSON.stringify(labels)}`);
});

test('malformed label selectors are refused with the place', () => {
  for (const text of ['=b', 'a in', 'a in b', 'a in (b', 'a,,b', 'a=b c', '!a=b', 'a>x', 'a b', '-a=b', 'a=-', 'x/y/z=1', ',', 'a=(b)']) {
    assert.throws(() => labelSelector(text), { code: 'KUBE_BAD_REQUEST', message: /unable to parse label selector/ }, text);
  }
});

test('field selectors compare the fields that the kind allows', () => {
  const event = object({}, { involvedObject: { kind: 'Pod', name: 'a,b' }, type: 'Warning', source: { component: 'pilot' } });
  const cases: readonly [string, boolean][] = [
    ['', true],
    ['metadata.name=n', true],
    ['metadata.name==n,metadata.namespace=ns', true],
    ['metadata.name!=n', false],
    ['involvedObject.kind=Pod,type!=Normal', true],
    ['involvedObject.name=a\\,b', true],
    ['reason=', true],
    ['source=pilot', true],
  ];
  for (const [text, expected] of cases) assert.equal(fieldSelector(text, 'Event')(event), expected, text);
  assert.throws(() => fieldSelector('type=x', 'ConfigMap'), { message: 'field label not supported: type' });
  assert.throws(() => fieldSelector('nothing', 'Event'), { code: 'KUBE_BAD_REQUEST' });
});

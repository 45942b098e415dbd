import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAge } from './age.ts';
import { duplicateKeys } from './duplicates.ts';
import { valuesAt } from './json-path.ts';
import { isLabelValue, isQualifiedName, nameCause } from './names.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

test('ages read as those of kubectl', () => {
  const cases: readonly [number, string][] = [
    [-5 * second, '<invalid>'],
    [-500, '0s'],
    [0, '0s'],
    [119 * second, '119s'],
    [2 * minute, '2m'],
    [3 * minute + 20 * second, '3m20s'],
    [10 * minute + 30 * second, '10m'],
    [179 * minute, '179m'],
    [5 * hour + 10 * minute, '5h10m'],
    [8 * hour + 59 * minute, '8h'],
    [47 * hour, '47h'],
    [3 * day + 4 * hour, '3d4h'],
    [9 * day, '9d'],
    [(365 + 80) * day, '445d'],
    [(2 * 365 + 80) * day, '2y80d'],
    [9 * 365 * day, '9y'],
  ];
  for (const [span, text] of cases) assert.equal(formatAge(span), text);
});

test('JSONPaths of printer columns find their values', () => {
  const value = {
    spec: { hosts: ['a', 'b'], 'x-y': 1, 'a.b': 2 },
    status: {
      conditions: [
        { type: 'Ready', status: 'True' },
        { type: 'Other', status: 'False' },
      ],
    },
  };
  const cases: readonly [string, readonly unknown[]][] = [
    ['.spec.hosts', [['a', 'b']]],
    ['{.spec.hosts[*]}', ['a', 'b']],
    ['.spec.hosts[1]', ['b']],
    ['.spec.hosts[7]', []],
    ['.spec.x-y', [1]],
    ['.spec.a\\.b', [2]],
    [".spec['a.b']", [2]],
    ['.status.conditions[?(@.type=="Ready")].status', ['True']],
    [".status.conditions[?(@.type == 'Other')].status", ['False']],
    ['.absent.deeper', []],
    ['.spec.hosts[?(', []],
    ['.constructor', []],
  ];
  for (const [path, expected] of cases) assert.deepEqual(valuesAt(value, path), expected, path);
});

test('repeated keys are found wherever they stand', () => {
  const cases: readonly [string, readonly string[]][] = [
    ['{}', []],
    ['{"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]}', []],
    ['{"a":1,"a":2}', ['a']],
    ['{"a":{"b":[{"c":1},{"d":1,"d":2}]},"e":"a"}', ['a.b[1].d']],
    ['{"a":"\\"a\\":1,","\\u0061":2}', ['a']],
    ['{"a":[[1,{"x":1,"x":1}]]}', ['a[0][1].x']],
    ['{"a":1,"a":2,"a":3}', ['a', 'a']],
    [`{"deep":${'['.repeat(5000)}${']'.repeat(5000)}}`, []],
  ];
  for (const [json, expected] of cases) assert.deepEqual(duplicateKeys(json), expected, json.slice(0, 80));
});

test('names keep Kubernetes’ rules', () => {
  const rules = [
    ['label', 'a-1', true],
    ['label', 'a.b', false],
    ['label', 'a'.repeat(64), false],
    ['rfc1035', '1a', false],
    ['rfc1035', 'a1', true],
    ['subdomain', 'a.b-c.1', true],
    ['subdomain', 'a..b', false],
    ['subdomain', 'A', false],
    ['subdomain', '-a', false],
    ['subdomain', '../etc', false],
  ] as const;
  for (const [rule, name, good] of rules) assert.equal(nameCause(name, rule) === undefined, good, `${rule} ${name}`);
  const keys = [
    ['app', true],
    ['a.b/c_D', true],
    ['/c', false],
    ['a/', false],
    ['A_/c', false],
    ['x'.repeat(64), false],
  ] as const;
  for (const [key, good] of keys) assert.equal(isQualifiedName(key), good, key);
  for (const [value, good] of [
    ['', true],
    ['a_b.c', true],
    ['-', false],
    ['a b', false],
  ] as const)
    assert.equal(isLabelValue(value), good, value);
});

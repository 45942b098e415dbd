import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UsageError } from '../command.ts';
import { parseDuration, parseFormat } from './format.ts';
import { evaluateJsonPath } from './json-path.ts';
import { formatAge, formatTable } from './table.ts';

const data = {
  kind: 'List',
  items: [
    { metadata: { name: 'a', labels: { 'app.io/name': 'x' } }, status: { conditions: [{ type: 'Ready', status: 'True' }] }, weight: 10 },
    { metadata: { name: 'b' }, spec: { hosts: ['h1', 'h2'] }, weight: 90 },
  ],
};

describe('JSONPath', () => {
  const cases: [string, string][] = [
    ['{.kind}', 'List'],
    ['.kind', 'List'],
    ['kind', 'List'],
    ['{.items[*].metadata.name}', 'a b'],
    ['{.items[0].metadata.name}', 'a'],
    ['{.items[-1].metadata.name}', 'b'],
    ['{.items[0:1].metadata.name}', 'a'],
    ['{.items[1].spec.hosts}', '["h1","h2"]'],
    ['{.items[?(@.weight>50)].metadata.name}', 'b'],
    ['{.items[?(@.metadata.name=="a")].weight}', '10'],
    ['{.items[?(@.spec)].metadata.name}', 'b'],
    ['{.items[0].status.conditions[?(@.type=="Ready")].status}', 'True'],
    ['{.items[0].metadata.labels.app\\.io/name}', 'x'],
    ["{.items[0].metadata.labels['app.io/name']}", 'x'],
    ['{range .items[*]}{.metadata.name}{"\\t"}{.weight}{"\\n"}{end}', 'a\t10\nb\t90\n'],
    ['{..name}', 'a b'],
    ['name: {.items[0].metadata.name}!', 'name: a!'],
    ['{.missing}', ''],
  ];
  for (const [template, expected] of cases) it(template, () => assert.equal(evaluateJsonPath(template, data), expected));

  for (const template of ['{.items[}', '{.a', '{range .items[*]}x', '{end}']) {
    it(`refuses ${template}`, () => assert.throws(() => evaluateJsonPath(template, data), UsageError));
  }
});

describe('tables', () => {
  const columns = [{ name: 'name', cut: 0 }, { name: 'hosts' }, { name: 'weight', cut: 0, align: 'right' as const }];
  const rows = [
    ['reviews', 'reviews.default.svc.cluster.local', '10'],
    ['r', 'short', '100'],
  ];
  it('are as wide as their content when piped', () => {
    assert.deepEqual(formatTable(columns, rows, Number.POSITIVE_INFINITY), [
      'NAME      HOSTS                               WEIGHT',
      'reviews   reviews.default.svc.cluster.local       10',
      'r         short                                  100',
    ]);
  });
  it('are cut to a terminal, in the columns that allow it', () => {
    const lines = formatTable(columns, rows, 40);
    for (const line of lines) assert.ok(line.length <= 40, line);
    assert.match(lines[1] ?? '', /^reviews {3}reviews\.de.*… +10$/);
  });
  it('show the ages of kubectl', () => {
    const table: [number, string][] = [
      [0, '0s'],
      [119_000, '119s'],
      [125_000, '2m5s'],
      [11 * 60_000, '11m'],
      [3 * 3_600_000, '3h'],
      [3 * 3_600_000 + 120_000, '3h2m'],
      [30 * 3_600_000, '30h'],
      [50 * 3_600_000, '2d2h'],
      [30 * 86_400_000, '30d'],
    ];
    for (const [ms, text] of table) assert.equal(formatAge(ms), text);
  });
});

describe('values of flags', () => {
  it('durations', () => {
    assert.equal(parseDuration('1h30m', 'x'), 5_400_000);
    assert.equal(parseDuration('500ms', 'x'), 500);
    assert.equal(parseDuration('20', 'x'), 20_000);
    assert.throws(() => parseDuration('soon', 'x'), UsageError);
  });
  it('formats', () => {
    assert.deepEqual(parseFormat(undefined), { kind: 'table' });
    assert.deepEqual(parseFormat("jsonpath='{.a}'"), { kind: 'jsonpath', template: '{.a}' });
    assert.throws(() => parseFormat('xml'), UsageError);
  });
});

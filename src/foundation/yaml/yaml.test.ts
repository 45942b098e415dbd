import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseYaml } from './document.ts';
import { formatYaml } from './text.ts';

test('every document of a stream is read, with its line', () => {
  const documents = parseYaml('# top\na: 1\n---\n\nb:\n  - x\n--- # comment\n# only a comment\n---\nc: 3\n...\n---\nd: 4\n', 'x.yaml');
  assert.deepEqual(
    documents.map((d) => [d.value, d.line]),
    [
      [{ a: 1 }, 2],
      [{ b: ['x'] }, 5],
      [{ c: 3 }, 10],
      [{ d: 4 }, 13],
    ],
  );
});

test('positions of values and keys', () => {
  const [document] = parseYaml('---\nspec:\n  hosts:\n  - reviews\n  http:\n  - route: &r\n    - weight: 10\n  - route: *r\n');
  assert.ok(document);
  const at = (path: (string | number)[], part: 'key' | 'value' = 'value') => {
    const position = document.position(path, part);
    return `${position?.line}:${position?.column}`;
  };
  assert.equal(at(['spec', 'hosts', 0]), '4:5');
  assert.equal(at(['spec', 'http', 0, 'route', 0, 'weight']), '7:15');
  assert.equal(at(['spec', 'http', 0, 'route', 0, 'weight'], 'key'), '7:7');
  assert.equal(at(['spec', 'http', 1, 'route', 0, 'weight']), '7:15', 'through an alias');
  assert.equal(at(['spec', 'nothing', 'here']), '3:3', 'the nearest ancestor');
});

test('what is wrong, where, and what was expected', () => {
  const rows: readonly (readonly [string, string, string, RegExp])[] = [
    ['a: 1\nb: 2\na: 3\n', 'MW0102', '3:1', /`a` stands twice/],
    ['a:\n\tb: 1\n', 'MW0103', '2:1', /tab/],
    ['a: [1, 2\n', 'MW0101', '2:1', /not closed/],
    ['a: "x\nb: 2\n', 'MW0101', '3:1', /missing|quote/],
    ['a: *nowhere\n', 'MW0101', '1:4', /anchor/],
    ['a: 1\n  b: 2\n', 'MW0101', '1:4', /colon/],
    ['a: @x\n', 'MW0101', '1:4', /begin with|plain/],
    ['? [a]\n: 1\n', 'MW0101', '1:3', /text/],
  ];
  for (const [text, code, place, message] of rows) {
    const problem = parseYaml(text, 'f.yaml')[0]?.problems[0];
    assert.ok(problem, text);
    assert.deepEqual(
      [problem.code, `${problem.line}:${problem.column}`, problem.origin?.file],
      [code, place, 'f.yaml'],
      JSON.stringify(text),
    );
    assert.match(problem.message, message);
    assert.ok(problem.fix.length > 10);
  }
});

test('carriage returns and a byte order mark are part of no value', () => {
  const [document] = parseYaml('\uFEFFa: x\r\nb:\r\n- y\r\n');
  assert.deepEqual(document?.value, { a: 'x', b: ['y'] });
  assert.deepEqual(document?.position(['b', 0], 'value'), { line: 3, column: 3 });
});

test('IPv6 addresses in brackets are texts, as for kubectl', () => {
  const [document] = parseYaml('a: [1.2.3.4, 2001:db8::, ::1, fe80::, x: y, {b: }]\n');
  assert.deepEqual(document?.value, { a: ['1.2.3.4', '2001:db8::', '::1', 'fe80::', { x: 'y' }, { b: null }] });
  assert.deepEqual(document?.position(['a', 1], 'value'), { line: 1, column: 14 });
});

test('one bad document hides no other', () => {
  const documents = parseYaml('a: [1\n---\nb: "x\n---\nc: 3\n');
  assert.deepEqual(
    documents.map((d) => [d.value, d.problems.length > 0]),
    [
      [undefined, true],
      [undefined, true],
      [{ c: 3 }, false],
    ],
  );
  assert.equal(documents[1]?.problems[0]?.line, 4);
});

test('merge keys and anchors work, alias bombs and endless nesting do not', () => {
  const [merged] = parseYaml('base: &b {x: 1}\nuse:\n  <<: *b\n  y: 2\n');
  assert.deepEqual(merged?.value, { base: { x: 1 }, use: { x: 1, y: 2 } });
  const bomb = [
    'a0: &a0 [x,x,x,x,x,x,x,x,x]',
    ...Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`)}]`),
  ].join('\n');
  assert.equal(parseYaml(bomb)[0]?.problems[0]?.code, 'MW0104');
  assert.equal(parseYaml('['.repeat(100_000))[0]?.value, undefined);
  assert.ok((parseYaml('['.repeat(100_000))[0]?.problems.length ?? 0) > 0);
});

test('what is written is read again', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }), (value) => {
      const plain: unknown = JSON.parse(JSON.stringify(value));
      assert.deepEqual(JSON.parse(JSON.stringify(parseYaml(formatYaml(plain))[0]?.value)), plain);
    }),
    { numRuns: 200 },
  );
});

test('any text gives documents or problems, never an exception', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', ':', ' ', '\n', '-', '[', '{', '"', '\t', '&', '*', '%', '|', '>', '#', '\r', '!') }),
      (text) => {
        for (const document of parseYaml(text)) assert.ok(document.value !== undefined || document.problems.length > 0);
      },
    ),
    { numRuns: 500 },
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RE2JS } from 're2js';
import { compileRegex, rewriteError } from './regex.ts';
import { asciiPositions } from './syntax.ts';

function regex(source: string) {
  const { regex, error } = compileRegex(source);
  assert.ok(regex, error);
  return regex;
}

test('a match is of the whole text', () => {
  const rows: readonly (readonly [string, string, boolean])[] = [
    ['v[0-9]+', 'v12', true],
    ['v[0-9]+', 'v12x', false],
    ['^a|b$', 'a', true],
    ['^a|b$', 'ab', false],
    ['.*', 'a\nb', false],
    ['(?s).*', 'a\nb', true],
    ['[^x]*', 'a\nb', true],
    ['(a|ab)(c|bcd)?', 'abcd', true],
    ['(a?){3}', 'aa', true],
    ['(ab?){2,}', 'abaab', true],
    ['(ab?){2,}', 'ab', false],
    ['[]a]+', ']a', true],
    ['[a-]+', '-a', true],
    ['\\d+\\.\\d+', '1.25', true],
    ['.', '\u{1F600}', true],
    ['..', '\u{1F600}', false],
    ['caf\u00e9.*', 'caf\u00e9s', true],
    ['(?i)REVIEWS', 'reviews', true],
    ['', '', true],
    ['', 'a', false],
    ['a||b', '', true],
  ];
  for (const [source, text, expected] of rows) {
    assert.equal(regex(source).matches(text), expected, `${source} on ${JSON.stringify(text)}`);
    assert.equal(RE2JS.compile(source).testExact(text), expected, `the full engine on ${source}`);
  }
});

test('an expression that RE2 refuses gives its error as a value', () => {
  for (const source of ['(a', 'a**', '(?=x)', '\\1', '[b-a]', 'a{1001}', '(?<!a)b', 'x'.repeat(20_000)]) {
    const { regex, error } = compileRegex(source);
    assert.equal(regex, undefined, source);
    assert.ok(error && error.length > 10, source);
  }
  assert.match(compileRegex('((a{50}){50}){10}').error ?? '', /repeat|instructions/);
});

test('a hostile expression costs time linear in the text', () => {
  const text = `${'a'.repeat(20_000)}!`;
  for (const source of ['(a+)+', '(a|a)*', '(a*)*b', '(.*)(.*)(.*)(.*)[xy]', '(a|b|ab)*c', '([a-z]?){30}[a-z]{30}']) {
    const startedAt = performance.now();
    assert.equal(regex(source).matches(text), false, source);
    assert.ok(performance.now() - startedAt < 2000, source);
  }
});

test('replacement puts groups in place', () => {
  assert.equal(regex('/service/([^/]+)(/.*)').replace('/service/foo/v1', '\\2/instance/\\1'), '/v1/instance/foo');
  assert.equal(regex('a(x)?').replace('aax', '[\\1]'), '[][x]');
  assert.equal(regex('b').replace('abc', '\\\\'), 'a\\c');
  assert.equal(rewriteError('\\1', 0), 'refers to group 1, but the expression has 0');
  assert.match(rewriteError('\\x', 1) ?? '', /neither a group/);
  assert.equal(rewriteError('\\', 1), 'ends with a single backslash');
  assert.equal(rewriteError('\\\\1\\0', 0), undefined);
});

test('the fast machine agrees with RE2 on random expressions and texts', () => {
  const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\d', '\\w', '[a-c-]', '\\.');
  const { tree } = fc.letrec<{ tree: string }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      atom,
      fc.tuple(tie('tree'), tie('tree')).map(([l, r]) => l + r),
      fc.tuple(tie('tree'), tie('tree')).map(([l, r]) => `(${l}|${r})`),
      fc.tuple(tie('tree'), fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{2,}', '*?')).map(([t, q]) => `(?:${t})${q}`),
    ),
  }));
  fc.assert(
    fc.property(
      tree,
      fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c', '.', '1', '\n', 'é'), maxLength: 8 }), { minLength: 4 }),
      (source, texts) => {
        const { regex } = compileRegex(source);
        if (!regex) return;
        const engine = RE2JS.compile(source);
        for (const text of texts) assert.equal(regex.matches(text), engine.testExact(text), `${source} on ${JSON.stringify(text)}`);
      },
    ),
    { numRuns: 400 },
  );
  assert.ok(asciiPositions('/api/v[0-9]+/(users|items)/[^/]+(/.*)?'), 'a usual path expression takes the fast machine');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crdFor, structural } from './crd.ts';
import { nodeOf } from './decode-value.ts';
import { kinds } from './kinds.ts';
import { integer, list, message, text } from './schema.ts';

test('a table becomes a structural schema', () => {
  const schema = message(
    'A thing.',
    {
      a: text('A.'),
      b: text('B.'),
      c: text('C.', { default: 'x' }),
      list: list('L.', message('M.', { n: integer('N.') }, ['n'])),
    },
    ['a', 'c'],
    { oneOf: [['a', 'b']] },
  );
  assert.deepEqual(structural(nodeOf(schema)), {
    type: 'object',
    description: 'A thing.',
    required: ['a'],
    properties: {
      a: { type: 'string', description: 'A.' },
      b: { type: 'string', description: 'B.' },
      c: { type: 'string', description: 'C.', default: 'x' },
      list: {
        type: 'array',
        description: 'L.',
        items: {
          type: 'object',
          description: 'M.',
          required: ['n'],
          properties: { n: { type: 'integer', format: 'int32', description: 'N.' } },
        },
      },
    },
    not: { anyOf: [{ required: ['a', 'b'] }] },
  });
});

/** Every object of a value, with its path. */
function* objects(value: unknown, path = ''): Generator<[string, Record<string, unknown>]> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield [path, value as Record<string, unknown>];
  for (const [name, item] of Object.entries(value)) yield* objects(item, `${path}.${name}`);
}

test('every CRD is one that an API server takes', () => {
  for (const kind of kinds.filter(({ group }) => group.endsWith('istio.io'))) {
    const crd = JSON.parse(JSON.stringify(crdFor(kind)));
    assert.equal(crd.metadata.name, `${kind.plural}.${kind.group}`);
    assert.deepEqual(
      crd.spec.versions.map((v: { name: string }) => v.name),
      kind.versions,
    );
    assert.deepEqual(
      crd.spec.versions.map((v: { storage: boolean }) => v.storage),
      kind.versions.map((_, i) => i === 0),
    );
    assert.ok(JSON.stringify(crd).length < 262_144, 'fits into the annotation of kubectl apply');
    const schema = crd.spec.versions[0].schema.openAPIV3Schema;
    for (const [path, node] of objects(schema)) {
      assert.ok(!('additionalProperties' in node) || typeof node.additionalProperties === 'object', `${path} is closed`);
      for (const name of Object.keys(node)) assert.ok(!/^(~|x-(?!kubernetes-))/.test(name), `${path} has the word ${name}`);
      if ('properties' in node && typeof node.properties === 'object' && 'type' in node) assert.equal(node.type, 'object', path);
    }
    for (const [path, node] of objects(schema)) {
      if (typeof node.type === 'string' && !path.endsWith('.properties'))
        assert.ok(typeof node.description === 'string' || path.endsWith('.status'), `${path} has no description`);
    }
  }
});

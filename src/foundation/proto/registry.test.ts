import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { create, toBinary, toJson } from '@bufbuild/protobuf';
import { AnySchema, anyPack } from '@bufbuild/protobuf/wkt';
import { RouterSchema } from './gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import { messageRegistry } from './registry.ts';
import { shortTypeName, typeUrlOf, typeUrls } from './type-url.ts';

const root = join(import.meta.dirname, '../..');

describe('registry of message types', () => {
  it('knows every message that translation can put into an Any', () => {
    const folder = join(root, 'control-plane/translate');
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
      (file) => file.endsWith('.ts') && !file.endsWith('.test.ts'),
    );
    const imported = files.flatMap((file) => [
      ...readFileSync(join(folder, file), 'utf8').matchAll(/#proto\/gen\/envoy\/(extensions\/\S+)\/(\w+)_pb\.js/g),
    ]);
    assert.ok(imported.length > 5);
    const known = new Set([...messageRegistry].map((type) => type.typeName.slice(0, type.typeName.lastIndexOf('.'))));
    for (const [, path = ''] of imported) {
      const name = `envoy.${path.replaceAll('/', '.')}`;
      assert.ok(known.has(name), `${name} is missing in registry.ts`);
    }
  });

  it('expands an Any in JSON', () => {
    const any = anyPack(RouterSchema, create(RouterSchema, { suppressEnvoyHeaders: true }));
    assert.deepEqual(toJson(AnySchema, any, { registry: messageRegistry }), {
      '@type': typeUrlOf(RouterSchema),
      suppressEnvoyHeaders: true,
    });
    assert.ok(toBinary(AnySchema, any).length > 0);
  });

  it('names types as status tables do', () => {
    assert.deepEqual([typeUrls.cluster, typeUrls.route, 'type.googleapis.com/a.b.Thing'].map(shortTypeName), ['cds', 'rds', 'Thing']);
  });
});

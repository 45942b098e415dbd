import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { StatusFault } from '#kube/status.ts';
import { duplicateKeys } from '../object/duplicates.ts';
import { readObject } from '../object/metadata.ts';
import { labelSelector } from '../object/selector.ts';
import { applyJsonPatch } from '../patch/json-patch.ts';
import { applyMergePatch } from '../patch/merge-patch.ts';
import { applyStrategicPatch } from '../patch/strategic.ts';
import { readProtobuf } from './protobuf.ts';

const deployment = { group: 'apps', kind: 'Deployment' };

/** Whatever comes in, the only way out besides a result is a refusal that says so. */
function refusesOrReturns(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof StatusFault, String(error));
    assert.ok(error.status.code >= 400 && error.status.code < 500);
  }
}

test('no input makes a reader fail in any way but a refusal', () => {
  const key = fc.constantFrom(
    'spec',
    'template',
    'containers',
    'metadata',
    'finalizers',
    'name',
    '$patch',
    '$setElementOrder/containers',
    '__proto__',
  );
  const { value: patch } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 6 },
      fc.constantFrom(null, 'delete', 'replace', 'merge', 'a', 1, true),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(key, tie('value'), { maxKeys: 4 }),
    ),
  }));
  const prefix = Buffer.from('k8s\0', 'latin1');
  fc.assert(
    fc.property(fc.jsonValue(), patch, fc.string(), fc.uint8Array({ maxLength: 200 }), (value, change, text, bytes) => {
      refusesOrReturns(() => readObject(value));
      refusesOrReturns(() => applyJsonPatch(value, change));
      refusesOrReturns(() => applyStrategicPatch(deployment, value, change));
      refusesOrReturns(() => labelSelector(text));
      refusesOrReturns(() => readProtobuf(Buffer.concat([prefix, bytes])));
      applyMergePatch(value, change);
      duplicateKeys(JSON.stringify(value));
    }),
    { numRuns: 500 },
  );
});

test('values without repeated keys have none, one that is repeated is found', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }), (object) => {
      const json = JSON.stringify(object);
      assert.deepEqual(duplicateKeys(json), []);
      const [name = ''] = Object.keys(object);
      assert.deepEqual(duplicateKeys(`${json.slice(0, -1)},${JSON.stringify(name)}:0}`), [name]);
    }),
  );
});

test('merging a value onto nothing and then removing it leaves nothing', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.string()), (object) => {
      assert.deepEqual(applyMergePatch({}, object), { ...object });
      assert.deepEqual(applyMergePatch(object, Object.fromEntries(Object.keys(object).map((name) => [name, null]))), {});
    }),
  );
});

/** Length-delimited field. */
function field(number: number, ...parts: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
}

test('protobuf as typed clients post it becomes the JSON it stands for', () => {
  const text = (value: string) => Buffer.from(value);
  const type = field(1, field(1, text('v1')), field(2, text('Service')));
  const label = field(11, field(1, text('app')), field(2, text('a')));
  const created = field(8, Buffer.from([8, 0x80, 0xa6, 0xd3, 0xaa, 0x06]));
  const metadata = field(1, field(1, text('svc')), field(2), label, created);
  const port = field(
    1,
    field(1, text('http')),
    Buffer.from([24, 80]),
    field(4, Buffer.from([8, 1]), field(3, text('web'))),
    Buffer.from([40, 0]),
  );
  const body = Buffer.concat([Buffer.from('k8s\0', 'latin1'), type, field(2, metadata, field(2, port, field(4, text('ClusterIP'))))]);
  assert.deepEqual(readProtobuf(body), {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'svc', labels: { app: 'a' }, creationTimestamp: '2023-11-15T14:17:36Z' },
    spec: { ports: [{ name: 'http', port: 80, targetPort: 'web' }], type: 'ClusterIP' },
  });
  assert.throws(() => readProtobuf(Buffer.from('nope')), { message: /no Kubernetes protobuf/ });
  assert.throws(() => readProtobuf(body.subarray(0, -1)), { message: /damaged/ });
  const farAway = field(1, field(8, Buffer.from([8, 255, 255, 255, 255, 255, 255, 255, 255, 127])));
  assert.throws(() => readProtobuf(Buffer.concat([Buffer.from('k8s\0', 'latin1'), type, field(2, farAway)])), {
    message: /time is out of range/,
  });
  const unknown = Buffer.concat([Buffer.from('k8s\0', 'latin1'), type, field(2, field(9, text('x')))]);
  assert.throws(() => readProtobuf(unknown), { message: /field 9 of Service cannot be read from protobuf/ });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockSize, ipv4ToNumber } from '#base/loopback.ts';
import type { KubeObject } from '#kube/object.ts';
import type { Entry } from '../storage/entry.ts';
import { admitService } from './service.ts';

const service = (name: string, spec: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec,
});

function entryOf(object: KubeObject): Entry {
  return { ref: { group: '', kind: 'Service', namespace: 'default', name: object.metadata.name }, object, json: '', applied: {} };
}

function addressOf(object: KubeObject): string {
  return String((object.spec as { clusterIP?: string }).clusterIP);
}

test('offsets in the loopback blocks stay unique until every one is taken', () => {
  const room = blockSize - 10;
  const entries: Entry[] = [];
  const offsets = new Set<number>();
  // All but a handful are taken beforehand: what matters is where the last ones go.
  for (let offset = 10; offset < blockSize - 5; offset += 1) {
    entries.push(entryOf(service(`taken-${offset}`, { clusterIP: `10.96.${(offset >> 8) + 16 * (offset % 3)}.${offset & 255}` })));
    offsets.add(offset);
  }
  for (let index = 0; index < 5; index += 1) {
    const { object } = admitService(service(`new-${index}`), undefined, () => entries);
    const offset = (ipv4ToNumber(addressOf(object)) ?? 0) % blockSize;
    assert.ok(offset >= 10 && !offsets.has(offset), `offset ${offset}`);
    offsets.add(offset);
    entries.push(entryOf(object));
  }
  assert.equal(offsets.size, room);
  const { object: beyond } = admitService(service('beyond'), undefined, () => entries);
  assert.ok(!entries.some((entry) => addressOf(entry.object) === addressOf(beyond)));
});

test('defaults are filled in once and do not fight with what is given', () => {
  const { object } = admitService(
    service('a', {
      ports: [
        { port: 80, targetPort: 'http' },
        { port: 53, protocol: 'UDP' },
      ],
    }),
    undefined,
    () => [],
  );
  assert.deepEqual((object.spec as { ports: unknown }).ports, [
    { port: 80, targetPort: 'http', protocol: 'TCP' },
    { port: 53, protocol: 'UDP', targetPort: 53 },
  ]);
  const again = admitService(object, object, () => []);
  assert.deepEqual(again.object, object);
  const external = admitService(service('b', { type: 'ExternalName', externalName: 'x.example' }), undefined, () => []);
  assert.equal((external.object.spec as { clusterIP?: string }).clusterIP, undefined);
  const outside = admitService(service('c', { clusterIP: '192.168.0.1' }), undefined, () => []);
  assert.match(outside.causes[0]?.message ?? '', /not in the valid range/);
});

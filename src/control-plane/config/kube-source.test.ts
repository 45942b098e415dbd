import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeClient, WatchEvent } from '#kube/client.ts';
import type { KubeObject } from '#kube/object.ts';
import { createReflectors } from '#kube/reflector.ts';
import { StatusFault } from '#kube/status.ts';
import { systemClock } from '#process/clock.ts';
import { serviceKind } from '#resources/core/service.ts';
import { virtualServiceKind } from '#resources/networking/virtual-service-kind.ts';
import { createConfig } from './config.ts';
import { kubeSource } from './kube-source.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };

function route(host: string, resourceVersion: string): KubeObject {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'reviews', namespace: 'default', resourceVersion, uid: 'u', generation: Number(resourceVersion) },
    spec: { hosts: ['reviews'], http: [{ route: [{ destination: { host } }] }], fromTheFuture: true },
  };
}

/** An API server with one VirtualService, whose watch yields what the test sends. */
function fakeServer() {
  let current = route('one', '1');
  let send: (event: WatchEvent) => void = () => {};
  const written: KubeObject[] = [];
  const first = Promise.withResolvers<void>();
  const watched = Promise.withResolvers<void>();
  let conflicts = 1;
  const unused = () => Promise.reject(new Error('not used'));
  const client: KubeClient = {
    create: unused,
    patch: unused,
    apply: unused,
    delete: () => Promise.reject(new Error('not used')),
    close() {},
    get: async () => current,
    // As some servers do, the items of a list come without apiVersion and kind.
    list: async ({ kind }) => ({
      items: kind === 'VirtualService' ? [{ ...current, apiVersion: undefined, kind: undefined } as unknown as KubeObject] : [],
      resourceVersion: '1',
    }),
    async update(_resource, object) {
      if (conflicts-- > 0)
        throw new StatusFault({
          kind: 'Status',
          apiVersion: 'v1',
          metadata: {},
          status: 'Failure',
          code: 409,
          reason: 'Conflict',
          message: 'changed meanwhile',
        });
      written.push(object);
      first.resolve();
      return object;
    },
    async *watch({ kind }, _selection, _from, signal) {
      const queue: WatchEvent[] = [];
      let wake = () => {};
      signal?.addEventListener('abort', () => wake());
      if (kind === 'VirtualService') {
        watched.resolve();
        send = (event) => {
          current = event.object;
          queue.push(event);
          wake();
        };
      }
      while (!signal?.aborted) {
        yield* queue.splice(0);
        if (queue.length > 0 || signal?.aborted) continue;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
  return { client, written, firstWrite: first.promise, watched: watched.promise, send: (event: WatchEvent) => send(event) };
}

test('objects of an API server are followed, and told their state despite another writer', { timeout: 9000 }, async () => {
  const server = fakeServer();
  const reflectors = createReflectors({ client: server.client, clock: systemClock, log });
  const kinds = [virtualServiceKind, serviceKind];
  const config = createConfig({
    sources: [kubeSource({ client: server.client, reflectors, kinds })],
    clock: systemClock,
    log,
    statusDelayMs: 1,
  });
  const stop = new AbortController();
  const running = Promise.all([config.run(stop.signal), reflectors.run(stop.signal)]);
  await config.synced;
  await server.watched;
  const routes = config.collection(virtualServiceKind);
  const host = () => routes.get('default/reviews')?.spec.http?.[0]?.route?.[0]?.destination.host;
  assert.equal(host(), 'one');
  assert.deepEqual(
    config.problems().map((p) => [p.code, p.severity]),
    [['MW0110', 'warning']],
    'a field of a newer server does not refuse the object',
  );

  const changed = new Promise<void>((resolve) => routes.subscribe(() => resolve()));
  server.send({ type: 'MODIFIED', object: route('two', '2') });
  await changed;
  assert.equal(host(), 'two');
  await server.firstWrite;
  const status = server.written[0]?.status as { conditions: { type: string; status: string }[] };
  assert.deepEqual(
    status.conditions.map((c) => [c.type, c.status]),
    [['Reconciled', 'True']],
  );

  const gone = new Promise<void>((resolve) => routes.subscribe(() => resolve()));
  server.send({ type: 'DELETED', object: route('two', '3') });
  await gone;
  assert.equal(host(), undefined);
  stop.abort();
  await running;
});

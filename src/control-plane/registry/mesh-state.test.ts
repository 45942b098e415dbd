import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGraph } from '#collection/collection.ts';
import type { InputCollection } from '#collection/graph.ts';
import { defaultMeshConfig } from '#mesh/mesh-config.ts';
import type { MeshSnapshot, SnapshotChange } from '#mesh/snapshot.ts';
import type { KindDefinition } from '#resources/kind.ts';
import type { Resource } from '#resources/object.ts';
import { readResources } from '#resources/read.ts';
import { createMeshState } from './mesh-state.ts';
import { meshInputs, snapshotOf } from './snapshot-of.ts';

function resources(text: string): readonly Resource<unknown>[] {
  const { resources, problems } = readResources(text);
  assert.deepEqual(
    problems.filter((p) => p.severity === 'error'),
    [],
  );
  return resources;
}

const bookinfo = `
apiVersion: v1
kind: Namespace
metadata: {name: default, labels: {team: a}}
---
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec:
  clusterIP: 10.96.0.10
  selector: {app: reviews}
  ports: [{name: http, port: 9080}]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-v1, labels: {app: reviews, version: v1}}
spec: {address: 127.64.16.1, ports: {http: 20001}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-v2, labels: {app: reviews, version: v2}}
spec: {address: 127.64.32.1, ports: {http: 20002}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http: [{route: [{destination: {host: reviews, subset: v1}}]}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec: {host: reviews, subsets: [{name: v1, labels: {version: v1}}]}
`;

/** A mesh state with inputs at hand, whose scheduled work runs when the test says so. */
function live(text: string) {
  const graph = createGraph();
  const inputs = new Map<string, InputCollection<Resource<unknown>>>();
  const collected = meshInputs(<Spec>(kind: KindDefinition<Spec>) => {
    const input = graph.input<Resource<Spec>>(kind.plural, ({ metadata }) => `${metadata.namespace}/${metadata.name}`);
    inputs.set(kind.kind, input as unknown as InputCollection<Resource<unknown>>);
    return input;
  });
  const scheduled: (() => void)[] = [];
  const state = createMeshState({ graph, inputs: collected, mesh: defaultMeshConfig, schedule: (run) => scheduled.push(run) });
  const seen: { snapshot: MeshSnapshot; change: SnapshotChange }[] = [];
  state.subscribe((snapshot, change) => seen.push({ snapshot, change }));
  const apply = (yaml: string) =>
    graph.transaction(() => {
      for (const r of resources(yaml)) inputs.get(r.kind)?.set(r);
    });
  const turn = () => {
    for (const run of scheduled.splice(0)) run();
  };
  apply(text);
  turn();
  return { state, inputs, seen, apply, turn };
}

function sets(change: SnapshotChange | undefined): Record<string, string[] | boolean> {
  return Object.fromEntries(
    Object.entries(change ?? {}).flatMap(([name, value]): [string, string[] | boolean][] =>
      value instanceof Set ? (value.size > 0 ? [[name, [...value].sort()]] : []) : value ? [[name, true]] : [],
    ),
  );
}

const reviewsKey = 'default/reviews.default.svc.cluster.local';

test('services, endpoints and configuration of a small mesh', () => {
  const { state, seen } = live(bookinfo);
  const snapshot = state.current();
  assert.deepEqual(
    snapshot.services.map((s) => [s.hostname, s.addresses, s.ports[0]?.protocol]),
    [['reviews.default.svc.cluster.local', ['10.96.0.10'], 'http']],
  );
  assert.deepEqual(
    snapshot.endpoints
      .get(reviewsKey)
      ?.endpoints.map((e) => [e.address, e.port, e.servicePortName, e.labels.version, e.workloadName, e.tlsMode, e.health]),
    [
      ['127.64.16.1', 20001, 'http', 'v1', 'reviews-v1', 'disabled', 'healthy'],
      ['127.64.32.1', 20002, 'http', 'v2', 'reviews-v2', 'disabled', 'healthy'],
    ],
  );
  assert.deepEqual(snapshot.namespaces.get('default'), { team: 'a' });
  assert.equal(seen.length, 1, 'one snapshot for the whole transaction');
  assert.equal(seen[0]?.snapshot, snapshot);
});

test('a changed endpoint changes nothing else, and is visible before the turn ends', () => {
  const { state, seen, apply, turn } = live(bookinfo);
  const before = state.current();
  apply(`
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-v2, labels: {app: reviews, version: v2}}
spec: {address: 127.64.32.1, ports: {http: 20009}}
`);
  assert.equal(seen.length, 1, 'listeners wait for the end of the turn');
  const after = state.current();
  assert.equal(after.endpoints.get(reviewsKey)?.endpoints[1]?.port, 20009);
  assert.equal(before.endpoints.get(reviewsKey)?.endpoints[1]?.port, 20002, 'an older snapshot stays as it was');
  assert.equal(after.services, before.services);
  assert.equal(after.virtualServices, before.virtualServices);
  assert.equal(after.destinationRules, before.destinationRules);
  assert.equal(after.namespaces, before.namespaces);
  turn();
  assert.deepEqual(
    seen.slice(1).map(({ change }) => sets(change)),
    [{ endpoints: [reviewsKey] }],
  );
  assert.equal(seen[1]?.snapshot, after);
});

test('a written status, a new resourceVersion and a heartbeat change nothing', () => {
  const { state, inputs, seen, turn } = live(bookinfo);
  const before = state.current();
  for (const [kind, status] of [
    ['VirtualService', { validationMessages: [] }],
    ['DestinationRule', { conditions: [] }],
    ['WorkloadEntry', { conditions: [{ type: 'Healthy', status: 'True', lastProbeTime: '2026-01-01T00:00:00Z' }] }],
  ] as const) {
    const input = inputs.get(kind);
    for (const resource of [...(input?.values() ?? [])])
      input?.set({ ...resource, status, metadata: { ...resource.metadata, resourceVersion: '77' } });
  }
  turn();
  assert.equal(seen.length, 1);
  assert.equal(state.current(), before);
});

test('health of a WorkloadEntry comes from its condition', () => {
  const { state, inputs, turn } = live(bookinfo);
  const entries = inputs.get('WorkloadEntry');
  const entry = entries?.get('default/reviews-v1');
  assert.ok(entries && entry);
  entries.set({ ...entry, status: { conditions: [{ type: 'Healthy', status: 'False' }] } });
  turn();
  assert.deepEqual(
    state
      .current()
      .endpoints.get(reviewsKey)
      ?.endpoints.map((e) => e.health),
    ['unhealthy', 'healthy'],
  );
  entries.delete('default/reviews-v1');
  turn();
  assert.deepEqual(
    state
      .current()
      .endpoints.get(reviewsKey)
      ?.endpoints.map((e) => e.address),
    ['127.64.32.1'],
  );
});

test('a Kubernetes service wins over a ServiceEntry of the same host, and gives way when it goes', () => {
  const { state, inputs, seen, apply, turn } = live(bookinfo);
  apply(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: rival, creationTimestamp: "2020-01-01T00:00:00Z"}
spec:
  hosts: [reviews.default.svc.cluster.local]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  location: MESH_INTERNAL
  endpoints: [{address: 1.2.3.4}]
`);
  turn();
  assert.equal(seen.length, 1, 'the loser changes nothing');
  inputs.get('Service')?.delete('default/reviews');
  turn();
  assert.deepEqual(sets(seen[1]?.change), { endpoints: [reviewsKey], services: [reviewsKey] });
  assert.deepEqual(
    state.current().services.map((s) => s.registry),
    ['service-entry'],
  );
  assert.deepEqual(
    state
      .current()
      .endpoints.get(reviewsKey)
      ?.endpoints.map((e) => [e.address, e.port]),
    [['1.2.3.4', 80]],
  );
});

test('a changed delegate changes its root', () => {
  const { state, seen, apply, turn } = live(`${bookinfo}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root}
spec:
  hosts: [shop.example.com]
  gateways: [shop]
  http: [{match: [{uri: {prefix: /a}}], delegate: {name: part}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: part}
spec: {http: [{route: [{destination: {host: reviews}}]}]}
`);
  assert.deepEqual(
    state.current().virtualServices.map((v) => v.metadata.name),
    ['reviews', 'root'],
    'a delegate is no service of its own',
  );
  apply(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: part}
spec: {http: [{route: [{destination: {host: ratings}}]}]}
`);
  turn();
  assert.deepEqual(sets(seen[1]?.change), { virtualServices: ['default/root'] });
  assert.equal(state.current().virtualServices[1]?.spec.http?.[0]?.route?.[0]?.destination.host, 'ratings');
});

test('a new mesh configuration converts everything that depends on it', () => {
  const { state, seen, turn } = live(bookinfo);
  state.setMesh({ ...defaultMeshConfig, clusterDomain: 'mesh.local' });
  turn();
  assert.equal(seen[1]?.change.mesh, true);
  assert.deepEqual(
    state.current().services.map((s) => s.hostname),
    ['reviews.default.svc.mesh.local'],
  );
  assert.ok(state.current().endpoints.has('default/reviews.default.svc.mesh.local'));
  assert.ok(!state.current().endpoints.has(reviewsKey));
});

test('order is by age, then name, then namespace', () => {
  const entry = (name: string, namespace: string, created: string) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${name}, namespace: ${namespace}, creationTimestamp: "${created}"}
spec: {host: a.com}
`;
  const text = [
    entry('b', 'x', '2024-01-02T00:00:00Z'),
    entry('a', 'y', '2024-01-02T00:00:00Z'),
    entry('a', 'x', '2024-01-02T00:00:00Z'),
    entry('z', 'z', '2024-01-01T00:00:00Z'),
  ];
  assert.deepEqual(
    snapshotOf(resources(text.join('---'))).destinationRules.map((r) => `${r.metadata.name}.${r.metadata.namespace}`),
    ['z.z', 'a.x', 'a.y', 'b.x'],
  );
});

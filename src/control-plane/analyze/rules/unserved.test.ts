import assert from 'node:assert/strict';
import { test } from 'node:test';
import { meshFromYaml } from '../../../../test/sim/mesh-from-yaml.ts';
import { analyzeSnapshot } from '../analyze.ts';

const text = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: outside, namespace: default }
spec:
  hosts: [store.example]
  resolution: DNS
  ports:
    - { number: 80, name: http, protocol: HTTP }
    - { number: 81, name: web, protocol: GRPC-WEB }
    - { number: 27017, name: data, protocol: MONGO }
    - { number: 6379, name: cache, protocol: REDIS }
---
apiVersion: v1
kind: Service
metadata: { name: books, namespace: default }
spec:
  clusterIP: 10.96.0.20
  ports:
    - { name: grpc-web, port: 8080 }
    - { name: grpc, port: 8081 }
`;

test('protocols whose filters are not generated are told, port by port, and others are not', () => {
  const { snapshot, problems } = meshFromYaml([{ file: 'mesh.yaml', text }]);
  assert.deepEqual(problems, []);
  const found = [...analyzeSnapshot(snapshot)].map(([key, list]) => [
    key,
    list.map(({ code, severity, path, message }) => [code, severity, path, message.split(': ')[0]]),
  ]);
  assert.deepEqual(Object.fromEntries(found), {
    'ServiceEntry/default/outside': [
      ['MW0401', 'info', 'spec.ports[1]', 'store.example:81'],
      ['MW0401', 'info', 'spec.ports[2]', 'store.example:27017'],
    ],
    'Service/default/books': [['MW0401', 'info', 'spec.ports[0]', 'books.default.svc.cluster.local:8080']],
  });
});

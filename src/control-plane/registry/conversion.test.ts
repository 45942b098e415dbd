import assert from 'node:assert/strict';
import { test } from 'node:test';
import { delegateOrigin } from '#mesh/delegates.ts';
import type { Endpoint } from '#mesh/endpoint.ts';
import type { MeshSnapshot } from '#mesh/snapshot.ts';
import { readResources } from '#resources/read.ts';
import { snapshotOf } from './snapshot-of.ts';

function snapshot(text: string): MeshSnapshot {
  const { resources, problems } = readResources(text);
  assert.deepEqual(
    problems.filter((problem) => problem.severity === 'error'),
    [],
  );
  return snapshotOf(resources);
}

function endpoints(
  text: string,
  key: string,
  pick: (endpoint: Endpoint) => unknown = (e) => `${e.address}:${e.port}/${e.servicePortName}`,
): unknown[] {
  return snapshot(text).endpoints.get(key)?.endpoints.map(pick) ?? [];
}

function entry(spec: string, rest = ''): string {
  return `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: e, namespace: n${rest}}
spec: ${spec}
`;
}

const ports = 'ports: [{number: 80, name: http, protocol: HTTP}, {number: 443, name: tls, protocol: TLS, targetPort: 8443}]';

test('Kubernetes services: resolution, addresses, alias, annotations', () => {
  const { services } = snapshot(`
apiVersion: v1
kind: Namespace
metadata: {name: n, annotations: {networking.istio.io/traffic-distribution: PreferClose}}
---
apiVersion: v1
kind: Service
metadata:
  name: plain
  namespace: n
  annotations: {networking.istio.io/exportTo: ". , other", alpha.istio.io/kubernetes-serviceaccounts: sa1}
spec: {clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, "fd00::1"], ports: [{port: 80, name: http, targetPort: web}], internalTrafficPolicy: Local}
---
apiVersion: v1
kind: Service
metadata: {name: headless, namespace: n}
spec: {clusterIP: None, selector: {app: x}, ports: [{port: 5432}], trafficDistribution: PreferSameNode}
---
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: n}
spec: {type: ExternalName, externalName: example.com, ports: [{port: 80}]}
`);
  const by = Object.fromEntries(services.map((service) => [service.name, service]));
  assert.deepEqual(
    [
      by.plain?.resolution,
      by.plain?.addresses,
      by.plain?.exportTo,
      by.plain?.subjectAltNames,
      by.plain?.nodeLocal,
      by.plain?.ports[0]?.targetPort,
    ],
    ['static', ['10.0.0.1', 'fd00::1'], ['.', 'other'], ['spiffe://cluster.local/ns/n/sa/sa1'], true, 'web'],
  );
  assert.equal(by.plain?.trafficDistribution, 'PreferClose', 'from the namespace');
  assert.deepEqual(
    [by.headless?.resolution, by.headless?.addresses, by.headless?.trafficDistribution],
    ['passthrough', [], 'PreferSameNode'],
  );
  assert.deepEqual([by.alias?.resolution, by.alias?.externalName, by.alias?.meshExternal], ['alias', 'example.com', true]);
});

test('endpoints of slices take labels and identity from their pods', () => {
  const text = `
apiVersion: v1
kind: Service
metadata: {name: s, namespace: n}
spec: {clusterIP: 10.0.0.1, selector: {app: s}, ports: [{name: http, port: 80, targetPort: 8080}, {name: other, port: 81}]}
---
apiVersion: v1
kind: Pod
metadata: {name: s-6b7f9-abcde, namespace: n, labels: {app: s, pod-template-hash: 6b7f9, security.istio.io/tlsMode: istio, istio-locality: r1.z1.s1}}
spec: {serviceAccountName: robot, nodeName: node1, containers: [{name: c}]}
status: {podIP: 10.1.0.1}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s-1, namespace: n, labels: {kubernetes.io/service-name: s}}
addressType: IPv4
ports: [{name: http, port: 8080}, {name: unrelated, port: 9}]
endpoints:
- {addresses: [10.1.0.1], conditions: {ready: true}, targetRef: {kind: Pod, name: s-6b7f9-abcde}}
- {addresses: [10.1.0.2], conditions: {ready: false}, zone: z2}
- {addresses: [10.1.0.3], conditions: {ready: false, serving: true, terminating: true}}
- {addresses: [10.1.0.4], conditions: {ready: false, serving: false, terminating: true}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s-dns, namespace: n, labels: {kubernetes.io/service-name: s}}
addressType: FQDN
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [a.example.com]}]
`;
  const key = 'n/s.n.svc.cluster.local';
  assert.deepEqual(endpoints(text, key), ['10.1.0.1:8080/http', '10.1.0.2:8080/http', '10.1.0.3:8080/http', '10.1.0.4:8080/http']);
  assert.deepEqual(
    endpoints(text, key, (e) => e.health),
    ['healthy', 'unhealthy', 'draining', 'terminating'],
  );
  const [first, second] = snapshot(text).endpoints.get(key)?.endpoints ?? [];
  assert.deepEqual(
    [first?.workloadName, first?.serviceAccount, first?.tlsMode, first?.locality, first?.nodeName, first?.labels.app],
    ['s', 'spiffe://cluster.local/ns/n/sa/robot', 'istio', 'r1/z1/s1', 'node1', 's'],
  );
  assert.equal(second?.locality, '/z2');
});

test('the port of a WorkloadEntry behind a Kubernetes service', () => {
  const service = (port: string, target: string) => `
apiVersion: v1
kind: Service
metadata: {name: s, namespace: n}
spec: {clusterIP: 10.0.0.1, selector: {app: s}, ports: [{name: ${port}, port: 80${target}}]}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: w, namespace: n, labels: {app: s}}
spec: {address: 1.1.1.1, ports: {http: 2000, named: 3000}, weight: 7, serviceAccount: robot, labels: {app: hidden, zone: a}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: elsewhere, namespace: other, labels: {app: s}}
spec: {address: 2.2.2.2}
`;
  const key = 'n/s.n.svc.cluster.local';
  assert.deepEqual(endpoints(service('http', ', targetPort: 9'), key), ['1.1.1.1:2000/http'], 'its own list goes first');
  assert.deepEqual(endpoints(service('grpc', ', targetPort: 9'), key), ['1.1.1.1:9/grpc']);
  assert.deepEqual(endpoints(service('grpc', ', targetPort: named'), key), ['1.1.1.1:3000/grpc']);
  assert.deepEqual(endpoints(service('grpc', ''), key), ['1.1.1.1:80/grpc']);
  const [one] = snapshot(service('http', '')).endpoints.get(key)?.endpoints ?? [];
  assert.deepEqual(
    [one?.weight, one?.tlsMode, one?.serviceAccount, one?.labels],
    [7, 'istio', 'spiffe://cluster.local/ns/n/sa/robot', { app: 's', zone: 'a' }],
  );
});

test('endpoints of a ServiceEntry by resolution', () => {
  const rows: readonly (readonly [string, string, readonly string[]])[] = [
    ['NONE', `{hosts: [a.com], resolution: NONE, ${ports}}`, []],
    [
      'STATIC',
      `{hosts: [a.com], resolution: STATIC, ${ports}, endpoints: [{address: 1.1.1.1, ports: {http: 8000}}]}`,
      ['1.1.1.1:8000/http', '1.1.1.1:8443/tls'],
    ],
    [
      'socket',
      '{hosts: [a.com], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: "unix:///run/a"}]}',
      ['unix:///run/a:0/http'],
    ],
    ['DNS itself', `{hosts: [a.com], resolution: DNS, ${ports}}`, ['a.com:80/http', 'a.com:8443/tls']],
    ['DNS names', `{hosts: [a.com], resolution: DNS, ${ports}, endpoints: [{address: b.com}]}`, ['b.com:80/http', 'b.com:8443/tls']],
    ['selector', `{hosts: [a.com], resolution: STATIC, ${ports}, workloadSelector: {labels: {app: x}}}`, []],
  ];
  for (const [title, spec, expected] of rows) assert.deepEqual(endpoints(entry(spec), 'n/a.com'), expected, title);
});

test('a ServiceEntry selects WorkloadEntries and pods of its namespace', () => {
  const text = `${entry(`{hosts: [a.com], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}], workloadSelector: {labels: {app: x, tier: y}}}`)}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: w, namespace: n, labels: {app: x, tier: y}}
spec: {address: 1.1.1.1}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: half, namespace: n, labels: {app: x}}
spec: {address: 1.1.1.2}
---
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: n, labels: {app: x, tier: y}}
spec: {containers: []}
status: {podIP: 1.1.1.3, phase: Running, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: done, namespace: n, labels: {app: x, tier: y}}
spec: {containers: []}
status: {podIP: 1.1.1.4, phase: Succeeded}
`;
  assert.deepEqual(endpoints(text, 'n/a.com'), ['1.1.1.1:8080/http', '1.1.1.3:8080/http']);
});

test('ServiceEntries of one host and namespace are joined, the oldest first', () => {
  const { services, endpoints } =
    snapshot(`${entry(`{hosts: [a.com], addresses: [10.0.0.1], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}`, ', creationTimestamp: "2024-01-01T00:00:00Z"')}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: later, namespace: n, creationTimestamp: "2024-01-02T00:00:00Z"}
spec: {hosts: [a.com, b.com], addresses: [10.0.0.2], resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}, {number: 80, name: again, protocol: GRPC}]}
`);
  assert.deepEqual(
    services.map((s) => [s.hostname, s.addresses, s.ports.map((p) => `${p.number}/${p.protocol}`)]),
    [
      ['a.com', ['10.0.0.1', '10.0.0.2'], ['80/http', '443/tls']],
      ['b.com', ['10.0.0.2'], ['443/tls', '80/grpc']],
    ],
  );
  assert.deepEqual(
    endpoints.get('n/a.com')?.endpoints.map((e) => `${e.port}/${e.servicePortName}`),
    ['80/http', '443/tls'],
  );
});

test('a CIDR of one address is that address', () => {
  const { services } = snapshot(
    entry('{hosts: [a.com], addresses: [10.0.0.1/32, "fd00::1/128", 10.1.0.0/16], ports: [{number: 80, name: http, protocol: HTTP}]}'),
  );
  assert.deepEqual(services[0]?.addresses, ['10.0.0.1', 'fd00::1', '10.1.0.0/16']);
});

test('addresses allocated in the status stand in for those not written', () => {
  const { services } = snapshot(`${entry(`{hosts: [a.com, b.com], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}`)}
status: {addresses: [{value: 240.240.0.1, host: a.com}, {value: 240.240.0.2, host: b.com}]}
`);
  assert.deepEqual(
    services.map((s) => s.addresses),
    [['240.240.0.1'], ['240.240.0.2']],
  );
});

function virtualService(name: string, spec: string): string {
  return `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}, namespace: n}
spec: ${spec}
`;
}

test('a root takes over the routes of its delegates', () => {
  const root = (match: string, rest = '') =>
    virtualService('root', `{hosts: [a.com], http: [{name: r, match: [${match}], delegate: {name: d}, timeout: 3s${rest}}]}`);
  const delegate = (http: string, rest = '') => virtualService('d', `{http: [${http}]${rest}}`);
  const to = 'route: [{destination: {host: b}}]';
  const rows: readonly (readonly [string, string, string, readonly unknown[]])[] = [
    ['no match inside', root('{uri: {prefix: /a}}'), delegate(`{${to}}`), [[{ uri: { prefix: '/a' } }]]],
    ['narrower prefix', root('{uri: {prefix: /a}}'), delegate(`{match: [{uri: {exact: /a/b}}], ${to}}`), [[{ uri: { exact: '/a/b' } }]]],
    ['other prefix', root('{uri: {prefix: /a}}'), delegate(`{match: [{uri: {prefix: /c}}], ${to}}`), []],
    [
      'one of two',
      root('{uri: {prefix: /a}}'),
      delegate(`{match: [{uri: {prefix: /c}}, {uri: {prefix: /a/x}}], ${to}}`),
      [[{ uri: { prefix: '/a/x' } }]],
    ],
    ['two expressions', root('{uri: {regex: "/a.*"}}'), delegate(`{match: [{uri: {prefix: /a}}], ${to}}`), []],
    [
      'expression beside nothing',
      root('{uri: {regex: "/a.*"}}'),
      delegate(`{match: [{port: 80}], ${to}}`),
      [[{ uri: { regex: '/a.*' }, port: 80 }]],
    ],
    [
      'headers join',
      root('{headers: {x: {exact: "1"}}}'),
      delegate(`{match: [{headers: {y: {exact: "2"}}}], ${to}}`),
      [[{ headers: { x: { exact: '1' }, y: { exact: '2' } } }]],
    ],
    ['headers differ', root('{headers: {x: {exact: "1"}}}'), delegate(`{match: [{headers: {x: {exact: "2"}}}], ${to}}`), []],
    ['not exported', root('{uri: {prefix: /a}}'), delegate(`{${to}}`, ', exportTo: [other]'), []],
    ['exported to own', root('{uri: {prefix: /a}}'), delegate(`{${to}}`, ', exportTo: ["."]'), [[{ uri: { prefix: '/a' } }]]],
  ];
  for (const [title, rootText, delegateText, expected] of rows) {
    const [merged, ...others] = snapshot(`${rootText}---${delegateText}`).virtualServices;
    assert.equal(others.length, 0);
    assert.deepEqual(
      merged?.spec.http?.map((route) => route.match),
      expected,
      title,
    );
  }
  const [merged] = snapshot(
    `${root('{uri: {prefix: /a}}', ', retries: {attempts: 1}')}---${delegate(`{name: x, timeout: 1s, ${to}}`)}`,
  ).virtualServices;
  const [route] = merged?.spec.http ?? [];
  assert.deepEqual([route?.name, route?.timeout, route?.retries?.attempts, route && 'delegate' in route], ['r-x', '1s', 1, false]);
  assert.deepEqual(route && [delegateOrigin(route)?.name, delegateOrigin(route)?.path], ['d', 'spec.http[0]']);
  assert.deepEqual(snapshot(root('{uri: {prefix: /a}}')).virtualServices[0]?.spec.http, [], 'a missing delegate gives no route');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseYaml } from '#yaml/document.ts';
import { formatPath } from '../issue.ts';
import { kindFor } from '../kinds.ts';
import { isHeaderName } from './header-checks.ts';

/** `CODE path` of every problem of a spec, in order. */
function problems(kind: string, spec: string, metadata = '{name: x, namespace: n}'): string[] {
  const text = `apiVersion: networking.istio.io/v1\nkind: ${kind}\nmetadata: ${metadata}\nspec: ${spec}\n`;
  const [document] = parseYaml(text);
  assert.deepEqual(document?.problems, [], text);
  const decoded = kindFor('networking.istio.io/v1', kind)?.decode(document?.value, { source: 'file' });
  for (const problem of decoded?.problems ?? [])
    assert.ok(problem.message.length > 10 && problem.fix.length > 5, `${problem.code} says too little`);
  return (decoded?.problems ?? []).map(({ code, path }) => `${code} ${path.replace(/^spec\.?/, '')}`.trim());
}

function check(kind: string, rows: readonly (readonly [spec: string, ...expected: string[]])[]): void {
  for (const [spec, ...expected] of rows) assert.deepEqual(problems(kind, spec), expected, spec);
}

const to = 'route: [{destination: {host: a}}]';
const http = (rule: string) => `{hosts: [a.com], http: [{${rule}}]}`;

test('VirtualService: hosts, gateways, delegates, exports', () => {
  check('VirtualService', [
    [http(to)],
    [`{hosts: ["*"], http: [{${to}}]}`, 'MW0201 hosts[0]'],
    [`{hosts: ["*"], gateways: [g], http: [{${to}}]}`],
    [`{hosts: ["*.a.com", x.a.com], http: [{${to}}]}`, 'MW0210 hosts[1]'],
    [`{hosts: ["a*.com"], http: [{${to}}]}`, 'MW0201 hosts[0]'],
    [`{hosts: [""], http: [{${to}}]}`, 'MW0201 hosts[0]'],
    [`{hosts: [10.0.0.1], http: [{${to}}]}`],
    ['{hosts: [a.com]}', 'MW0204'],
    [`{http: [{${to}}]}`],
    [`{gateways: [g], http: [{${to}}]}`, 'MW0205 gateways'],
    ['{hosts: [a.com], http: [{delegate: {name: d}}]}'],
    ['{http: [{delegate: {name: d}}]}', 'MW0205 http[0].delegate'],
    [`{hosts: [a.com], gateways: [a/b/c, ""], http: [{${to}}]}`, 'MW0217 gateways[0]', 'MW0217 gateways[1]'],
    [`{hosts: [a.com], exportTo: ["*", n], http: [{${to}}]}`, 'MW0209 exportTo'],
    [`{hosts: [a.com], exportTo: [".", n], http: [{${to}}]}`, 'MW0209 exportTo'],
    [`{hosts: [a.com], exportTo: ["~"], http: [{${to}}]}`, 'MW0209 exportTo[0]'],
  ]);
});

test('VirtualService: what happens to a request', () => {
  check('VirtualService', [
    [http('match: [{uri: {prefix: /}}]'), 'MW0204 http[0]'],
    [http(`${to}, redirect: {uri: /x}`), 'MW0205 http[0].route'],
    [http(`${to}, directResponse: {status: 200}`), 'MW0205 http[0].route'],
    [http('directResponse: {status: 99}'), 'MW0216 http[0].directResponse.status'],
    [http('redirect: {}'), 'MW0204 http[0].redirect'],
    [http('redirect: {uri: /x, redirectCode: 200}'), 'MW0216 http[0].redirect.redirectCode'],
    [http('redirect: {uri: /x, scheme: ftp}'), 'MW0113 http[0].redirect.scheme'],
    [http(`${to}, rewrite: {}`), 'MW0204 http[0].rewrite'],
    [http(`${to}, rewrite: {uri: /a, uriRegexRewrite: {match: a, rewrite: b}}`), 'MW0205 http[0].rewrite'],
    [http(`${to}, rewrite: {uriRegexRewrite: {match: "(?=a)", rewrite: b}}`), 'MW0203 http[0].rewrite.uriRegexRewrite.match'],
    [http('route: [{destination: {host: a}, weight: 0}, {destination: {host: b}, weight: 0}]'), 'MW0206 http[0].route'],
    [http('route: [{destination: {host: a}, weight: -1}]'), 'MW0206 http[0].route[0].weight'],
    [http('route: [{destination: {host: a}, weight: 0}]')],
    [http('route: [{destination: {host: "*"}}]'), 'MW0201 http[0].route[0].destination.host'],
    [
      http('route: [{destination: {host: a, subset: V_1, port: {number: 0}}}]'),
      'MW0218 http[0].route[0].destination.subset',
      'MW0202 http[0].route[0].destination.port.number',
    ],
    [http(`${to}, timeout: 0.5ms`), 'MW0208 http[0].timeout'],
    [http(`${to}, mirror: {host: b}, mirrorPercentage: {value: 120}`), 'MW0214 http[0].mirrorPercentage.value'],
    [http(`${to}, mirror: {host: b}, mirrors: [{destination: {host: c}}]`), 'MW0205 http[0].mirrors'],
    [http(`${to}, mirrors: [{}]`), 'MW0112 http[0].mirrors[0].destination'],
  ]);
});

test('VirtualService: conditions, headers, faults, retries', () => {
  check('VirtualService', [
    [http(`match: [{uri: {regex: "(a"}}], ${to}`), 'MW0203 http[0].match[0].uri.regex'],
    [http(`match: [{uri: {regex: "${'a'.repeat(1025)}"}}], ${to}`), 'MW0203 http[0].match[0].uri.regex'],
    [http(`match: [{uri: {prefix: ""}}], ${to}`), 'MW0204 http[0].match[0].uri.prefix'],
    [http(`match: [{headers: {"a b": {exact: x}}}], ${to}`), 'MW0207 http[0].match[0].headers["a b"]'],
    [http(`match: [{headers: {":method": {exact: GET}}}], ${to}`)],
    [
      http(`match: [{port: 70000, sourceLabels: {"a b": c}}], ${to}`),
      'MW0202 http[0].match[0].port',
      'MW0212 http[0].match[0].sourceLabels["a b"]',
    ],
    [http(`${to}, headers: {request: {set: {":path": x}}}`), 'MW0207 http[0].headers.request.set[":path"]'],
    [http(`${to}, headers: {request: {set: {":authority": x}}}`)],
    [http(`${to}, headers: {request: {set: {":authority": x}, add: {Host: y}}}`), 'MW0207 http[0].headers.request'],
    [http(`${to}, headers: {response: {remove: [host]}}`), 'MW0207 http[0].headers.response.remove[0]'],
    [http(`${to}, headers: {request: {set: {x: "50%"}}}`), 'MW0207 http[0].headers.request.set.x'],
    [http(`${to}, headers: {request: {set: {x: "50%% %REQ(a)% %START_TIME%"}}}`)],
    [http(`${to}, fault: {}`), 'MW0204 http[0].fault'],
    [http(`${to}, fault: {abort: {httpStatus: 700}}`), 'MW0216 http[0].fault.abort.httpStatus'],
    [http(`${to}, fault: {abort: {grpcStatus: SOMETHING}}`), 'MW0216 http[0].fault.abort.grpcStatus'],
    [http(`${to}, fault: {delay: {fixedDelay: 1s, percentage: {value: -1}}}`), 'MW0214 http[0].fault.delay.percentage.value'],
    [http(`${to}, fault: {delay: {exponentialDelay: 1s}}`), 'MW0213 http[0].fault.delay.exponentialDelay'],
    [http(`${to}, retries: {attempts: 2, retryOn: "5xx, 503, never"}`), 'MW0215 http[0].retries.retryOn'],
    [http(`${to}, retries: {attempts: 0, retryOn: 5xx}`), 'MW0215 http[0].retries'],
    [http(`${to}, retries: {attempts: -1}`), 'MW0215 http[0].retries.attempts'],
    [
      http(`${to}, corsPolicy: {allowMethods: [FETCH], maxAge: 1500ms}`),
      'MW0113 http[0].corsPolicy.allowMethods[0]',
      'MW0208 http[0].corsPolicy.maxAge',
    ],
  ]);
});

test('VirtualService: rules that are never reached', () => {
  check('VirtualService', [
    [`{hosts: [a.com], http: [{${to}}, {match: [{uri: {prefix: /x}}], ${to}}]}`, 'IST0130 http[1]'],
    [
      `{hosts: [a.com], http: [{match: [{uri: {prefix: /x}}], ${to}}, {match: [{uri: {prefix: /x}, name: other}], ${to}}]}`,
      'IST0130 http[1]',
    ],
    [
      `{hosts: [a.com], http: [{match: [{uri: {prefix: /x}}], ${to}}, {match: [{uri: {prefix: /x/y}}, {uri: {prefix: /z}}], ${to}}]}`,
      'IST0131 http[1].match[0]',
    ],
    [`{hosts: [a.com], http: [{match: [{uri: {prefix: /x}, port: 80}], ${to}}, {match: [{uri: {prefix: /x}}], ${to}}, {${to}}]}`],
    [`{hosts: [a.com], tcp: [{${to}}, {match: [{port: 80}], ${to}}]}`, 'IST0130 tcp[1]'],
  ]);
});

test('VirtualService: TLS and TCP', () => {
  check('VirtualService', [
    [`{hosts: [a.com], tls: [{match: [{sniHosts: [a.com]}], ${to}}]}`],
    [`{hosts: [a.com], tls: [{match: [{sniHosts: [b.com]}], ${to}}]}`, 'MW0201 tls[0].match[0].sniHosts[0]'],
    [`{hosts: ["*.a.com"], tls: [{match: [{sniHosts: [x.a.com]}], ${to}}]}`],
    [`{hosts: [a.com], tls: [{${to}}]}`, 'MW0204 tls[0]'],
    [
      '{hosts: [a.com], tcp: [{match: [{destinationSubnets: [10.0.0.0/33]}]}]}',
      'MW0211 tcp[0].match[0].destinationSubnets[0]',
      'MW0204 tcp[0]',
    ],
  ]);
});

const policy = (text: string) => `{host: a, trafficPolicy: {${text}}}`;

test('DestinationRule', () => {
  check('DestinationRule', [
    ['{host: a, subsets: [{name: v1, labels: {version: v1}}]}'],
    ['{host: ""}', 'MW0201 host'],
    ['{host: a, trafficPolicy: {}}', 'MW0204 trafficPolicy'],
    ['{host: a, subsets: [{name: v1}, {name: v1}, {name: V_2}]}', 'MW0210 subsets[1].name', 'MW0218 subsets[2].name'],
    [policy('connectionPool: {}'), 'MW0204 trafficPolicy.connectionPool'],
    [
      policy('connectionPool: {tcp: {maxConnections: -1, connectTimeout: 1us, idleTimeout: 0s}}'),
      'MW0114 trafficPolicy.connectionPool.tcp.maxConnections',
      'MW0208 trafficPolicy.connectionPool.tcp.connectTimeout',
    ],
    [
      policy('connectionPool: {http: {useClientProtocol: true, h2UpgradePolicy: UPGRADE}}'),
      'MW0205 trafficPolicy.connectionPool.http.useClientProtocol',
    ],
    [policy('outlierDetection: {maxEjectionPercent: 101}'), 'MW0214 trafficPolicy.outlierDetection.maxEjectionPercent'],
    [
      policy('outlierDetection: {consecutiveLocalOriginFailures: 2}'),
      'MW0205 trafficPolicy.outlierDetection.consecutiveLocalOriginFailures',
    ],
    [policy('outlierDetection: {consecutiveErrors: 2}'), 'IST0002 trafficPolicy.outlierDetection.consecutiveErrors'],
    [policy('loadBalancer: {simple: RANDOM, consistentHash: {useSourceIp: true}}'), 'MW0116 trafficPolicy.loadBalancer'],
    [
      policy('loadBalancer: {consistentHash: {httpHeaderName: x, maglev: {tableSize: 8}}}'),
      'MW0114 trafficPolicy.loadBalancer.consistentHash.maglev.tableSize',
    ],
    [policy('loadBalancer: {consistentHash: {httpHeaderName: x, maglev: {tableSize: 65537}}}')],
    [
      policy('loadBalancer: {localityLbSetting: {failover: [{from: r1, to: r1}]}}'),
      'MW0205 trafficPolicy.loadBalancer.localityLbSetting.failover[0]',
      'IST0133 trafficPolicy.loadBalancer.localityLbSetting',
    ],
    [
      policy('loadBalancer: {localityLbSetting: {distribute: [{from: "r1/*", to: {"r1/*": 70, "r2/*": 20}}]}}'),
      'MW0206 trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to',
    ],
    [
      policy('loadBalancer: {localityLbSetting: {distribute: [{from: "r1/*", to: {"r1/*": 70, "r1/z1": 30}}]}}'),
      'MW0210 trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to["r1/z1"]',
    ],
    [policy('tls: {mode: MUTUAL}'), 'MW0112 trafficPolicy.tls.clientCertificate', 'MW0112 trafficPolicy.tls.privateKey'],
    [policy('tls: {mode: SIMPLE, credentialName: c, caCertificates: /x}'), 'MW0205 trafficPolicy.tls.caCertificates'],
    [policy('tls: {mode: SIMPLE, insecureSkipVerify: true, subjectAltNames: [a]}'), 'MW0205 trafficPolicy.tls.subjectAltNames'],
    [policy('portLevelSettings: [{port: {number: 80}}]'), 'MW0204 trafficPolicy.portLevelSettings[0]'],
    [policy('portLevelSettings: [{loadBalancer: {simple: RANDOM}}]'), 'MW0112 trafficPolicy.portLevelSettings[0].port'],
    ['{host: a, workloadSelector: {matchLabels: {a: b}}, exportTo: [other]}', 'MW0209 exportTo'],
  ]);
});

const ports = 'ports: [{number: 80, name: http, protocol: HTTP}]';

test('ServiceEntry', () => {
  check('ServiceEntry', [
    [`{hosts: [a.com], resolution: DNS, ${ports}}`],
    [`{hosts: ["*"], ${ports}}`, 'MW0201 hosts[0]'],
    [`{hosts: [], ${ports}}`, 'MW0112 hosts'],
    [`{hosts: ["*.a.com"], resolution: DNS, ${ports}}`, 'MW0201 hosts[0]'],
    [`{hosts: [a.com], resolution: NONE, ${ports}, endpoints: [{address: 1.1.1.1}]}`, 'MW0205 endpoints'],
    [`{hosts: [a.com], resolution: STATIC, ${ports}, endpoints: [{address: b.com}]}`, 'MW0211 endpoints[0].address'],
    [
      `{hosts: [a.com], resolution: STATIC, ${ports}, endpoints: [{address: 1.1.1.1, ports: {other: 1}}]}`,
      'MW0202 endpoints[0].ports.other',
    ],
    [`{hosts: [a.com], resolution: DNS_ROUND_ROBIN, ${ports}, endpoints: [{address: b.com}, {address: c.com}]}`, 'MW0205 endpoints'],
    [`{hosts: [a.com], resolution: DNS, addresses: [10.0.0.0/8, x], ${ports}}`, 'MW0205 addresses[0]', 'MW0211 addresses[1]'],
    [
      '{hosts: [a.com], resolution: DNS, ports: [{number: 80, name: a, protocol: HTTP}, {number: 80, name: a, protocol: SPDY}]}',
      'MW0210 ports[1].name',
      'MW0210 ports[1].number',
      'MW0113 ports[1].protocol',
    ],
    ['{hosts: [a.com], ports: [{number: 3306, name: db, protocol: TCP}]}', 'IST0134 ports[0]'],
    [
      `{hosts: [a.com], resolution: STATIC, ${ports}, workloadSelector: {labels: {a: b}}, endpoints: [{address: 1.1.1.1}]}`,
      'MW0205 workloadSelector',
    ],
    [`{hosts: ["*.a.com"], resolution: DYNAMIC_DNS, ${ports}}`],
    [`{hosts: [a.com], exportTo: ["~"], ${ports}}`],
  ]);
});

test('WorkloadEntry', () => {
  check('WorkloadEntry', [
    ['{address: 127.64.16.1, ports: {http: 20001}}'],
    ['{address: vm.example.com}'],
    ['{}', 'MW0112 address'],
    ['{network: n1}', 'IST0133 address'],
    ['{address: 1.2.3}', 'MW0211 address'],
    ['{address: "unix://relative"}', 'MW0211 address'],
    ['{address: "unix:///run/a", ports: {http: 1}}', 'MW0205 ports'],
    ['{address: 1.1.1.1, ports: {http: 0, "a b": 70000}}', 'MW0202 ports.http', 'MW0202 ports["a b"]', 'MW0202 ports["a b"]'],
    ['{address: 1.1.1.1, labels: {a: "b c"}}', 'MW0212 labels.a'],
  ]);
});

test('annotations that refuse an object', () => {
  const meta = (annotation: string) => `{name: x, namespace: n, annotations: {${annotation}: "true"}}`;
  assert.deepEqual(problems('VirtualService', http(to), meta('istio.io/dry-run')), ['MW0109 metadata.annotations["istio.io/dry-run"]']);
  assert.deepEqual(problems('VirtualService', http(to), meta('my.io/x')), []);
});

test('paths and header names', () => {
  assert.equal(formatPath(['spec', 'http', 0, 'headers', 'x-a', 'a.b']), 'spec.http[0].headers.x-a["a.b"]');
  assert.deepEqual(['X-Requested-With', 'funky!$#_', '', ':authority', 'a b', 'a:b'].map(isHeaderName), [
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
});

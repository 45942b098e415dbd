import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configMapKind } from '../core/config-map.ts';
import { decodeMeshConfig, defaultMeshConfig } from './decode-mesh-config.ts';

const origin = { source: 'file' as const, file: 'mesh.yaml' };

function codes(text: string): string[] {
  return decodeMeshConfig(text, origin).problems.map(({ code, path, line }) => `${code} ${path} ${line ?? ''}`.trim());
}

test('an empty text is all defaults, those of Istio', () => {
  for (const text of ['', '# nothing\n', '{}']) assert.deepEqual(decodeMeshConfig(text, origin), { mesh: defaultMeshConfig, problems: [] });
  const { outboundTrafficPolicy, connectTimeout, accessLogFile, accessLogEncoding, proxyListenPort, rootNamespace } = defaultMeshConfig;
  assert.deepEqual(
    { outboundTrafficPolicy, connectTimeout, accessLogFile, accessLogEncoding, proxyListenPort, rootNamespace },
    {
      outboundTrafficPolicy: { mode: 'ALLOW_ANY' },
      connectTimeout: '10s',
      accessLogFile: '',
      accessLogEncoding: 'TEXT',
      proxyListenPort: 15001,
      rootNamespace: 'istio-system',
    },
  );
});

test('what is written counts, what is not has its default', () => {
  const text = `outboundTrafficPolicy: {mode: REGISTRY_ONLY}
accessLogFile: /dev/stdout
defaultHttpRetryPolicy: {attempts: 5, retryOn: 5xx}
defaultServiceExportTo: ["."]
`;
  const { mesh, problems } = decodeMeshConfig(text, origin);
  assert.deepEqual(problems, []);
  assert.deepEqual(mesh, {
    ...defaultMeshConfig,
    outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' },
    accessLogFile: '/dev/stdout',
    defaultHttpRetryPolicy: { attempts: 5, retryOn: '5xx' },
    defaultServiceExportTo: ['.'],
  });
  assert.deepEqual(decodeMeshConfig({ outboundTrafficPolicy: {} }, origin).mesh, defaultMeshConfig);
});

const bad: readonly (readonly [text: string, ...problems: string[]])[] = [
  ['connectTimeout: 5', 'MW0111 connectTimeout 1'],
  ['a: 1\nacessLogFile: /x', 'MW0110 a 1', 'MW0110 acessLogFile 2'],
  ['outboundTrafficPolicy:\n  mode: REGISTRY', 'MW0113 outboundTrafficPolicy.mode 2'],
  ['connectTimeout: 5 s', 'MW0115 connectTimeout 1'],
  ['connectTimeout: 0s', 'MW0208 connectTimeout 1'],
  ['accessLogFile: logs/a', 'MW0115 accessLogFile 1'],
  ['accessLogEncoding: JSON\naccessLogFormat: "%START_TIME%"', 'MW0115 accessLogFormat 2'],
  ['accessLogEncoding: JSON\naccessLogFormat: \'{"a": 1}\'', 'MW0115 accessLogFormat 2'],
  ['proxyHttpPort: 70000', 'MW0114 proxyHttpPort 1'],
  ['proxyListenPort: 15006', 'MW0205 proxyInboundListenPort 1'],
  ['trustDomain: "a b"', 'MW0201 trustDomain 1'],
  ['defaultServiceExportTo: ["*", shop]', 'MW0209 defaultServiceExportTo[0] 1'],
  ['defaultVirtualServiceExportTo: ["~"]', 'MW0209 defaultVirtualServiceExportTo[0] 1'],
  ['defaultHttpRetryPolicy: {attempts: 0, retryOn: 5xx}', 'MW0215 defaultHttpRetryPolicy 1'],
  ['defaultConfig: {concurency: 2}', 'MW0110 defaultConfig.concurency 1'],
  ['- a', 'MW0111  1'],
  ['a: 1\na: 2', 'MW0102  2'],
  ['{}\n---\n{}', 'MW0105  3'],
];

for (const [text, ...wanted] of bad) {
  test(`refused: ${JSON.stringify(text)}`, () => {
    assert.deepEqual(
      codes(text).map((line) => line.replace(/\s+/g, ' ')),
      wanted.map((line) => line.replace(/\s+/g, ' ')),
    );
    assert.equal(decodeMeshConfig(text, origin).mesh, undefined);
  });
}

test('an unknown field is named with the one that was probably meant', () => {
  const [problem] = decodeMeshConfig('accesLogFile: /dev/stdout', origin).problems;
  assert.match(problem?.message ?? '', /did you mean `accessLogFile`/);
});

test('known fields without an effect are said to have none, and leave the rest in force', () => {
  const text = `connectTimeout: 3s
enableAutoMtls: false
enablePrometheusMerge: true
extensionProviders: [{name: otel}]
defaultConfig: {discoveryAddress: "istiod:15012", holdApplicationUntilProxyStarts: true}
`;
  const { mesh, problems } = decodeMeshConfig(text, origin);
  assert.equal(mesh?.connectTimeout, '3s');
  assert.deepEqual(
    problems.map(({ code, severity, path }) => [code, severity, path]),
    ['enableAutoMtls', 'extensionProviders', 'defaultConfig.discoveryAddress', 'defaultConfig.holdApplicationUntilProxyStarts'].map(
      (path) => ['MW0119', 'info', path],
    ),
  );
});

test('the ConfigMap of the mesh is checked, others are not', () => {
  const decode = (name: string, data: object, options = {}) =>
    configMapKind.decode({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'istio-system' }, data }, origin, options);
  assert.ok(decode('istio', { mesh: 'connectTimeout: 3s\n', meshNetworks: 'networks: {}' }).resource);
  assert.ok(decode('other', { mesh: 'nonsense: 1' }).resource);
  const wrong = decode('istio', { mesh: 'connectTimeout: 3s\naccessLogFil: /dev/stdout\n' });
  assert.equal(wrong.resource, undefined);
  assert.deepEqual(
    wrong.problems.map(({ code, path, message }) => [code, path, message]),
    [['MW0110', 'data.mesh.accessLogFil', 'unknown field `accessLogFil`, did you mean `accessLogFile`? (line 2 of the text)']],
  );
  // An API server may be newer: what it knows more of is left out, the rest counts.
  assert.ok(decode('istio', { mesh: 'fromTheFuture: 1\n' }, { unknownFields: 'warning' }).resource);
  for (const data of [{}, { mesh: 'a: [' }, { mesh: '{}\n---\n{}' }])
    assert.equal(decode('istio', data).resource, undefined, JSON.stringify(data));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kubernetesProtocol, parseProtocol, protocolByName } from './protocol.ts';

test('protocol of a Kubernetes port', () => {
  const rows: readonly (readonly [string, number, string | undefined, string, string])[] = [
    ['http', 80, undefined, 'TCP', 'http'],
    ['http-web', 80, undefined, 'TCP', 'http'],
    ['HTTP2-x', 80, undefined, 'TCP', 'http2'],
    ['grpc', 80, undefined, 'TCP', 'grpc'],
    ['grpc-web', 80, undefined, 'TCP', 'grpc-web'],
    ['grpc-web-x', 80, undefined, 'TCP', 'grpc-web'],
    ['grpc-webby', 80, undefined, 'TCP', 'grpc'],
    ['https-x', 443, undefined, 'TCP', 'https'],
    ['mysql', 3306, undefined, 'TCP', 'mysql'],
    ['web', 80, undefined, 'TCP', 'auto'],
    ['', 80, undefined, 'TCP', 'auto'],
    ['httpx', 80, undefined, 'TCP', 'auto'],
    ['db', 3306, undefined, 'TCP', 'tcp'],
    ['dns', 53, undefined, 'TCP', 'tcp'],
    ['dns', 53, undefined, 'UDP', 'udp'],
    ['http', 80, 'tcp', 'TCP', 'tcp'],
    ['tcp', 80, 'kubernetes.io/h2c', 'TCP', 'http2'],
    ['tcp', 80, 'kubernetes.io/ws', 'TCP', 'http'],
    ['tcp', 80, 'kubernetes.io/wss', 'TCP', 'https'],
    ['http', 80, 'something', 'TCP', 'auto'],
    ['x', 27017, 'something', 'TCP', 'tcp'],
  ];
  for (const [name, port, appProtocol, protocol, expected] of rows) {
    assert.equal(kubernetesProtocol({ name, port, protocol, appProtocol }), expected, `${name} ${port} ${appProtocol}`);
  }
  assert.equal(parseProtocol('HTTP_PROXY'), 'http_proxy');
  assert.equal(parseProtocol('auto'), undefined, 'no word that users may write');
  assert.equal(protocolByName('redis-main', 6379), 'redis');
});

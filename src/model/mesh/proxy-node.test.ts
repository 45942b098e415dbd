import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type NodeDescription, proxyFromNode } from './proxy-node.ts';

const id = 'sidecar~10.0.0.1~reviews-v1-abc.default~default.svc.cluster.local';

describe('a proxy read from its node', () => {
  it('reads what a pod of Istio says', () => {
    const proxy = proxyFromNode({
      id,
      metadata: {
        NAMESPACE: 'default',
        LABELS: { app: 'reviews', version: 'v1' },
        CLUSTER_ID: 'Kubernetes',
        INSTANCE_IPS: '10.0.0.1,fd00::1',
        SERVICE_ACCOUNT: 'bookinfo-reviews',
        WORKLOAD_NAME: 'reviews-v1',
        INTERCEPTION_MODE: 'TPROXY',
        ISTIO_VERSION: '1.30.0',
      },
      locality: { region: 'r', zone: 'z', subZone: '' },
    });
    assert.deepEqual(proxy, {
      id,
      type: 'sidecar',
      ipAddresses: ['10.0.0.1', 'fd00::1'],
      namespace: 'default',
      dnsDomain: 'default.svc.cluster.local',
      labels: { app: 'reviews', version: 'v1' },
      serviceAccount: 'bookinfo-reviews',
      clusterId: 'Kubernetes',
      network: '',
      locality: 'r/z',
      nodeName: '',
      workloadName: 'reviews-v1',
      interceptionMode: 'TPROXY',
      istioVersion: '1.30.0',
      httpProxy: undefined,
      inbound: [],
      outbound: undefined,
      engine: 'envoy',
      alsSocket: undefined,
    });
  });

  it('reads what a joined process says, also when the values came as text', () => {
    const inbound = [{ targetPort: 9080, bind: '127.64.16.1', port: 34001, defaultEndpoint: '[::1]' }];
    const metadata = {
      INTERCEPTION_MODE: 'NONE',
      HTTP_PROXY_PORT: '3128',
      MESHWRIGHT_HTTP_PROXY_BIND: '127.64.16.1',
      MESHWRIGHT_ENGINE: 'embedded',
      MESHWRIGHT_ALS: 'true',
      MESHWRIGHT_OUTBOUND: { block: '127.64.16.0/20' },
    };
    for (const MESHWRIGHT_INBOUND of [inbound, JSON.stringify(inbound)]) {
      const proxy = proxyFromNode({ id: 'sidecar~127.64.16.1~reviews-v1.shop~', metadata: { ...metadata, MESHWRIGHT_INBOUND } });
      assert.ok(typeof proxy === 'object');
      assert.deepEqual(proxy.inbound, inbound);
      assert.deepEqual(proxy.outbound, { block: '127.64.16.0/20' });
      assert.deepEqual(proxy.httpProxy, { bind: '127.64.16.1', port: 3128 });
      assert.deepEqual(
        [proxy.namespace, proxy.workloadName, proxy.engine, proxy.alsSocket, proxy.dnsDomain],
        ['shop', 'reviews-v1', 'embedded', 'true', 'shop.svc.cluster.local'],
      );
    }
  });

  it('ignores metadata of the wrong shape', () => {
    const metadata: NodeDescription['metadata'] = {
      LABELS: 'x',
      MESHWRIGHT_INBOUND: [{ port: 1 }, 'y', { port: 70000, targetPort: 1, bind: 'a' }],
      HTTP_PROXY_PORT: 'many',
      INSTANCE_IPS: 7,
    };
    const proxy = proxyFromNode({ id, metadata });
    assert.ok(typeof proxy === 'object');
    assert.deepEqual([proxy.labels, proxy.inbound, proxy.httpProxy, proxy.interceptionMode], [{}, [], undefined, 'REDIRECT']);
  });

  it('says what is wrong with an id', () => {
    for (const bad of ['', 'envoy', 'pilot~1~a.b~c', 'sidecar~1~~', 'sidecar~1~a.b~c~d']) {
      assert.match(String(proxyFromNode({ id: bad, metadata: {} })), /not of the form/);
    }
    assert.match(String(proxyFromNode({ id: 'sidecar~1~a~c', metadata: {} })), /names no namespace/);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeConfigDump, originOf } from './config-dump.ts';
import { clusterTable, endpointTable, listenerTable, routeTable, splitClusterName } from './tables.ts';

const metadata = { filter_metadata: { meshwright: { origin: 'reviews.yaml:12 (VirtualService default/reviews)' } } };
const dump = {
  configs: [
    { '@type': 'type.googleapis.com/envoy.admin.v3.BootstrapConfigDump', bootstrap: { node: { id: 'n' } } },
    {
      '@type': 'type.googleapis.com/envoy.admin.v3.ClustersConfigDump',
      static_clusters: [{ cluster: { name: 'xds-grpc', type: 'STATIC' } }],
      dynamic_active_clusters: [
        {
          version_info: '1',
          cluster: {
            name: 'outbound|9080|v1|reviews.default.svc.cluster.local',
            type: 'EDS',
            metadata: {
              filter_metadata: { istio: { config: '/apis/networking.istio.io/v1/namespaces/default/destination-rule/reviews' } },
            },
          },
        },
      ],
    },
    {
      '@type': 'type.googleapis.com/envoy.admin.v3.ListenersConfigDump',
      dynamic_listeners: [
        {
          name: '127.64.0.9_9080',
          active_state: {
            listener: {
              name: '127.64.0.9_9080',
              address: { socket_address: { address: '127.64.0.9', port_value: 9080 } },
              filter_chains: [
                {
                  filter_chain_match: { transport_protocol: 'raw_buffer', application_protocols: ['http/1.1', 'h2c'] },
                  filters: [{ name: 'hcm', typed_config: { rds: { route_config_name: '9080' } } }],
                },
              ],
              default_filter_chain: { filters: [{ name: 'tcp', typed_config: { cluster: 'PassthroughCluster' } }] },
            },
          },
        },
        { name: 'failed', error_state: { details: 'no' } },
      ],
    },
    {
      '@type': 'type.googleapis.com/envoy.admin.v3.RoutesConfigDump',
      dynamic_route_configs: [
        {
          route_config: {
            name: '9080',
            virtual_hosts: [
              {
                name: 'reviews:9080',
                domains: ['reviews', 'reviews.default', 'reviews.default.svc'],
                routes: [
                  {
                    match: { path: '/x', headers: [{ name: 'end-user', string_match: { exact: 'jason' } }] },
                    metadata,
                    route: { cluster: 'c2' },
                  },
                  {
                    match: { prefix: '/' },
                    route: {
                      weighted_clusters: {
                        clusters: [
                          { name: 'outbound|9080|v1|reviews.default.svc.cluster.local', weight: 90 },
                          { name: 'b', weight: 10 },
                        ],
                      },
                    },
                  },
                  { match: { safe_regex: { regex: '/a.*' } }, direct_response: { status: 503 } },
                ],
              },
              { name: 'block_all', domains: ['*'] },
            ],
          },
        },
      ],
    },
  ],
};

/** The same names as protobuf's JSON writes them by default. */
function camelCased(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(camelCased);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()), camelCased(item)]),
  );
}

for (const [spelling, raw] of [
  ['underscores', dump],
  ['camel case', camelCased(dump)],
] as const) {
  describe(`tables of a configuration dump in ${spelling}`, () => {
    const told = decodeConfigDump(raw);
    it('clusters', () => {
      assert.deepEqual(clusterTable(told.clusters).rows, [
        ['reviews.default.svc.cluster.local', '9080', 'v1', 'outbound', 'EDS', 'DestinationRule default/reviews'],
        ['xds-grpc', '-', '-', '-', 'STATIC', ''],
      ]);
    });
    it('listeners', () => {
      assert.deepEqual(listenerTable(told.listeners).rows, [
        ['127.64.0.9', '9080', 'otherwise', 'cluster PassthroughCluster', ''],
        ['127.64.0.9', '9080', 'transport raw_buffer; app http/1.1,h2c', 'route 9080', ''],
      ]);
    });
    it('routes, in the order in which they match', () => {
      assert.deepEqual(routeTable(told.routes).rows, [
        ['9080', 'reviews +2', '/x [end-user=jason]', 'c2', 'reviews.yaml:12 (VirtualService default/reviews)'],
        ['9080', 'reviews +2', '/*', '90 reviews.default|v1, 10 b', ''],
        ['9080', 'reviews +2', '~/a.*', 'answers 503', ''],
        ['9080', '*', '-', 'no route', ''],
      ]);
    });
    it('bootstrap', () => assert.deepEqual(told.bootstrap, { node: { id: 'n' } }));
  });
}

describe('parts', () => {
  it('endpoints with their health', () => {
    const address = { socket_address: { address: '127.64.0.1', port_value: 31000 } };
    const hosts = [
      {
        name: 'outbound|9080||reviews',
        host_statuses: [
          { address, health_status: { eds_health_status: 'HEALTHY', failed_outlier_check: true } },
          { address: { pipe: { path: '/run/x.sock' } }, health_status: { eds_health_status: 'UNHEALTHY' } },
        ],
      },
    ];
    assert.deepEqual(endpointTable(hosts).rows, [
      ['127.64.0.1:31000', 'HEALTHY', 'FAILED', 'outbound|9080||reviews'],
      ['unix:///run/x.sock', 'UNHEALTHY', 'OK', 'outbound|9080||reviews'],
    ]);
  });
  it('names of clusters', () => {
    assert.deepEqual(splitClusterName('inbound|9080||'), { direction: 'inbound', port: '9080', subset: '-', host: '' });
    assert.deepEqual(splitClusterName('PassthroughCluster'), { direction: '-', port: '-', subset: '-', host: 'PassthroughCluster' });
  });
  it('origins', () => {
    assert.equal(originOf({ metadata }), 'reviews.yaml:12 (VirtualService default/reviews)');
    assert.equal(originOf({}), '');
  });
});

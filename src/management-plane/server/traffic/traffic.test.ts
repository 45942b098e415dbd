import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { forEachSample, parseSeries } from './exposition.ts';
import { createTrafficHistory } from './history.ts';
import { createTrafficTable, keysFor } from './table.ts';
import { tapRecord } from './tap-record.ts';
import { bounds, createTrafficWindow, percentile } from './window.ts';

describe('exposition', () => {
  it("finds Istio's samples among others", () => {
    const text = [
      '# HELP istio_requests_total requests',
      'istio_requests_total{a="1"} 12',
      'envoy_cluster_x{a="1"} 5',
      'istio_requests_total{path="/a}b {c\\" d"} 3.5 1700000000',
      'istio_requests_total{a="2"} NaN',
      'istio_requests_total{a="3"',
      'istio_tcp_sent_bytes_total{b="x"} 1e+06',
    ].join('\n');
    const seen: (string | number)[][] = [];
    forEachSample(text, (identity, value) => seen.push([identity, value]));
    assert.deepEqual(seen, [
      ['istio_requests_total{a="1"}', 12],
      ['istio_requests_total{path="/a}b {c\\" d"}', 3.5],
      ['istio_tcp_sent_bytes_total{b="x"}', 1e6],
    ]);
  });

  it('reads labels with escapes and leaves out what is of no interest', () => {
    assert.deepEqual(parseSeries('istio_requests_total{a="1",b="x\\"y\\\\z\\n",c=""}'), {
      metric: 'requests',
      labels: { a: '1', b: 'x"y\\z\n', c: '' },
    });
    assert.equal(parseSeries('istio_agent_whatever{a="1"}'), undefined);
  });
});

describe('window', () => {
  const at = 1_000_000_000;

  it('gives the rate of the last seconds, whatever the pace of scrapes', () => {
    for (const pace of [500, 1000, 1730, 3000]) {
      const window = createTrafficWindow();
      for (let from = at; from < at + 30_000; from += pace) window.add(from, from + pace, 'requests', pace / 100);
      const { rps } = window.numbers(at + 30_000);
      assert.ok(Math.abs(rps - 10) < 0.11, `pace ${pace}: ${rps}`);
    }
  });

  it('tells the full rate from the second second on, and again after a pause', () => {
    const window = createTrafficWindow();
    for (const start of [at, at + 60_000]) {
      window.add(start, start + 1000, 'requests', 50);
      window.add(start + 1000, start + 2000, 'requests', 50);
      window.addDuration(start + 2000, 3, 100);
      assert.equal(window.numbers(start + 3000).rps, 50);
    }
  });

  it('forgets', () => {
    const window = createTrafficWindow();
    window.add(at, at + 1000, 'requests', 100);
    window.addDuration(at + 1000, 3, 100);
    assert.ok(window.numbers(at + 4000).rps > 0);
    const { rps, p50 } = window.numbers(at + 20_000);
    assert.deepEqual([rps, p50], [0, null]);
  });

  it('tells shares of failures and bytes', () => {
    const window = createTrafficWindow();
    for (let from = at; from < at + 10_000; from += 1000) {
      window.add(from, from + 1000, 'requests', 20);
      window.add(from, from + 1000, 'errors', 5);
      window.add(from, from + 1000, 'bytes', 4096);
    }
    const { errors, bps } = window.numbers(at + 10_000);
    assert.deepEqual([errors, bps], [0.25, 4096]);
  });

  it('takes percentiles by interpolation', () => {
    const counts = new Float64Array(bounds.length);
    assert.equal(percentile(counts, 0.5), null);
    counts[2] = 50; // 1 to 5 ms
    counts[4] = 50; // 10 to 25 ms
    assert.equal(percentile(counts, 0.25), 3);
    assert.equal(percentile(counts, 0.5), 5);
    assert.equal(percentile(counts, 0.99), 24.7);
    counts[bounds.length - 1] = 1000;
    assert.equal(percentile(counts, 0.99), 3_600_000, 'the open bucket has no upper end');
  });
});

describe('bounds of memory', () => {
  it('drops what was idle longest when the table is full, and what is idle for a minute', () => {
    const table = createTrafficTable(3);
    for (const [key, at] of [
      ['a', 5000],
      ['b', 1000],
      ['c', 9000],
    ] as const)
      table.window(key).add(at - 1000, at, 'requests', 1);
    table.window('d').add(9000, 10_000, 'requests', 1);
    assert.deepEqual([...table.keys()], ['a', 'c', 'd']);
    assert.deepEqual(table.prune(66_000), ['a']);
  });

  it('keeps history of so many objects and points', () => {
    const history = createTrafficHistory(2);
    const numbers = { rps: 1, errors: 0, p50: null, p95: null, p99: 7, bps: 0 };
    for (let step = 0; step < 400; step++) history.record(step * 5000, () => numbers, step < 10 ? ['a', 'b', 'c'] : ['a']);
    assert.deepEqual(
      [history.read('a').at.length, history.read('a').rps.at(-1), history.read('a').p50.at(-1), history.read('a').p99.at(0)],
      [180, 1, null, 7],
    );
    assert.ok(
      history.read('b').rps.every((value) => value === null),
      'gone long ago',
    );
    history.record(9e9, () => numbers, ['c']);
    assert.equal(history.read('c').rps.at(-1), 1, 'its place was given back');
  });
});

it('counts a request for its edges, its service, its workloads and the mesh', () => {
  const end = (name: string) => ({ namespace: 'n', name });
  assert.deepEqual(keysFor({ source: end('a'), service: end('s'), destination: end('b'), host: 's' }), [
    'mesh',
    'workload/n/a>service/n/s',
    'service/n/s',
    'out:workload/n/a',
    'service/n/s>workload/n/b',
    'workload/n/a>workload/n/b',
    'workload/n/b',
  ]);
  assert.deepEqual(keysFor({ source: end('a'), host: 'api.example.com' }), [
    'mesh',
    'workload/n/a>outside/api.example.com',
    'outside/api.example.com',
    'out:workload/n/a',
  ]);
});

describe('tap lines', () => {
  it('are read, and nothing else', () => {
    for (const line of ['', 'nonsense', '[]', 'null', '{"other":1}', '{"request":{}}'])
      assert.deepEqual([...tapRecord(line, 'workload/n/a')], [], line);
  });

  const read = (entry: object) => [...tapRecord(JSON.stringify(entry), 'workload/n/server-v2')][0] ?? assert.fail('no record');

  it('say who called whom, by tags or by the cluster', () => {
    const tags = {
      reporter: 'destination',
      source_workload: 'client-v1;n;client;v1;c',
      destination_service: 'server.n.svc.cluster.local',
      response_flags: 'UF',
    };
    const common = { startTime: '2026-01-01T00:00:00.500Z', duration: '0.0125s', upstreamCluster: 'inbound|9080||', customTags: tags };
    const tagged = read({ commonProperties: common, request: { requestMethod: 'POST', path: '/x' }, response: { responseCode: 503 } });
    assert.deepEqual(
      [tagged.reporter, tagged.source, tagged.destination, tagged.service, tagged.status, tagged.durationMs, tagged.flags, tagged.at],
      ['destination', 'client-v1', 'server-v2', 'server.n.svc.cluster.local', 503, 12.5, 'UF', Date.UTC(2026, 0, 1) + 500],
    );
    const plain = read({
      commonProperties: {
        upstreamCluster: 'outbound|80|v1|x.n.svc',
        responseFlags: { noHealthyUpstream: true, failedLocalHealthcheck: false },
      },
      request: { path: '/' },
    });
    assert.deepEqual(
      [plain.reporter, plain.source, plain.service, plain.flags, plain.durationMs],
      ['source', 'server-v2', 'x.n.svc', 'noHealthyUpstream', null],
    );
  });

  it('tell connections too', () => {
    const { method, status, path } = read({
      commonProperties: { upstreamCluster: 'outbound|3306||db.n.svc' },
      connectionProperties: { sentBytes: '5' },
    });
    assert.deepEqual([method, status, path], ['TCP', 0, '']);
  });
});

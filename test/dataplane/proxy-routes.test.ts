import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { HeaderValueOption_HeaderAppendAction as Append } from '#proto/gen/envoy/config/core/v3/base_pb.js';
import { RedirectAction_RedirectResponseCode as Code } from '#proto/gen/envoy/config/route/v3/route_components_pb.js';
import { FileAccessLogSchema } from '#proto/gen/envoy/extensions/access_loggers/file/v3/file_pb.js';
import { HttpGrpcAccessLogConfigSchema } from '#proto/gen/envoy/extensions/access_loggers/grpc/v3/als_pb.js';
import { HTTPFaultSchema } from '#proto/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { HttpInspectorSchema } from '#proto/gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.js';
import { TcpProxySchema } from '#proto/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import type { AccessRecord } from '#proxy/records.ts';
import {
  ask,
  type Backend,
  clusterInit,
  exchange,
  managerFilter,
  namedBackend,
  packed,
  prefix,
  type Rig,
  type RouteInit,
  rawBackend,
  rig,
  seconds,
  toCluster,
} from './proxy-support.ts';

const direct = (body: string) => ({
  case: 'directResponse' as const,
  value: { status: 200, body: { specifier: { case: 'inlineString' as const, value: body } } },
});
const text = (kind: 'exact' | 'prefix' | 'suffix' | 'contains', value: string) => ({ matchPattern: { case: kind, value } });
const header = (name: string, matcher: object, more: object = {}) => ({
  name,
  headerMatchSpecifier: { case: 'stringMatch' as const, value: matcher },
  ...more,
});

describe('matching', () => {
  const routes: RouteInit[] = [
    { name: 'exact', match: { pathSpecifier: { case: 'path', value: '/exact' } }, action: direct('exact') },
    { name: 'folded', match: { pathSpecifier: { case: 'prefix', value: '/Folded' }, caseSensitive: false }, action: direct('folded') },
    { name: 'regex', match: { pathSpecifier: { case: 'safeRegex', value: { regex: '/r/[0-9]+' } } }, action: direct('regex') },
    { name: 'separated', match: { pathSpecifier: { case: 'pathSeparatedPrefix', value: '/sep' } }, action: direct('separated') },
    { name: 'header', match: { ...prefix('/h'), headers: [header('x-k', text('exact', 'v'))] }, action: direct('header') },
    {
      name: 'range',
      match: { ...prefix('/h'), headers: [{ name: 'x-n', headerMatchSpecifier: { case: 'rangeMatch', value: { start: 5n, end: 10n } } }] },
      action: direct('range'),
    },
    {
      name: 'absent',
      match: {
        ...prefix('/h'),
        headers: [{ name: 'x-m', headerMatchSpecifier: { case: 'presentMatch', value: true }, invertMatch: true }],
      },
      action: direct('absent'),
    },
    {
      name: 'query',
      match: {
        ...prefix('/q'),
        queryParameters: [{ name: 'a', queryParameterMatchSpecifier: { case: 'stringMatch', value: text('exact', '1') } }],
      },
      action: direct('query'),
    },
    { name: 'never', match: { ...prefix('/'), runtimeFraction: { defaultValue: { numerator: 0 } } }, action: direct('never') },
    { name: 'rest', match: prefix('/'), action: direct('rest') },
  ];
  let proxy: Rig;
  before(async () => {
    proxy = await rig({
      clusters: [],
      virtualHosts: [
        { name: 'exact', domains: ['one.example'], routes: [{ match: prefix('/'), action: direct('one') }] },
        { name: 'suffix', domains: ['*.example'], routes: [{ match: prefix('/'), action: direct('suffix') }] },
        { name: 'prefix', domains: ['pre.*'], routes: [{ match: prefix('/'), action: direct('prefix') }] },
        { name: 'any', domains: ['*'], routes },
      ],
    });
  });
  after(() => proxy.close());

  const cases: readonly (readonly [path: string, headers: Record<string, string>, body: string])[] = [
    ['/exact', {}, 'exact'],
    ['/exact?q', {}, 'exact'],
    ['/exactly', {}, 'rest'],
    ['/fOLDED/x', {}, 'folded'],
    ['/r/12', {}, 'regex'],
    ['/r/12?x=y', {}, 'regex'],
    ['/r/12a', {}, 'rest'],
    ['/sep', {}, 'separated'],
    ['/sep/x', {}, 'separated'],
    ['/separate', {}, 'rest'],
    ['/h', { 'X-K': 'v', 'x-m': '1' }, 'header'],
    ['/h', { 'x-n': '7', 'x-m': '1' }, 'range'],
    ['/h', { 'x-n': '10', 'x-m': '1' }, 'rest'],
    ['/h', {}, 'absent'],
    ['/q?b=2&a=1', {}, 'query'],
    ['/q?a=2', {}, 'rest'],
    ['/./x/../exact', {}, 'exact'],
    ['/%65xact', {}, 'exact'],
    ['/', { host: 'ONE.example' }, 'one'],
    ['/', { host: 'two.example' }, 'suffix'],
    ['/', { host: 'pre.fix' }, 'prefix'],
    ['http://one.example/', {}, 'one'],
  ];
  for (const [path, headers, body] of cases) {
    test(`${path} ${JSON.stringify(headers)} goes to ${body}`, async () => {
      assert.equal((await ask(proxy.port, path, headers)).body, body);
    });
  }
});

describe('actions', () => {
  let backend: Backend;
  let proxy: Rig;
  before(async () => {
    backend = await namedBackend('a');
    const set = (key: string, value: string, appendAction = Append.OVERWRITE_IF_EXISTS_OR_ADD) => ({
      header: { key, value },
      appendAction,
    });
    proxy = await rig({
      clusters: [clusterInit('a', [backend.port])],
      virtualHosts: [
        {
          name: 'v',
          domains: ['*'],
          includeRequestAttemptCount: true,
          requestHeadersToAdd: [set('x-level', 'host'), set('x-env', '%ENVIRONMENT(MESHWRIGHT_PEER)%')],
          responseHeadersToAdd: [set('x-late', 'yes')],
          routes: [
            { match: prefix('/prefix'), action: toCluster('a', { prefixRewrite: '/new' }) },
            {
              match: prefix('/regex'),
              action: toCluster('a', { regexRewrite: { pattern: { regex: '^/regex/(.*)$' }, substitution: '/\\1/x' } }),
            },
            {
              match: prefix('/host'),
              action: toCluster('a', { hostRewriteSpecifier: { case: 'hostRewriteLiteral', value: 'other.example' } }),
            },
            {
              match: prefix('/headers'),
              action: toCluster('a'),
              requestHeadersToAdd: [
                set('x-level', 'route'),
                set('x-more', 'b', Append.APPEND_IF_EXISTS_OR_ADD),
                set('x-had', 'new', Append.ADD_IF_ABSENT),
              ],
              requestHeadersToRemove: ['x-gone'],
              responseHeadersToRemove: ['x-backend'],
            },
            {
              match: prefix('/redirect'),
              action: {
                case: 'redirect',
                value: {
                  hostRedirect: 'there',
                  responseCode: Code.PERMANENT_REDIRECT,
                  pathRewriteSpecifier: { case: 'pathRedirect', value: '/p' },
                },
              },
            },
            {
              match: prefix('/secure'),
              action: { case: 'redirect', value: { schemeRewriteSpecifier: { case: 'httpsRedirect', value: true } } },
            },
            {
              match: prefix('/abort'),
              action: toCluster('a'),
              typedPerFilterConfig: {
                'envoy.filters.http.fault': packed(HTTPFaultSchema, {
                  abort: { errorType: { case: 'httpStatus', value: 418 }, percentage: { numerator: 100 } },
                }),
              },
            },
            {
              match: prefix('/delay'),
              action: toCluster('a'),
              typedPerFilterConfig: {
                'envoy.filters.http.fault': packed(HTTPFaultSchema, {
                  delay: { faultDelaySecifier: { case: 'fixedDelay', value: seconds(0.15) }, percentage: { numerator: 100 } },
                }),
              },
            },
            { match: prefix('/mirror'), action: toCluster('a', { requestMirrorPolicies: [{ cluster: 'a' }] }) },
          ],
        },
      ],
    });
  });
  after(async () => {
    await proxy.close();
    await backend.close();
  });
  const lastHead = () => backend.heads.at(-1) ?? '';

  test('a prefix is rewritten and the old path told', async () => {
    await ask(proxy.port, '/prefix/x?y');
    assert.match(lastHead(), /^GET \/new\/x\?y HTTP\/1\.1\r\n/);
    assert.match(lastHead(), /x-envoy-original-path: \/prefix\/x\?y\r\n/);
  });
  test('a path is rewritten by an expression', async () => {
    await ask(proxy.port, '/regex/abc?q=1');
    assert.match(lastHead(), /^GET \/abc\/x\?q=1 /);
  });
  test('the host is rewritten', async () => {
    await ask(proxy.port, '/host');
    assert.match(lastHead(), /\r\nhost: other\.example\r\n/);
    assert.match(lastHead(), /\r\nx-envoy-original-host: svc\r\n/);
  });
  test('headers change at both levels, the outer one last', async () => {
    const reply = await ask(proxy.port, '/headers', { 'x-gone': '1', 'x-more': 'a', 'x-had': 'old', 'x-level': 'client' });
    assert.doesNotMatch(lastHead(), /x-gone/);
    assert.match(lastHead(), /\r\nx-more: a\r\n[\s\S]*\r\nx-more: b\r\n/);
    assert.match(lastHead(), /\r\nx-had: old\r\n/);
    assert.match(lastHead(), /\r\nx-level: host\r\n/);
    assert.match(lastHead(), /\r\nx-env: w;ns;app;v1;c\r\n/);
    assert.match(lastHead(), /\r\nx-envoy-attempt-count: 1\r\n/);
    assert.equal(reply.headers['x-backend'], undefined);
    assert.equal(reply.headers['x-late'], 'yes');
  });
  test('hop-by-hop headers and those that Connection names stay here', async () => {
    await ask(proxy.port, '/headers', {
      connection: 'close, x-mine',
      'x-mine': '1',
      te: 'gzip',
      'keep-alive': '3',
      'proxy-connection': 'x',
    });
    assert.doesNotMatch(lastHead(), /x-mine|te:|keep-alive|proxy-connection|connection/i);
  });
  test('redirects', async () => {
    const reply = await ask(proxy.port, '/redirect?a=1');
    assert.equal(reply.status, 308);
    assert.equal(reply.headers.location, 'http://there/p?a=1');
    assert.equal((await ask(proxy.port, '/secure', { host: 'svc:80' })).headers.location, 'https://svc/secure');
  });
  test('an abort is answered here, a delay waits first', async () => {
    const aborted = await ask(proxy.port, '/abort');
    assert.equal(aborted.status, 418);
    assert.equal(aborted.body, 'fault filter abort');
    const before = performance.now();
    assert.equal((await ask(proxy.port, '/delay')).status, 200);
    assert.ok(performance.now() - before >= 149);
    const flags = (await proxy.proxy.metrics()).map((row) => row.responseFlags);
    assert.ok(flags.includes('FI') && flags.includes('DI'));
  });
  test('a mirror gets a copy with the host marked', async () => {
    const count = backend.heads.length;
    assert.equal((await ask(proxy.port, '/mirror', {}, 'POST', 'body')).status, 200);
    while (backend.heads.length < count + 2) await new Promise(setImmediate);
    const hosts = backend.heads.slice(-2).map((head) => /\r\nhost: (\S+)/i.exec(head)?.[1]);
    assert.deepEqual(hosts.sort(), ['svc', 'svc-shadow']);
  });
  test('an unknown path is 404 with NR', async () => {
    assert.equal((await ask(proxy.port, '/nothing')).status, 404);
    assert.ok((await proxy.proxy.metrics()).some((row) => row.responseFlags === 'NR'));
  });
});

describe('weights', () => {
  test('split traffic by their share', async () => {
    const [a, b] = [await namedBackend('a'), await namedBackend('b')];
    const proxy = await rig({
      clusters: [clusterInit('a', [a.port]), clusterInit('b', [b.port])],
      routes: [
        {
          match: prefix('/'),
          action: {
            case: 'route',
            value: {
              clusterSpecifier: {
                case: 'weightedClusters',
                value: {
                  clusters: [
                    { name: 'a', weight: 80 },
                    { name: 'b', weight: 20 },
                  ],
                },
              },
            },
          },
        },
      ],
    });
    const one = 'GET / HTTP/1.1\r\nhost: svc\r\n\r\n';
    const all = await exchange(
      proxy.port,
      one.repeat(500),
      (seen) => seen.split('HTTP/1.1 200').length > 500 && /\r\n\r\n[ab]$/.test(seen),
    );
    const share = all.split('x-backend: a').length / 500;
    assert.ok(share > 0.7 && share < 0.9, `a got ${share}`);
    await proxy.close();
    await Promise.all([a.close(), b.close()]);
  });
});

describe('other listeners', () => {
  test('TCP passes both ways with half-close, and is told from HTTP by its first bytes', async () => {
    const backend = await rawBackend((chunk, socket) => socket.write(`echo:${chunk}`));
    const proxy = await rig({
      clusters: [clusterInit('a', [backend.port])],
      routes: [{ match: prefix('/'), action: direct('http') }],
      listener: {
        listenerFilters: [{ name: 'http', configType: { case: 'typedConfig', value: packed(HttpInspectorSchema) } }],
        filterChains: [
          {
            filterChainMatch: { applicationProtocols: ['http/1.1', 'h2c'] },
            filters: [managerFilter({ routeSpecifier: { case: 'rds', value: { routeConfigName: 'main' } } })],
          },
        ],
        defaultFilterChain: {
          filters: [
            {
              name: 'tcp',
              configType: {
                case: 'typedConfig',
                value: packed(TcpProxySchema, { statPrefix: 't', clusterSpecifier: { case: 'cluster', value: 'a' } }),
              },
            },
          ],
        },
      },
    });
    assert.equal((await ask(proxy.port, '/')).body, 'http');
    assert.equal(await exchange(proxy.port, '\x01\x02binary', (all) => all.endsWith('binary')), 'echo:\x01\x02binary');
    const row = (await proxy.proxy.metrics()).find((entry) => entry.kind === 'tcp');
    assert.equal(row?.opened, 1);
    await proxy.close();
    await backend.close();
  });

  test('CONNECT that ends here carries anything', async () => {
    const backend = await rawBackend((chunk, socket) => socket.write(`echo:${chunk}`));
    const proxy = await rig({
      clusters: [clusterInit('a', [backend.port])],
      routes: [
        {
          match: { pathSpecifier: { case: 'connectMatcher', value: {} } },
          action: toCluster('a', { upgradeConfigs: [{ upgradeType: 'CONNECT', connectConfig: {} }] }),
        },
      ],
    });
    const socket = net.connect(proxy.port, '127.0.0.1');
    socket.write('CONNECT any:80 HTTP/1.1\r\nhost: any:80\r\n\r\n');
    let seen = '';
    for await (const chunk of socket) {
      seen += chunk;
      if (seen.endsWith('\r\n\r\n')) socket.write('raw');
      if (seen.endsWith('echo:raw')) socket.end();
    }
    assert.match(seen, /^HTTP\/1\.1 200 OK\r\n\r\necho:raw$/);
    await proxy.close();
    await backend.close();
  });
});

describe('logs', () => {
  test('a file line and a record say what happened', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mwlog-'));
    const path = join(folder, 'access.log');
    const records: AccessRecord[] = [];
    const backend = await namedBackend('a');
    const format =
      '%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_CLUSTER% %ROUTE_NAME% "%REQ(USER-AGENT)%" %REQ(NONE)%\n';
    const proxy = await rig({
      clusters: [clusterInit('a', [backend.port])],
      routes: [
        { name: 'down', match: prefix('/down'), action: toCluster('nowhere') },
        {
          name: 'up',
          match: prefix('/'),
          action: toCluster('a'),
          metadata: { filterMetadata: { meshwright: { origin: 'reviews.yaml:12' } } },
        },
      ],
      manager: {
        accessLog: [
          {
            configType: {
              case: 'typedConfig',
              value: packed(FileAccessLogSchema, {
                path,
                accessLogFormat: {
                  case: 'logFormat',
                  value: { format: { case: 'textFormatSource', value: { specifier: { case: 'inlineString', value: format } } } },
                },
              }),
            },
          },
          {
            configType: {
              case: 'typedConfig',
              value: packed(HttpGrpcAccessLogConfigSchema, {
                commonConfig: {
                  logName: 'x',
                  customTags: [
                    {
                      tag: 'route_origin',
                      type: {
                        case: 'metadata',
                        value: {
                          kind: { kind: { case: 'route', value: {} } },
                          metadataKey: { key: 'meshwright', path: [{ segment: { case: 'key', value: 'origin' } }] },
                        },
                      },
                    },
                  ],
                },
                additionalRequestHeadersToLog: ['x-envoy-peer-metadata-id'],
              }),
            },
          },
        ],
      },
      proxy: { onAccessRecords: (batch) => records.push(...batch) },
    });
    await ask(proxy.port, '/x?y', { 'user-agent': 'ua', 'x-envoy-peer-metadata-id': 'me' }, 'POST', 'abc');
    await ask(proxy.port, '/down');
    await proxy.close();
    assert.deepEqual(readFileSync(path, 'utf8').split('\n'), [
      'POST /x?y HTTP/1.1 200 - via_upstream 3 1 a up "ua" -',
      'GET /down HTTP/1.1 503 NC cluster_not_found 0 0 - down "-" -',
      '',
    ]);
    assert.equal(records.length, 2);
    assert.equal(records[0]?.customTags.route_origin, 'reviews.yaml:12');
    assert.equal(records[0]?.requestHeaders['x-envoy-peer-metadata-id'], 'me');
    assert.equal(records[1]?.responseFlags, 'NC');
    await backend.close();
    rmSync(folder, { recursive: true });
  });
});

/** Who may read and write, and what foreign pages cannot do. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createServer } from '#server/server.ts';
import { host, openStage, type Stage, token } from './stage.ts';

const yaml =
  'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: details, namespace: default}\nspec: {hosts: [details], http: [{route: [{destination: {host: details}}]}]}\n';
const bearer = { authorization: `Bearer ${token}` };

describe('access', () => {
  let stage: Stage;
  before(async () => {
    stage = await openStage();
  });
  after(() => stage.server.close());

  for (const [name, wanted] of [
    ['127.0.0.1:16480', 200],
    ['localhost:9999', 200],
    ['[::1]:16480', 200],
    ['127.9.8.7', 200],
    ['evil.example', 421],
    ['evil.example:16480', 421],
    ['127.0.0.1.evil.example', 421],
    ['localhost.evil.example:16480', 421],
  ] as const) {
    it(`answers ${wanted} to Host "${name}"`, async () => {
      const answer = await stage.ask('GET', '/api/v1/overview', { headers: { host: name } });
      assert.equal(answer.status, wanted);
    });
  }

  it('lets anyone on loopback read', async () => {
    assert.equal((await stage.ask('GET', '/api/v1/services')).status, 200);
  });

  for (const [what, headers, wanted] of [
    ['nothing', {}, 401],
    ['a wrong token', { authorization: 'Bearer token-of-the-server-tesT' }, 401],
    ['another scheme', { authorization: `Basic ${token}` }, 401],
    ['the token', bearer, 200],
    ['the token and its own origin', { ...bearer, origin: `http://${host}` }, 200],
    ['the token from a foreign origin', { ...bearer, origin: 'http://evil.example' }, 403],
    ['the token from another port', { ...bearer, origin: 'http://127.0.0.1:3000' }, 403],
    ['the token from an opaque origin', { ...bearer, origin: 'null' }, 403],
    ['a cross-site fetch', { ...bearer, 'sec-fetch-site': 'cross-site' }, 403],
    ['a made-up cookie', { cookie: 'meshwright_16480=abc' }, 401],
  ] as const) {
    it(`answers ${wanted} to a write with ${what}`, async () => {
      const answer = await stage.ask('POST', '/api/v1/resources', { body: { yaml, dryRun: true }, headers });
      assert.equal(answer.status, wanted, answer.text);
    });
  }

  it('refuses every writing route without the token', async () => {
    for (const [method, path, body] of [
      ['POST', '/resources', { yaml }],
      ['DELETE', '/resources/VirtualService/default/reviews', undefined],
      [
        'POST',
        '/splits',
        {
          ref: { kind: 'VirtualService', namespace: 'default', name: 'reviews' },
          protocol: 'http',
          index: 0,
          generation: 1,
          destinations: [{ host: 'reviews', subset: 'v1', weight: 100 }],
        },
      ],
      ['POST', '/session/links', undefined],
      ['GET', '/tap', undefined],
    ] as const) {
      const answer = await stage.ask(method, `/api/v1${path}`, { body });
      assert.equal(answer.status, 401, `${method} ${path}: ${answer.text}`);
    }
  });

  it('opens a session once by the code of a link, and the cookie writes', async () => {
    const code = new URL(stage.server.openLink()).hash.replace('#code=', '');
    const opened = await stage.ask('POST', '/api/v1/session', { body: { code } });
    assert.equal(opened.status, 200);
    const cookie = String(opened.headers['set-cookie']);
    assert.match(cookie, /^meshwright_16480=[\w-]{32}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/);
    assert.equal((await stage.ask('POST', '/api/v1/session', { body: { code } })).status, 401, 'a second time');
    const headers = { cookie: cookie.split(';')[0] ?? '' };
    assert.equal((await stage.ask('POST', '/api/v1/resources', { body: { yaml, dryRun: true }, headers })).status, 200);
    assert.deepEqual((await stage.ask('GET', '/api/v1/session', { headers })).body, {
      writable: true,
      expiresAt: stage.clock.now() + 43_200_000,
    });
    await stage.ask('DELETE', '/api/v1/session', { headers });
    assert.equal((await stage.ask('POST', '/api/v1/resources', { body: { yaml, dryRun: true }, headers })).status, 401, 'after the end');
  });

  it('lets codes expire', async () => {
    const code = new URL(stage.server.openLink()).hash.replace('#code=', '');
    await stage.clock.advance(10 * 60_000 + 1);
    assert.equal((await stage.ask('POST', '/api/v1/session', { body: { code } })).status, 401);
  });

  it('gives links to holders of the token', async () => {
    const { body } = await stage.write('POST', '/api/v1/session/links');
    const { url } = body as { url: string };
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/#code=[\w-]{32}$/);
  });

  it('sends no page into frames and runs no foreign scripts', async () => {
    const { headers } = await stage.ask('GET', '/api/v1/overview');
    const policy = String(headers['content-security-policy']);
    assert.match(policy, /default-src 'self'/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /script-src[^;]*unsafe/);
    assert.equal(headers['access-control-allow-origin'], undefined);
  });

  it('opens its WebSocket to its own pages only', async () => {
    const open = (origin: string) =>
      new Promise<string>((resolve) => {
        // Node's own WebSocket lets a test name any origin.
        const socket = new WebSocket(`${stage.server.url.replace('http', 'ws')}/api/v1/live`, {
          headers: { origin },
        } as unknown as string[]);
        socket.onmessage = ({ data }) => {
          resolve(String(data));
          socket.close();
        };
        socket.onerror = () => resolve('refused');
      });
    assert.equal(await open('http://evil.example'), 'refused');
    assert.match(await open(stage.server.url), /"type":"hello"/);
  });

  it('answers every view with the page, and nothing else', async () => {
    const webRoot = mkdtempSync(join(tmpdir(), 'mw-web-'));
    writeFileSync(join(webRoot, 'index.html'), '<title>the page</title>');
    const built = await openStage({ webRoot });
    try {
      for (const path of [
        '/',
        '/now',
        '/proxies/sidecar~127.64.16.1~a-v1.default~default.svc.cluster.local?tab=routes',
        '/config/VirtualService/default/a.b',
      ]) {
        assert.match((await built.ask('GET', path)).text, /the page/, path);
      }
      for (const path of ['/api/v1/nothing', '/assets/gone.js', '/favicon.ico'])
        assert.equal((await built.ask('GET', path)).status, 404, path);
      const unbuilt = await stage.ask('GET', '/now');
      assert.deepEqual([unbuilt.status, unbuilt.text.includes('npm run build')], [503, true]);
    } finally {
      await built.server.close();
      rmSync(webRoot, { recursive: true });
    }
  });

  it('is not bound beyond loopback, nor guarded by a short token', () => {
    const { mesh, clock } = stage;
    const options = { sources: mesh.sources, port: 0, webRoot: '', clock, log: { debug() {}, info() {}, warn() {}, error() {} } };
    assert.throws(() => createServer({ ...options, token, bind: '0.0.0.0' }), { code: 'bind_not_loopback' });
    assert.throws(() => createServer({ ...options, token: 'short' }), { code: 'weak_token' });
  });

  it('says that its port is taken', async () => {
    const { mesh, clock, server } = stage;
    const second = createServer({
      sources: mesh.sources,
      token,
      port: Number(new URL(server.url).port),
      webRoot: '',
      clock,
      log: { debug() {}, info() {}, warn() {}, error() {} },
    });
    await assert.rejects(second.listen(), { code: 'port_in_use', fix: /another port/ });
    await second.close();
  });
});

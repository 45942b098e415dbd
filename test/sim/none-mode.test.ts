import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { configFor } from '#analyze/proxy-config.ts';
import { needPeer, peerPath } from '../support/peers.ts';
import { freePorts } from '../support/ports.ts';
import { describedProxy } from './described-proxy.ts';
import { meshFromYaml } from './mesh-from-yaml.ts';
import { staticBootstrap } from './static-bootstrap.ts';

const peer = 'caller-v1;default;caller;v1;home';

/** Two versions of a service behind one generated configuration, served by the real Envoy. */
interface Setting {
  readonly address: string;
  readonly proxyPort: number;
  readonly inboundPort: number;
  close(): Promise<void>;
}

async function program(version: string): Promise<http.Server> {
  const server = http.createServer((request, response) => {
    if (request.url === '/slow') return;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ version, url: request.url, headers: request.headers }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const portOf = (server: http.Server) => (server.address() as AddressInfo).port;

async function start(envoy: string): Promise<Setting> {
  const programs = await Promise.all(['v1', 'v2'].map(program));
  const [first, second] = programs as [http.Server, http.Server];
  const [servicePort = 0, proxyPort = 0, inboundPort = 0] = await freePorts(3);
  const address = '127.73.16.1';
  const { snapshot } = meshFromYaml([
    {
      file: 'mesh.yaml',
      text: `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {clusterIP: 10.96.0.10, selector: {app: web}, ports: [{name: http, port: ${servicePort}}]}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: web-v1, namespace: default, labels: {app: web, version: v1}}
spec: {address: 127.0.0.1, ports: {http: ${portOf(first)}}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: web-v2, namespace: default, labels: {app: web, version: v2}}
spec: {address: 127.0.0.1, ports: {http: ${portOf(second)}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: default}
spec: {host: web, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: default}
spec:
  hosts: [web]
  http:
    - {match: [{headers: {end-user: {exact: jason}}}], route: [{destination: {host: web, subset: v2}}]}
    - {match: [{uri: {prefix: /broken}}], fault: {abort: {httpStatus: 418, percentage: {value: 100}}}, route: [{destination: {host: web}}]}
    - {match: [{uri: {prefix: /slow}}], timeout: 0.2s, route: [{destination: {host: web, subset: v1}}]}
    - {route: [{destination: {host: web, subset: v1}}]}
`,
    },
  ]);
  const proxy = describedProxy({
    interceptionMode: 'NONE',
    ipAddresses: [address],
    outbound: { block: '127.73.16.0/20' },
    httpProxy: { bind: address, port: proxyPort },
    inbound: [{ targetPort: portOf(first), bind: address, port: inboundPort, defaultEndpoint: '127.0.0.1' }],
  });
  const folder = mkdtempSync(join(tmpdir(), 'mw-none-'));
  const file = join(folder, 'envoy.pb');
  writeFileSync(file, staticBootstrap(configFor(snapshot, proxy)));
  const child = spawn(envoy, ['-c', file, '--disable-hot-restart', '--concurrency', '1', '-l', 'error'], {
    stdio: 'ignore',
    env: { ...process.env, MESHWRIGHT_PEER: peer },
  });
  await listening(child, address, proxyPort);
  return {
    address: `127.73.16.10:${servicePort}`,
    proxyPort,
    inboundPort,
    close: async () => {
      child.kill();
      await once(child, 'exit');
      for (const server of programs) {
        server.closeAllConnections();
        server.close();
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Connects until it succeeds; fails when Envoy ends first. */
async function listening(child: ChildProcess, host: string, port: number): Promise<void> {
  let ended = false;
  child.once('exit', () => {
    ended = true;
  });
  while (!ended) {
    const socket = net.connect(port, host);
    const outcome = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'error').then(() => false)]).catch(
      () => false,
    );
    socket.destroy();
    if (outcome) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('Envoy ended before it listened');
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

async function ask(options: http.RequestOptions): Promise<Answer> {
  const request = http.request({ ...options, agent: false });
  request.end();
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode ?? 0, body };
}

/** A request inside a CONNECT tunnel, as Node's `fetch` makes it. */
async function tunnelled(host: string, port: number, target: string, headers: http.OutgoingHttpHeaders = {}): Promise<Answer> {
  const connect = http.request({ host, port, method: 'CONNECT', path: target, headers: { host: target }, agent: false });
  connect.end();
  const [response, socket] = (await once(connect, 'connect')) as [http.IncomingMessage, net.Socket];
  assert.equal(response.statusCode, 200);
  const lines = Object.entries({ host: target, ...headers }).map(([name, value]) => `${name}: ${value}`);
  socket.write(`GET /inside HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
  let text = '';
  for await (const chunk of socket) {
    text += String(chunk);
    const [head = '', body = ''] = text.split('\r\n\r\n');
    const length = /^content-length: (\d+)$/im.exec(head)?.[1];
    if (length !== undefined && body.length >= Number(length)) return { status: Number(head.split(' ')[1]), body };
  }
  throw new Error(`the tunnel ended early: ${text}`);
}

describe('NONE mode on the real Envoy', {
  skip: peerPath('envoy') || process.env.CI === 'true' ? false : 'Envoy is not here (npm run peers)',
}, () => {
  let setting: Setting | undefined;
  before(async (context) => {
    const envoy = needPeer(context as never, 'envoy');
    if (envoy) setting = await start(envoy);
  });
  after(() => setting?.close());

  const at = (): Setting => {
    assert.ok(setting);
    return setting;
  };
  const direct = (path: string, headers: http.OutgoingHttpHeaders) => {
    const [host = '', port = ''] = at().address.split(':');
    return ask({ host, port: Number(port), path, headers });
  };
  const proxyAddress = () => at().address.replace(/\.10:.*/, '.1');
  const servicePort = () => at().address.split(':')[1] ?? '';

  it('serves a service at its own address, by name and by address', async () => {
    for (const host of [`web:${servicePort()}`, at().address, `web.default.svc.cluster.local:${servicePort()}`]) {
      const { status, body } = await direct('/x', { host });
      assert.equal(status, 200, host);
      assert.equal(JSON.parse(body).version, 'v1');
    }
  });
  it('applies header matches and faults', async () => {
    const host = `web:${servicePort()}`;
    assert.equal(JSON.parse((await direct('/x', { host, 'end-user': 'jason' })).body).version, 'v2');
    assert.equal((await direct('/broken', { host })).status, 418);
  });
  it('gives up after the timeout of the route', async () => {
    assert.equal((await direct('/slow', { host: `web:${servicePort()}` })).status, 504);
  });
  it('tells the called workload who calls, and passes trace headers on', async () => {
    const trace = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'x-request-id': 'r-1', 'x-b3-traceid': 'abc' };
    const { headers } = JSON.parse((await direct('/x', { host: `web:${servicePort()}`, ...trace })).body);
    assert.equal(headers['x-envoy-peer-metadata-id'], peer);
    for (const [name, value] of Object.entries(trace)) assert.equal(headers[name], value);
  });
  it('says why it refuses an unknown host', async () => {
    const { status, body } = await direct('/x', { host: 'nobody' });
    assert.equal(status, 502);
    assert.match(body, /no service of that name/);
  });
  it('takes absolute-form requests', async () => {
    const path = `http://web:${servicePort()}/absolute`;
    const { body } = await ask({ host: proxyAddress(), port: at().proxyPort, path, headers: { host: `web:${servicePort()}` } });
    assert.equal(JSON.parse(body).url, '/absolute');
  });
  it('routes what is inside CONNECT like everything else', async () => {
    const target = `web:${servicePort()}`;
    assert.equal(JSON.parse((await tunnelled(proxyAddress(), at().proxyPort, target)).body).version, 'v1');
    assert.equal(JSON.parse((await tunnelled(proxyAddress(), at().proxyPort, target, { 'end-user': 'jason' })).body).version, 'v2');
    assert.equal((await tunnelled(proxyAddress(), at().proxyPort, 'nobody:80')).status, 502);
  });
  it('hands inbound requests to the program', async () => {
    const { body } = await ask({ host: proxyAddress(), port: at().inboundPort, path: '/in' });
    assert.equal(JSON.parse(body).version, 'v1');
  });
});

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createStage, type Stage, type Started, shows } from './stage.ts';

/** Says its version and the path it was asked for. */
const server = `require('node:http').createServer((q, s) => s.end('hello ' + process.env.VERSION)).listen(process.env.PORT, '127.0.0.1')`;

/** Asks hello through the mesh until it is ended. */
const client = `
const ask = () => fetch('http://' + process.env.HELLO_SERVICE_HOST + ':' + process.env.HELLO_SERVICE_PORT + '/greeting')
  .then((answer) => answer.text()).then((text) => console.log(text), (error) => console.log(String(error.cause ?? error)));
setInterval(ask, 100);`;

const rules = (weight: number) => `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: hello}
spec:
  host: hello
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: hello}
spec:
  hosts: [hello]
  http:
    - match: [{headers: {who: {exact: jason}}}]
      route: [{destination: {host: hello, subset: v2}}]
    - route:
        - {destination: {host: hello, subset: v1}, weight: ${weight}}
        - {destination: {host: hello, subset: v2}, weight: ${100 - weight}}
`;

let stage: Stage;
let asking: Started;

function startHello(version: string): Started {
  return stage.meshwright(
    'run',
    '--service',
    'hello',
    '--version',
    version,
    '--port',
    '0',
    '--env',
    `VERSION=${version}`,
    '--',
    process.execPath,
    '-e',
    server,
  );
}

before(async () => {
  stage = await createStage('live');
  await shows(stage.start(), 'Ctrl-C ends it.');
  await Promise.all(['v1', 'v2'].map((version) => shows(startHello(version), 'joined the mesh')));
  asking = stage.meshwright('run', '--service', 'visitor', '--', process.execPath, '-e', client);
  await shows(asking, 'hello v');
});
after(() => stage.close());

describe('a mesh with three workloads', () => {
  it('has three proxies in sync', async () => {
    const { out } = await stage.run('proxy', 'status', '-o', 'json');
    const proxies: { workload: string; state: string }[] = JSON.parse(out);
    assert.deepEqual(proxies.map(({ workload }) => workload).sort(), ['hello-v1', 'hello-v2', 'visitor-v1']);
    assert.match((await stage.run('ps', 'hello-v1')).out, /hello-v1\.default +embedded/);
    assert.equal((await stage.run('ps', 'hello-v9')).code, 64);
  });

  it('runs an applied split on every proxy when apply --wait returns', async () => {
    writeFileSync(join(stage.folder, 'rules.yaml'), rules(0));
    const { code, out, err } = await stage.run('apply', '-f', 'rules.yaml', '--wait=live', '--timeout', '20s');
    assert.equal(code, 0, err);
    assert.match(out, /virtualservice\.networking\.istio\.io\/hello created/);
    assert.match(err, /live on all proxies after \d+ ms/);
    asking.output.out = '';
    await shows(asking, 'hello v2\nhello v2\nhello v2');
    assert.doesNotMatch(asking.output.out.split('\n').slice(2).join('\n'), /hello v1/);
  });

  it('explains a request by the rule behind it', async () => {
    const plain = await stage.run('explain', 'request', '--from', 'visitor-v1', '--to', 'hello', '--path', '/greeting');
    assert.equal(plain.code, 0, plain.err);
    assert.match(plain.out, /VirtualService default\/hello \(generation \d+\) spec\.http\[1\]/);
    const jason = JSON.parse(
      (await stage.run('explain', 'request', '--from', 'visitor-v1', '--to', 'hello', '-H', 'who=jason', '-o', 'json')).out,
    );
    assert.equal(jason.outcome, 'forwarded');
    assert.deepEqual(
      jason.destinations.map(({ cluster }: { cluster: string }) => cluster),
      ['outbound|80|v2|hello.default.svc.cluster.local'],
    );
    assert.equal((await stage.run('explain', 'request', '--from', 'nobody', '--to', 'hello')).code, 1);
  });

  it('shows what a proxy has, with origins, as table and as data', async () => {
    const clusters = await stage.run('proxy', 'config', 'clusters', 'visitor-v1', '--fqdn', 'hello', '--subset', 'v2');
    assert.match(clusters.out, /^hello\.default\.svc\.cluster\.local +80 +v2 +outbound +EDS +DestinationRule default\/hello/m);
    const routes = await stage.run('pc', 'routes', 'visitor-v1.default', '--name', '80');
    assert.match(routes.out, /\[who=jason\] +hello\.default\|v2 +VirtualService default\/hello/);
    const endpoints = await stage.run('pc', 'endpoint', 'visitor-v1', '--cluster', 'outbound|80|v1|');
    assert.match(endpoints.out, /^127\.[\d.]+:\d+ +HEALTHY +OK +outbound\|80\|v1\|hello/m);
    const listeners: { name: string }[] = JSON.parse((await stage.run('pc', 'listeners', 'visitor-v1', '-o', 'json')).out);
    assert.ok(listeners.length > 0);
    const sent = await stage.run('pc', 'routes', 'visitor-v1', '--sent');
    assert.match(sent.out, /^80 /m);
    const unknown = await stage.run('pc', 'routes', 'visitr-v1');
    assert.equal(unknown.code, 64);
    assert.match(unknown.err, /did you mean visitor-v1/);
  });

  it('taps requests as they happen', async () => {
    const { code, out } = await stage.run('tap', '--to', 'hello', '--limit', '3', '-o', 'json');
    assert.equal(code, 0);
    const records: { source: string; path: string; status: number }[] = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      records.map(({ source, path, status }) => ({ source, path, status })),
      Array(3).fill({ source: 'visitor-v1', path: '/greeting', status: 200 }),
    );
  });

  it('checks out', async () => {
    const { code, out } = await stage.run('check', '-o', 'json', '--wait=10s');
    assert.deepEqual(
      JSON.parse(out).checks.filter(({ state }: { state: string }) => state === 'fail'),
      [],
    );
    assert.equal(code, 0);
  });

  it('gives the exit code of a joined program', async () => {
    const { code } = await stage.run('run', '--service', 'short', '--', process.execPath, '-e', 'process.exit(7)');
    assert.equal(code, 7);
  });

  it('serves the metrics of a workload with Istio names', async () => {
    const { out } = await stage.run('get', 'we', 'visitor-v1', '-o', 'jsonpath={.metadata.annotations.meshwright\\.io/agent}');
    const text = await metricsAt(out.trim());
    assert.match(text, /^istio_requests_total\{.*source_workload="visitor-v1".*destination_workload="hello-v2"/m);
  });
});

/** The agent's metrics at `unix:PATH` or `http://...`; readable by the owner of the socket. */
function metricsAt(address: string): Promise<string> {
  const where = address.startsWith('unix:')
    ? { socketPath: address.slice(5), path: '/stats/prometheus' }
    : new URL('/stats/prometheus', address);
  return new Promise((resolve, reject) => {
    get(where, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      answer.on('end', () => resolve(text));
    }).on('error', reject);
  });
}

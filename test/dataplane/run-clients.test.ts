import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { setLogLevel } from '#process/log.ts';
import { createBackends } from '../support/backends.ts';
import { engines, startTestMesh, type TestMesh, type TestWorkload } from '../support/mesh.ts';
import { needPeer, type PeerName } from '../support/peers.ts';

setLogLevel('silent');
const run = promisify(execFile);
const url = 'http://echo:9080/seen';

/** Programs that know a name and the proxy variables, nothing else. */
const clients: readonly { readonly name: string; readonly peer?: PeerName; readonly command: string; readonly args: readonly string[] }[] =
  [
    {
      name: 'Node fetch',
      command: process.execPath,
      args: ['-e', `fetch(${JSON.stringify(url)}).then((r) => r.text()).then(console.log)`],
    },
    {
      name: 'Node http',
      command: process.execPath,
      args: ['-e', `require('node:http').get(${JSON.stringify(url)}, (r) => r.pipe(process.stdout))`],
    },
    { name: 'curl', peer: 'curl', command: 'curl', args: ['-sS', url] },
    { name: 'curl by CONNECT', peer: 'curl', command: 'curl', args: ['-sS', '--proxytunnel', url] },
    {
      name: 'Python',
      peer: 'python3',
      command: 'python3',
      args: ['-c', `import urllib.request; print(urllib.request.urlopen(${JSON.stringify(url)}).read().decode())`],
    },
  ];

for (const engine of engines()) {
  describe(engine, () => {
    let mesh: TestMesh;
    let client: TestWorkload;
    const backends = createBackends();
    let close = () => {};
    before(async () => {
      mesh = await startTestMesh();
      const backend = await backends.http('echo-v1');
      close = backend.close;
      await mesh.apply(
        '{ apiVersion: v1, kind: Service, metadata: { name: echo }, spec: { selector: { app: echo }, ports: [{ name: http, port: 9080 }] } }',
      );
      await mesh.apply(
        '{ apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: { name: echo }, spec: { hosts: [echo], http: [{ headers: { request: { set: { x-routed: "yes" } } }, route: [{ destination: { host: echo } }] }] } }',
      );
      await mesh.join(engine, { service: 'echo', ports: [{ port: backend.port }] });
      client = await mesh.join(engine, { service: 'client' });
      await mesh.allHealthy();
      await mesh.converged();
    });
    after(async () => {
      await mesh.close();
      close();
    });
    for (const { name, peer, command, args } of clients) {
      test(name, async (t) => {
        if (peer && !needPeer(t, peer)) return;
        const proxy = client.httpProxy;
        const env = {
          PATH: process.env.PATH,
          HOME: process.env.HOME,
          HTTP_PROXY: proxy,
          http_proxy: proxy,
          NO_PROXY: '127.0.0.1',
          no_proxy: '127.0.0.1',
          NODE_USE_ENV_PROXY: '1',
        };
        const { stdout } = await run(command, args, { env, timeout: 20_000 });
        const seen = JSON.parse(stdout) as { workload: string; path: string; headers: Record<string, string> };
        assert.equal(seen.workload, 'echo-v1');
        assert.equal(seen.path, '/seen');
        assert.equal(seen.headers.host, 'echo:9080');
        assert.equal(seen.headers['x-routed'], 'yes');
      });
    }
  });
}

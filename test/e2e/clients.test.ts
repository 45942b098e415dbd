/** Programs in several languages join and call a service: by the address they are told, and by its name through the HTTP proxy. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { type Backend, createBackends } from '../support/backends.ts';
import { needPeer } from '../support/peers.ts';
import { type Plane, startPlane } from './plane.ts';

const rules = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api}
spec:
  host: api
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api}
spec:
  hosts: [api]
  http:
    - match: [{headers: {who: {exact: jason}}}]
      route: [{destination: {host: api, subset: v2}}]
    - match: [{uri: {prefix: /closed}}]
      directResponse: {status: 418, body: {string: teapot}}
    - route: [{destination: {host: api, subset: v1}}]
`;

/** Each prints, per call, the label given, the status and which workload answered (or the text of another answer). */
const nodeProgram = `
const http = require('node:http');
const told = 'http://' + process.env.API_SERVICE_HOST + ':' + process.env.API_SERVICE_PORT;
const show = (label, status, text) => console.log(label, status, text.startsWith('{') ? JSON.parse(text).workload : text);
const viaHttp = (url, headers) => new Promise((resolve, reject) =>
  http.get(url, { headers }, (answer) => { let text = ''; answer.on('data', (part) => { text += part; }).on('end', () => resolve([answer.statusCode, text])); }).on('error', reject));
const viaFetch = async (url, headers) => { const answer = await fetch(url, { headers }); return [answer.status, await answer.text()]; };
(async () => {
  for (const [name, call] of [['http', viaHttp], ['fetch', viaFetch]])
    for (const [place, base] of [['address', told], ['name', 'http://api']]) {
      show(name + '-' + place, ...await call(base + '/a', {}));
      show(name + '-' + place + '-jason', ...await call(base + '/a', { who: 'jason' }));
      show(name + '-' + place + '-closed', ...await call(base + '/closed', {}));
    }
})();`;

const pythonProgram = `
import json, os, urllib.error, urllib.request
def call(label, url, headers={}):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            status, text = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode()
    print(label, status, json.loads(text)['workload'] if text.startswith('{') else text)
told = 'http://%s:%s' % (os.environ['API_SERVICE_HOST'], os.environ['API_SERVICE_PORT'])
for place, base in (('address', told), ('name', 'http://api')):
    call('urllib-' + place, base + '/a')
    call('urllib-' + place + '-jason', base + '/a', {'who': 'jason'})
    call('urllib-' + place + '-closed', base + '/closed')
`;

const goProgram = `package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
)

func call(label, url, who string) {
	request, _ := http.NewRequest("GET", url, nil)
	if who != "" {
		request.Header.Set("who", who)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		fmt.Println(label, err)
		return
	}
	body, _ := io.ReadAll(answer.Body)
	text := string(body)
	var seen struct{ Workload string }
	if json.Unmarshal(body, &seen) == nil {
		text = seen.Workload
	}
	fmt.Println(label, answer.StatusCode, text)
}

func main() {
	told := "http://" + os.Getenv("API_SERVICE_HOST") + ":" + os.Getenv("API_SERVICE_PORT")
	for _, place := range [][2]string{{"address", told}, {"name", "http://api"}} {
		call("go-"+place[0], place[1]+"/a", "")
		call("go-"+place[0]+"-jason", place[1]+"/a", "jason")
		call("go-"+place[0]+"-closed", place[1]+"/closed", "")
	}
}
`;

/** What every way of calling must bring. */
function wanted(ways: readonly string[]): string[] {
  return ways.flatMap((way) => [`${way} 200 api-v1`, `${way}-jason 200 api-v2`, `${way}-closed 418 teapot`]);
}

const backends = createBackends();
const served: Backend[] = [];
let plane: Plane;
before(async () => {
  plane = await startPlane('clients');
  const joinApi = async (version: string) => {
    const backend = await backends.http(`api-${version}`);
    served.push(backend);
    await plane.join({ service: 'api', version, port: `80:${backend.port}` });
  };
  await Promise.all(['v1', 'v2'].map(joinApi));
  await plane.apply(rules);
});
after(async () => {
  await plane.close();
  for (const backend of served) backend.close();
});

async function linesOf(service: string, ...command: readonly string[]): Promise<string[]> {
  const { code, out, err } = await plane.run('run', '--service', service, '--', ...command);
  assert.equal(code, 0, err);
  return out.trim().split('\n');
}

describe('a program that joins', () => {
  it('in Node calls by fetch and http', async () => {
    const lines = await linesOf('node-client', process.execPath, '-e', nodeProgram);
    assert.deepEqual(lines, wanted(['http-address', 'http-name', 'fetch-address', 'fetch-name']));
  });

  it('may be curl, in absolute form and through CONNECT', async (t) => {
    const curl = needPeer(t, 'curl');
    if (!curl) return;
    const script = [
      'curl-address http://$API_SERVICE_HOST:$API_SERVICE_PORT',
      'curl-name http://api',
      'curl-connect --proxytunnel http://api',
    ]
      .map((words) => words.split(' '))
      .flatMap(([way, ...words]) => {
        const base = words.pop();
        const call = (label: string, path: string, flags = '') =>
          `echo "${label} $(${curl} -s -w ' %{http_code}' ${[...words, flags].join(' ')} "${base}${path}" | sed -E 's/.*"workload":"([^"]*)".* ([0-9]+)$/\\2 \\1/; s/^(teapot) ([0-9]+)$/\\2 \\1/')"`;
        return [call(`${way}`, '/a'), call(`${way}-jason`, '/a', '-H "who: jason"'), call(`${way}-closed`, '/closed')];
      });
    const lines = await linesOf('curl-client', 'sh', '-c', script.join('\n'));
    assert.deepEqual(lines, wanted(['curl-address', 'curl-name', 'curl-connect']));
  });

  it('in Python calls by urllib', async (t) => {
    const python = needPeer(t, 'python3');
    if (!python) return;
    assert.deepEqual(await linesOf('python-client', python, '-c', pythonProgram), wanted(['urllib-address', 'urllib-name']));
  });

  it('in Go calls by net/http', async (t) => {
    const program = await buildGo(t);
    if (program) assert.deepEqual(await linesOf('go-client', program), wanted(['go-address', 'go-name']));
  });

  it('is known by name to whom it calls', () => {
    const peers = new Set(backends.seen.map(({ headers }) => headers['x-envoy-peer-metadata-id']?.split(';')[0]));
    assert.ok(peers.has('node-client-v1'), [...peers].join());
    assert.deepEqual(new Set(backends.seen.map(({ workload }) => workload)), new Set(['api-v1', 'api-v2']));
  });
});

/** Path of the program; undefined when the test was skipped. */
async function buildGo(t: TestContext): Promise<string | undefined> {
  const go = needPeer(t, 'go');
  if (!go) return undefined;
  writeFileSync(join(plane.folder, 'client.go'), goProgram);
  const env = { ...process.env, GOFLAGS: '-mod=mod', GOPROXY: 'off', GOTOOLCHAIN: 'local', CGO_ENABLED: '0' };
  try {
    await promisify(execFile)(go, ['build', '-o', 'go-client', 'client.go'], { cwd: plane.folder, env, timeout: 60_000 });
  } catch (error) {
    t.skip(`go cannot build here: ${String(error).split('\n')[0]}`);
    return undefined;
  }
  return join(plane.folder, 'go-client');
}

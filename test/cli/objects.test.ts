import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { plainKinds } from '#apiserver/plain-kinds.ts';
import { type ApiServer, startApiServer } from '#apiserver/server.ts';
import { systemClock } from '#process/clock.ts';
import { logger, setLogLevel } from '#process/log.ts';
import { kinds } from '#resources/kinds.ts';
import { runCommandLine } from '../../src/cli/command-line.ts';
import type { Io } from '../../src/cli/io.ts';

const main = resolve(import.meta.dirname, '../../src/cli/main.ts');
const folder = mkdtempSync(join(tmpdir(), 'meshwright-cli-'));
const kubeconfig = join(folder, 'kubeconfig');
let server: ApiServer;

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command in this process. `onStart` may keep the controller that stands for Ctrl-C. */
async function run(
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
  onStart: (stop: AbortController) => void = () => {},
): Promise<Ran> {
  const lines = { out: '', err: '' };
  const io: Io = {
    out: (text) => {
      lines.out += `${text}\n`;
    },
    err: (text) => {
      lines.err += `${text}\n`;
    },
    progress: () => {},
    paint: (_, text) => text,
    width: Number.POSITIVE_INFINITY,
    interactive: false,
    env,
    cwd: folder,
    readInput: async () => reviews(50),
  };
  const code = await runCommandLine(words, io, onStart);
  return { code, ...lines };
}

function cli(...words: string[]): Promise<Ran> {
  return run([...words, '--kubeconfig', kubeconfig, '--state-dir', join(folder, 'none')]);
}

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return name;
}

const reviews = (weight: number) => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews
  labels: {app: reviews}
spec:
  hosts: [reviews]
  http:
  - route:
    - destination: {host: reviews, subset: v1}
      weight: ${weight}
    - destination: {host: reviews, subset: v2}
      weight: ${100 - weight}
`;

before(async () => {
  setLogLevel('silent');
  server = await startApiServer({
    stateDir: join(folder, 'state'),
    kinds: [...kinds, ...plainKinds],
    clock: systemClock,
    log: logger('test'),
  });
  writeFileSync(kubeconfig, server.kubeconfig(), { mode: 0o600 });
});
after(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('apply, get, describe, delete', () => {
  it('creates, changes, and says unchanged', async () => {
    const name = file('reviews.yaml', reviews(50));
    assert.deepEqual(await cli('apply', '-f', name), { code: 0, out: 'virtualservice.networking.istio.io/reviews created\n', err: '' });
    assert.equal((await cli('apply', '-f', name)).out, 'virtualservice.networking.istio.io/reviews unchanged\n');
    file('reviews.yaml', reviews(90));
    assert.match((await cli('apply', '-f', name, '--dry-run=server')).out, /configured \(server dry run\)/);
    assert.match((await cli('get', 'vs', 'reviews', '-o', 'jsonpath={.spec.http[0].route[*].weight}')).out, /^50 50$/m);
    assert.equal((await cli('apply', '-f', name)).out, 'virtualservice.networking.istio.io/reviews configured\n');
    assert.match((await cli('get', 'vs/reviews', '-o', 'jsonpath={.spec.http[0].route[*].weight}')).out, /^90 10$/m);
  });

  it('lists as a table, by label, over all namespaces, as names', async () => {
    const table = await cli('get', 'virtualservices');
    assert.match(table.out, /^NAME +.*AGE\nreviews +/);
    assert.match((await cli('get', 'vs', '-A')).out, /^NAMESPACE +NAME/);
    assert.equal((await cli('get', 'vs', '-l', 'app=reviews', '-o', 'name')).out, 'virtualservice.networking.istio.io/reviews\n');
    const none = await cli('get', 'vs', '-l', 'app=other');
    assert.deepEqual({ code: none.code, out: none.out }, { code: 0, out: '' });
    assert.match(none.err, /No objects found in namespace default/);
    const json = JSON.parse((await cli('get', 'vs', '-o', 'json')).out);
    assert.equal(json.kind, 'List');
    assert.equal(json.items.length, 1);
  });

  it('understands NAME.NAMESPACE', async () => {
    assert.match((await cli('get', 'vs', 'reviews.default', '-n', 'other', '-o', 'name')).out, /reviews/);
  });

  it('says what does not exist, with exit code 1', async () => {
    const { code, out, err } = await cli('get', 'vs', 'nothing');
    assert.deepEqual({ code, out }, { code: 1, out: '' });
    assert.match(err, /virtualservice\.networking\.istio\.io default\/nothing does not exist/);
    assert.equal((await cli('get', 'vs', 'nothing', '--ignore-not-found')).code, 0);
  });

  it('describes with conditions and events', async () => {
    const { code, out } = await cli('describe', 'vs', 'reviews');
    assert.equal(code, 0);
    assert.match(out, /^Name: +reviews$/m);
    assert.match(out, /^Labels: +app=reviews$/m);
    assert.match(out, /subset: v2/);
    assert.match(out, /^Events: +none$/m);
  });

  it('shows changes with --watch and ends with 0 on Ctrl-C', async () => {
    const args = [
      '-C',
      'source',
      '--disable-warning=ExperimentalWarning',
      main,
      'get',
      'vs',
      '--watch',
      '--kubeconfig',
      kubeconfig,
      '-o',
      'name',
    ];
    const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    const lines = new Promise<void>((done) => {
      child.stdout.on('data', (data: Buffer) => {
        out += data.toString();
        if (out.split('\n').length > 2) done();
      });
    });
    await new Promise<void>((done) => child.stdout.once('data', () => done()));
    await cli('apply', '-f', file('watched.yaml', reviews(10)));
    await lines;
    const ended = new Promise<number | null>((done) => child.once('exit', (code) => done(code)));
    child.kill('SIGINT');
    assert.equal(await ended, 0);
    assert.equal(out, 'virtualservice.networking.istio.io/reviews\n'.repeat(2));
  });

  it('deletes by file and by name', async () => {
    assert.match((await cli('delete', '-f', 'reviews.yaml', '--dry-run=client')).out, /"reviews" deleted \(dry run\)/);
    assert.match((await cli('delete', '-f', 'reviews.yaml')).out, /virtualservice\.networking\.istio\.io "reviews" deleted/);
    const again = await cli('delete', 'vs', 'reviews');
    assert.equal(again.code, 1);
    assert.match(again.err, /does not exist in namespace default/);
    assert.equal((await cli('delete', 'vs', 'reviews', '--ignore-not-found')).code, 0);
    assert.equal((await cli('delete', 'vs')).code, 64);
  });
});

describe('bad input', () => {
  it('is reported with file, line and column, and nothing is applied', async () => {
    const good = reviews(50).replace('name: reviews', 'name: good');
    const bad = reviews(50).replace('weight: 50', 'wieght: 50');
    const { code, out, err } = await cli('apply', '-f', file('both.yaml', `${good}---\n${bad}`));
    assert.equal(code, 65);
    assert.equal(out, '');
    assert.match(err, /^both\.yaml:\d+:\d+: error MW\d{4} spec\.http\[0\]\.route\[0\]/m);
    assert.match(err, /Nothing was applied/);
    assert.equal((await cli('get', 'vs', 'good')).code, 1);
  });

  it('that is no YAML says where', async () => {
    const { code, err } = await cli('apply', '--dry-run=client', '-f', file('broken.yaml', 'kind: A\nkind: B\n'));
    assert.equal(code, 65);
    assert.match(err, /^broken\.yaml:2:\d+: error MW0102/m);
  });

  it('of an unknown kind suggests the right one', async () => {
    const { code, err } = await cli('apply', '-f', file('kind.yaml', reviews(50).replace('kind: VirtualService', 'kind: VirtualServce')));
    assert.equal(code, 65);
    assert.match(err, /VirtualServce is no kind that Meshwright knows; did you mean VirtualService/);
  });

  it('standard input is read with -f -', async () => {
    assert.match((await cli('apply', '-f', '-', '--dry-run=client')).out, /reviews checked \(dry run\)/);
  });

  it('missing files and unknown kinds have codes of their own', async () => {
    assert.equal((await cli('apply', '-f', 'nowhere.yaml')).code, 65);
    const { code, err } = await cli('get', 'virtualservces');
    assert.equal(code, 64);
    assert.match(err, /did you mean virtualservices/);
  });

  it('an API server that is away gives 69 and what to do', async () => {
    const away = file('away', server.kubeconfig().replace(/127\.0\.0\.1:\d+/, '127.0.0.1:1'));
    const { code, err } = await run(['get', 'vs', '--kubeconfig', away]);
    assert.equal(code, 69);
    assert.match(err, /127\.0\.0\.1:1/);
  });

  it('no mesh at all says how to start one', async () => {
    const { code, err } = await run(['proxy', 'status'], { HOME: folder });
    assert.equal(code, 69);
    assert.match(err, /Start one with "meshwright start"/);
  });
});

describe('completion of live names', () => {
  it('asks the API server', async () => {
    await cli('apply', '-f', file('reviews.yaml', reviews(50)));
    const { out } = await run(['complete', '--', 'get', 'vs', 'rev'], { KUBECONFIG: kubeconfig });
    assert.equal(out, 'reviews\n');
  });
  it('is silent without one', async () => {
    assert.deepEqual(await run(['complete', '--', 'get', 'vs', ''], { HOME: folder }), { code: 0, out: '', err: '' });
  });
});

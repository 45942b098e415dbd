/** A mesh as a user has it: a control plane started by the executable, workloads that `meshwright run` joins to it. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { type MeshObjects, meshObjects, servicePath, workloadEntryPath } from '#agent/mesh-objects.ts';
import { outboundAddress, workloadAddress } from '#base/loopback.ts';
import { createKubeClient, type KubeClient, type KubeResource } from '#kube/client.ts';
import { loadKubeconfig } from '#kube/kubeconfig.ts';
import { isJsonObject, type KubeObject } from '#kube/object.ts';
import { readRuntimeFile } from '#process/runtime-file.ts';
import { kinds } from '#resources/kinds.ts';
import type { TapRecord } from '#server/api.ts';
import { parseYaml } from '#yaml/document.ts';
import { createStage, type Stage, type Started, shows } from '../cli/stage.ts';
import type { Engine } from '../support/mesh.ts';

export interface Answer {
  /** 0: no answer. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** How `run` is asked. Without `command` the program is the test itself and must listen already. */
export interface Wish {
  readonly service: string;
  readonly version?: string;
  readonly engine?: Engine;
  /** As of `--port`. */
  readonly port?: string | number;
  readonly flags?: readonly string[];
  readonly command?: readonly string[];
}

export interface Joined {
  readonly name: string;
  readonly running: Started;
  /** Of the workload; the first of its block. */
  readonly address: string;
}

export interface Plane extends Stage {
  readonly objects: MeshObjects;
  /** Starts the control plane with more flags; resolves when it is up. */
  up(...flags: readonly string[]): Promise<Started>;
  /** Resolves when the workload has joined and, with a port, was found serving. */
  join(wish: Wish): Promise<Joined>;
  apply(yaml: string): Promise<void>;
  object(kind: string, name: string): Promise<KubeObject | undefined>;
  remove(kind: string, name: string): Promise<void>;
  /** The page's REST API; the JSON of the answer whatever its status is. */
  rest(path: string, body?: unknown): Promise<unknown>;
  /** Resolves when every connected proxy runs what was applied. */
  converged(): Promise<void>;
  /** One request of a workload to a service, through the service's own address or the workload's HTTP proxy. */
  ask(from: Joined, to: string, path: string, options?: AskOptions): Promise<Answer>;
  /** Requests as agents report them, until `close`. */
  tap(): Tap;
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly via?: 'address' | 'proxy';
}

export interface Tap {
  readonly records: TapRecord[];
  close(): void;
}

export const usualProxyPort = 15080;

/** Nothing runs yet: call `up`. */
export async function createPlane(name: string): Promise<Plane> {
  const stage = await createStage(name);
  let client: KubeClient | undefined;
  let found: MeshObjects | undefined;
  const kube = () => {
    client ??= createKubeClient(loadKubeconfig([join(stage.state, 'kubeconfig')]));
    return client;
  };
  const objects = () => {
    found ??= meshObjects(kube());
    return found;
  };
  const url = (path: string) => `http://127.0.0.1:${stage.ports[1]}/api/v1${path}`;
  const token = () => ({ authorization: `Bearer ${readFileSync(join(stage.state, 'page-token'), 'utf8').trim()}` });
  const rest = async (path: string, body?: unknown): Promise<unknown> => {
    const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    const response = await fetch(url(path), { ...init, headers: { ...token(), 'content-type': 'application/json' } });
    return response.json();
  };

  return {
    ...stage,
    get objects() {
      return objects();
    },
    async up(...flags) {
      const places = ['--api-port', '--page-port', '--xds-port', '--debug-port'].flatMap((flag, i) => [flag, `${stage.ports[i]}`]);
      const started = stage.meshwright('start', ...places, '--log-level', 'error', ...flags);
      await shows(started, 'Ctrl-C ends it.');
      return started;
    },
    join: (wish) => joinWorkload(stage, objects(), wish),
    async apply(yaml) {
      for (const { value, problems } of parseYaml(yaml)) {
        assert.deepEqual(problems, []);
        const object = value as KubeObject;
        const spaced = object.kind === 'Namespace' ? object : { ...object, metadata: { namespace: 'default', ...object.metadata } };
        await kube().apply(kindOf(object.kind), spaced, 'test');
      }
    },
    object: (kind, name) => objects().get(kindOf(kind), 'default', name),
    remove: (kind, name) => objects().remove(kindOf(kind), 'default', name),
    rest,
    converged: () => converged(stage),
    ask: (from, to, path, options = {}) => ask(objects(), from, { to, path, ...options }),
    tap: () => openTap(url('/tap'), token()),
    async close() {
      client?.close();
      await stage.close();
    },
  };
}

/** A plane that is up. */
export async function startPlane(name: string, ...flags: readonly string[]): Promise<Plane> {
  const plane = await createPlane(name);
  try {
    await plane.up(...flags);
    return plane;
  } catch (error) {
    await plane.close();
    throw error;
  }
}

/** Asks until `holds` gives something; fails with what it was last about. */
export async function until<T>(
  what: string,
  holds: () => Promise<T | undefined | false> | T | undefined | false,
  withinMs = 15_000,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const found = await holds();
    if (found !== undefined && found !== false) return found;
    assert.ok(performance.now() < deadline, `not within ${withinMs} ms: ${what}`);
    await pause(50);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Ids of all processes that descend from this one. */
export function descendants(pid: number): number[] {
  const path = `/proc/${pid}/task/${pid}/children`;
  const children = existsSync(path) ? readFileSync(path, 'utf8').trim().split(' ').filter(Boolean).map(Number) : [];
  return children.flatMap((child) => [child, ...descendants(child)]);
}

export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Ends the control plane as a crash would. */
export async function killPlane(plane: Stage, running: Started): Promise<void> {
  const runtime = readRuntimeFile(plane.state);
  assert.ok(runtime);
  process.kill(runtime.process.pid, 'SIGKILL');
  await running.exited;
}

function kindOf(name: string): KubeResource {
  const kind = kinds.find((candidate) => candidate.kind === name);
  assert.ok(kind, `no kind ${name}`);
  const { group, plural, namespaced } = kind;
  return { group, version: kind.versions[0] ?? '', plural, kind: name, namespaced };
}

async function joinWorkload(stage: Stage, objects: MeshObjects, wish: Wish): Promise<Joined> {
  const name = `${wish.service}-${wish.version ?? 'v1'}`;
  const words = [
    ...['run', '--service', wish.service, '--version', wish.version ?? 'v1', '--name', name],
    ...['--proxy', wish.engine ?? 'embedded', '--log-level', 'error'],
    ...(wish.port === undefined ? [] : ['--port', String(wish.port)]),
    ...(wish.flags ?? []),
    ...(wish.command ? ['--', ...wish.command] : []),
  ];
  const running = stage.meshwright(...words);
  await shows(running, 'joined the mesh');
  const entry = await until(`${name} is healthy`, async () => {
    const stored = await objects.get(workloadEntryPath, 'default', name);
    return stored && (wish.port === undefined || isHealthy(stored)) ? stored : undefined;
  });
  const spec = isJsonObject(entry.spec) ? entry.spec : {};
  return { name, running, address: String(spec.address) };
}

function isHealthy({ status }: KubeObject): boolean {
  const conditions = isJsonObject(status) && Array.isArray(status.conditions) ? status.conditions.filter(isJsonObject) : [];
  return conditions.some((condition) => condition.type === 'Healthy' && condition.status === 'True');
}

interface SyncPage {
  readonly proxies: number;
  readonly reached: number;
}

/** What the API server has answered may still be on its way through the debounce: two quiet looks in a row count. */
async function converged(stage: Stage): Promise<void> {
  let quiet = 0;
  let epoch = -1;
  await until('all proxies run the present state', async () => {
    const sync = await debugPage<SyncPage & { readonly epoch: number }>(stage, 'push_status');
    quiet = sync.reached === sync.proxies && sync.epoch === epoch ? quiet + 1 : 0;
    epoch = sync.epoch;
    return quiet >= 4;
  });
}

/** JSON of a debug page of the control plane. */
export async function debugPage<Page>(stage: Stage, name: string): Promise<Page> {
  const response = await fetch(`http://127.0.0.1:${stage.ports[3]}/debug/${name}`);
  assert.equal(response.status, 200, await response.clone().text());
  return (await response.json()) as Page;
}

async function ask(objects: MeshObjects, from: Joined, what: AskOptions & { readonly to: string; readonly path: string }): Promise<Answer> {
  const { to, path, method = 'GET', headers = {}, via = 'address' } = what;
  const [host = '', port = '80'] = to.split(':');
  const isProxy = via === 'proxy';
  const place = isProxy ? { host: from.address, port: usualProxyPort } : await placeOf(objects, from, host, Number(port));
  return send({ ...place, path: isProxy ? `http://${to}${path}` : path, method, headers: { host: to, ...headers } });
}

const places = new Map<string, { host: string; port: number }>();

/** Where a workload reaches a service. */
export async function placeOf(objects: MeshObjects, from: Joined, service: string, port: number): Promise<{ host: string; port: number }> {
  const key = `${from.address} ${service} ${port}`;
  const known = places.get(key);
  if (known) return known;
  const stored = await objects.get(servicePath, 'default', service);
  assert.ok(isJsonObject(stored?.spec), `no Service ${service}`);
  const block = `${from.address.replace(/\.1$/, '.0')}/20`;
  assert.equal(workloadAddress(block), from.address);
  const place = outboundAddress({ block }, String(stored.spec.clusterIP), port, 0);
  assert.ok(place);
  const made = { host: place.address, port: place.port };
  places.set(key, made);
  return made;
}

/** One request on a connection of its own. */
export function send(options: {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}): Promise<Answer> {
  return new Promise((resolve) => {
    const call = request({ ...options, agent: false, signal: AbortSignal.timeout(20_000) }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        body += part;
      });
      const headers = Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name, String(value)]));
      answer.once('close', () => resolve({ status: answer.complete ? (answer.statusCode ?? 0) : 0, headers, body }));
    });
    call.once('error', (error) => resolve({ status: 0, headers: {}, body: error.message }));
    call.end();
  });
}

/** Agents are connected to in the background: until the first record nobody knows whether all listen. */
function openTap(url: string, headers: Readonly<Record<string, string>>): Tap {
  const records: TapRecord[] = [];
  let rest = '';
  const call = request(url, { headers, agent: false }, (answer) => {
    assert.equal(answer.statusCode, 200);
    answer.on('error', () => {});
    answer.setEncoding('utf8').on('data', (part: string) => {
      const lines = (rest + part).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const value = line === '' ? {} : (JSON.parse(line) as Partial<TapRecord>);
        if (typeof value.at === 'number') records.push(value as TapRecord);
      }
    });
  });
  call.on('error', () => {});
  call.end();
  return { records, close: () => void call.destroy() };
}

export { shows };

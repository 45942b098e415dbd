import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ApiServer, type ApiServerOptions, startApiServer } from '#apiserver/server.ts';
import { type KubeAccess, loadKubeconfig } from '#kube/kubeconfig.ts';
import type { KubeObject } from '#kube/object.ts';
import { writePrivateFile } from '#pki/private-file.ts';
import { systemClock } from '#process/clock.ts';
import type { Logger } from '#process/log.ts';
import { kinds } from '#resources/kinds.ts';

export const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** A running API server in a folder of its own, with a kubeconfig. */
export interface Running {
  readonly server: ApiServer;
  readonly folder: string;
  readonly kubeconfig: string;
  readonly access: KubeAccess;
  stop(): Promise<void>;
}

export async function startServer(options: Partial<ApiServerOptions> = {}): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), 'mw-api-'));
  const server = await startApiServer({ stateDir: join(folder, 'state'), kinds, clock: systemClock, log: quiet, ...options });
  const kubeconfig = join(folder, 'kubeconfig');
  writePrivateFile(kubeconfig, server.kubeconfig());
  return {
    server,
    folder,
    kubeconfig,
    access: loadKubeconfig([kubeconfig]),
    async stop() {
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export interface Answer {
  readonly code: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked into freely by tests
  readonly json: any;
}

export interface Ask {
  readonly body?: unknown;
  readonly type?: string;
  readonly accept?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One raw HTTP/1.1 request with the kubeconfig's token. */
export function ask(running: Running, method: string, path: string, options: Ask = {}): Promise<Answer> {
  const { body } = options;
  const bytes =
    body === undefined ? undefined : Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const headers = {
    ...running.access.headers(),
    ...(options.accept ? { accept: options.accept } : {}),
    ...(bytes ? { 'content-type': options.type ?? 'application/json', 'content-length': String(bytes.length) } : {}),
    ...options.headers,
  };
  return new Promise((resolve, reject) => {
    const outgoing = request(`${running.server.url}${path}`, { method, headers, ...running.access.tls(), agent: false }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({
          code: incoming.statusCode ?? 0,
          headers: incoming.headers,
          text,
          json: /^[[{]/.test(text) && !text.trim().includes('\n') ? JSON.parse(text) : undefined,
        });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(bytes);
  });
}

/** The events of a watch, one by one. */
export interface Watch {
  // biome-ignore lint/suspicious/noExplicitAny: events are looked into freely by tests
  next(): Promise<any>;
  readonly ended: Promise<void>;
  end(): void;
}

export function watch(running: Running, path: string): Promise<Watch> {
  // biome-ignore lint/suspicious/noExplicitAny: as above
  const events: any[] = [];
  let wake = () => {};
  let buffered = '';
  return new Promise((resolve, reject) => {
    const outgoing = request(
      `${running.server.url}${path}`,
      { headers: running.access.headers(), ...running.access.tls(), agent: false },
      (incoming) => {
        const ended = new Promise<void>((done) => incoming.on('close', () => done()));
        incoming.on('error', () => {});
        incoming.on('data', (chunk: Buffer) => {
          buffered += chunk.toString('utf8');
          const lines = buffered.split('\n');
          buffered = lines.pop() ?? '';
          events.push(...lines.filter(Boolean).map((line) => JSON.parse(line)));
          wake();
        });
        resolve({
          async next() {
            while (events.length === 0) await new Promise<void>((woken) => (wake = woken));
            return events.shift();
          },
          ended,
          end: () => outgoing.destroy(),
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end();
  });
}

export interface Output {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a program to its end with an environment of its own. */
export function run(
  program: string,
  args: readonly string[],
  options: { readonly env: Readonly<Record<string, string>>; readonly input?: string; readonly onSpawn?: (child: ChildProcess) => void },
): Promise<Output> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: { PATH: process.env.PATH ?? '', ...options.env }, stdio: 'pipe' });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, err }));
    child.stdin.end(options.input ?? '');
    options.onSpawn?.(child);
  });
}

export function virtualService(name: string, weights: readonly [number, number] = [50, 50], extra: object = {}): KubeObject {
  const [one, two] = weights;
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name, namespace: 'default' },
    spec: {
      hosts: [name],
      http: [
        {
          route: [
            { destination: { host: name, subset: 'v1' }, weight: one },
            { destination: { host: name, subset: 'v2' }, weight: two },
          ],
        },
      ],
      ...extra,
    },
  };
}

export function configMap(name: string, data: Readonly<Record<string, string>> = {}, metadata: object = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default', ...metadata }, data };
}

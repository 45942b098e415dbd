/** A kube-apiserver with etcd behind it, on loopback, in a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { createWriteStream, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writePrivateFile } from '#pki/private-file.ts';
import { freePorts } from '../../support/ports.ts';
import { run } from '../apiserver/fixture.ts';

export interface RealApiServer {
  readonly folder: string;
  /** Authenticates with a token. */
  readonly kubeconfig: string;
  /** Authenticates with a client certificate. */
  readonly certificateKubeconfig: string;
  readonly url: string;
  /** Ends the API server; etcd, which has everything, stays. */
  stopServer(): Promise<void>;
  startServer(): Promise<void>;
  /** What the API server said last, for failures. */
  log(): string;
  close(): Promise<void>;
}

export interface Programs {
  readonly apiServer: string;
  readonly etcd: string;
  readonly openssl: string;
}

const startLimitMs = 90_000;

export async function startRealApiServer(programs: Programs): Promise<RealApiServer> {
  const folder = mkdtempSync(join(tmpdir(), 'mw-real-'));
  const [port = 0, etcdPort = 0, peerPort = 0] = await freePorts(3);
  const url = `https://127.0.0.1:${port}`;
  await writeCredentials(folder, programs.openssl);
  const etcdUrl = `http://127.0.0.1:${etcdPort}`;
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  const etcd = start(programs.etcd, folder, 'etcd', [
    ...['--name', 'm', '--data-dir', join(folder, 'etcd'), '--log-level', 'warn', '--unsafe-no-fsync'],
    ...['--listen-client-urls', etcdUrl, '--advertise-client-urls', etcdUrl],
    ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl, '--initial-cluster', `m=${peerUrl}`],
  ]);
  let server: Started | undefined;
  const real: RealApiServer = {
    folder,
    kubeconfig: join(folder, 'kubeconfig'),
    certificateKubeconfig: join(folder, 'kubeconfig-certificate'),
    url,
    async startServer() {
      server = start(programs.apiServer, folder, 'apiserver', serverArguments(folder, port, etcdUrl));
      await ready(server, folder, url);
    },
    async stopServer() {
      await server?.stop();
      server = undefined;
    },
    log: () => tail(join(folder, 'apiserver.log')),
    async close() {
      await server?.stop();
      await etcd.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    await real.startServer();
  } catch (error) {
    await real.close();
    throw error;
  }
  const cluster = { server: url, 'certificate-authority': 'certs/apiserver.crt' };
  writePrivateFile(real.kubeconfig, kubeconfig(cluster, { token: readFileSync(join(folder, 'token'), 'utf8') }));
  const user = { 'client-certificate': 'client.crt', 'client-key': 'client.key' };
  writePrivateFile(real.certificateKubeconfig, kubeconfig(cluster, user));
  return real;
}

function serverArguments(folder: string, port: number, etcdUrl: string): string[] {
  const at = (name: string) => join(folder, name);
  return [
    ...[`--etcd-servers=${etcdUrl}`, '--bind-address=127.0.0.1', `--secure-port=${port}`, '--advertise-address=127.0.0.1'],
    ...[`--cert-dir=${at('certs')}`, `--client-ca-file=${at('ca.crt')}`, `--token-auth-file=${at('tokens.csv')}`],
    ...['--authorization-mode=RBAC', '--service-cluster-ip-range=10.96.0.0/16', '--endpoint-reconciler-type=none'],
    ...['--service-account-issuer=https://kubernetes.default.svc', `--service-account-key-file=${at('sa.key')}`],
    ...[`--service-account-signing-key-file=${at('sa.key')}`, '--disable-admission-plugins=ServiceAccount'],
  ];
}

/** A token and a client certificate of cluster administrators, and the key that the server signs with. */
async function writeCredentials(folder: string, openssl: string): Promise<void> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writePrivateFile(join(folder, 'sa.key'), String(privateKey.export({ type: 'pkcs8', format: 'pem' })));
  const token = `t${Math.random().toString(36).slice(2)}${Math.random().toString(36).slice(2)}`;
  writePrivateFile(join(folder, 'token'), token);
  writePrivateFile(join(folder, 'tokens.csv'), `${token},admin,admin,system:masters\n`);
  writeFileSync(join(folder, 'client.ext'), 'extendedKeyUsage = clientAuth\n');
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const commands = [
    ['req', '-x509', ...key, '-days', '2', '-subj', '/CN=test-ca', '-keyout', 'ca.key', '-out', 'ca.crt'],
    ['req', ...key, '-subj', '/O=system:masters/CN=by-certificate', '-keyout', 'client.key', '-out', 'client.csr'],
    [
      'x509',
      '-req',
      '-in',
      'client.csr',
      '-CA',
      'ca.crt',
      '-CAkey',
      'ca.key',
      '-set_serial',
      '2',
      '-days',
      '2',
      '-out',
      'client.crt',
    ].concat(['-extfile', 'client.ext']),
  ];
  for (const args of commands) {
    const files = new Set(['ca.key', 'ca.crt', 'client.key', 'client.csr', 'client.crt', 'client.ext']);
    const { code, err } = await run(
      openssl,
      args.map((word) => (files.has(word) ? join(folder, word) : word)),
      { env: {} },
    );
    if (code !== 0) throw new Error(`openssl ${args[0]}: ${err}`);
  }
}

function kubeconfig(cluster: object, user: object): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'real', cluster }],
    users: [{ name: 'admin', user }],
    contexts: [{ name: 'real', context: { cluster: 'real', user: 'admin' } }],
    'current-context': 'real',
  });
}

interface Started {
  readonly child: ChildProcess;
  stop(): Promise<void>;
}

function start(program: string, folder: string, name: string, args: readonly string[]): Started {
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  child.stderr?.pipe(createWriteStream(join(folder, `${name}.log`), { flags: 'a' }));
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  return {
    child,
    async stop() {
      child.kill('SIGTERM');
      // A server waits for its watches to end; tests do not.
      const late = setTimeout(() => child.kill('SIGKILL'), 2_000);
      await exited;
      clearTimeout(late);
    },
  };
}

async function ready({ child }: Started, folder: string, url: string): Promise<void> {
  const deadline = performance.now() + startLimitMs;
  const certificate = join(folder, 'certs', 'apiserver.crt');
  while (!existsSync(certificate) || !(await isReady(url, readFileSync(certificate), readFileSync(join(folder, 'token'), 'utf8')))) {
    const log = () => tail(join(folder, 'apiserver.log'));
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`kube-apiserver ended:\n${log()}`);
    if (performance.now() > deadline) throw new Error(`kube-apiserver is not ready after ${startLimitMs / 1000} s:\n${log()}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function isReady(url: string, ca: Buffer, token: string): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request(`${url}/readyz`, { ca, agent: false, timeout: 2_000, headers: { authorization: `Bearer ${token}` } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    call.on('timeout', () => call.destroy());
    call.on('error', () => resolve(false));
    call.end();
  });
}

function tail(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(-15).join('\n') : '';
}

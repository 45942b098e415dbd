import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { peerPath } from '../test/support/peers.ts';
import { type BenchOptions, type BenchRow, type Contender, cpuTimeOf, pairedRow, pairedSlices, processTree, pssMb } from './bench.ts';
import { askedPath, envoyConfig, haproxyConfig, haproxyMap, type Job, nginxBackend, nginxConfig } from './proxy/configs.ts';

export const name = 'proxy';

const execute = promisify(execFile);
const connections = 64;
const headers = [
  'authorization: Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJiZW5jaCJ9.c2lnbmF0dXJl',
  'cookie: session=0123456789abcdef; theme=dark',
  'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  'accept: application/json',
  'accept-language: en',
  'user-agent: bench/1',
  'x-drop: gone',
];

/** `embedded-handle`: the embedded proxy with the back end that has to be asked for. */
const contenderNames = ['embedded', 'embedded-handle', 'haproxy', 'nginx', 'envoy'] as const;

interface Running {
  readonly name: string;
  readonly port: number;
  readonly child: ChildProcess;
}

/** CPU time per HTTP/1.1 request of the embedded proxy beside haproxy, nginx and Envoy, in alternated slices of one run. */
export async function run(options: BenchOptions): Promise<readonly BenchRow[]> {
  const work = mkdtempSync(join(tmpdir(), 'mwbench-'));
  const children: ChildProcess[] = [];
  try {
    const backend = await freePort();
    const backendFile = join(work, 'backend.conf');
    writeFileSync(backendFile, nginxBackend(backend, join(work, 'backend.pid')));
    children.push(start(loadCpu, 'nginx', ['-c', backendFile]));
    await listening(backend);
    const rows: BenchRow[] = [];
    for (const full of [false, true]) rows.push(...(await compare(options, work, backend, full, children)));
    return rows;
  } finally {
    for (const child of children) child.kill('SIGKILL');
    rmSync(work, { recursive: true, force: true });
  }
}
async function compare(options: BenchOptions, work: string, backend: number, full: boolean, children: ChildProcess[]): Promise<BenchRow[]> {
  const contenders: Running[] = [];
  const syslog = await startSyslog(children);
  for (const which of contenderNames) {
    const running = await startContender(which, work, backend, full, syslog);
    if (running === undefined) {
      options.log(`${which} is not here and takes no part`);
      continue;
    }
    children.push(running.child);
    contenders.push(running);
  }
  const seconds = options.quick ? 1 : 2;
  const slices = contenders.map((contender): Contender => ({ name: contender.name, slice: () => slice(contender, seconds) }));
  const result = await pairedSlices(slices, { rounds: options.quick ? 3 : 15, warmUp: options.quick ? 1 : 3, log: options.log });
  const what = full ? 'HTTP/1.1 with 100 routes, header changes, metrics and access log' : 'HTTP/1.1 pass-through';
  const rows: BenchRow[] = [];
  const limits: Readonly<Record<string, number>> = full ? { haproxy: 1.25, envoy: 0.4 } : { haproxy: 1.15 };
  for (const peer of contenders) {
    if (peer.name.startsWith('embedded')) continue;
    const limit = limits[peer.name];
    rows.push(
      pairedRow(result, 'embedded', peer.name, { what, unit: 'us CPU/request', ...(limit === undefined ? {} : { maxRatio: limit }) }),
    );
    if (peer.name !== 'nginx')
      rows.push(pairedRow(result, 'embedded-handle', peer.name, { what: `${what}, handle back end`, unit: 'us CPU/request' }));
  }
  const own = contenders.find((contender) => contender.name === 'embedded');
  if (own?.child.pid !== undefined) rows.push({ what: `${what}: memory under load`, ours: pssMb(own.child.pid), unit: 'MB PSS' });
  for (const contender of contenders) contender.child.kill();
  return rows;
}

async function slice(contender: Running, seconds: number): Promise<number> {
  const pids = processTree(contender.child.pid ?? 0);
  const before = cpuTimeOf(pids);
  const args = [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    ...headers.flatMap((header) => ['-H', header]),
    `http://127.0.0.1:${contender.port}${askedPath}`,
  ];
  const { stdout } = await execute(...pinned(loadCpu, 'wrk', args));
  const used = cpuTimeOf(pids) - before;
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1] ?? '0');
  if (/Non-2xx/.test(stdout) || requests === 0) throw new Error(`${contender.name} did not answer as it should:\n${stdout}`);
  return (used * 1000) / requests;
}

async function startContender(
  which: (typeof contenderNames)[number],
  work: string,
  backend: number,
  full: boolean,
  syslog: number,
): Promise<Running | undefined> {
  const job: Job = {
    full,
    listen: await freePort(),
    backend,
    admin: await freePort(),
    syslog,
    logFile: join(work, `${which}.log`),
    mapFile: join(work, 'routes.map'),
    backEnd: which === 'embedded-handle' ? 'handle' : 'onread',
  };
  const file = join(work, `${which}-${full}.conf`);
  let child: ChildProcess | undefined;
  if (which === 'embedded' || which === 'embedded-handle') {
    child = start(proxyCpu, process.execPath, ['-C', 'source', join(import.meta.dirname, 'proxy/embedded.ts'), JSON.stringify(job)]);
  } else if (which === 'envoy') {
    const envoy = peerPath('envoy');
    if (envoy !== undefined) {
      writeFileSync(file, envoyConfig(job));
      child = start(proxyCpu, envoy, ['-c', file, '--concurrency', '1', '--disable-hot-restart', '-l', 'critical']);
    }
  } else if (peerPath(which) !== undefined) {
    if (which === 'haproxy') writeFileSync(job.mapFile, haproxyMap());
    writeFileSync(file, which === 'haproxy' ? haproxyConfig(job) : nginxConfig(job, join(work, 'nginx.pid')));
    child = start(proxyCpu, which, which === 'haproxy' ? ['-db', '-f', file] : ['-c', file], job.logFile);
  }
  if (child === undefined) return undefined;
  await listening(job.listen);
  return { name: which, port: job.listen, child };
}

/** A UDP socket that nobody reads: haproxy's lines are taken by the kernel and cost nothing else here. */
function startSyslog(children: ChildProcess[]): Promise<number> {
  const program = "const s=require('node:dgram').createSocket('udp4');s.bind(0,'127.0.0.1',()=>console.log(s.address().port))";
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  return new Promise((resolve) => {
    child.stdout.once('data', (chunk: Buffer) => {
      // Stopped, it reads no more.
      child.kill('SIGSTOP');
      resolve(Number(chunk.toString()));
    });
  });
}

const proxyCpu = '0';
const loadCpu = '1';

function pinned(cpu: string, command: string, args: readonly string[]): [string, string[]] {
  return existsSync('/usr/bin/taskset') ? ['taskset', ['-c', cpu, command, ...args]] : [command, [...args]];
}

function start(cpu: string, command: string, args: readonly string[], output?: string): ChildProcess {
  const [program, all] = pinned(cpu, command, args);
  const out = output === undefined ? 'ignore' : openSync(output, 'a');
  const child = spawn(program, all, { stdio: ['pipe', out, 'inherit'], env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } });
  child.on('error', () => {});
  return child;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

async function listening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const up = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (up) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing listens on port ${port}`);
}

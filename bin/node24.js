/** Finds a Node >= 24 and hands the process over to it. Plain JavaScript that Node 20 runs. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's folder. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const wanted = 24;

/** For every process of ours. A young generation of 8 MB: with V8's own choice a control plane of 1000 proxies keeps 100 MB more. */
export const nodeFlags = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=8'];

/** Path of a Node >= 24: the one that came as an optional dependency, else the one that runs this; undefined without either. */
export function findNode24() {
  const packaged = packagedNode();
  if (packaged) return packaged;
  if (majorOf(process.version) >= wanted) return process.execPath;
  return undefined;
}

/** Replaces this process by Node 24 with these arguments; where the system cannot, waits for it as a child. */
export function handOver(args, env = process.env) {
  const node = findNode24();
  if (!node) {
    process.stderr.write(missingMessage());
    process.exit(69);
  }
  if (typeof process.execve === 'function' && process.platform !== 'win32') {
    try {
      process.execve(node, [node, ...args], { ...env });
    } catch {
      // Not permitted here (a worker, a sandbox): a child does as well.
    }
  }
  runAsChild(node, args, env);
}

function packagedNode() {
  const name = `node-${process.platform}-${process.arch}`;
  for (let folder = root; ; folder = dirname(folder)) {
    const path = join(folder, 'node_modules', name, 'bin', 'node');
    if (existsSync(path)) return path;
    if (dirname(folder) === folder) return undefined;
  }
}

function runAsChild(node, args, env) {
  const child = spawn(node, args, { stdio: 'inherit', env });
  // A terminal sends Ctrl-C to the whole group: passing it on would deliver it twice.
  const onTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP', 'SIGUSR2', 'SIGWINCH', 'SIGCONT']) {
    const fromTerminal = onTerminal && (signal === 'SIGINT' || signal === 'SIGQUIT' || signal === 'SIGWINCH');
    process.on(signal, () => {
      if (!fromTerminal) child.kill(signal);
    });
  }
  child.on('error', (error) => {
    process.stderr.write(`meshwright: cannot start ${node}: ${error.message}\n${missingMessage()}`);
    process.exit(69);
  });
  child.on('exit', (code, signal) => process.exit(signal ? 128 + (constants.signals[signal] ?? 0) : (code ?? 1)));
}

function missingMessage() {
  return `meshwright: needs Node ${wanted} or newer, found ${process.version} on ${process.platform} ${process.arch}.
On Linux (x64, arm64) it comes with "npm install" as an optional dependency: run it without --omit=optional.
Elsewhere install Node ${wanted} and put it first on the PATH.
`;
}

function majorOf(version) {
  return Number(version.slice(1).split('.')[0]);
}

/** `node bin/node24.js` prints the path, for shells that hand over by themselves. */
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const node = findNode24();
  if (!node) {
    process.stderr.write(missingMessage());
    process.exit(69);
  }
  process.stdout.write(`${node}\n`);
}

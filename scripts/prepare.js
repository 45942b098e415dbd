/**
 * Pre-script of `npm start`, `npm test` and `npm run check`: makes each of them work as the first command in a fresh
 * clone. Installs dependencies when what is installed is not what the lock file says, and builds the page when its
 * sources changed. Plain JavaScript without dependencies; silent when there is nothing to do.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { findNode24, root } from '../bin/node24.js';

const stage = process.argv[2] ?? 'start';
const cache = join(root, 'node_modules', '.cache', 'meshwright');

if (!isInstalled()) install();
if (stage !== 'check') buildPage();

/** Whether every package of the lock file that fits this system stands in node_modules in the locked version. */
function isInstalled() {
  const wanted = readJson(join(root, 'package-lock.json'))?.packages;
  const present = readJson(join(root, 'node_modules', '.package-lock.json'))?.packages;
  if (!wanted || !present) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '' || entry.link || entry.optional || entry.devOptional || !path.includes('node_modules/')) return true;
    return present[path]?.version === entry.version;
  });
}

function install() {
  step('installing dependencies (npm ci)');
  const [command, ...first] = process.env.npm_execpath?.endsWith('.js') ? [process.execPath, process.env.npm_execpath] : ['npm'];
  run(
    command,
    [...first, 'ci', '--no-audit', '--no-fund', '--loglevel=error'],
    root,
    'Check the network and the free disk space, then run the command again.',
  );
  if (!findNode24()) step('no Node 24 came with the packages: the command will say what to do');
}

/** Builds web/dist unless it was built from exactly these sources. Swapped in as a whole, so a reader never sees half of it. */
function buildPage() {
  const web = join(root, 'web');
  if (!existsSync(join(web, 'index.html'))) return;
  const stamp = join(cache, 'web.stamp');
  const hash = hashOfSources();
  if (existsSync(join(web, 'dist', 'index.html')) && existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return;
  step('building the page (web/)');
  const fresh = `dist.${process.pid}`;
  const vite = join(root, 'node_modules', 'vite', 'bin', 'vite.js');
  try {
    run(
      findNode24() ?? process.execPath,
      [vite, 'build', '--outDir', fresh, '--emptyOutDir', '--logLevel', 'warn'],
      web,
      'The page has an error in its sources, shown above.',
    );
    rmSync(join(web, 'dist'), { recursive: true, force: true });
    renameSync(join(web, fresh), join(web, 'dist'));
  } finally {
    rmSync(join(web, fresh), { recursive: true, force: true });
  }
  mkdirSync(cache, { recursive: true });
  writeFileSync(stamp, hash);
}

/** The page is made of web/ and of the rooms that run in browsers too. */
function hashOfSources() {
  const rooms = [
    'foundation/base',
    'foundation/collection',
    'foundation/regex',
    'foundation/yaml',
    'model',
    'control-plane/translate',
    'control-plane/analyze',
  ];
  const files = [
    join(root, 'package-lock.json'),
    join(root, 'src/management-plane/server/api.ts'),
    ...['web', ...rooms.map((room) => `src/${room}`)].flatMap((folder) => filesUnder(join(root, folder))),
  ];
  const hash = createHash('sha256');
  for (const file of files.sort()) hash.update(relative(root, file)).update('\0').update(readFileSync(file)).update('\0');
  return hash.digest('hex');
}

function filesUnder(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name.startsWith('dist') || entry.name === 'node_modules' || entry.name.endsWith('.test.ts')) return [];
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesUnder(path) : entry.isFile() ? [path] : [];
  });
}

function run(command, args, cwd, advice) {
  // Everything to standard error: standard output belongs to the command that follows.
  const result = spawnSync(command, args, { cwd, stdio: ['ignore', 2, 2] });
  if (result.status === 0) return;
  const how = result.error ? result.error.message : result.signal ? `ended by ${result.signal}` : `exit code ${result.status}`;
  process.stderr.write(`meshwright: "${[command, ...args].join(' ')}" failed: ${how}. ${advice}\n`);
  process.exitCode = 1;
  process.exit(1);
}

function step(text) {
  process.stderr.write(`meshwright: ${text}\n`);
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * `npm run check [-- step ...]`: types, lint and format, borders of rooms, unused code, limits, drift of what is
 * generated, links of the docs. Under a minute; runs every step and reports all that is wrong.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { findNode24, handOver, root } from '../bin/node24.js';

if (Number(process.versions.node.split('.')[0]) < 24) handOver([fileURLToPath(import.meta.url), ...process.argv.slice(2)]);
else await main();

async function main() {
  const steps = {
    types: () => tool('typescript/bin/tsc', ['-p', 'tsconfig.json', '--pretty', 'false']),
    page: () =>
      tool('typescript/bin/tsc', [
        '-p',
        'web/tsconfig.json',
        '--pretty',
        'false',
        '--incremental',
        '--tsBuildInfoFile',
        'node_modules/.cache/web.tsbuildinfo',
      ]),
    borders: async () => lines(await (await import('./check/borders.js')).checkBorders(root)),
    format: () => tool('@biomejs/biome/bin/biome', ['check', '--colors=off', '--max-diagnostics=20', '--error-on-warnings']),
    limits: async () => {
      const { failures, notices } = (await import('./check/limits.js')).checkLimits(root);
      return { ...lines(failures), notices };
    },
    links: async () => lines((await import('./check/links.js')).checkLinks(root)),
    lock: () => node(['scripts/complete-lock.js', '--check']),
    drift: () => node(['-C', 'source', '--disable-warning=ExperimentalWarning', 'scripts/gen.ts', '--check']),
    unused: () => tool('knip/bin/knip.js', ['--no-progress']),
  };
  const asked = process.argv.slice(2);
  const unknown = asked.filter((name) => !(name in steps));
  if (unknown.length > 0) {
    process.stderr.write(`check: unknown step ${unknown.join(', ')}; there are ${Object.keys(steps).join(', ')}\n`);
    process.exit(64);
  }
  const queue = asked.length > 0 ? asked : Object.keys(steps);
  const failed = [];
  // Two at a time: most steps are one process with one thread.
  await Promise.all(
    [1, 2].map(async () => {
      for (let name = queue.shift(); name; name = queue.shift()) if (!(await report(name, steps[name]))) failed.push(name);
    }),
  );
  process.stdout.write(failed.length > 0 ? `check failed: ${failed.join(', ')}\n` : 'check passed\n');
  process.exit(failed.length > 0 ? 1 : 0);
}

async function report(name, step) {
  const start = performance.now();
  const { ok, output, notices = [] } = await step().catch((error) => ({ ok: false, output: error.stack }));
  process.stdout.write(
    `${ok ? 'ok  ' : 'FAIL'} ${name.padEnd(8)} ${((performance.now() - start) / 1000).toFixed(1)} s${notices.length > 0 ? `, ${notices.length} notices` : ''}\n`,
  );
  const shown = process.env.MESHWRIGHT_NOTICES ? notices : notices.slice(0, 5);
  for (const notice of shown) process.stdout.write(`     ${notice}\n`);
  if (notices.length > shown.length)
    process.stdout.write(`     and ${notices.length - shown.length} more (MESHWRIGHT_NOTICES=1 shows all)\n`);
  if (!ok) process.stdout.write(`${output.trim().replace(/^/gm, '     ')}\n`);
  return ok;
}

function lines(found) {
  return { ok: found.length === 0, output: found.join('\n') };
}

/** A tool of node_modules, run without npx: faster, and never fetched. */
function tool(path, args) {
  return node([`node_modules/${path}`, ...args]);
}

function node(args) {
  return new Promise((resolve) => {
    const child = spawn(findNode24() ?? process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    child.on('error', (error) => resolve({ ok: false, output: error.message }));
    child.on('close', (code) => resolve({ ok: code === 0, output }));
  });
}

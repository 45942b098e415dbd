/** `npm run build`: dist/ (what an installed package runs) and web/dist. Runs before packing. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { findNode24, root } from '../bin/node24.js';

const node = findNode24() ?? process.execPath;
run([join(root, 'scripts', 'prepare.js'), 'build']);
rmSync(join(root, 'dist'), { recursive: true, force: true });
run([join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', join(root, 'tsconfig.build.json')]);
// Generated JavaScript is not compiled; compiled code reads no other files of src/.
for (const entry of readdirSync(join(root, 'src'), { withFileTypes: true, recursive: true })) {
  if (!entry.isFile() || !/\.(js|json|sql)$/.test(entry.name)) continue;
  const from = join(entry.parentPath, entry.name);
  cpSync(from, join(root, 'dist', relative(join(root, 'src'), from)));
}
if (!existsSync(join(root, 'dist', 'cli', 'main.js'))) {
  process.stderr.write('build: dist/cli/main.js was not made\n');
  process.exit(1);
}

function run(args) {
  const { status } = spawnSync(node, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

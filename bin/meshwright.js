#!/usr/bin/env node
/** The executable: runs the command line under Node 24, from source in a checkout and from dist/ in an installed package. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { handOver, nodeFlags, root } from './node24.js';

const source = join(root, 'src', 'cli', 'main.ts');
const built = join(root, 'dist', 'cli', 'main.js');
// Node strips types everywhere but inside node_modules.
const entry = existsSync(source) && !root.split('/').includes('node_modules') ? ['-C', 'source', source] : [built];

if (!existsSync(entry.at(-1))) {
  process.stderr.write(`meshwright: ${built} is missing: the package is incomplete, install it again (in a checkout: npm run build).\n`);
  process.exit(69);
}
if (entry[0] === '-C' && !existsSync(join(root, 'node_modules'))) {
  process.stderr.write('meshwright: the dependencies are not installed yet: run "npm ci" (or "npm start", which does it by itself).\n');
  process.exit(69);
}
handOver([...nodeFlags, ...entry, ...process.argv.slice(2)]);

/**
 * `npm test [-- text ...]`: every *.test.ts under src, test, demo and bench with Node's own runner under Node 24; with
 * arguments only the files whose path contains one of them. Fails when there is nothing to run.
 */
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { handOver, root } from '../bin/node24.js';

/** One test may take this long; a file that never ends is reported instead of hanging the run. */
const timeoutMs = 180_000;

const asked = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
const options = process.argv.slice(2).filter((argument) => argument.startsWith('-'));
const files = ['src', 'test', 'demo', 'bench', 'scripts']
  .flatMap((folder) => testsUnder(join(root, folder)))
  .map((file) => relative(root, file))
  .filter((file) => asked.length === 0 || asked.some((text) => file.includes(text.replace(/^\.\//, ''))))
  .sort();

if (files.length === 0) {
  process.stderr.write(asked.length > 0 ? `test: no test file has ${asked.join(' or ')} in its path\n` : 'test: no test files found\n');
  process.exit(1);
}
process.chdir(root);
handOver([
  '-C',
  'source',
  '--disable-warning=ExperimentalWarning',
  '--test',
  // Most of a test file's time is its start and waiting: two at a time even on small machines.
  `--test-concurrency=${Math.max(2, availableParallelism())}`,
  `--test-timeout=${timeoutMs}`,
  '--test-reporter=./scripts/test-reporter.js',
  '--test-reporter-destination=stdout',
  ...options,
  ...files,
]);

function testsUnder(folder) {
  try {
    return readdirSync(folder, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts') && !entry.parentPath.includes('node_modules'))
      .map((entry) => join(entry.parentPath, entry.name));
  } catch {
    return [];
  }
}

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, describe, it } from 'node:test';

const root = resolve(import.meta.dirname, '../..');
const executable = join(root, 'bin', 'meshwright.js');
const folder = mkdtempSync(join(tmpdir(), 'meshwright-launcher-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** A Node older than 24 on the PATH, as many systems have. */
function olderNode(): string | undefined {
  for (const directory of (process.env.PATH ?? '').split(':')) {
    const path = join(directory, 'node');
    try {
      const version = execFileSync(path, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
      if (Number(/^v(\d+)/.exec(version)?.[1]) < 24) return path;
    } catch {
      // No node in this folder.
    }
  }
  return undefined;
}

describe('the executable', () => {
  for (const [what, node] of [
    ['Node 24', process.execPath],
    ['an older Node', olderNode()],
  ] as const) {
    it(`started by ${what} runs the command line and gives its exit code`, (t) => {
      if (!node) return t.skip('no Node older than 24 is on the PATH');
      const version = spawnSync(node, [executable, '--version'], { encoding: 'utf8' });
      assert.match(version.stdout, /^client {3}\d+\.\d+\.\d+ \(Node v2[4-9]/);
      assert.equal(version.stderr, '', 'nothing but the answer is printed');
      assert.equal(version.status, 0);
      assert.equal(spawnSync(node, [executable, 'get'], { encoding: 'utf8' }).status, 64);
    });
  }

  it('says what to do when it is incomplete', () => {
    mkdirSync(join(folder, 'bin'));
    for (const name of ['meshwright.js', 'node24.js']) copyFileSync(join(root, 'bin', name), join(folder, 'bin', name));
    const { status, stderr } = spawnSync(process.execPath, [join(folder, 'bin', 'meshwright.js')], { encoding: 'utf8' });
    assert.equal(status, 69);
    assert.match(stderr, /the package is incomplete/);
  });
});

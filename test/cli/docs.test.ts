import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { kindFor } from '#resources/kinds.ts';
import { parseYaml } from '#yaml/document.ts';
import { commands } from '../../src/cli/commands.ts';
import { parseCommandLine } from '../../src/cli/program.ts';

const root = resolve(import.meta.dirname, '../..');
const pages = [
  'README.md',
  ...['docs', 'docs/tasks'].flatMap((folder) => readdirSync(join(root, folder)).map((name) => join(folder, name))),
].filter((path) => path.endsWith('.md'));

/** Contents of the fenced blocks of one language. */
function blocks(page: string, language: string): string[] {
  return [...readFileSync(join(root, page), 'utf8').matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)]
    .filter(([, name]) => name === language)
    .map(([, , text]) => text ?? '');
}

/** Command lines of a page: those of its shell blocks and those in its text. */
function commandLines(page: string): string[] {
  const shell = blocks(page, 'sh').flatMap((text) => text.split('\n'));
  const inline = [...readFileSync(join(root, page), 'utf8').matchAll(/`((?:npx )?meshwright [^`\n]+)`/g)].map(([, line]) => line ?? '');
  return [...shell, ...inline].map((line) => line.replace(/ # .*$/, '').trim()).filter((line) => /^(npx )?meshwright /.test(line));
}

describe('docs', () => {
  for (const page of pages) {
    for (const line of commandLines(page)) {
      it(`${page}: ${line}`, async () => {
        const words =
          line
            .replace(/^(npx )?meshwright /, '')
            .replace(/ \.\.\.$/, ' --help')
            .split(/ [|>] /)[0]
            ?.split(/\s+/) ?? [];
        const parsed = await parseCommandLine(words, commands);
        assert.ok(parsed.kind === 'help' || parsed.command.load);
        for (const [, file] of line.matchAll(/-f (fixtures\/\S+)/g)) assert.ok(existsSync(join(root, file ?? '')), `${file} exists`);
      });
    }
    for (const [i, text] of blocks(page, 'yaml').entries()) {
      it(`${page}: YAML ${i + 1} is accepted`, () => {
        for (const document of parseYaml(text)) {
          assert.deepEqual(document.problems, []);
          const value = document.value as { apiVersion: string; kind: string };
          const kind = kindFor(value.apiVersion, value.kind);
          assert.ok(kind, `${value.kind} is known`);
          assert.deepEqual(kind.decode(value, { source: 'file', file: page }).problems, []);
        }
      });
    }
  }

  it('name npm scripts that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
    for (const page of ['README.md', 'CONTRIBUTING.md', ...pages]) {
      for (const [, name] of readFileSync(join(root, page), 'utf8').matchAll(/npm run ([a-z]+)/g))
        assert.ok(scripts[name ?? ''], `${page}: npm run ${name}`);
    }
  });
});

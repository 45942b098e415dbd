import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Command } from './command.ts';

/** Path of `meshwright-foo` when the words begin with `foo`, which no command is called. */
export function findExtension(
  words: readonly string[],
  commands: readonly Command[],
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const first = words[0];
  if (first === undefined || !/^[a-z][\w-]*$/.test(first) || first === 'help') return undefined;
  if (commands.some(({ name, aliases = [] }) => name.split(' ')[0] === first || aliases.includes(first))) return undefined;
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    const path = join(folder, `meshwright-${first}`);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

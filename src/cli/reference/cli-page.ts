import type { Command } from '../command.ts';
import { exitCodeMeanings } from '../exit-code.ts';
import { globalFlags } from '../flags.ts';
import { flagLabel, flagText, usageOf } from '../help.ts';
import { cell, table } from './markdown.ts';

/** docs/reference/cli.md, from the command table. */
export function cliPage(commands: readonly Command[]): string {
  const shown = commands.filter(({ hidden, load }) => !hidden && load);
  const groups = [...new Set(shown.map(({ group }) => group))];
  const overview = groups.flatMap((group) => [
    `**${group}**`,
    '',
    ...shown
      .filter((command) => command.group === group)
      .map(({ name, summary }) => `- [\`${name}\`](#meshwright-${name.replace(' ', '-')}): ${summary}`),
    '',
  ]);
  const flags = table(
    ['Flag', 'Meaning'],
    globalFlags.map((flag) => [code(flagLabel(flag).trim()), cell(flagText(flag))]),
  );
  return [
    '# Command line',
    '',
    'Results go to standard output, everything else to standard error. Tables may change between versions; JSON and YAML are stable.',
    '',
    ...overview,
    '## Flags of every command',
    '',
    flags,
    '',
    '## Exit codes',
    '',
    table(
      ['Code', 'Meaning'],
      exitCodeMeanings.map(([number, meaning]) => [String(number), cell(meaning)]),
    ),
    '',
    ...shown.flatMap(commandSection),
  ].join('\n');
}

function commandSection(command: Command): string[] {
  const lines = [`## meshwright ${command.name}`, '', `${command.summary}.`, ''];
  if (command.description) lines.push(command.description, '');
  lines.push('```', usageOf(command), '```', '');
  if (command.examples.length > 0) {
    lines.push(
      'Examples:',
      '',
      '```sh',
      ...command.examples.map(({ command: line, does }) => (does ? `${line}    # ${does}` : line)),
      '```',
      '',
    );
  }
  if (command.arguments?.length) {
    lines.push(
      table(
        ['Argument', 'Meaning'],
        command.arguments.map(({ name, description }) => [code(name), cell(description)]),
      ),
      '',
    );
  }
  if (command.flags?.length)
    lines.push(
      table(
        ['Flag', 'Meaning'],
        command.flags.map((flag) => [code(flagLabel(flag).trim()), cell(flagText(flag))]),
      ),
      '',
    );
  if (command.aliases?.length) lines.push(`Also: ${command.aliases.map((alias) => `\`meshwright ${alias}\``).join(', ')}.`, '');
  return lines;
}

function code(text: string): string {
  return `\`${text.replace(/\|/g, '\\|')}\``;
}

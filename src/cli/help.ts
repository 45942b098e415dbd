/** Help texts, made from the command table: examples first, flags after, under 60 lines and 80 columns. */
import type { Command, Flag } from './command.ts';
import { globalFlags } from './flags.ts';

const width = 80;

/** All commands by group: what `meshwright` and `meshwright --help` show. */
export function formatOverview(commands: readonly Command[]): string {
  const shown = commands.filter(({ hidden, load }) => !hidden && load);
  const column = Math.max(...shown.map(({ name }) => name.length)) + 3;
  const groups = [...new Set(shown.map(({ group }) => group))].map((group) =>
    [`${group}:`, ...shown.filter((command) => command.group === group).map(({ name, summary }) => entry(name, summary, column))].join(
      '\n',
    ),
  );
  return [
    'A service mesh and its management plane, from one command.',
    [
      'Examples:',
      '  meshwright demo                        a mesh with Bookinfo under traffic',
      '  meshwright run --service api --port 8080 -- node server.js',
    ].join('\n'),
    ...groups,
    'Use "meshwright COMMAND --help" for examples and flags of one command.',
  ].join('\n\n');
}

/** One command's help; for a word that only groups others, the list of those. */
export function formatCommandHelp(command: Command, commands: readonly Command[]): string {
  const below = commands.filter(({ name, hidden }) => name.startsWith(`${command.name} `) && !hidden);
  const column = Math.max(0, ...below.map(({ name }) => name.length)) + 3;
  const parts = [
    command.load ? `Usage: ${usageOf(command)}` : `Usage: meshwright ${command.name} COMMAND`,
    wrap(`${command.summary}.${command.description ? `\n\n${command.description}` : ''}`, 0),
  ];
  if (command.examples.length > 0) parts.push(['Examples:', ...command.examples.map(formatExample)].join('\n'));
  if (below.length > 0) parts.push(['Commands:', ...below.map(({ name, summary }) => entry(name, summary, column))].join('\n'));
  if (command.load) {
    const words = (command.arguments ?? []).map((argument) => ({ label: argument.name, text: argument.description }));
    const flags = (command.flags ?? []).map((flag) => ({ label: flagLabel(flag), text: flagText(flag) }));
    const globals = globalFlags.map((flag) => ({ label: flagLabel(flag), text: flagText(flag) }));
    const labels = Math.min(30, Math.max(...[...words, ...flags, ...globals].map(({ label }) => label.length)) + 3);
    const section = (title: string, rows: readonly { label: string; text: string }[]) =>
      rows.length === 0 ? [] : [[`${title}:`, ...rows.map(({ label, text }) => entry(label, text, labels))].join('\n')];
    parts.push(...section('Arguments', words), ...section('Flags', flags), ...section('Flags of every command', globals));
  }
  if (command.aliases?.length) parts.push(`Also: ${command.aliases.join(', ')}`);
  return parts.join('\n\n');
}

/** `meshwright get KIND [NAME...] [flags]`. */
export function usageOf(command: Command): string {
  const words = (command.arguments ?? []).map(({ name, required, variadic }) => {
    const text = `${name}${variadic ? '...' : ''}`;
    return required ? text : `[${text}]`;
  });
  const flags = command.passThrough ? ['[flags] --'] : [];
  return ['meshwright', command.name, ...flags, ...words, ...(command.passThrough ? [] : ['[flags]'])].join(' ');
}

/** `-n, --namespace NAMESPACE`. */
export function flagLabel(flag: Flag): string {
  const value = flag.value === undefined ? '' : flag.implied === undefined ? ` ${flag.value}` : `[=${flag.value}]`;
  return `${flag.short ? `-${flag.short}, ` : '    '}--${flag.long}${value}`;
}

export function flagText(flag: Flag): string {
  const choices = flag.choices ? ` (${flag.choices.join(', ')})` : '';
  const fallback = flag.default === undefined ? '' : ` [default ${flag.default}]`;
  return `${flag.description}${choices}${fallback}`;
}

function formatExample({ command, does }: { readonly command: string; readonly does: string }): string {
  if (does === '') return `  ${command}`;
  const line = `  ${command.padEnd(42)} ${does}`;
  return line.length <= width ? line : `  # ${does}\n  ${command}`;
}

/** A label and its text, the text wrapped in a column of its own. */
function entry(label: string, text: string, column: number): string {
  const start = `  ${label}`;
  const indent = column + 2;
  const body = wrap(text, indent);
  return start.length + 2 <= indent ? start.padEnd(indent) + body : `${start}\n${' '.repeat(indent)}${body}`;
}

function wrap(text: string, indent: number): string {
  return text
    .split('\n')
    .map((paragraph) => {
      const lines = [''];
      for (const word of paragraph.split(' ')) {
        const last = lines.at(-1) ?? '';
        if (last !== '' && indent + last.length + 1 + word.length > width) lines.push(word);
        else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
      }
      return lines.join(`\n${' '.repeat(indent)}`);
    })
    .join('\n');
}

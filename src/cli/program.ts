/** Turns the command table into a parser. All words about commands stand in the table; nothing here knows a command. */
import { CommanderError, Option, Command as Parser } from 'commander';
import { Bug } from '#base/fault.ts';
import { type Argument, type Command, type Flag, type Flags, UsageError } from './command.ts';
import { globalFlags } from './flags.ts';
import { formatCommandHelp, formatOverview } from './help.ts';

/** What the user asked for. */
export type Parsed =
  | { readonly kind: 'run'; readonly command: Command; readonly arguments: readonly string[]; readonly flags: Flags }
  | { readonly kind: 'help'; readonly text: string };

/** Parses the words after `meshwright`. Wrong usage throws a UsageError that suggests what was meant. */
export async function parseCommandLine(words: readonly string[], commands: readonly Command[]): Promise<Parsed> {
  let parsed: Parsed | undefined;
  const messages: string[] = [];
  const root = configure(new Parser('meshwright'), messages, () => formatOverview(commands));
  root.enablePositionalOptions();
  for (const command of commands) {
    const parser = configure(parserFor(root, command), messages, () => formatCommandHelp(command, commands));
    for (const argument of command.arguments ?? []) parser.argument(placeholder(argument), argument.description);
    const flags = [...(command.flags ?? []), ...globalFlags];
    for (const flag of flags) parser.addOption(option(flag));
    if (command.passThrough) parser.passThroughOptions();
    if (!command.load) continue;
    parser.action(() => {
      const values = flagsOf(command, flags, parser.opts());
      parsed = { kind: 'run', command, arguments: parser.args, flags: values };
    });
  }
  try {
    await root.parseAsync(withoutAlias(words, commands), { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === 'commander.helpDisplayed' || error.code === 'commander.help')
      return { kind: 'help', text: messages.join('').trimEnd() };
    throw usageErrorFrom(error.message);
  }
  return parsed ?? { kind: 'help', text: formatOverview(commands) };
}

/** `pc routes x` is `proxy config routes x`. */
function withoutAlias(words: readonly string[], commands: readonly Command[]): readonly string[] {
  const meant = commands.find(({ aliases }) => aliases?.includes(words[0] ?? ''));
  return meant ? [...meant.name.split(' '), ...words.slice(1)] : words;
}

function configure(parser: Parser, messages: string[], help: () => string): Parser {
  parser.exitOverride();
  parser.showSuggestionAfterError(true);
  parser.helpOption('-h, --help', 'shows this');
  parser.helpCommand(false);
  parser.configureOutput({ writeOut: (text) => messages.push(text), writeErr: (text) => messages.push(text), outputError: () => {} });
  parser.helpInformation = help;
  return parser;
}

/** The parser at `name`, with those above it made when absent. */
function parserFor(root: Parser, command: Command): Parser {
  const words = command.name.split(' ');
  let at = root;
  for (const word of words) at = at.commands.find((candidate) => candidate.name() === word) ?? at.command(word);
  return at;
}

function placeholder(argument: Argument): string {
  const name = `${argument.name}${argument.variadic ? '...' : ''}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

function option(flag: Flag): Option {
  const value = flag.value === undefined ? '' : flag.implied === undefined ? ` <${flag.value}>` : ` [${flag.value}]`;
  const made = new Option(`${flag.short ? `-${flag.short}, ` : ''}--${flag.long}${value}`, flag.description);
  if (flag.implied !== undefined) made.preset(flag.implied);
  if (flag.repeatable) made.argParser((text: string, before: string[] | undefined) => [...(before ?? []), text]);
  else if (flag.choices) made.choices(flag.choices);
  return made;
}

function flagsOf(command: Command, flags: readonly Flag[], values: Readonly<Record<string, unknown>>): Flags {
  const find = (name: string): { flag: Flag; value: unknown } => {
    const flag = flags.find(({ long }) => long === name);
    if (!flag) throw new Bug(`command ${command.name} reads flag --${name}, which its table entry does not have`);
    const key = name.replace(/^no-/, '').replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
    return { flag, value: values[key] };
  };
  return {
    text(name) {
      const { flag, value } = find(name);
      return typeof value === 'string' ? value : flag.default;
    },
    on(name) {
      const { value } = find(name);
      return name.startsWith('no-') ? value === false : value === true;
    },
    all(name) {
      const { value } = find(name);
      return Array.isArray(value) ? value : [];
    },
  };
}

/** `error: unknown option '--nmespace'\n(Did you mean --namespace?)` in our form. */
function usageErrorFrom(message: string): UsageError {
  const [first = '', ...rest] = message.replace(/^error: /, '').split('\n');
  const hint = rest
    .join(' ')
    .replace(/^\(|\)$/g, '')
    .replace(/^Did you mean one of /, 'did you mean one of ')
    .replace(/^Did you mean /, 'did you mean ');
  return new UsageError(first, hint);
}

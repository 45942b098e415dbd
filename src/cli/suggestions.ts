/** What may stand at the end of a command line. Pure: names of live objects are asked for by the caller. */
import type { Command, Completion, Flag } from './command.ts';
import { globalFlags } from './flags.ts';

export interface Suggestion {
  readonly text: string;
  readonly about?: string;
}

/**
 * Either words to offer, or the sort of live name that is wanted here, with words that fit as well. `before` is what
 * precedes the live part (`--from=`).
 */
export type Suggested =
  | { readonly kind: 'words'; readonly words: readonly Suggestion[] }
  | {
      readonly kind: 'live';
      readonly what: Exclude<Completion, readonly string[]>;
      readonly command: Command;
      readonly given: readonly string[];
      readonly before: string;
      readonly also: readonly Suggestion[];
    };

/** `words`: those after `meshwright`; the last is the one being typed and may be empty. */
export function suggest(words: readonly string[], commands: readonly Command[]): Suggested {
  const typed = words.at(-1) ?? '';
  const given = words.slice(0, -1);
  const command = commandAt(given, commands);
  const below = subcommands(given, commands).filter(({ text }) => text.startsWith(typed));
  if (!command) return { kind: 'words', words: below };
  const flags = [...(command.flags ?? []), ...globalFlags];
  const { operands, open } = readWords(given.slice(command.name.split(' ').length), flags);
  if (open) return suggestValue(open.complete ?? open.choices, '', typed, command, operands);
  const assignment = /^(--[\w-]+=)(.*)$/s.exec(typed);
  if (assignment) {
    const flag = flags.find(({ long }) => `--${long}=` === assignment[1]);
    return flag ? suggestValue(flag.choices ?? flag.complete, assignment[1] ?? '', assignment[2] ?? '', command, operands) : none;
  }
  if (typed.startsWith('-')) {
    const words = flags
      .filter(({ long }) => `--${long}`.startsWith(typed))
      .map(({ long, description }) => ({ text: `--${long}`, about: description }));
    return { kind: 'words', words };
  }
  if (below.length > 0 && operands.length === 0 && !command.arguments?.length) return { kind: 'words', words: below };
  const argument = command.arguments?.[Math.min(operands.length, command.arguments.length - 1)];
  if (!argument || (operands.length >= (command.arguments?.length ?? 0) && !argument.variadic)) return none;
  const suggested = suggestValue(argument.complete, '', typed, command, operands);
  if (below.length === 0 || operands.length > 0) return suggested;
  return suggested.kind === 'words' ? { kind: 'words', words: [...below, ...suggested.words] } : { ...suggested, also: below };
}

const none: Suggested = { kind: 'words', words: [] };

function suggestValue(
  complete: Completion | undefined,
  before: string,
  typed: string,
  command: Command,
  given: readonly string[],
): Suggested {
  if (typeof complete === 'string') return complete === 'none' ? none : { kind: 'live', what: complete, command, given, before, also: [] };
  return { kind: 'words', words: (complete ?? []).filter((word) => word.startsWith(typed)).map((word) => ({ text: before + word })) };
}

/** The command with the longest name that the words begin with. */
function commandAt(given: readonly string[], commands: readonly Command[]): Command | undefined {
  return commands
    .filter(({ name, hidden }) => !hidden && name.split(' ').every((word, i) => given[i] === word))
    .sort((a, b) => b.name.length - a.name.length)[0];
}

/** Next words of command names that the given words begin. */
function subcommands(given: readonly string[], commands: readonly Command[]): Suggestion[] {
  const found = new Map<string, string>();
  for (const { name, summary, hidden } of commands) {
    const parts = name.split(' ');
    const next = parts[given.length];
    if (hidden || next === undefined || !given.every((word, i) => parts[i] === word)) continue;
    if (!found.has(next) || parts.length === given.length + 1) found.set(next, summary);
  }
  return [...found].map(([text, about]) => ({ text, about }));
}

/** Splits words into operands and flags; `open` is a flag whose value comes next. */
function readWords(words: readonly string[], flags: readonly Flag[]): { readonly operands: readonly string[]; readonly open?: Flag } {
  const operands: string[] = [];
  let open: Flag | undefined;
  for (const word of words) {
    if (open) open = undefined;
    else if (word.startsWith('-') && word.length > 1) {
      const flag = flags.find(({ long, short }) => word === `--${long}` || (short !== undefined && word === `-${short}`));
      if (flag?.value !== undefined && flag.implied === undefined) open = flag;
    } else operands.push(word);
  }
  return { operands, ...(open ? { open } : {}) };
}

import type { ExitCode } from './exit-code.ts';
import type { Io } from './io.ts';

/** What a shell may offer for a value. `kind/object`: names of the kind given before. */
export type Completion = 'file' | 'kind' | 'object' | 'namespace' | 'workload' | 'none' | readonly string[];

export interface Argument {
  /** As shown in usage: `KIND`. */
  readonly name: string;
  readonly description: string;
  readonly required?: boolean;
  /** Takes all words that follow; only the last argument may. */
  readonly variadic?: boolean;
  readonly complete?: Completion;
}

export interface Flag {
  /** Without dashes: `all-namespaces`. */
  readonly long: string;
  readonly short?: string;
  /** Placeholder of its value (`NAMESPACE`); a flag without one is a switch. */
  readonly value?: string;
  /** The value may be left out; this one is taken then (`--wait` = `--wait=live`). */
  readonly implied?: string;
  readonly description: string;
  readonly default?: string;
  /** The only values allowed. */
  readonly choices?: readonly string[];
  /** May be given several times; all values count. */
  readonly repeatable?: boolean;
  readonly complete?: Completion;
}

export interface Example {
  readonly command: string;
  readonly does: string;
}

/** One command. The table of them feeds parsing, help, completion, the reference and tests. */
export interface Command {
  /** Words after `meshwright`: `proxy config`. */
  readonly name: string;
  readonly aliases?: readonly string[];
  /** Heading in the list of commands. */
  readonly group: 'Run a mesh' | 'Objects' | 'Look inside' | 'This program';
  /** One line, no full stop. */
  readonly summary: string;
  /** More than the summary says; paragraphs separated by empty lines. */
  readonly description?: string;
  readonly examples: readonly Example[];
  readonly arguments?: readonly Argument[];
  readonly flags?: readonly Flag[];
  /** Words after the first argument belong to another program: flags among them are left alone. */
  readonly passThrough?: boolean;
  /** Signals are left to the handler, which knows whom to hand them to. */
  readonly ownSignals?: boolean;
  /** Not shown in help, completion and reference. */
  readonly hidden?: boolean;
  /** Absent for words that only group others (`proxy`). */
  readonly load?: () => Promise<Handler>;
}

/** Does the work; called with what was parsed. Gives the exit code: one of ours, or that of a program that it ran. */
export type Handler = (invocation: Invocation) => Promise<ExitCode | number>;

export interface Invocation {
  readonly arguments: readonly string[];
  readonly flags: Flags;
  readonly io: Io;
  /** The whole table, for commands about commands. */
  readonly commands: readonly Command[];
  /** Aborted by the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
}

/** Values of a command's flags by long name. Asking for a flag that the table does not give the command is a bug. */
export interface Flags {
  /** The value, else the default, else undefined. */
  text(name: string): string | undefined;
  on(name: string): boolean;
  all(name: string): readonly string[];
}

/** Wrong usage found while a command runs: ends it with exit code 64. */
export class UsageError extends Error {
  /** What to type instead, one line; may be empty. */
  readonly hint: string;

  constructor(message: string, hint = '') {
    super(message);
    this.name = 'UsageError';
    this.hint = hint;
  }
}

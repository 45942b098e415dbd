/**
 * Exit codes of every command, stable and documented. Taken from sysexits(3) where it has one, from shells for signals.
 */
export const exitCode = {
  ok: 0,
  /** The command ran and did not succeed. */
  failed: 1,
  /** The command ran and found what it was told to look for. */
  findings: 2,
  /** Unknown command or flag, missing argument, bad value of a flag. */
  usage: 64,
  /** What was handed in (a file, an object) is wrong. */
  badInput: 65,
  /** The control plane or API server does not answer. */
  unreachable: 69,
  /** Time ran out; the same command may succeed later. */
  timedOut: 75,
  /** Ended by Ctrl-C where that is not the normal end. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCode)[keyof typeof exitCode];

/** One line per code, for the reference page. */
export const exitCodeMeanings: readonly (readonly [ExitCode, string])[] = [
  [exitCode.ok, 'done; streams ended by Ctrl-C end with this too'],
  [exitCode.failed, 'the command did not succeed; the reason is on standard error'],
  [exitCode.findings, 'findings: `check` found what is wrong'],
  [exitCode.usage, 'wrong usage: unknown command, flag or value'],
  [exitCode.badInput, 'bad input: a file or object that was handed in is wrong'],
  [exitCode.unreachable, 'the control plane or API server cannot be reached'],
  [exitCode.timedOut, 'timed out; may be repeated'],
  [exitCode.interrupted, 'interrupted before it was done'],
];

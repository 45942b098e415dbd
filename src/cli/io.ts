import { styleText } from 'node:util';

export type Tone = 'good' | 'warn' | 'bad' | 'dim' | 'strong';

/** Where a command writes. Results go to `out`, everything else to `err`, so that output can be piped. */
export interface Io {
  /** One result line, or several; a line end is added. */
  out(text: string): void;
  /** A message to the person. */
  err(text: string): void;
  /** A passing state, shown on terminals only and wiped by the next line. */
  progress(text: string): void;
  /** The text in colour when `out` is a terminal that wants it, unchanged otherwise. */
  paint(tone: Tone, text: string): string;
  /** Characters per line of `out`; Infinity when it is no terminal. */
  readonly width: number;
  readonly interactive: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Everything on standard input, as text. */
  readInput(): Promise<string>;
}

/** The process's own streams. Colour: on terminals, unless NO_COLOR or TERM=dumb; forced by FORCE_COLOR. */
export function processIo(options: { readonly color: boolean }): Io {
  const { env } = process;
  const wanted = options.color && !env.NO_COLOR && env.TERM !== 'dumb';
  const colored = wanted && (process.stdout.isTTY || Boolean(env.FORCE_COLOR));
  let passing = false;
  const wipe = () => {
    if (passing) process.stderr.write('\r\u001b[K');
    passing = false;
  };
  return {
    out(text) {
      wipe();
      process.stdout.write(`${text}\n`);
    },
    err(text) {
      wipe();
      process.stderr.write(`${text}\n`);
    },
    progress(text) {
      if (!process.stderr.isTTY) return;
      wipe();
      process.stderr.write(text.slice(0, (process.stderr.columns ?? 80) - 1));
      passing = true;
    },
    paint: (tone, text) => (colored ? styleText(styles[tone], text, { validateStream: false }) : text),
    width: process.stdout.isTTY ? (process.stdout.columns ?? 80) : Number.POSITIVE_INFINITY,
    interactive: process.stdout.isTTY === true,
    env,
    cwd: process.cwd(),
    async readInput() {
      const chunks: Buffer[] = [];
      for await (const chunk of process.stdin) chunks.push(chunk);
      return Buffer.concat(chunks).toString('utf8');
    },
  };
}

const styles = { good: 'green', warn: 'yellow', bad: 'red', dim: 'dim', strong: 'bold' } as const;

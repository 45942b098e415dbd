import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UsageError } from './command.ts';
import { commands } from './commands.ts';
import { exitCode, exitCodeMeanings } from './exit-code.ts';
import { globalFlags } from './flags.ts';
import { parseCommandLine } from './program.ts';

async function parsed(...words: string[]) {
  const result = await parseCommandLine(words, commands);
  assert.equal(result.kind, 'run');
  assert.ok(result.kind === 'run');
  return result;
}

describe('parsing', () => {
  it('reads flags before, between and after arguments', async () => {
    const { command, arguments: words, flags } = await parsed('get', '-n', 'mesh', 'vs', '-o', 'yaml', 'reviews', '-w');
    assert.equal(command.name, 'get');
    assert.deepEqual(words, ['vs', 'reviews']);
    assert.equal(flags.text('namespace'), 'mesh');
    assert.equal(flags.text('output'), 'yaml');
    assert.equal(flags.on('watch'), true);
    assert.equal(flags.on('all-namespaces'), false);
  });

  it('leaves the words of a joined program alone', async () => {
    const { arguments: words, flags } = await parsed(
      'run',
      '--service',
      'api',
      '--port',
      '80',
      '--port',
      '81',
      '--',
      'node',
      '-e',
      '1',
      '--version',
    );
    assert.deepEqual(words, ['node', '-e', '1', '--version']);
    assert.deepEqual(flags.all('port'), ['80', '81']);
    assert.equal(flags.text('version'), 'v1');
    const without = await parsed('run', '--service', 'api', 'curl', '-s', 'http://x/');
    assert.deepEqual(without.arguments, ['curl', '-s', 'http://x/']);
  });

  it('takes a flag with an implied value alone and with a value', async () => {
    assert.equal((await parsed('apply', '-f', 'x.yaml', '--wait')).flags.text('wait'), 'live');
    assert.equal((await parsed('apply', '-f', 'x.yaml', '--wait=live')).flags.text('wait'), 'live');
    assert.equal((await parsed('apply', '-f', 'x.yaml')).flags.text('wait'), undefined);
  });

  it('finds commands of two words, also by their short names', async () => {
    assert.equal((await parsed('proxy', 'config', 'routes', 'reviews-v1')).command.name, 'proxy config');
    assert.equal((await parsed('pc', 'routes', 'reviews-v1')).command.name, 'proxy config');
    assert.equal((await parsed('proxy-status')).command.name, 'proxy status');
    assert.equal((await parsed('explain', 'vs.spec')).command.name, 'explain');
    assert.equal((await parsed('explain', 'request', '--from', 'a', '--to', 'b')).command.name, 'explain request');
  });

  it('gives defaults, and false for --no-color that was not given', async () => {
    const { flags } = await parsed('tap');
    assert.equal(flags.text('reporter'), 'source');
    assert.equal(flags.on('no-color'), false);
    assert.equal((await parsed('tap', '--no-color')).flags.on('no-color'), true);
  });

  const wrong: [string[], RegExp, RegExp][] = [
    [['gte', 'vs'], /unknown command 'gte'/, /did you mean get/],
    [['get', 'vs', '--nmespace', 'x'], /unknown option '--nmespace'/, /did you mean --namespace/],
    [['get'], /missing required argument 'KIND'/, /^$/],
    [['tap', '--reporter', 'x'], /reporter/, /^$/],
    [['version', 'extra'], /too many arguments/, /^$/],
    [['proxy', 'stats'], /unknown command 'stats'/, /did you mean status/],
  ];
  for (const [words, message, hint] of wrong) {
    it(`refuses: ${words.join(' ')}`, async () => {
      await assert.rejects(parseCommandLine(words, commands), (error: unknown) => {
        assert.ok(error instanceof UsageError);
        assert.match(error.message, message);
        assert.match(error.hint, hint);
        return true;
      });
    });
  }
});

describe('help', () => {
  const words = ['', ...commands.filter(({ hidden }) => !hidden).map(({ name }) => name)];
  for (const name of words) {
    it(`of "${name}" fits 80 columns and 60 lines`, async () => {
      const help = await parseCommandLine([...name.split(' ').filter(Boolean), '--help'], commands);
      assert.ok(help.kind === 'help');
      const lines = help.text.split('\n');
      assert.ok(lines.length < 60, `${lines.length} lines`);
      for (const line of lines) if (!/^ {2}meshwright /.test(line)) assert.ok(line.length <= 80, line);
      if (name)
        assert.ok(help.text.indexOf('Examples:') < help.text.indexOf('Flags:') || !help.text.includes('Flags:'), 'examples come first');
    });
  }
});

describe('the command table', () => {
  for (const command of commands) {
    it(`of "${command.name}" is well formed`, async () => {
      assert.match(command.name, /^[a-z]+( [a-z]+)?$/);
      assert.doesNotMatch(command.summary, /\.$/);
      const flags = [...(command.flags ?? []), ...globalFlags];
      const names = flags.flatMap(({ long, short }) => [`--${long}`, ...(short ? [`-${short}`] : [])]);
      assert.deepEqual(names, [...new Set(names)], 'flags are distinct');
      for (const flag of flags) {
        assert.match(flag.long, /^[a-z][a-z-]*$/);
        if (flag.value !== undefined) assert.ok(flag.choices ?? flag.complete, `--${flag.long} says what completes it`);
        if (flag.default !== undefined && flag.choices) assert.ok(flag.choices.includes(flag.default));
      }
      for (const argument of command.arguments?.slice(0, -1) ?? [])
        assert.ok(!argument.variadic, 'only the last argument takes several words');
      if (command.load) assert.equal(typeof (await command.load()), 'function');
    });

    for (const { command: line } of command.examples) {
      it(`can parse its example "${line}"`, async () => {
        const words =
          line
            .replace(/^source <\((.*)\)$/, '$1')
            .split(/ [|>] /)[0]
            ?.split(' ') ?? [];
        const result = await parseCommandLine(words.slice(1), commands);
        assert.ok(result.kind === 'run');
        assert.ok(result.command.name.startsWith(command.name));
      });
    }
  }
});

describe('exit codes', () => {
  it('each have a meaning', () => {
    assert.deepEqual(
      exitCodeMeanings.map(([code]) => code),
      Object.values(exitCode),
    );
  });
});

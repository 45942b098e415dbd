import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { commands } from './commands.ts';
import { suggest } from './suggestions.ts';

function words(line: string): string[] {
  const suggested = suggest(line.split(' '), commands);
  assert.equal(suggested.kind, 'words', `${line} wants ${suggested.kind === 'live' ? suggested.what : ''}`);
  return suggested.kind === 'words' ? suggested.words.map(({ text }) => text) : [];
}

function live(line: string): string {
  const suggested = suggest(line.split(' '), commands);
  return suggested.kind === 'live' ? `${suggested.before}${suggested.what}` : `words ${suggested.words.map(({ text }) => text).join()}`;
}

describe('completion', () => {
  it('offers commands', () => {
    assert.deepEqual(words('de'), ['demo', 'delete', 'describe']);
    assert.deepEqual(words('proxy '), ['status', 'config']);
    assert.ok(words('').includes('get'));
    assert.ok(!words('').includes('complete'), 'hidden ones are not offered');
  });

  it('offers flags and their values', () => {
    assert.deepEqual(words('get vs --w'), ['--watch']);
    assert.ok(words('get vs -').includes('--namespace'));
    assert.deepEqual(words('apply --dry-run s'), ['server']);
    assert.deepEqual(words('apply --dry-run=c'), ['--dry-run=client']);
    assert.deepEqual(words('completion z'), ['zsh']);
    assert.ok(words('proxy config ').includes('routes'));
  });

  it('knows where live names, kinds and files belong', () => {
    assert.equal(live('get v'), 'kind');
    assert.equal(live('get vs '), 'object');
    assert.equal(live('get vs a b'), 'object');
    assert.equal(live('get vs -n '), 'namespace');
    assert.equal(live('get vs --namespace='), '--namespace=namespace');
    assert.equal(live('proxy config routes '), 'workload');
    assert.equal(live('explain request --from '), 'workload');
    assert.equal(live('apply -f '), 'file');
  });

  it('offers sub-commands beside what the command itself takes', () => {
    const suggested = suggest(['explain', 'r'], commands);
    assert.ok(suggested.kind === 'live' && suggested.what === 'kind');
    assert.deepEqual(
      suggested.also.map(({ text }) => text),
      ['request'],
    );
  });

  it('offers nothing after the last argument', () => {
    assert.deepEqual(words('completion bash '), []);
    assert.deepEqual(words('nonsense '), []);
  });
});

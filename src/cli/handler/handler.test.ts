import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ExplainAnswer, ProxyRow, TapRecord } from '#server/api.ts';
import { commands } from '../commands.ts';
import { parseCommandLine } from '../program.ts';
import { formatAnswer, questionOf } from './explain-request.ts';
import { formatProxies } from './proxy-status.ts';
import { filterOf, formatRecord } from './tap.ts';

const plain = { paint: (_: string, text: string) => text, width: 80 };

async function flagsOf(...words: string[]) {
  const parsed = await parseCommandLine(words, commands);
  assert.ok(parsed.kind === 'run');
  return parsed.flags;
}

describe('explain request', () => {
  it('puts the question', async () => {
    const flags = await flagsOf(
      'explain',
      'request',
      '--from',
      'productpage-v1.shop',
      '--to',
      'reviews:9080',
      '-H',
      'End-User=jason',
      '-H',
      'x: a=b',
      '-X',
      'post',
    );
    assert.deepEqual(questionOf(flags), {
      from: 'shop/productpage-v1',
      host: 'reviews',
      port: 9080,
      method: 'POST',
      path: '/',
      headers: { 'end-user': 'jason', x: 'a=b' },
    });
    const url = await flagsOf('explain', 'request', '--from', 'a', '--to', 'http://b/x?y=1');
    assert.deepEqual({ ...questionOf(url), headers: {} }, { from: 'a', host: 'b', port: 80, method: 'GET', path: '/x?y=1', headers: {} });
  });
  for (const words of [
    ['--from', 'a'],
    ['--to', 'b'],
    ['--from', 'a', '--to', 'b:0'],
    ['--from', 'a', '--to', 'b', '-H', 'bad header'],
  ]) {
    it(`refuses ${words.join(' ')}`, async () => {
      const flags = await flagsOf('explain', 'request', ...words);
      assert.throws(() => questionOf(flags), { name: 'UsageError' });
    });
  }
  it('shows steps with their origins and leaves out early misses', () => {
    const miss = (name: string) => ({ what: 'route', name, verdict: 'missed', reason: 'header end-user is absent' }) as const;
    const answer: ExplainAnswer = {
      summary: 'goes to reviews v2',
      outcome: 'forwarded',
      steps: [
        { what: 'listener', name: '127.64.0.9_9080', verdict: 'matched', reason: '' },
        ...['r1', 'r2', 'r3', 'r4', 'r5'].map(miss),
        { what: 'route', name: 'r6', verdict: 'matched', reason: 'prefix /', origin: { text: 'reviews.yaml:12' } },
      ],
      destinations: [{ cluster: 'outbound|9080|v2|reviews', weightPercent: 100, endpoints: [] }],
    };
    const short = formatAnswer(answer, false, plain).join('\n');
    assert.match(short, /^goes to reviews v2\n/);
    assert.match(short, /\.\.\. 2 more that missed/);
    assert.match(short, /from reviews\.yaml:12/);
    assert.match(short, /100 % {2}outbound\|9080\|v2\|reviews\n.*no healthy endpoint/);
    assert.doesNotMatch(short, /r1/);
    assert.match(formatAnswer(answer, true, plain).join('\n'), /r1/);
  });
});

describe('tap', () => {
  const record: TapRecord = {
    at: Date.UTC(2026, 0, 1, 12, 0, 0),
    reporter: 'source',
    source: 'productpage-v1',
    destination: 'reviews-v2',
    service: 'reviews.default.svc.cluster.local',
    method: 'GET',
    authority: 'reviews:9080',
    path: '/reviews/0',
    status: 503,
    flags: 'UF',
    durationMs: 12.345,
    route: 'default',
    cluster: 'outbound|9080|v2|reviews.default.svc.cluster.local',
    origin: 'reviews.yaml:12',
  };
  const filters: [string[], boolean][] = [
    [[], true],
    [['--status', '5xx'], true],
    [['--status', '503'], true],
    [['--status', 'UF'], true],
    [['--status', 'NR'], false],
    [['--status', '2xx'], false],
    [['--to', 'reviews'], true],
    [['--from', 'reviews'], false],
    [['--path', '/reviews'], true],
    [['--method', 'post'], false],
    [['--reporter', 'destination'], false],
    [['--reporter', 'both'], true],
  ];
  for (const [words, wanted] of filters) {
    it(`with ${words.join(' ') || 'no filter'} ${wanted ? 'takes' : 'leaves out'} a failed request`, async () => {
      assert.equal(filterOf(await flagsOf('tap', ...words), undefined)(record), wanted);
    });
  }
  it('of a workload takes what it sent and received', async () => {
    const flags = await flagsOf('tap');
    assert.equal(filterOf(flags, 'reviews-v2.default')(record), true);
    assert.equal(filterOf(flags, 'ratings-v1')(record), false);
  });
  it('shows one line of the width of the terminal', () => {
    const line = formatRecord({ ...record, path: `/reviews/${'x'.repeat(200)}` }, false, plain);
    assert.ok(line.length <= 80, String(line.length));
    assert.match(line, /^12:00:00 503 UF +12\.3 productpage-v1 -> reviews-v2/);
    assert.match(formatRecord(record, true, plain), /reviews\.yaml:12$/);
  });
});

describe('proxy status', () => {
  const type = (name: string, state: ProxyRow['state'], error?: string) => ({ name, state, version: '7', ...(error ? { error } : {}) });
  const row: ProxyRow = {
    id: 'sidecar~127.64.0.1~reviews-v1.default~default.svc.cluster.local',
    workload: 'reviews-v1',
    namespace: 'default',
    engine: 'embedded',
    address: '127.64.0.1',
    connectedAt: 1_000_000,
    state: 'rejected',
    epoch: 7,
    types: [type('CDS', 'synced'), type('LDS', 'rejected', 'no such filter'), type('RDS', 'never-sent')],
  };
  it('has a row per proxy and says why one was rejected', () => {
    const text = formatProxies([row], 'table', plain, 1_065_000);
    const [head = '', first = ''] = text.split('\n');
    assert.match(head, /^NAME +ENGINE +STATE +CDS +LDS +EDS +RDS +AGE$/);
    assert.match(first, /^reviews-v1\.default +embedded +rejected +synced +rejected +- +- +65s$/);
    assert.match(text, /reviews-v1\.default rejected LDS: no such filter/);
    for (const line of text.split('\n')) assert.ok(line.length <= 80, line);
  });
  it('says what to do when there is none', () => {
    assert.match(formatProxies([], 'table', plain, 0), /meshwright run/);
    assert.equal(formatProxies([], 'json', plain, 0), '[]');
  });
});

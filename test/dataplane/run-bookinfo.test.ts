import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { after, before, test } from 'node:test';
import { type Child, startChild } from '#process/child-process.ts';
import { systemClock } from '#process/clock.ts';

const folder = new URL('../../demo/bookinfo/', import.meta.url).pathname;

interface Program {
  readonly child: Child;
  readonly url: string;
  readonly port: number;
}

/** A Bookinfo program on a port chosen by the system. */
async function startProgram(name: string, env: Record<string, string> = {}): Promise<Program> {
  const child = await startChild({
    command: process.execPath,
    args: [`${folder}${name}.js`, '0'],
    env: { MESHWRIGHT_WORKLOAD: `${name}-test`, ...env },
    output: 'pipe',
    graceMs: 2_000,
    clock: systemClock,
  });
  const line = String(await new Promise((resolve) => child.stdout?.once('data', resolve)));
  const port = Number(/port (\d+)/.exec(line)?.[1]);
  return { child, port, url: `http://127.0.0.1:${port}` };
}

const at = (name: string, port: number) => ({ [`${name}_SERVICE_HOST`]: '127.0.0.1', [`${name}_SERVICE_PORT`]: String(port) });

let ratings: Program;
let details: Program;
let reviews: Record<'v1' | 'v2' | 'v3', Program>;
let page: Program;
/** Stands between productpage and reviews: notes the headers, forwards to a version. */
let between: Server;
let seen: Record<string, unknown> = {};
let version: 'v1' | 'v2' | 'v3' = 'v1';

before(async () => {
  [ratings, details] = await Promise.all([startProgram('ratings'), startProgram('details')]);
  const env = at('RATINGS', ratings.port);
  const [v1, v2, v3] = await Promise.all(['v1', 'v2', 'v3'].map((name) => startProgram('reviews', { ...env, SERVICE_VERSION: name })));
  assert.ok(v1 && v2 && v3);
  reviews = { v1, v2, v3 };
  between = createServer((request, response) => {
    seen = request.headers;
    fetch(`${reviews[version].url}${request.url}`).then(
      async (answer) => response.writeHead(answer.status).end(await answer.text()),
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve));
  const address = between.address();
  assert.ok(typeof address === 'object' && address);
  page = await startProgram('productpage', {
    ...at('DETAILS', details.port),
    ...at('REVIEWS', address.port),
    ...at('RATINGS', ratings.port),
  });
});

after(async () => {
  between.closeAllConnections();
  between.close();
  await Promise.all([ratings, details, reviews.v1, reviews.v2, reviews.v3, page].map(({ child }) => child.stop()));
});

async function read(url: string, init: RequestInit = {}): Promise<{ status: number; text: string; headers: Headers }> {
  const answer = await fetch(url, { redirect: 'manual', ...init });
  return { status: answer.status, text: await answer.text(), headers: answer.headers };
}

const reviewers = ['Reviewer1', 'Reviewer2'];
const rows = [
  { name: 'v1', ratings: [undefined, undefined] },
  {
    name: 'v2',
    ratings: [
      { stars: 5, color: 'black' },
      { stars: 4, color: 'black' },
    ],
  },
  {
    name: 'v3',
    ratings: [
      { stars: 5, color: 'red' },
      { stars: 4, color: 'red' },
    ],
  },
] as const;
for (const row of rows) {
  test(`reviews ${row.name}`, async () => {
    const { text } = await read(`${reviews[row.name].url}/reviews/0`);
    const body = JSON.parse(text) as { id: string; podname: string; reviews: { reviewer: string; text: string; rating?: unknown }[] };
    assert.equal(body.id, '0');
    assert.equal(body.podname, 'reviews-test');
    assert.deepEqual(
      body.reviews.map((review) => review.reviewer),
      reviewers,
    );
    assert.deepEqual(
      body.reviews.map((review) => review.rating),
      row.ratings,
    );
  });
}

const answers = [
  { program: () => details, path: '/details/0', status: 200, text: /"ISBN-10":"1234567890"/ },
  { program: () => details, path: '/details/x', status: 400, text: /numeric product id/ },
  { program: () => details, path: '/health', status: 200, text: /Details is healthy/ },
  { program: () => ratings, path: '/ratings/0', status: 200, text: /"ratings":\{"Reviewer1":5,"Reviewer2":4\}/ },
  { program: () => ratings, path: '/nothing', status: 404, text: /nothing here/ },
  { program: () => page, path: '/', status: 200, text: /\/productpage/ },
  { program: () => page, path: '/health', status: 200, text: /Product page is healthy/ },
  { program: () => page, path: '/api/v1/products', status: 200, text: /The Comedy of Errors/ },
  { program: () => page, path: '/api/v1/products/0', status: 200, text: /William Shakespeare/ },
  { program: () => page, path: '/api/v1/products/0/ratings', status: 200, text: /Reviewer1/ },
  { program: () => page, path: '/api/v1/products/7', status: 404, text: /no product 7/ },
];
for (const row of answers) {
  test(`GET ${row.path} answers ${row.status}`, async () => {
    const { status, text } = await read(`${row.program().url}${row.path}`);
    assert.equal(status, row.status);
    assert.match(text, row.text);
  });
}

test('the page shows each version its stars', async () => {
  for (const [name, want] of [
    ['v1', /^(?!.*★).*$/s],
    ['v2', /class="stars"[^>]*>★★★★★/],
    ['v3', /class="stars red"[^>]*>★★★★★/],
  ] as const) {
    version = name;
    const { status, text } = await read(`${page.url}/productpage`);
    assert.equal(status, 200);
    assert.match(text, want, name);
    assert.match(text, /id="reviews-by">reviews-test</);
  }
});

test('a signed-in user and the trace travel on; a claimed user does not', async () => {
  version = 'v1';
  const { status, headers } = await read(`${page.url}/login`, { method: 'POST', body: new URLSearchParams({ username: 'jason' }) });
  assert.equal(status, 303);
  const cookie = headers.get('set-cookie')?.split(';')[0] ?? '';
  const trace = { traceparent: '00-1-2-01', 'x-request-id': 'r1', 'x-b3-traceid': 'b', 'x-other': 'no' };
  const signedIn = await read(`${page.url}/productpage`, { headers: { cookie, ...trace } });
  assert.match(signedIn.text, /id="user">jason</);
  assert.equal(seen['end-user'], 'jason');
  assert.equal(seen.traceparent, trace.traceparent);
  assert.equal(seen['x-request-id'], 'r1');
  assert.equal(seen['x-b3-traceid'], 'b');
  assert.equal(seen['x-other'], undefined);
  assert.match(String(seen.host), /^reviews:/);
  await read(`${page.url}/productpage`, { headers: { 'end-user': 'jason' } });
  assert.equal(seen['end-user'], undefined);
});

test('a user name that is no header value is refused, markup is shown as text', async () => {
  const bad = await read(`${page.url}/login`, { method: 'POST', body: new URLSearchParams({ username: 'a\r\nx: y' }) });
  assert.equal(bad.status, 400);
  const { text } = await read(`${page.url}/productpage`, { headers: { cookie: `session=${encodeURIComponent('<b>x</b>')}` } });
  assert.match(text, /&lt;b&gt;x&lt;\/b&gt;/);
});

test('ratings can be replaced, by stars only', async () => {
  const post = (body: string) => read(`${ratings.url}/ratings/5`, { method: 'POST', body });
  assert.equal((await post('{"Reviewer1":9}')).status, 400);
  assert.equal((await post('[]')).status, 400);
  assert.equal((await post('{')).status, 400);
  assert.equal((await post('{"Reviewer1":2}')).status, 200);
  assert.match((await read(`${ratings.url}/ratings/5`)).text, /\{"Reviewer1":2\}/);
  assert.equal((await read(`${ratings.url}/ratings/0`, { method: 'DELETE' })).status, 405);
});

test('what is unavailable is said on the page, which stays up', async () => {
  version = 'v2';
  await ratings.child.stop();
  assert.match((await read(`${page.url}/productpage`)).text, /Ratings service is currently unavailable/);
  await reviews.v2.child.stop();
  await details.child.stop();
  const { status, text } = await read(`${page.url}/productpage`);
  assert.equal(status, 200);
  assert.match(text, /product details are currently unavailable/);
});

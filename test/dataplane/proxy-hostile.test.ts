import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Backend, clusterInit, exchange, namedBackend, parseReply, prefix, type Rig, rig, toCluster } from './proxy-support.ts';

interface HostileCase {
  readonly name: string;
  readonly request: string;
  readonly status: number;
}

const head = (lines: string) => `POST /p HTTP/1.1\r\nHost: svc\r\n${lines}\r\n`;

const refusedHeads: readonly HostileCase[] = [
  { name: 'length and chunked together', request: `${head('Content-Length: 4\r\nTransfer-Encoding: chunked\r\n')}0\r\n\r\n`, status: 400 },
  { name: 'two different lengths', request: `${head('Content-Length: 4\r\nContent-Length: 5\r\n')}abcd`, status: 400 },
  { name: 'two equal lengths', request: `${head('Content-Length: 4\r\nContent-Length: 4\r\n')}abcd`, status: 400 },
  { name: 'list of lengths', request: `${head('Content-Length: 4, 4\r\n')}abcd`, status: 400 },
  { name: 'space before the colon', request: head('Content-Length : 0\r\n'), status: 400 },
  { name: 'bare CR in a value', request: head('X-A: b\rc\r\n'), status: 400 },
  { name: 'signed length', request: `${head('Content-Length: +5\r\n')}abcde`, status: 400 },
  { name: 'length beyond exact numbers', request: head('Content-Length: 99999999999999999999\r\n'), status: 400 },
  { name: 'NUL in a value', request: head('X-A: b\0c\r\n'), status: 400 },
  { name: 'control character in a name', request: head('X\x01A: b\r\n'), status: 400 },
  { name: 'no Host', request: 'GET / HTTP/1.1\r\nX-A: b\r\n\r\n', status: 400 },
  { name: 'two Host', request: 'GET / HTTP/1.1\r\nHost: svc\r\nHost: other\r\n\r\n', status: 400 },
  { name: 'Host with a slash', request: 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', status: 400 },
  { name: 'folded line', request: head('X-A: b\r\n c\r\n'), status: 400 },
  { name: 'bare LF line ends', request: 'GET / HTTP/1.1\nHost: svc\n\n', status: 400 },
  { name: 'bare LF after one good line', request: 'GET / HTTP/1.1\r\nHost: svc\nX: y\r\n\r\n', status: 400 },
  { name: 'coding xchunked', request: `${head('Transfer-Encoding: xchunked\r\n')}0\r\n\r\n`, status: 501 },
  { name: 'coding gzip, chunked', request: `${head('Transfer-Encoding: gzip, chunked\r\n')}0\r\n\r\n`, status: 501 },
  { name: 'chunked said twice', request: `${head('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n')}0\r\n\r\n`, status: 501 },
  { name: 'chunked in HTTP/1.0', request: 'POST / HTTP/1.0\r\nHost: svc\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', status: 400 },
  { name: 'HTTP/1.2', request: 'GET / HTTP/1.2\r\nHost: svc\r\n\r\n', status: 505 },
  { name: 'space in the target', request: 'GET /a b HTTP/1.1\r\nHost: svc\r\n\r\n', status: 505 },
  { name: 'fragment in the target', request: 'GET /a#b HTTP/1.1\r\nHost: svc\r\n\r\n', status: 400 },
  { name: 'authority form outside CONNECT', request: 'GET svc:80 HTTP/1.1\r\nHost: svc\r\n\r\n', status: 400 },
  { name: 'user information in an absolute target', request: 'GET http://u@svc/ HTTP/1.1\r\nHost: svc\r\n\r\n', status: 400 },
  { name: 'bad method', request: 'G(T / HTTP/1.1\r\nHost: svc\r\n\r\n', status: 400 },
  { name: 'header line without a colon', request: head('nonsense\r\n'), status: 400 },
  { name: 'too many header lines', request: head(Array.from({ length: 101 }, (_, i) => `x-${i}: 1\r\n`).join('')), status: 431 },
  { name: 'a head that is too long', request: head(`x-long: ${'a'.repeat(61 * 1024)}\r\n`), status: 431 },
  { name: 'HTTP/1.0 where it is not allowed', request: 'GET / HTTP/1.0\r\nHost: svc\r\n\r\n', status: 426 },
];

const refusedBodies: readonly HostileCase[] = [
  { name: 'chunk size that is no number', request: `${head('Transfer-Encoding: chunked\r\n')}zz\r\nabc\r\n0\r\n\r\n`, status: 400 },
  { name: 'negative chunk size', request: `${head('Transfer-Encoding: chunked\r\n')}-1\r\n\r\n`, status: 400 },
  { name: 'chunk size that overflows', request: `${head('Transfer-Encoding: chunked\r\n')}fffffffffffffffff\r\n`, status: 400 },
  { name: 'bare LF in a chunk extension', request: `${head('Transfer-Encoding: chunked\r\n')}2;a\nxx\r\n0\r\n\r\n`, status: 400 },
  { name: 'forbidden trailer', request: `${head('Transfer-Encoding: chunked\r\n')}0\r\nContent-Length: 4\r\n\r\n`, status: 400 },
];

describe('hostile HTTP/1.1', () => {
  let backend: Backend;
  let proxy: Rig;
  before(async () => {
    backend = await namedBackend('a');
    proxy = await rig({ clusters: [clusterInit('a', [backend.port])], routes: [{ match: prefix('/'), action: toCluster('a') }] });
  });
  after(async () => {
    await proxy.close();
    await backend.close();
  });

  for (const { name, request, status } of [...refusedHeads, ...refusedBodies]) {
    test(`${name} is refused here with ${status}, and the backend hears nothing`, async () => {
      const before = backend.bytes;
      const reply = parseReply(await exchange(proxy.port, request));
      assert.equal(reply.status, status);
      assert.equal(reply.headers.connection, 'close');
      assert.equal(backend.bytes, before);
    });
  }

  for (const { name, request, status } of refusedHeads) {
    test(`${name} is refused the same way when it comes in two pieces`, async () => {
      const before = backend.bytes;
      const middle = Math.floor(request.length / 2);
      const reply = parseReply(await exchange(proxy.port, [request.slice(0, middle), request.slice(middle)]));
      assert.equal(reply.status, status);
      assert.equal(backend.bytes, before);
    });
  }

  test('a chunk without its line end is cut off after the bytes that were sound', async () => {
    const text = await exchange(proxy.port, [head('Transfer-Encoding: chunked\r\n'), '3\r\nabcX0\r\n\r\n']);
    assert.equal(parseReply(text).status, 400);
  });

  test('a legal chunk extension passes', async () => {
    const raw = await rig({
      clusters: [clusterInit('e', [(await echo()).port])],
      routes: [{ match: prefix('/'), action: toCluster('e') }],
    });
    const text = await exchange(
      raw.port,
      `${head('Transfer-Encoding: chunked\r\nConnection: close\r\n')}3;name="va;lue"\r\nabc\r\n0\r\n\r\n`,
    );
    assert.equal(parseReply(text).status, 200);
    assert.match(text, /3;name="va;lue"\r\nabc\r\n0\r\n/);
    await raw.close();
  });

  test('HTTP/2 with prior knowledge is told in its own language', async () => {
    const text = await exchange(proxy.port, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    assert.equal(text.charCodeAt(3), 4, 'a SETTINGS frame comes first');
    assert.equal(text.charCodeAt(9 + 3), 7, 'then GOAWAY');
    assert.equal(text.charCodeAt(9 + 9 + 7), 13, 'with HTTP_1_1_REQUIRED');
  });

  /** Answers with the request's own body bytes, framing and all. */
  async function echo(): Promise<Backend> {
    const { rawBackend } = await import('./proxy-support.ts');
    const made = await rawBackend((_text, socket, all) => {
      const end = all.indexOf('\r\n\r\n');
      const body = all.slice(end + 4);
      if (end >= 0 && body.endsWith('0\r\n\r\n')) socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    });
    after(() => made.close());
    return made;
  }
});

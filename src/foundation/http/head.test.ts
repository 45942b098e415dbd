import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Head, type HeadLimits, http2Preface, incomplete, refused, scanRequest, scanResponse } from './head.ts';

const limits: HeadLimits = { maxBytes: 8192, maxFields: 50 };
const bytes = (text: string) => Buffer.from(text, 'latin1');

function fields(head: Head, from: Buffer, start = 0): [string, string][] {
  return Array.from({ length: head.count }, (_, i) => [
    from.latin1Slice(start + head.nameStart(i), start + head.nameEnd(i)),
    from.latin1Slice(start + head.valueStart(i), start + head.valueEnd(i)),
  ]);
}

describe('request heads', () => {
  const text = 'GET /a?b HTTP/1.1\r\nHost: svc:80\r\nX-Empty:\r\nX-Space: \t v w \t\r\nConnection: Keep-Alive, x-empty\r\n\r\nbody';

  test('are read in place, wherever they start', () => {
    for (const offset of [0, 1, 100]) {
      const buffer = Buffer.concat([Buffer.alloc(offset, 88), bytes(text)]);
      const head = new Head();
      assert.equal(scanRequest(head, buffer, offset, buffer.length, limits), text.length - 4);
      assert.deepEqual(fields(head, buffer, offset), [
        ['Host', 'svc:80'],
        ['X-Empty', ''],
        ['X-Space', 'v w'],
        ['Connection', 'Keep-Alive, x-empty'],
      ]);
      assert.equal(head.keepAlive, true);
      assert.equal(head.namesOthers, true);
      assert.equal(buffer.latin1Slice(offset + head.targetStart, offset + head.targetEnd), '/a?b');
    }
  });

  test('are incomplete at every shorter length', () => {
    const buffer = bytes(text);
    const head = new Head();
    for (let end = 0; end < text.length - 4; end++) assert.equal(scanRequest(head, buffer, 0, end, limits), incomplete, `at ${end}`);
  });

  test('one empty line before them is forgiven, two are not', () => {
    const head = new Head();
    const once = bytes(`\r\n${text}`);
    assert.equal(scanRequest(head, once, 0, once.length, limits), text.length - 2);
    const twice = bytes(`\r\n\r\n${text}`);
    assert.equal(scanRequest(head, twice, 0, twice.length, limits), refused);
  });

  test('HTTP/2 is recognised', () => {
    const buffer = bytes('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    assert.equal(scanRequest(new Head(), buffer, 0, buffer.length, limits), http2Preface);
  });

  const lengths: readonly (readonly [string, number, boolean])[] = [
    ['Content-Length: 0\r\n', 0, false],
    ['content-length:  17 \r\n', 17, false],
    ['TRANSFER-ENCODING: Chunked\r\n', -1, true],
  ];
  for (const [line, length, chunked] of lengths) {
    test(`framing of ${line.trim()}`, () => {
      const head = new Head();
      const buffer = bytes(`POST / HTTP/1.1\r\nhost: a\r\n${line}\r\n`);
      assert.ok(scanRequest(head, buffer, 0, buffer.length, limits) > 0);
      assert.equal(head.contentLength, length);
      assert.equal(head.chunked, chunked);
    });
  }

  test('more fields than a head first has room for are kept', () => {
    const many = Array.from({ length: 49 }, (_, i) => `x-${i}: ${i}\r\n`).join('');
    const buffer = bytes(`GET / HTTP/1.1\r\nhost: a\r\n${many}\r\n`);
    const head = new Head();
    assert.equal(scanRequest(head, buffer, 0, buffer.length, limits), buffer.length);
    assert.equal(fields(head, buffer).at(-1)?.[1], '48');
    const over = bytes(`GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n${many}\r\n`);
    assert.equal(scanRequest(head, over, 0, over.length, limits), refused);
    assert.equal(head.error.status, 431);
  });
});

describe('response heads', () => {
  const good: readonly (readonly [string, number])[] = [
    ['HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n', 200],
    ['HTTP/1.1 404 \r\n\r\n', 404],
    ['HTTP/1.0 301\r\nlocation: /\r\n\r\n', 301],
  ];
  for (const [text, status] of good) {
    test(`${JSON.stringify(text)} is ${status}, and incomplete before its end`, () => {
      const buffer = bytes(text);
      const head = new Head();
      assert.equal(scanResponse(head, buffer, 0, buffer.length, limits), text.length);
      assert.equal(head.status, status);
      for (let end = 0; end < text.length; end++) assert.equal(scanResponse(head, buffer, 0, end, limits), incomplete, `at ${end}`);
    });
  }

  for (const text of [
    'HTTP/2 200 OK\r\n\r\n',
    'HTTP/1.1 2x0 OK\r\n\r\n',
    'HTTP/1.1 099 OK\r\n\r\n',
    'HTTP/1.1 200 OK\n\n ',
    'HTTP/1.1 200 OK\r\nx y\r\n\r\n',
    'ICY 200 OK\r\n\r\n',
  ]) {
    test(`${JSON.stringify(text)} is refused`, () => {
      const buffer = bytes(text);
      assert.equal(scanResponse(new Head(), buffer, 0, buffer.length, limits), refused);
    });
  }
});

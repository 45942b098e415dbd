import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BodyReader } from './body.ts';
import { Head, type HeadLimits, incomplete, scanRequest } from './head.ts';

const limits: HeadLimits = { maxBytes: 4096, maxFields: 60 };
const tokenChars = [..."abcXYZ019!#$%&'*+-.^_`|~"];
const token = fc.array(fc.constantFrom(...tokenChars), { minLength: 1, maxLength: 12 }).map((chars) => chars.join(''));
const value = fc
  .array(
    fc.integer({ min: 32, max: 255 }).filter((code) => code !== 127),
    { maxLength: 20 },
  )
  .map((codes) => String.fromCharCode(...codes).trim());
const framing: ReadonlySet<string> = new Set(['host', 'content-length', 'transfer-encoding']);
const lines = fc.array(
  fc.tuple(
    token.filter((name) => !framing.has(name.toLowerCase())),
    value,
  ),
  { maxLength: 20 },
);

test('what is written comes back, and every prefix is incomplete or refused, never complete', () => {
  fc.assert(
    fc.property(token, lines, (method, fields) => {
      const text = `${method} /x HTTP/1.1\r\nhost: h\r\n${fields.map(([name, content]) => `${name}: ${content}\r\n`).join('')}\r\n`;
      const buffer = Buffer.from(text, 'latin1');
      const head = new Head();
      assert.equal(scanRequest(head, buffer, 0, buffer.length, limits), buffer.length);
      assert.equal(head.count, fields.length + 1);
      fields.forEach(([name, content], i) => {
        assert.equal(buffer.latin1Slice(head.nameStart(i + 1), head.nameEnd(i + 1)), name);
        assert.equal(buffer.latin1Slice(head.valueStart(i + 1), head.valueEnd(i + 1)), content);
      });
      for (let end = 0; end < buffer.length; end += 3) assert.equal(scanRequest(head, buffer, 0, end, limits), incomplete);
    }),
    { numRuns: 200 },
  );
});

test('no bytes make the scanner throw or read past their end', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.string({ maxLength: 30 }), (noise, opening) => {
      const buffer = Buffer.concat([Buffer.from(`GET /${opening} HTTP/1.1\r\n`, 'latin1'), noise]);
      const result = scanRequest(new Head(), buffer, 0, buffer.length, limits);
      assert.ok(result <= buffer.length);
    }),
    { numRuns: 500 },
  );
});

const chunk = fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.constantFrom('', ';a', ';a=b', '; q="x;y"', ' ;z'));

test('a chunked body is followed the same way however it is cut, and gives back its payload', () => {
  fc.assert(
    fc.property(
      fc.array(chunk, { maxLength: 6 }),
      fc.constantFrom('', 'x-sum: 1\r\n', 'a: b\r\nc: d\r\n'),
      fc.integer({ min: 1, max: 50 }),
      (chunks, trailers, piece) => {
        const parts = chunks.flatMap(([data, extension]) => [
          Buffer.from(`${data.length.toString(16)}${extension}\r\n`),
          Buffer.from(data),
          Buffer.from('\r\n'),
        ]);
        const body = Buffer.concat([...parts, Buffer.from(`0\r\n${trailers}\r\n`), Buffer.from('NEXT')]);
        const reader = new BodyReader();
        reader.start('chunked', 0);
        const payload: Buffer[] = [];
        let at = 0;
        while (at < body.length && !reader.done) {
          const runs: number[] = [];
          reader.chunks.payload = runs;
          const end = Math.min(body.length, at + piece);
          const stop = reader.advance(body, at, end);
          for (let i = 0; i < runs.length; i += 2) payload.push(body.subarray(runs[i], runs[i + 1]));
          assert.ok(!reader.bad);
          at = stop;
        }
        assert.ok(reader.done);
        assert.equal(body.subarray(at).toString(), 'NEXT');
        assert.deepEqual(Buffer.concat(payload), Buffer.concat(chunks.map(([data]) => data)));
      },
    ),
    { numRuns: 200 },
  );
});

test('a body of a stated length takes exactly that much', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 1, max: 30 }), (length, piece) => {
      const body = Buffer.alloc(length + 10, 1);
      const reader = new BodyReader();
      reader.start('length', length);
      let at = 0;
      while (!reader.done) at = reader.advance(body, at, Math.min(body.length, at + piece));
      assert.equal(at, length);
      assert.equal(reader.received, length);
    }),
  );
});

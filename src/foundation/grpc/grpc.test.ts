import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import http2 from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '#process/clock.ts';
import { logger, setLogLevel } from '#process/log.ts';
import { formatGrpcAddress, type GrpcAddress, parseGrpcAddress } from './address.ts';
import { createGrpcChannel, type GrpcChannel } from './client.ts';
import { FrameReader, frameMessage } from './frame.ts';
import { createGrpcServer, type GrpcServer } from './server.ts';
import { type GrpcCall, type GrpcMethod, unaryMethod } from './server-stream.ts';
import { decodeStatusMessage, encodeStatusMessage, GrpcFault, type GrpcStatus, grpcCode, parseTimeout, statusName } from './status.ts';

setLogLevel('silent');
const log = logger('grpc-test');
const calls: GrpcCall[] = [];

const echo: GrpcMethod = (call) => {
  calls.push(call);
  return { message: (bytes) => call.send(bytes), halfClosed: () => call.finish() };
};
const methods = {
  '/t.T/Echo': echo,
  '/t.T/Upper': unaryMethod((request) => Buffer.from(request.toString().toUpperCase())),
  '/t.T/Fail': unaryMethod(() => {
    throw new GrpcFault({ code: grpcCode.failedPrecondition, message: 'nicht möglich: 100%\n' });
  }),
  '/t.T/Bug': (() => ({
    message() {
      throw new Error('boom');
    },
  })) satisfies GrpcMethod,
  '/t.T/Hang': (() => ({ message() {} })) satisfies GrpcMethod,
  '/t.T/Count': ((call) => {
    let bytes = 0;
    return {
      message: (message) => {
        bytes += message.length;
      },
      halfClosed: () => {
        call.send(Buffer.from(String(bytes)));
        call.finish();
      },
    };
  }) satisfies GrpcMethod,
};

/** Collects a whole call. */
function collect(channel: GrpcChannel, path: string, messages: readonly Uint8Array[]): Promise<{ got: Buffer[]; status: GrpcStatus }> {
  return new Promise((resolve) => {
    const got: Buffer[] = [];
    const call = channel.stream(path, { message: (bytes) => got.push(bytes), closed: (status) => resolve({ got, status }) });
    for (const message of messages) call.send(message);
    call.end();
  });
}

describe('framing', () => {
  const cases = [0, 1, 4, 5, 1000, 70_000];
  for (const chunkBytes of [1, 3, 7, 4096, 1_000_000]) {
    it(`puts messages together from chunks of ${chunkBytes}`, () => {
      const sizes = chunkBytes < 7 ? cases.slice(0, 5) : cases;
      const wire = Buffer.concat(sizes.map((size) => frameMessage(Buffer.alloc(size, size & 255))));
      const got: Buffer[] = [];
      const reader = new FrameReader(100_000, (message) => got.push(message));
      for (let at = 0; at < wire.length; at += chunkBytes) reader.push(wire.subarray(at, at + chunkBytes));
      assert.deepEqual(
        got.map((message) => [message.length, message.every((byte) => byte === (message.length & 255))]),
        sizes.map((size) => [size, true]),
      );
      assert.equal(reader.partial, false);
    });
  }

  it('refuses compressed and oversized messages from their first five bytes', () => {
    const read = (bytes: number[]) => () => new FrameReader(100, () => {}).push(Buffer.from(bytes));
    assert.throws(read([1, 0, 0, 0, 1]), { code: 'GRPC_UNIMPLEMENTED' });
    assert.throws(read([9, 0, 0, 0, 1]), { code: 'GRPC_INTERNAL' });
    assert.throws(read([0, 0, 0, 0, 101]), { code: 'GRPC_RESOURCE_EXHAUSTED' });
  });
});

describe('addresses, status text, timeouts', () => {
  it('reads addresses in all their forms', () => {
    for (const [text, want] of [
      ['127.0.0.1:15010', '127.0.0.1:15010'],
      ['dns:///localhost:80', 'localhost:80'],
      ['[::1]:9', '[::1]:9'],
      ['unix:/a/b', 'unix:/a/b'],
      ['unix:///a/b', 'unix:/a/b'],
    ] as const)
      assert.equal(formatGrpcAddress(parseGrpcAddress(text)), want);
    for (const bad of ['', 'host', 'host:', 'host:99999', '::1:80', 'http://a:1'])
      assert.throws(() => parseGrpcAddress(bad), /expected host:port/);
  });
  it('keeps any text in grpc-message', () => {
    for (const text of ['', 'plain', '100% ü\n\u{1f600}', '%41']) assert.equal(decodeStatusMessage(encodeStatusMessage(text)), text);
    assert.match(encodeStatusMessage('ü%'), /^[ -~]+$/);
    assert.equal(decodeStatusMessage('50%zz'), '50%zz');
  });
  it('reads grpc-timeout', () => {
    assert.deepEqual(['100m', '2S', '1H', '5u', '', 'x', '123456789m'].map(parseTimeout), [
      100,
      2000,
      3_600_000,
      0.005,
      undefined,
      undefined,
      undefined,
    ]);
    assert.deepEqual([0, 14, 99].map(statusName), ['OK', 'UNAVAILABLE', 'CODE_99']);
  });
});

for (const kind of ['tcp', 'unix'] as const) {
  describe(`server and client over ${kind}`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'mwg-'));
    let server: GrpcServer;
    let channel: GrpcChannel;
    let address: GrpcAddress;
    before(async () => {
      server = createGrpcServer({ methods, clock: systemClock, log, maxMessageBytes: 1_000_000 });
      address = await server.listen(kind === 'tcp' ? { host: '127.0.0.1', port: 0 } : { path: join(folder, 's') });
      channel = createGrpcChannel({ address, clock: systemClock });
    });
    after(async () => {
      channel.close();
      await server.close();
      rmSync(folder, { recursive: true });
    });

    it('carries a stream of messages both ways', async () => {
      const messages = [Buffer.from('a'), Buffer.alloc(0), Buffer.alloc(900_000, 7)];
      const { got, status } = await collect(channel, '/t.T/Echo', messages);
      assert.deepEqual(status, { code: 0, message: '' });
      assert.ok(got.length === 3 && got.every((message, i) => message.equals(messages[i] ?? Buffer.of(1))));
      assert.match(calls.at(-1)?.peer ?? '', kind === 'tcp' ? /^127\.0\.0\.1:\d+$/ : /^unix$/);
    });
    it('answers unary calls and client streams', async () => {
      assert.equal(String(await channel.unary('/t.T/Upper', Buffer.from('abc'))), 'ABC');
      const { got } = await collect(channel, '/t.T/Count', [Buffer.alloc(10), Buffer.alloc(20)]);
      assert.equal(String(got[0]), '30');
    });
    it('carries status codes and messages', async () => {
      await assert.rejects(channel.unary('/t.T/Fail', Buffer.alloc(0)), {
        code: 'GRPC_FAILED_PRECONDITION',
        message: 'nicht möglich: 100%\n',
      });
      await assert.rejects(channel.unary('/t.T/None', Buffer.alloc(0)), { code: 'GRPC_UNIMPLEMENTED', message: /no method \/t\.T\/None/ });
      await assert.rejects(channel.unary('/t.T/Bug', Buffer.alloc(0)), { code: 'GRPC_INTERNAL', message: 'boom' });
    });
    it('refuses a message over the limit and serves the next call', async () => {
      const { status } = await collect(channel, '/t.T/Echo', [Buffer.alloc(1_000_001)]);
      assert.equal(status.code, grpcCode.resourceExhausted);
      assert.equal(String(await channel.unary('/t.T/Upper', Buffer.from('x'))), 'X');
    });
    it('keeps deadlines on both ends and cancels', async () => {
      await assert.rejects(channel.unary('/t.T/Hang', Buffer.alloc(0), { timeoutMs: 20 }), { code: 'GRPC_DEADLINE_EXCEEDED' });
      const controller = new AbortController();
      const pending = channel.unary('/t.T/Hang', Buffer.alloc(0), { signal: controller.signal });
      controller.abort();
      await assert.rejects(pending, { code: 'GRPC_CANCELLED' });
    });
  });
}

describe('faults', () => {
  it('says that nothing listens, and recovers when the server is back', async () => {
    const first = createGrpcServer({ methods, clock: systemClock, log });
    const address = await first.listen({ host: '127.0.0.1', port: 0 });
    const channel = createGrpcChannel({ address, clock: systemClock });
    await channel.unary('/t.T/Upper', Buffer.from('a'));
    await first.close();
    await assert.rejects(channel.unary('/t.T/Upper', Buffer.from('a')), { code: 'GRPC_UNAVAILABLE', retryable: true });
    const second = createGrpcServer({ methods, clock: systemClock, log });
    await second.listen(address);
    assert.equal(String(await channel.unary('/t.T/Upper', Buffer.from('b'))), 'B');
    await assert.rejects(createGrpcServer({ methods, clock: systemClock, log }).listen(address), {
      code: 'GRPC_LISTEN',
      message: /in use/,
    });
    channel.close();
    await second.close();
  });

  it('lets open calls end within the grace time of close', async () => {
    const server = createGrpcServer({ methods, clock: systemClock, log });
    const channel = createGrpcChannel({ address: await server.listen({ host: '127.0.0.1', port: 0 }), clock: systemClock });
    const got: string[] = [];
    let ended: (status: GrpcStatus) => void = () => {};
    const end = new Promise<GrpcStatus>((resolve) => {
      ended = resolve;
    });
    let first: () => void = () => {};
    const echoed = new Promise<void>((resolve) => {
      first = resolve;
    });
    const call = channel.stream('/t.T/Echo', {
      message: (bytes) => {
        got.push(String(bytes));
        first();
      },
      closed: ended,
    });
    call.send(Buffer.from('1'));
    await echoed;
    const closing = server.close(5000);
    call.send(Buffer.from('2'));
    call.end();
    assert.equal((await end).code, 0);
    assert.deepEqual(got, ['1', '2']);
    await closing;
    channel.close();
  });

  it('asks the calls of a connection that has reached its age to end, and takes new ones', async () => {
    const until: GrpcMethod = (call) => ({
      message: (bytes) => call.send(bytes),
      draining: () => call.finish({ code: grpcCode.unavailable, message: 'connect again' }),
    });
    const server = createGrpcServer({ methods: { '/t.T/Until': until }, clock: systemClock, log, maxConnectionAgeMs: 40 });
    const address = await server.listen({ host: '127.0.0.1', port: 0 });
    for (const round of ['first', 'second']) {
      const channel = createGrpcChannel({ address, clock: systemClock });
      const got: string[] = [];
      const status = await new Promise<GrpcStatus>((closed) => {
        const call = channel.stream('/t.T/Until', { message: (bytes) => got.push(String(bytes)), closed });
        call.send(Buffer.from(round));
      });
      assert.deepEqual([got, status], [[round], { code: grpcCode.unavailable, message: 'connect again' }]);
      channel.close();
    }
    await server.close();
  });

  it('answers what is not gRPC and survives garbage', async () => {
    const server = createGrpcServer({ methods, clock: systemClock, log });
    const address = await server.listen({ host: '127.0.0.1', port: 0 });
    assert.ok('port' in address);
    const session = http2.connect(`http://127.0.0.1:${address.port}`);
    const status = await new Promise((resolve) => {
      session.request({ ':path': '/t.T/Echo' }).on('response', (headers) => resolve(headers[':status']));
    });
    assert.equal(status, 415);
    const compressed = session.request({ ':method': 'POST', ':path': '/t.T/Echo', 'content-type': 'application/grpc' });
    compressed.resume();
    compressed.write(Buffer.from([1, 0, 0, 0, 1, 0]));
    const trailers = await new Promise<http2.IncomingHttpHeaders>((resolve) => {
      compressed.on('trailers', resolve);
    });
    assert.equal(trailers['grpc-status'], String(grpcCode.unimplemented));
    session.destroy();
    const { connect } = await import('node:net');
    await new Promise<void>((resolve) => {
      const raw = connect(address.port, '127.0.0.1', () => raw.write(Buffer.alloc(5000, 0xff)));
      raw.on('error', () => {});
      raw.on('close', () => resolve());
      raw.resume();
    });
    const channel = createGrpcChannel({ address, clock: systemClock });
    assert.equal(String(await channel.unary('/t.T/Upper', Buffer.from('ok'))), 'OK');
    channel.close();
    await server.close();
  });

  it('tells a handler when a slow reader has caught up, without queueing for it', async () => {
    let call: GrpcCall | undefined;
    let drained: () => void = () => {};
    const drain = new Promise<void>((resolve) => {
      drained = resolve;
    });
    const flood: GrpcMethod = (opened) => {
      call = opened;
      return { message: () => opened.sendFramed(frameMessage(Buffer.alloc(3_000_000))), drained: () => drained() };
    };
    const server = createGrpcServer({ methods: { '/t.T/Flood': flood }, clock: systemClock, log });
    const address = await server.listen({ host: '127.0.0.1', port: 0 });
    assert.ok('port' in address);
    const session = http2.connect(`http://127.0.0.1:${address.port}`);
    const stream = session.request({ ':method': 'POST', ':path': '/t.T/Flood', 'content-type': 'application/grpc' });
    stream.write(frameMessage(Buffer.of(1)));
    await new Promise((resolve) => stream.once('response', resolve));
    assert.equal(call?.writable, false);
    stream.resume();
    await drain;
    assert.equal(call?.writable, true);
    session.destroy();
    await server.close();
  });
});

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { Clock } from '#base/clock.ts';
import { startTraffic } from './traffic.ts';

/** Time that moves only when told. */
function handClock(): Clock & { advance(ms: number): void } {
  let now = 0;
  const timers = new Set<{ at: number; run: () => void }>();
  return {
    now: () => now,
    monotonic: () => now,
    random: () => 0.5,
    after(delayMs, run) {
      const timer = { at: now + delayMs, run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance(ms) {
      now += ms;
      for (const timer of [...timers].filter(({ at }) => at <= now)) {
        timers.delete(timer);
        timer.run();
      }
    },
  };
}

test('requests leave evenly, are counted by outcome, and one in four is a signed-in user', async () => {
  const cookies: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    cookies.push(request.headers.cookie);
    response.statusCode = cookies.length === 2 ? 503 : 200;
    response.end('page');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const clock = handClock();
  let target: { host: string; port: number; path: string } | undefined = { host: '127.0.0.1', port, path: '/' };
  const traffic = startTraffic({ target: () => target, rps: 10, clock });
  const answered = async (count: number) => {
    while (traffic.counts().ok + traffic.counts().failed < count) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  await answered(1);
  clock.advance(99);
  assert.equal(traffic.counts().sent, 1);
  clock.advance(1);
  await answered(2);
  clock.advance(10_000);
  await answered(3);
  assert.equal(traffic.counts().sent, 3, 'a pause is not made up for');
  clock.advance(100);
  await answered(4);
  assert.deepEqual(traffic.counts(), { sent: 4, ok: 3, failed: 1 });
  assert.deepEqual(cookies, [undefined, undefined, undefined, 'session=jason']);
  target = undefined;
  clock.advance(100);
  assert.equal(traffic.counts().sent, 4);
  target = { host: '127.0.0.1', port: 1, path: '/' };
  clock.advance(100);
  await answered(5);
  assert.equal(traffic.counts().failed, 2);
  traffic.stop();
  clock.advance(1_000);
  assert.equal(traffic.counts().sent, 5);
  server.close();
});

import type { Http2Session } from 'node:http2';
import type { Clock } from '#base/clock.ts';

/** Pings `session` every `intervalMs`; without an answer until the next turn it is destroyed. Returns the stop. */
export function keepAlive(session: Http2Session, intervalMs: number, clock: Clock, onDead: () => void): () => void {
  if (intervalMs <= 0) return () => {};
  let answered = true;
  let cancel = clock.after(intervalMs, beat);
  function beat(): void {
    if (session.destroyed || session.closed) return;
    if (!answered) {
      onDead();
      session.destroy();
      return;
    }
    answered = false;
    session.ping((error) => {
      answered = error === null;
    });
    cancel = clock.after(intervalMs, beat);
  }
  return () => cancel();
}

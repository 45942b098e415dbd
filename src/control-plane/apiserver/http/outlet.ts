import { type HttpResponse, write } from './exchange.ts';

/** Lines for one client, sent as fast as it reads; what waits is held as references and encoded when its turn comes. */
export interface Outlet {
  /** A line of the past: however many there are, they wait. */
  replay(line: () => Buffer): void;
  /** A line of the present, of about this size: a client with more of them unread than the limit is given up. */
  send(line: () => Buffer, sizeBytes: number): void;
}

interface Waiting {
  readonly line: () => Buffer;
  readonly sizeBytes: number;
}

/** `giveUp` is called when the limit is passed; it should end the response. */
export function createOutlet(response: HttpResponse, limitBytes: number, giveUp: () => void): Outlet {
  let waiting: Waiting[] = [];
  let next = 0;
  let waitingBytes = 0;
  let full = false;

  const drain = () => {
    full = false;
    for (let first = waiting[next]; first && !full; first = waiting[next]) {
      next += 1;
      waitingBytes -= first.sizeBytes;
      full = !write(response, first.line());
    }
    if (next < waiting.length) return;
    waiting = [];
    next = 0;
  };
  const put = (line: () => Buffer, sizeBytes: number) => {
    if (!full) {
      full = !write(response, line());
      return;
    }
    waiting.push({ line, sizeBytes });
    waitingBytes += sizeBytes;
  };
  response.on('drain', drain);

  return {
    replay: (line) => put(line, 0),
    send(line, sizeBytes) {
      put(line, sizeBytes);
      if (waitingBytes + response.writableLength > limitBytes) giveUp();
    },
  };
}

import type { LiveMessage, LiveTopic } from '../api.ts';

/** The little that is needed of a WebSocket. */
export interface LiveSocket {
  readonly bufferedAmount: number;
  send(text: string): void;
  close(code: number, reason: string): void;
}

type Unnumbered = LiveMessage extends infer M ? (M extends { readonly seq: number } ? Omit<M, 'seq'> : never) : never;

/** One attached socket. */
export interface LiveReader {
  /** From now on these topics and no others. */
  want(topics: ReadonlySet<LiveTopic>): void;
  detach(): void;
}

/** Numbers messages and hands each to whoever wants its topic. Encodes once, whatever the number of readers. */
export interface LiveHub {
  /** Number of the newest message; every state read now contains it. */
  readonly seq: number;
  readonly size: number;
  publish(topic: LiveTopic, message: Unnumbered): void;
  /** undefined: too many readers. */
  attach(socket: LiveSocket, topics: ReadonlySet<LiveTopic>, version: string): LiveReader | undefined;
  close(): void;
}

const maxReaders = 64;
/** Bytes that may wait for one reader before it misses messages. */
const maxWaiting = 4 * 1024 * 1024;

export function createLiveHub(): LiveHub {
  const readers = new Map<LiveSocket, { topics: ReadonlySet<LiveTopic>; missed: boolean }>();
  let seq = 0;
  return {
    get seq() {
      return seq;
    },
    get size() {
      return readers.size;
    },
    publish(topic, message) {
      seq++;
      let text: string | undefined;
      for (const [socket, reader] of readers) {
        if (socket.bufferedAmount > maxWaiting) reader.missed = true;
        else if (reader.missed) {
          reader.missed = false;
          socket.send(JSON.stringify({ seq, type: 'resync' }));
        } else if (reader.topics.has(topic)) {
          text ??= JSON.stringify({ seq, ...message });
          socket.send(text);
        }
      }
    },
    attach(socket, topics, version) {
      if (readers.size >= maxReaders) return undefined;
      const reader = { topics, missed: false };
      readers.set(socket, reader);
      socket.send(JSON.stringify({ seq, type: 'hello', version } satisfies LiveMessage));
      return {
        want(next) {
          reader.topics = next;
        },
        detach: () => readers.delete(socket),
      };
    },
    close() {
      for (const socket of readers.keys()) socket.close(1001, 'the server stops');
      readers.clear();
    },
  };
}

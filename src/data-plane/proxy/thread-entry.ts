import { parentPort, workerData } from 'node:worker_threads';
import { assert, messageOf } from '#base/fault.ts';
import { detach } from '#base/task.ts';
import { useBackEnd } from '#http/handle-writer.ts';
import { systemClock } from '#process/clock.ts';
import { DataPlane } from './data-plane.ts';
import type { FromThread, ThreadData, ToThread } from './thread-messages.ts';

/** The data-plane thread: carries messages between the control thread and its `DataPlane`. Importing it starts it. */
const port = parentPort;
assert(port !== null, 'the data-plane worker runs only as a worker thread');
const say = (message: FromThread): void => port.postMessage(message);
const { backEnd, facts } = workerData as ThreadData;
useBackEnd(backEnd);
const plane = new DataPlane({
  facts,
  clock: systemClock,
  report: (level, message, context = {}) => say({ kind: 'report', level, message, context }),
  records: (batch) => say({ kind: 'records', batch }),
});

async function obey(message: ToThread): Promise<void> {
  switch (message.kind) {
    case 'update':
      return say({ kind: 'applied', id: message.id, applied: await plane.apply(message.update) });
    case 'stats':
      return say({ kind: 'stats', id: message.id, stats: plane.stats() });
    case 'recording':
      plane.recording = message.on;
      return;
    case 'drain':
      return plane.drain(message.drain);
    case 'close':
      await plane.close();
      return say({ kind: 'closed', id: message.id });
  }
}

// A broken invariant must not leave half-served connections behind: the thread ends and the control thread starts another.
port.on('message', (message: ToThread) =>
  detach(obey(message), (text) =>
    say({ kind: 'report', level: 'error', message: `command ${message.kind} failed: ${messageOf(text)}`, context: {} }),
  ),
);

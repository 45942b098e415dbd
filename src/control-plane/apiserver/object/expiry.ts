import type { Clock } from '#base/clock.ts';
import { messageOf } from '#base/fault.ts';
import type { KubeObject } from '#kube/object.ts';
import type { Logger } from '#process/log.ts';
import type { ObjectStore } from '../store.ts';

/** Events older than this go, as in Kubernetes: they tell what happens now, and must not fill the disk. */
const eventLifeMs = 3_600_000;
const sweepEveryMs = 300_000;
const events = { group: '', kind: 'Event' };

/** Removes old events from time to time; the returned function stops that. */
export function expireEvents(store: ObjectStore, clock: Clock, log: Logger): () => void {
  const sweep = () => {
    try {
      for (const event of store.list(events)) {
        if (clock.now() - lastSeen(event) > eventLifeMs)
          store.delete({ ...events, namespace: event.metadata.namespace ?? '', name: event.metadata.name });
      }
    } catch (error) {
      log.warn('old events could not be removed', { error: messageOf(error) });
    }
    cancel = clock.after(sweepEveryMs, sweep);
  };
  let cancel = clock.after(sweepEveryMs, sweep);
  return () => cancel();
}

function lastSeen({ lastTimestamp, eventTime, metadata }: KubeObject): number {
  const times = [lastTimestamp, eventTime, metadata.creationTimestamp].map((time) =>
    typeof time === 'string' ? Date.parse(time) : Number.NaN,
  );
  return Math.max(0, ...times.filter((time) => !Number.isNaN(time)));
}

import type { Connection } from './connections.ts';

/** How far the proxies have come. */
export interface Watermark {
  readonly epoch: number;
  readonly proxies: number;
  /** Proxies that acknowledged this state or a later one. */
  readonly reached: number;
  /** Proxies that got there but for a part they rejected, which is held back. */
  readonly rejected: number;
}

/** `processedEpoch` is the state that every group has been brought to. O(proxies). */
export function watermarkOf<Scope>(connections: readonly Connection<Scope>[], epoch: number, processedEpoch: number): Watermark {
  let reached = 0;
  let rejected = 0;
  for (const connection of connections) {
    if (!hasReached(connection, epoch, processedEpoch)) continue;
    if (isRejecting(connection)) rejected++;
    else reached++;
  }
  return { epoch, proxies: connections.length, reached, rejected };
}

/** Whether a proxy holds something back, of any type or of one (`cds`, ...). */
export function isRejecting<Scope>({ stream }: Connection<Scope>, isWanted: (typeUrl: string) => boolean = () => true): boolean {
  for (const { subscription } of stream.types) if (subscription.rejection && isWanted(subscription.typeUrl)) return true;
  return false;
}

/** A type that did not change since the proxy acknowledged it counts as being at the processed state. */
function hasReached<Scope>({ stream, group }: Connection<Scope>, epoch: number, processedEpoch: number): boolean {
  let asked = false;
  for (const { subscription } of stream.types) {
    asked = true;
    if (subscription.ackedEpoch >= epoch) continue;
    const set = group.scope.current(subscription.typeUrl, subscription.selection);
    if (processedEpoch < epoch || (set && !subscription.settledAt(set))) return false;
  }
  return asked;
}

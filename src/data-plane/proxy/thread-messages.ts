import type { BackEnd } from '#http/handle-writer.ts';
import type { Applied, Drain, ThreadStats } from './data-plane.ts';
import type { AccessRecord } from './records.ts';
import type { NodeFacts } from './runtime.ts';
import type { TableUpdate } from './table.ts';

/** What a data-plane thread is started with. */
export interface ThreadData {
  readonly facts: NodeFacts;
  readonly backEnd: BackEnd;
  /** Folder of compiled code that the process keeps between runs; a thread does not find it by itself. */
  readonly compileCache: string | undefined;
}

/** What the control thread says to a data-plane thread. */
export type ToThread =
  | { readonly kind: 'update'; readonly id: number; readonly update: TableUpdate }
  | { readonly kind: 'stats'; readonly id: number }
  | { readonly kind: 'recording'; readonly on: boolean }
  | { readonly kind: 'drain'; readonly drain: Drain }
  | { readonly kind: 'close'; readonly id: number };

/** What a data-plane thread says back. */
export type FromThread =
  | { readonly kind: 'applied'; readonly id: number; readonly applied: Applied }
  | { readonly kind: 'stats'; readonly id: number; readonly stats: ThreadStats }
  | { readonly kind: 'closed'; readonly id: number }
  | { readonly kind: 'records'; readonly batch: readonly AccessRecord[] }
  | {
      readonly kind: 'report';
      readonly level: 'info' | 'warn' | 'error';
      readonly message: string;
      readonly context: Readonly<Record<string, unknown>>;
    };

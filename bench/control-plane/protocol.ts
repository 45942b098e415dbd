/** What the bench and its two processes say to each other. Times are the machine's monotonic clock in milliseconds. */
import type { ShapeName } from './mesh.ts';

export type ToServer =
  | { readonly do: 'start'; readonly shape: ShapeName }
  | { readonly do: 'endpoint' | 'weight'; readonly change: number }
  /** Say when every proxy has acknowledged. */
  | { readonly do: 'settle' }
  | { readonly do: 'check' }
  | { readonly do: 'quit' };

export type FromServer =
  | { readonly is: 'listening'; readonly port: number; readonly routeNames: Readonly<Record<string, readonly string[]>> }
  | { readonly is: 'changed'; readonly at: number; readonly epoch: number }
  | { readonly is: 'settled'; readonly reached: number; readonly rejected: number }
  /** All acknowledged; the digest of names and versions by namespace. */
  | { readonly is: 'checked'; readonly reached: number; readonly rejected: number; readonly digests: Readonly<Record<string, string>> };

export type ToClients =
  | {
      readonly do: 'start';
      readonly shape: ShapeName;
      readonly proxies: number;
      readonly port: number;
      readonly routeNames: Readonly<Record<string, readonly string[]>>;
    }
  | { readonly do: 'expect'; readonly type: 'eds' | 'rds'; readonly name: string }
  | { readonly do: 'check' }
  | { readonly do: 'quit' };

export type FromClients =
  | { readonly is: 'ready' }
  | { readonly is: 'configured'; readonly startedAt: number; readonly doneAt: readonly number[]; readonly bytesPerProxy: number }
  /** When each proxy had the whole changed message. */
  | { readonly is: 'received'; readonly at: readonly number[]; readonly bytes: number }
  | { readonly is: 'checked'; readonly digests: Readonly<Record<string, readonly string[]>>; readonly wrong: readonly string[] };

/** Milliseconds of the clock that all processes of one machine share. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

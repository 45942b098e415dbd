import { fieldIdOf } from '#http/field.ts';
import type { HeadLimits } from '#http/head.ts';
import { type CompiledFault, compileFault } from '../filter/fault.ts';
import { AccessLogs, type LinkedLog } from '../log/access-log.ts';
import type { Runtime } from '../runtime.ts';
import type { HttpChainTable } from '../table.ts';
import { RouteConfig } from './router.ts';

/** An HTTP connection manager ready to serve. */
export interface HttpChain {
  readonly table: HttpChainTable;
  readonly listenerName: string;
  readonly chainName: string;
  readonly direction: string;
  readonly outbound: boolean;
  readonly limits: HeadLimits;
  readonly server: Buffer;
  readonly hasCors: boolean;
  readonly hasFault: boolean;
  readonly fault: CompiledFault | undefined;
  readonly logs: readonly LinkedLog[];
  /** Response fields that logs show: name, and its scanner id or 0. */
  readonly loggedResponseFields: readonly { readonly name: string; readonly bytes: Uint8Array; readonly id: number }[];
  /** Bytes of request body kept for retries and mirrors. */
  readonly bufferLimit: number;
  routes(): RouteConfig | undefined;
}

export interface ChainPlace {
  readonly listenerName: string;
  readonly chainName: string;
  readonly direction: string;
  readonly bufferLimit: number;
}

export function linkHttpChain(runtime: Runtime, table: HttpChainTable, place: ChainPlace): HttpChain {
  const inline = table.routes === undefined ? undefined : new RouteConfig(table.routes);
  const fault = table.filters.find((filter) => filter.kind === 'fault');
  return {
    table,
    ...place,
    outbound: place.direction !== 'inbound',
    limits: { maxBytes: table.maxHeadBytes, maxFields: table.maxFields },
    server: Buffer.from(table.serverName, 'latin1'),
    hasCors: table.filters.some((filter) => filter.kind === 'cors'),
    hasFault: fault !== undefined,
    fault: fault?.fault === undefined ? undefined : compileFault(fault.fault),
    logs: runtime.logs.link(table.logs),
    loggedResponseFields: AccessLogs.responseFields(table.logs).map((name) => ({ name, bytes: Buffer.from(name), id: fieldIdOf(name) })),
    routes: inline === undefined ? () => runtime.routes.get(table.routeName) : () => inline,
  };
}

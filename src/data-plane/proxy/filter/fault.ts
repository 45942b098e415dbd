import type { RequestView } from '../http/request-view.ts';
import { requestTests } from '../http/rules.ts';
import type { FaultTable } from '../table.ts';

export interface CompiledFault {
  readonly table: FaultTable;
  /** Whether the fault looks at this request at all. */
  readonly applies: (view: RequestView) => boolean;
  /** Requests under this fault now. */
  active: number;
}

export function compileFault(table: FaultTable): CompiledFault {
  const test = requestTests(table.headers, []);
  return { table, applies: test ?? (() => true), active: 0 };
}

/** Whether chance picks a request; `fraction` in millionths. */
export function drawn(fraction: number, random: () => number): boolean {
  return fraction >= 1000000 || (fraction > 0 && random() * 1000000 < fraction);
}

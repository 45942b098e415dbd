import { lowerBytes } from '#http/ascii.ts';
import { fieldText, type RequestView } from '../http/request-view.ts';
import { type TextTest, textTest } from '../http/rules.ts';
import type { CorsTable } from '../table.ts';

export interface CompiledCors {
  readonly table: CorsTable;
  readonly allows: TextTest;
}

export function compileCors(table: CorsTable): CompiledCors {
  const tests = table.origins.map(textTest);
  const any = table.origins.some((rule) => rule.kind === 'exact' && rule.value === '*');
  return { table, allows: (origin) => any || tests.some((test) => test(origin)) };
}

const requestMethod = lowerBytes('access-control-request-method');
const privateNetwork = lowerBytes('access-control-request-private-network');
const originName = lowerBytes('origin');

export type HeaderLine = readonly [name: string, value: string];

/** What CORS says about one request: nothing, an answer to a preflight, or lines for the response to come. */
export interface CorsVerdict {
  readonly preflight: boolean;
  /** A preflight from an origin that is not allowed, and the policy keeps such from the service. */
  readonly refuse: boolean;
  readonly lines: readonly HeaderLine[];
}

export function judge(cors: CompiledCors, view: RequestView): CorsVerdict | undefined {
  const origin = fieldText(view.request, view.requestBytes, 0, originName);
  if (origin === undefined || origin === '') return undefined;
  const preflight = view.method === 'OPTIONS' && (fieldText(view.request, view.requestBytes, 0, requestMethod) ?? '') !== '';
  if (!cors.allows(origin)) return preflight && !cors.table.forwardNotMatching ? { preflight, refuse: true, lines: [] } : undefined;
  const lines: HeaderLine[] = [['access-control-allow-origin', origin]];
  const table = cors.table;
  if (table.allowCredentials) lines.push(['access-control-allow-credentials', 'true']);
  if (!preflight) {
    if (table.exposeHeaders !== '') lines.push(['access-control-expose-headers', table.exposeHeaders]);
    return { preflight, refuse: false, lines };
  }
  if (table.allowMethods !== '') lines.push(['access-control-allow-methods', table.allowMethods]);
  if (table.allowHeaders !== '') lines.push(['access-control-allow-headers', table.allowHeaders]);
  if (table.maxAge !== '') lines.push(['access-control-max-age', table.maxAge]);
  if (table.allowPrivateNetwork && fieldText(view.request, view.requestBytes, 0, privateNetwork) === 'true') {
    lines.push(['access-control-allow-private-network', 'true']);
  }
  return { preflight, refuse: false, lines };
}

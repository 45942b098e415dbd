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
  readonly lines: readonly HeaderLine[];
}

export function judge(cors: CompiledCors, view: RequestView): CorsVerdict | undefined {
  const origin = fieldText(view.request, view.requestBytes, 0, originName);
  if (origin === undefined || origin === '') return undefined;
  const preflight = view.method === 'OPTIONS' && (fieldText(view.request, view.requestBytes, 0, requestMethod) ?? '') !== '';
  const allowed = cors.allows(origin);
  const table = cors.table;
  if (!allowed && (!preflight || table.forwardNotMatching)) return undefined;
  const lines: HeaderLine[] = [];
  const add = (name: string, value: string) => value !== '' && lines.push([name, value]);
  if (allowed) add('access-control-allow-origin', origin);
  if (allowed && table.allowCredentials) add('access-control-allow-credentials', 'true');
  add('access-control-expose-headers', table.exposeHeaders);
  if (!preflight) return { preflight, lines };
  add('access-control-allow-methods', table.allowMethods);
  add('access-control-allow-headers', table.allowHeaders);
  add('access-control-max-age', table.maxAge);
  const wantsPrivate = fieldText(view.request, view.requestBytes, 0, privateNetwork) === 'true';
  if (allowed && table.allowPrivateNetwork && wantsPrivate) add('access-control-allow-private-network', 'true');
  return { preflight, lines };
}

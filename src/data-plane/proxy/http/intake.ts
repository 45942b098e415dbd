import type { HttpChain } from './chain.ts';
import type { ExchangeState } from './exchange-state.ts';
import { withoutPort } from './router.ts';
import { mayNeedNormalizing, normalizePath, parseTarget } from './target.ts';

/** Why a request goes no further than its target. With a `location` the client is sent there. */
export interface TargetRefusal {
  readonly status: number;
  readonly body: string;
  readonly details: string;
  readonly location?: string;
}

/** Reads authority and path of a scanned request into `state`, in the form that rules see; or says why it is refused. */
export function readTarget(state: ExchangeState): TargetRefusal | undefined {
  const { chain, request, requestBytes } = state;
  if (chain === undefined) return undefined;
  const { table } = chain;
  const at = request.hostField;
  const sentHost = at >= 0 ? requestBytes.latin1Slice(request.valueStart(at), request.valueEnd(at)) : '';
  if (request.minorVersion === 0 && !table.acceptHttp10) return { status: 426, body: 'Upgrade Required', details: 'low_version' };
  const target = requestBytes.latin1Slice(request.targetStart, request.targetEnd);
  const parsed = parseTarget(state.method, target, sentHost || table.defaultHost);
  if (parsed === undefined) return { status: 400, body: 'Bad Request', details: 'http1.invalid_url' };
  if (parsed.authority === '') return { status: 400, body: '', details: 'missing_host_header' };
  state.authorityFromTarget = parsed.authority !== sentHost;
  state.sentAuthority = parsed.authority;
  state.authority = authorityOf(parsed.authority, chain, state.connection?.facts.localPort ?? 0);
  state.path = parsed.path;
  state.pathChanged = parsed.path !== target;
  const refusal = normalize(state, chain);
  if (refusal !== undefined) return refusal;
  const query = state.path.indexOf('?');
  state.queryAt = query < 0 ? state.path.length : query;
  return undefined;
}

function normalize(state: ExchangeState, { table }: HttpChain): TargetRefusal | undefined {
  if (!table.normalizePath && !table.mergeSlashes && table.escapedSlashes === 'keep') return undefined;
  if (!mayNeedNormalizing(state.path)) return undefined;
  const details = 'path_normalization_failed';
  const normal = normalizePath(state.path, table);
  if (normal === undefined) return { status: 400, body: '', details };
  if (normal.redirect) return { status: 307, body: '', details, location: normal.path };
  state.pathChanged ||= normal.path !== state.path;
  state.path = normal.path;
  return undefined;
}

/** Lower case, without the port or final dot that the chain wants gone. */
function authorityOf(sent: string, { table }: HttpChain, localPort: number): string {
  let authority = sent.toLowerCase();
  const strip = table.stripPort === 'any' || (table.stripPort === 'matching' && authority.endsWith(`:${localPort}`));
  if (strip) authority = withoutPort(authority);
  return table.stripTrailingDot ? authority.replace(/\.(?=$|:\d+$)/, '') : authority;
}

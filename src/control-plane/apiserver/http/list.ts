import { fieldSelector, labelSelector, type Selector } from '../object/selector.ts';
import type { Objects } from '../objects.ts';
import { badRequest, expired, refuse } from '../status.ts';
import type { Entry } from '../storage/entry.ts';
import { type Exchange, sendJson } from './exchange.ts';
import type { Target } from './target.ts';
import type { ListMetadata, View } from './view.ts';

interface Page {
  readonly entries: readonly Entry[];
  readonly metadata: ListMetadata;
}

/** Both selectors of a query as one test. */
export function selectorOf(query: URLSearchParams, target: Target): Selector {
  const labels = labelSelector(query.get('labelSelector') ?? '');
  const fields = fieldSelector(query.get('fieldSelector') ?? '', target.kind.kind);
  return (object) => labels(object) && fields(object);
}

export function list(exchange: Exchange, objects: Objects, target: Target, view: View, now: number): void {
  const page = readPage(exchange.query, objects, target);
  sendJson(exchange, 200, view.list(page.entries, page.metadata, now), view.contentType);
}

/**
 * One page. All pages of a list show the state of its first: later changes are taken back by the ledger's history. When
 * that no longer reaches so far the answer is Expired, with a token that goes on with the present state.
 */
export function readPage(query: URLSearchParams, objects: Objects, target: Target): Page {
  const limit = wholeNumber(query, 'limit');
  const token = query.get('continue') ? readToken(query.get('continue') ?? '') : undefined;
  const version = token ? token.version || objects.ledger.version() : listVersion(query, objects);
  const matches = selectorOf(query, target);
  const everything = objects.ledger.listAt({ group: target.kind.group, kind: target.kind.kind }, target.namespace, version);
  if (!everything) throw forgotten(token);
  const after = token?.after;
  const rest = everything.filter((entry) => (after === undefined || keyOf(entry) > after) && matches(entry.object));
  const entries = limit > 0 ? rest.slice(0, limit) : rest;
  const last = entries.at(-1);
  const remaining = rest.length - entries.length;
  const selects = query.get('labelSelector') || query.get('fieldSelector');
  const metadata = {
    resourceVersion: String(version),
    ...(remaining > 0 && last
      ? { continue: writeToken({ version, after: keyOf(last) }), ...(selects ? {} : { remainingItemCount: remaining }) }
      : {}),
  };
  return { entries, metadata };
}

/** A number of a query that may be absent (0). */
export function wholeNumber(query: URLSearchParams, name: string): number {
  const text = query.get(name) ?? '';
  if (text !== '' && !/^\d{1,15}$/.test(text)) throw badRequest(`${name} must be a whole number, found ${JSON.stringify(text)}`);
  return Number(text);
}

function listVersion(query: URLSearchParams, objects: Objects): number {
  const current = objects.ledger.version();
  const wanted = wholeNumber(query, 'resourceVersion');
  const match = query.get('resourceVersionMatch') ?? '';
  if (!['', 'Exact', 'NotOlderThan'].includes(match))
    throw badRequest(`resourceVersionMatch must be Exact or NotOlderThan, found ${JSON.stringify(match)}`);
  if (match !== '' && !query.get('resourceVersion'))
    throw badRequest('resourceVersionMatch is forbidden unless resourceVersion is provided');
  if (wanted > current) {
    throw refuse({
      code: 504,
      reason: 'Timeout',
      message: `Too large resource version: ${wanted}, current: ${current}`,
      details: { causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version', field: '' }], retryAfterSeconds: 1 },
    });
  }
  if (match !== 'Exact') return current;
  if (wanted === 0) throw badRequest('resourceVersionMatch "Exact" is forbidden for resourceVersion "0"');
  return wanted;
}

interface Token {
  readonly version: number;
  readonly after: string;
}

function keyOf(entry: Entry): string {
  return `${entry.ref.namespace}\0${entry.ref.name}`;
}

function writeToken(token: Token): string {
  return Buffer.from(JSON.stringify({ v: 1, rv: token.version, after: token.after })).toString('base64url');
}

function readToken(text: string): Token {
  try {
    const { v, rv, after } = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as { v?: unknown; rv?: unknown; after?: unknown };
    if (v === 1 && typeof rv === 'number' && typeof after === 'string') return { version: rv, after };
  } catch {
    // Falls through to the refusal: any damage has the same answer.
  }
  throw badRequest('continue key is not valid: it must be the metadata.continue of an earlier page');
}

function forgotten(token: Token | undefined): Error {
  return expired(
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list.',
    // Version 0 stands for the present state.
    token && writeToken({ version: 0, after: token.after }),
  );
}

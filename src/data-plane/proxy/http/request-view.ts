import type { Head } from '#http/head.ts';

/** A request as rules and formats see it. Strings are made once per request, header values only when asked for. */
export interface RequestView {
  readonly request: Head;
  /** The head's own bytes; offsets of `request` count from their start. */
  readonly requestBytes: Buffer;
  readonly method: string;
  /** Lower case, with its port if it was sent. */
  readonly authority: string;
  /** With query; normalised. */
  readonly path: string;
  /** Where the query starts in `path` (the `?`), or its length. */
  readonly queryAt: number;
  readonly scheme: string;
  /** A field that the proxy added on the way; undefined for all others. `name` is lower case. */
  addedField(name: string): string | undefined;
}

/** The value of a request field or pseudo-field, several lines joined by commas; undefined when absent. `lower` names it. */
export function requestField(view: RequestView, name: string, lower: Uint8Array): string | undefined {
  if (name.charCodeAt(0) === 58) {
    if (name === ':path') return view.path;
    if (name === ':method') return view.method;
    if (name === ':authority') return view.authority;
    return name === ':scheme' ? view.scheme : undefined;
  }
  return fieldText(view.request, view.requestBytes, 0, lower) ?? view.addedField(name);
}

/** The value of a field in any scanned head, several lines joined by commas; undefined when absent. */
export function fieldText(head: Head, bytes: Buffer, start: number, lower: Uint8Array): string | undefined {
  let at = head.find(bytes, start, lower);
  if (at < 0) return undefined;
  let text = bytes.latin1Slice(start + head.valueStart(at), start + head.valueEnd(at));
  for (at = head.find(bytes, start, lower, at + 1); at >= 0; at = head.find(bytes, start, lower, at + 1)) {
    text += `,${bytes.latin1Slice(start + head.valueStart(at), start + head.valueEnd(at))}`;
  }
  return text;
}

/** The first value of a query parameter, as it was sent; undefined when absent. */
export function queryValue(view: RequestView, name: string): string | undefined {
  const query = view.path.slice(view.queryAt + 1);
  for (const part of query.split('&')) {
    const equals = part.indexOf('=');
    const key = equals < 0 ? part : part.slice(0, equals);
    if (key === name && part !== '') return equals < 0 ? '' : part.slice(equals + 1);
  }
  return undefined;
}

/** The value of a cookie; undefined when absent. */
export function cookieValue(view: RequestView, name: string): string | undefined {
  const text = fieldText(view.request, view.requestBytes, 0, cookieName);
  for (const part of (text ?? '').split(/[;,]/)) {
    const equals = part.indexOf('=');
    if (equals > 0 && part.slice(0, equals).trim() === name)
      return part
        .slice(equals + 1)
        .trim()
        .replace(/^"(.*)"$/, '$1');
  }
  return undefined;
}

const cookieName = new TextEncoder().encode('cookie');

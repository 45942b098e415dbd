/** Reading and normalising request targets. */

export interface ParsedTarget {
  authority: string;
  /** With query; starts with `/`, or is `*`; empty for CONNECT. */
  path: string;
}

const absolute = /^https?:\/\/([^/?#]+)(\/[^#]*|\?[^#]*|)$/i;
const authorityForm = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9\-._~%]+):\d{1,5}$/;

/**
 * Splits a target by its form: origin (`/x`), absolute (`http://a/x`), asterisk (OPTIONS only), authority (CONNECT
 * only). Undefined when the form does not fit the method.
 */
export function parseTarget(method: string, target: string, host: string): ParsedTarget | undefined {
  if (method === 'CONNECT') return authorityForm.test(target) ? { authority: target, path: '' } : undefined;
  if (target.charCodeAt(0) === 47) return target.includes('#') ? undefined : { authority: host, path: target };
  if (target === '*') return method === 'OPTIONS' ? { authority: host, path: '*' } : undefined;
  const match = absolute.exec(target);
  if (match === null) return undefined;
  const authority = match[1] ?? '';
  if (authority.includes('@') || /[^A-Za-z0-9\-._~%!$&'()*+,;=:[\]]/.test(authority)) return undefined;
  const rest = match[2] ?? '';
  return { authority, path: rest.startsWith('/') ? rest : `/${rest}` };
}

export interface PathOptions {
  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  readonly escapedSlashes: 'keep' | 'reject' | 'redirect' | 'forward';
}

/**
 * The path as rules must see it: dot segments resolved, escapes of unreserved characters undone, backslashes as
 * slashes; then, as asked, escaped slashes and runs of slashes. `undefined` refuses the request; `redirect` names the
 * path the client should ask for.
 */
export function normalizePath(path: string, options: PathOptions): { readonly path: string; readonly redirect?: boolean } | undefined {
  const query = path.indexOf('?');
  let text = query < 0 ? path : path.slice(0, query);
  const rest = query < 0 ? '' : path.slice(query);
  let redirect = false;
  if (options.escapedSlashes !== 'keep' && /%(?:2f|5c)/i.test(text)) {
    if (options.escapedSlashes === 'reject') return undefined;
    text = text.replace(/%2f/gi, '/').replace(/%5c/gi, '\\');
    redirect = options.escapedSlashes === 'redirect';
  }
  if (options.normalizePath) {
    if (/%(?:00|(?![0-9a-fA-F]{2}))/.test(text)) return undefined;
    text = text.replaceAll('\\', '/').replace(/%[0-9a-fA-F]{2}/g, (encoded) => {
      const char = String.fromCharCode(Number.parseInt(encoded.slice(1), 16));
      return /[A-Za-z0-9\-._~]/.test(char) ? char : encoded;
    });
    text = resolveDots(text);
  }
  if (options.mergeSlashes) text = text.replace(/\/{2,}/g, '/');
  return redirect ? { path: text + rest, redirect } : { path: text + rest };
}

/** Whether `normalizePath` could change anything: the quick test on the request path. */
export function mayNeedNormalizing(path: string): boolean {
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code === 63) return false;
    if (code === 37 || code === 92) return true;
    if (code === 47) {
      const next = path.charCodeAt(i + 1);
      if (next === 46 || next === 47) return true;
    }
  }
  return false;
}

function resolveDots(path: string): string {
  if (!path.includes('/.')) return path;
  const kept: string[] = [];
  const segments = path.split('/');
  segments.forEach((segment, index) => {
    const last = index === segments.length - 1;
    if (segment === '.') {
      if (last) kept.push('');
    } else if (segment === '..') {
      if (kept.length > 1) kept.pop();
      if (last) kept.push('');
    } else {
      kept.push(segment);
    }
  });
  const text = kept.join('/');
  return text.startsWith('/') ? text : `/${text}`;
}

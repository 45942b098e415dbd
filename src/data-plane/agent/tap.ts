import type { ServerResponse } from 'node:http';
import type { AccessRecord } from './access-record.ts';
import { tapLine } from './tap-entry.ts';

/** Which records a listener wants; absent = any. */
export interface TapFilter {
  readonly reporter?: string;
  readonly method?: string;
  /** The path begins with it. */
  readonly path?: string;
  /** `404`, or a class such as `5xx`. */
  readonly status?: string;
  /** Part of the called service's host name. */
  readonly service?: string;
}

/** The listeners of one agent's tap stream. Costs one comparison per record while there are none. */
export interface Tap {
  offer(record: AccessRecord): void;
  /** Writes matching records to `response`, one entry per line, until either side closes. */
  attach(response: ServerResponse, filter: TapFilter): void;
  close(): void;
}

/** Bytes a slow listener may leave unread before records are left out for it. */
const mostUnreadBytes = 1024 * 1024;

/** `onListening` is told when the first listener comes and when the last goes. */
export function createTap(onListening: (listening: boolean) => void): Tap {
  const listeners = new Map<ServerResponse, TapFilter>();
  return {
    offer(record) {
      if (listeners.size === 0) return;
      let line: string | undefined;
      for (const [response, filter] of listeners) {
        if (!matches(record, filter) || response.writableLength > mostUnreadBytes) continue;
        line ??= tapLine(record);
        response.write(line);
      }
    },
    attach(response, filter) {
      response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
      response.flushHeaders();
      if (listeners.size === 0) onListening(true);
      listeners.set(response, filter);
      response.on('close', () => {
        listeners.delete(response);
        if (listeners.size === 0) onListening(false);
      });
    },
    close() {
      for (const response of listeners.keys()) response.end();
    },
  };
}

/** Unknown names are an error, so that a mistyped filter does not silently show everything. */
export function decodeTapFilter(query: URLSearchParams): TapFilter | { readonly error: string } {
  const known = ['reporter', 'method', 'path', 'status', 'service'];
  const unknown = [...query.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined) return { error: `unknown filter ${unknown}; known: ${known.join(', ')}` };
  const status = query.get('status');
  if (status && !/^[1-5](xx|\d\d)$/.test(status)) return { error: `status ${status} is neither like 404 nor like 5xx` };
  return Object.fromEntries([...query].filter(([, value]) => value !== ''));
}

function matches(record: AccessRecord, filter: TapFilter): boolean {
  const code = String(record.responseCode);
  return (
    (filter.reporter === undefined || filter.reporter === record.reporter) &&
    (filter.method === undefined || filter.method === record.method) &&
    (filter.path === undefined || record.path.startsWith(filter.path)) &&
    (filter.status === undefined ||
      (filter.status.endsWith('xx') ? code[0] === filter.status[0] && code !== '0' : code === filter.status)) &&
    (filter.service === undefined || record.destinationService.includes(filter.service))
  );
}

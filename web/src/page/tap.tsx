import { useEffect, useState } from 'react';
import type { ApiError, TapRecord } from '#server/api.ts';
import { clockTime, duration } from '../format.ts';
import { errorOf, RequestFailed } from '../state/api.ts';
import { useWritable } from '../state/session.ts';
import { Button } from '../ui/button.tsx';
import { Empty, ErrorBox } from '../ui/states.tsx';
import { Status } from '../ui/status.tsx';

const kept = 200;

interface Seen extends TapRecord {
  readonly number: number;
}

/** Requests as they happen, newest first. Runs only while it is on the screen. */
export function Tap({ query }: { readonly query: string }) {
  const [records, setRecords] = useState<readonly Seen[]>([]);
  const [paused, setPaused] = useState(false);
  const [onlyFailed, setOnlyFailed] = useState(false);
  const [error, setError] = useState<ApiError>();
  const writable = useWritable();
  useEffect(() => {
    if (paused || !writable) return;
    const stop = new AbortController();
    setError(undefined);
    follow(query, stop.signal, (fresh) => setRecords((held) => [...fresh.toReversed(), ...held].slice(0, kept))).catch(
      (thrown: unknown) => {
        if (!stop.signal.aborted) setError(errorOf(thrown));
      },
    );
    return () => stop.abort();
  }, [query, paused, writable]);

  const shown = onlyFailed ? records.filter(failed) : records;
  if (writable === false)
    return <Empty>Requests may hold private data, so they are shown only to pages that may write. Unlock the page, top right.</Empty>;
  return (
    <>
      <div className="row">
        <Button pressed={paused} onClick={() => setPaused(!paused)}>
          {paused ? 'Go on' : 'Pause'}
        </Button>
        <Button pressed={onlyFailed} onClick={() => setOnlyFailed(!onlyFailed)}>
          Only failed
        </Button>
        <span className="muted number">{records.length} kept</span>
      </div>
      {error && <ErrorBox error={error} onRetry={() => setPaused(true)} />}
      {shown.length ? (
        <div className="table-frame">
          <table aria-label="Live requests">
            <thead>
              <tr>
                <th scope="col">Time</th>
                <th scope="col">From</th>
                <th scope="col">To</th>
                <th scope="col">Method</th>
                <th scope="col" className="wide">
                  Path
                </th>
                <th scope="col">Status</th>
                <th scope="col" className="right">
                  Took
                </th>
                <th scope="col">Routed by</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((record) => (
                <tr key={record.number}>
                  <td className="number muted">{clockTime(record.at)}</td>
                  <td className="mono">{record.source || 'outside'}</td>
                  <td className="mono">{record.destination || record.cluster}</td>
                  <td>{record.method}</td>
                  <td className="mono wide" title={`${record.authority}${record.path}`}>
                    {record.path}
                  </td>
                  <td>
                    <Status tone={failed(record) ? 'bad' : record.status >= 400 ? 'warn' : 'ok'}>{statusText(record)}</Status>
                  </td>
                  <td className="right number">{duration(record.durationMs)}</td>
                  <td className="muted">{record.origin || record.route}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        !error && <Empty>{records.length ? 'None of the kept requests failed.' : 'Waiting for the next request.'}</Empty>
      )}
    </>
  );
}

function failed({ method, status, flags }: TapRecord): boolean {
  return method === 'TCP' ? flags !== '' : status === 0 || status >= 500;
}

function statusText({ method, status, flags }: TapRecord): string {
  return [method === 'TCP' ? (flags ? '' : 'closed') : String(status), flags].filter(Boolean).join(' ');
}

/** Reads the stream of lines until it is stopped, handing over what came together. */
async function follow(query: string, signal: AbortSignal, take: (records: readonly Seen[]) => void): Promise<void> {
  const response = await fetch(`/api/v1/tap?${query}`, { signal });
  if (!response.ok || !response.body) throw new RequestFailed(response.status, await response.json());
  let rest = '';
  let number = 0;
  for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + part).split('\n');
    rest = lines.pop() ?? '';
    const fresh = lines
      .map((line): unknown => JSON.parse(line))
      .filter((value): value is TapRecord => typeof value === 'object' && value !== null && 'status' in value)
      .map((record) => ({ ...record, number: ++number }));
    if (fresh.length) take(fresh);
  }
}

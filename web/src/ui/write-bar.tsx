import { useEffect, useState } from 'react';
import type { ApiError, Change, WatermarkView } from '#server/api.ts';
import { plural } from '../format.ts';
import { errorOf, request } from '../state/api.ts';
import { dismissWrite, undo, useLatestWrite } from '../state/writes.ts';
import { Button, IconButton } from './button.tsx';
import { ObjectLink } from './link.tsx';
import { Status } from './status.tsx';

const askEveryMs = 250;
const askForMs = 60_000;

/** After a write: what was done, how many proxies run it, and the way back. */
export function WriteBar() {
  const write = useLatestWrite();
  const [error, setError] = useState<ApiError>();
  const [busy, setBusy] = useState(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new write clears the last one's error
  useEffect(() => setError(undefined), [write]);
  if (!write) return null;
  const { changes, undone } = write;
  const [first] = changes;
  if (!first) return null;
  const takeBack = () => {
    setBusy(true);
    undo(changes)
      .catch((thrown: unknown) => setError(errorOf(thrown)))
      .finally(() => setBusy(false));
  };
  return (
    <section className="write-bar" aria-label="Last write">
      <div role="status" className="write-state">
        <span>
          {undone ? 'Taken back: ' : verbs[first.action]}{' '}
          {first.action === 'delete' ? `${first.ref.kind} ${first.ref.name}` : <ObjectLink object={first.ref} />}
          {changes.length > 1 && ` and ${plural(changes.length - 1, 'more object')}`}
        </span>
        {first.action !== 'delete' && <Progress key={`${first.ref.name}${first.generation}`} change={first} />}
        {error && <Status tone="bad">{`${error.message} ${error.fix}`}</Status>}
      </div>
      {!undone && (
        <Button icon="undo" onClick={takeBack} disabled={busy}>
          Undo
        </Button>
      )}
      <IconButton label="Dismiss" icon="close" onClick={dismissWrite} />
    </section>
  );
}

const verbs: Readonly<Record<Change['action'], string>> = {
  create: 'Created',
  update: 'Applied',
  delete: 'Deleted',
  unchanged: 'Unchanged:',
};

function Progress({ change }: { readonly change: Change }) {
  const [mark, setMark] = useState<WatermarkView>();
  const { kind, namespace, name } = change.ref;
  const { generation } = change;
  useEffect(() => {
    const end = Date.now() + askForMs;
    let timer = 0;
    const ask = async () => {
      const next = await request<WatermarkView>('GET', `/watermark/${kind}/${namespace || '-'}/${name}?generation=${generation}`).catch(
        () => undefined,
      );
      if (next) setMark(next);
      const done = next && next.epoch !== null && next.live === next.total;
      if (!done && Date.now() < end) timer = window.setTimeout(ask, askEveryMs);
    };
    void ask();
    return () => window.clearTimeout(timer);
  }, [kind, namespace, name, generation]);
  if (!mark) return null;
  if (mark.epoch === null) return <Status tone="unknown">taken in by no proxy: not part of the mesh</Status>;
  const words = `live on ${mark.live}/${mark.total} proxies`;
  if (mark.rejected.length)
    return <Status tone="bad">{`${words}, rejected by ${mark.rejected.map((id) => id.split('~')[2] ?? id).join(', ')}`}</Status>;
  return (
    <>
      <progress value={mark.live} max={Math.max(1, mark.total)} aria-label={words} />
      <Status tone={mark.live === mark.total ? 'ok' : 'info'}>{words}</Status>
    </>
  );
}

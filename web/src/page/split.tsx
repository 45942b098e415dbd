import { type KeyboardEvent, type PointerEvent, useEffect, useRef, useState } from 'react';
import type { ApiError, SplitDestination, SplitRoute, WriteAnswer } from '#server/api.ts';
import { errorOf, request } from '../state/api.ts';
import { numbersOf, onNumbers } from '../state/live.ts';
import { useWritable } from '../state/session.ts';
import { noteWrite } from '../state/writes.ts';
import { Button } from '../ui/button.tsx';
import { Diff } from '../ui/diff.tsx';
import { ObjectLink } from '../ui/link.tsx';
import { ErrorBox } from '../ui/states.tsx';
import { moveBoundary, setWeight } from './split-weights.ts';

/** A destination's name where it is shown: its subset, or its host. */
const nameOf = ({ subset, host }: SplitDestination) => subset || host;

/** The shares of one route, to be dragged: first the difference in YAML, then apply. */
export function Split({
  route,
  service,
  workloads,
}: {
  readonly route: SplitRoute;
  readonly service: string;
  readonly workloads: readonly string[];
}) {
  const [draft, setDraft] = useState<readonly SplitDestination[]>();
  const [preview, setPreview] = useState<WriteAnswer>();
  const [error, setError] = useState<ApiError>();
  const [busy, setBusy] = useState(false);
  const writable = useWritable();
  const shown = draft ?? route.destinations;
  const { ref, protocol, index, generation } = route;
  const send = (dryRun: boolean, destinations: readonly SplitDestination[]) =>
    request<WriteAnswer>('POST', '/splits', { ref, protocol, index, generation, destinations, dryRun });

  // biome-ignore lint/correctness/useExhaustiveDependencies: asked again when the draft settles, with what it was made from
  useEffect(() => {
    setPreview(undefined);
    setError(undefined);
    if (!draft || !writable) return;
    let old = false;
    const timer = setTimeout(() => {
      send(true, draft)
        .then((answer) => old || setPreview(answer))
        .catch((thrown: unknown) => old || setError(errorOf(thrown)));
    }, 150);
    return () => {
      old = true;
      clearTimeout(timer);
    };
  }, [draft, writable, generation]);

  const apply = () => {
    if (!draft) return;
    setBusy(true);
    send(false, draft)
      .then((answer) => {
        noteWrite(answer);
        setDraft(undefined);
      })
      .catch((thrown: unknown) => setError(errorOf(thrown)))
      .finally(() => setBusy(false));
  };
  return (
    <section className="split" aria-label={`Split of ${route.title}`}>
      <p className="split-title">
        <b>{route.title}</b>
        {route.exists ? <ObjectLink object={ref} /> : <span className="muted">no VirtualService yet: applying creates one</span>}
      </p>
      <Bar destinations={shown} changed={draft !== undefined} onChange={setDraft} />
      <div className="split-weights">
        {shown.map((destination, position) => (
          <label key={`${destination.host}${destination.subset}`}>
            <i className={`swatch s${position % 8}`} />
            <span className="mono">{nameOf(destination)}</span>
            <input
              type="number"
              min={0}
              max={100}
              value={destination.weight}
              aria-label={`Weight of ${nameOf(destination)} in percent`}
              onChange={(event) => setDraft(setWeight(shown, position, Number(event.target.value)))}
            />
            <span>%</span>
            <Observed destination={destination} service={service} workloads={workloads} />
          </label>
        ))}
      </div>
      {draft && (
        <div className="split-preview">
          {!writable && <p className="muted">The page is open for reading only; unlock it (top right) to see the difference and apply.</p>}
          {error && <ErrorBox error={error} />}
          {preview?.changes.map((change) => (
            <Diff key={change.ref.name} before={change.before} after={change.after} label="Difference in YAML" />
          ))}
          {preview && <Effect before={route.destinations} after={draft} service={service} />}
          <div className="row">
            <Button look="primary" onClick={apply} disabled={!preview || busy}>
              Apply
            </Button>
            <Button onClick={() => setDraft(undefined)}>Discard</Button>
          </div>
        </div>
      )}
    </section>
  );
}

/** One bar of segments with a handle at each boundary: dragged, or moved by arrow keys. */
function Bar({
  destinations,
  changed,
  onChange,
}: {
  readonly destinations: readonly SplitDestination[];
  readonly changed: boolean;
  readonly onChange: (next: readonly SplitDestination[]) => void;
}) {
  const bar = useRef<HTMLDivElement>(null);
  const dragged = useRef<number>(undefined);
  const boundaries = destinations
    .slice(0, -1)
    .map((_, index) => destinations.slice(0, index + 1).reduce((sum, { weight }) => sum + weight, 0));

  const drag = (event: PointerEvent) => {
    const box = bar.current?.getBoundingClientRect();
    if (dragged.current === undefined || !box) return;
    onChange(moveBoundary(destinations, dragged.current, Math.round(((event.clientX - box.left) / box.width) * 100)));
  };
  const press = (event: KeyboardEvent, index: number) => {
    const at = boundaries[index] ?? 0;
    const steps: Readonly<Record<string, number>> = {
      ArrowLeft: at - 1,
      ArrowDown: at - 1,
      ArrowRight: at + 1,
      ArrowUp: at + 1,
      PageDown: at - 10,
      PageUp: at + 10,
      Home: 0,
      End: 100,
    };
    const next = steps[event.key];
    if (next === undefined) return;
    event.preventDefault();
    onChange(moveBoundary(destinations, index, next));
  };
  return (
    <div className={`split-bar ${changed ? 'changed' : ''}`} ref={bar}>
      {destinations.map((destination, index) => (
        <div
          key={`${destination.host}${destination.subset}`}
          className={`segment s${index % 8}`}
          style={{ width: `${destination.weight}%` }}
        >
          <span>{`${nameOf(destination)} ${destination.weight} %`}</span>
        </div>
      ))}
      {boundaries.map((at, index) => {
        const [left, right] = [destinations[index], destinations[index + 1]];
        if (!left || !right) return null;
        // Handles at one place stand beside each other, so that each can be taken.
        const before = boundaries.slice(0, index).filter((other) => other === at).length;
        const after = boundaries.slice(index + 1).filter((other) => other === at).length;
        const shift = at === 0 ? before : at === 100 ? -after : before - after;
        return (
          <div
            key={`${nameOf(left)}|${nameOf(right)}`}
            className="handle"
            role="slider"
            tabIndex={0}
            aria-label={`Boundary between ${nameOf(left)} and ${nameOf(right)}`}
            aria-valuemin={0}
            aria-valuemax={100}
            aria-valuenow={at}
            aria-valuetext={destinations.map((each) => `${nameOf(each)} ${each.weight} percent`).join(', ')}
            style={{ left: `calc(${at}% + ${shift * 16}px)` }}
            onKeyDown={(event) => press(event, index)}
            onPointerDown={(event) => {
              dragged.current = index;
              event.currentTarget.setPointerCapture(event.pointerId);
            }}
            onPointerMove={drag}
            onPointerUp={() => {
              dragged.current = undefined;
            }}
            onPointerCancel={() => {
              dragged.current = undefined;
            }}
          />
        );
      })}
    </div>
  );
}

/** What share of the service's requests the destination really got over the last seconds. */
function Observed({
  destination,
  service,
  workloads,
}: {
  readonly destination: SplitDestination;
  readonly service: string;
  readonly workloads: readonly string[];
}) {
  const [, refresh] = useState(0);
  const edges = workloads.join();
  useEffect(() => {
    const ids = edges.split(',').map((id) => `${service}>${id}`);
    const stops = ids.map((id) => onNumbers(id, () => refresh((count) => count + 1)));
    return () => {
      for (const stop of stops) stop();
    };
  }, [service, edges]);
  const rates = workloads.map((id) => ({ id, rps: numbersOf(`${service}>${id}`).rps }));
  const total = rates.reduce((sum, { rps }) => sum + rps, 0);
  const own = rates.filter(({ id }) => destination.subset !== '' && id.endsWith(`-${destination.subset}`));
  if (!total || !own.length) return null;
  const percent = (own.reduce((sum, { rps }) => sum + rps, 0) / total) * 100;
  return <span className="muted observed">seen {Math.round(percent)} %</span>;
}

/** In words: how many requests a second move. */
function Effect({
  before,
  after,
  service,
}: {
  readonly before: readonly SplitDestination[];
  readonly after: readonly SplitDestination[];
  readonly service: string;
}) {
  const { rps } = numbersOf(service);
  const moves = after
    .map((destination, index) => ({ name: nameOf(destination), change: destination.weight - (before[index]?.weight ?? 0) }))
    .filter(({ change }) => change !== 0)
    .map(
      ({ name, change }) =>
        `${name} ${change > 0 ? '+' : '−'}${Math.abs(change)} %${rps ? ` (about ${((rps * Math.abs(change)) / 100).toFixed(1)} requests/s)` : ''}`,
    );
  return <p className="effect">Effect: {moves.join(', ')}.</p>;
}

import { type ReactNode, useEffect } from 'react';
import { setParams, usePlace } from '../state/location.ts';
import { Commands } from './command.tsx';

/** Frame of every view: heading, what stands beside it, the command that gives the same. */
export function Page({
  title,
  above,
  beside,
  commands,
  children,
}: {
  readonly title: string;
  readonly above?: ReactNode;
  readonly beside?: ReactNode;
  readonly commands?: readonly string[];
  readonly children: ReactNode;
}) {
  useEffect(() => {
    document.title = `${title} · Meshwright`;
  }, [title]);
  return (
    <div className="page">
      <header className="page-head">
        <div>
          {above && <div className="above">{above}</div>}
          <h1>{title}</h1>
        </div>
        <div className="page-actions">
          {beside}
          {commands && <Commands lines={commands} />}
        </div>
      </header>
      {children}
    </div>
  );
}

export interface Tab {
  readonly key: string;
  readonly title: string;
  readonly content: () => ReactNode;
}

/** Tabs whose choice is in the URL (`tab`). Arrows move between them. */
export function Tabs({ label, tabs }: { readonly label: string; readonly tabs: readonly Tab[] }) {
  const { params } = usePlace();
  const chosen = tabs.find((tab) => tab.key === params.get('tab')) ?? tabs[0];
  const move = (step: number) => {
    const index = chosen ? tabs.indexOf(chosen) : 0;
    const next = tabs[(index + step + tabs.length) % tabs.length];
    if (!next) return;
    setParams({ tab: next === tabs[0] ? '' : next.key });
    document.getElementById(`tab-${next.key}`)?.focus();
  };
  return (
    <>
      <div
        className="tabs"
        role="tablist"
        aria-label={label}
        onKeyDown={(event) => {
          if (event.key === 'ArrowRight') move(1);
          if (event.key === 'ArrowLeft') move(-1);
        }}
      >
        {tabs.map((tab) => (
          <button
            key={tab.key}
            id={`tab-${tab.key}`}
            type="button"
            role="tab"
            aria-selected={tab === chosen}
            aria-controls={`panel-${tab.key}`}
            tabIndex={tab === chosen ? 0 : -1}
            onClick={() => setParams({ tab: tab === tabs[0] ? '' : tab.key })}
          >
            {tab.title}
          </button>
        ))}
      </div>
      {chosen && (
        <div id={`panel-${chosen.key}`} role="tabpanel" aria-labelledby={`tab-${chosen.key}`}>
          {chosen.content()}
        </div>
      )}
    </>
  );
}

export function Card({ title, beside, children }: { readonly title: string; readonly beside?: ReactNode; readonly children: ReactNode }) {
  return (
    <section className="card">
      <header>
        <h2>{title}</h2>
        {beside}
      </header>
      {children}
    </section>
  );
}

/** Names and values in two columns. */
export function Facts({ facts }: { readonly facts: Readonly<Record<string, ReactNode>> }) {
  return (
    <dl className="facts">
      {Object.entries(facts).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A filter box whose text is in the URL (`q`). */
export function Filter({ label }: { readonly label: string }) {
  const { params } = usePlace();
  return (
    <input
      type="search"
      className="filter"
      aria-label={label}
      placeholder={label}
      value={params.get('q') ?? ''}
      onChange={(event) => setParams({ q: event.target.value })}
    />
  );
}

/** Whether every word of the filter in the URL is in one of the texts. */
export function useFilter(): (...texts: readonly string[]) => boolean {
  const words = (usePlace().params.get('q') ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  return (...texts) => words.every((word) => texts.some((text) => text.toLowerCase().includes(word)));
}

import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from 'react';
import type { KindList, ProxyList, ServiceList, WorkloadList } from '#server/api.ts';
import { go, hrefTo, nodeHref } from '../state/location.ts';
import { useQuery } from '../state/query.ts';
import { setTheme } from '../state/theme.ts';
import { Icon, type IconName } from './icon.tsx';

interface Entry {
  readonly title: string;
  readonly hint: string;
  readonly icon: IconName;
  readonly run: () => void;
}

/** Everything by its name: sections, services, workloads, proxies, kinds, and what can be switched. */
export function Palette({ onClose, onHelp }: { readonly onClose: () => void; readonly onHelp: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState('');
  const [index, setIndex] = useState(0);
  const entries = useEntries(onHelp);
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = entries.filter((entry) => words.every((word) => `${entry.title} ${entry.hint}`.toLowerCase().includes(word))).slice(0, 12);
  const chosen = Math.min(index, Math.max(0, found.length - 1));
  const choose = (entry: Entry | undefined) => {
    if (!entry) return;
    onClose();
    entry.run();
  };
  const press = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown') setIndex((chosen + 1) % Math.max(1, found.length));
    else if (event.key === 'ArrowUp') setIndex((chosen - 1 + found.length) % Math.max(1, found.length));
    else if (event.key === 'Enter') choose(found[chosen]);
    else return;
    event.preventDefault();
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes a dialog natively; the click is on its backdrop
    <dialog
      ref={dialog}
      className="palette"
      aria-label="Command palette"
      onClose={onClose}
      onClick={(event) => event.target === dialog.current && onClose()}
    >
      <div className="dialog-body">
        <input
          role="combobox"
          aria-expanded="true"
          aria-controls="palette-list"
          aria-activedescendant={found[chosen] ? `palette-${chosen}` : undefined}
          aria-label="Search and commands"
          placeholder="Search services, workloads, proxies, commands"
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            setIndex(0);
          }}
          onKeyDown={press}
        />
        <div role="listbox" id="palette-list" aria-label="Results">
          {found.map((entry, position) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the combobox above handles the keys
            <div
              key={`${entry.hint}${entry.title}`}
              id={`palette-${position}`}
              role="option"
              aria-selected={position === chosen}
              tabIndex={-1}
              onClick={() => choose(entry)}
            >
              <Icon name={entry.icon} />
              <span>{entry.title}</span>
              <span className="muted">{entry.hint}</span>
            </div>
          ))}
        </div>
        {found.length === 0 && <p className="muted">Nothing has this name.</p>}
      </div>
    </dialog>
  );
}

function useEntries(onHelp: () => void): readonly Entry[] {
  const services = useQuery<ServiceList>('/services').data;
  const workloads = useQuery<WorkloadList>('/workloads').data;
  const proxies = useQuery<ProxyList>('/proxies').data;
  const kinds = useQuery<KindList>('/kinds').data;
  return useMemo(() => {
    const to = (title: string, hint: string, icon: IconName, href: string): Entry => ({ title, hint, icon, run: () => go(href) });
    return [
      to('Now', 'section', 'now', hrefTo('/now')),
      to('Graph', 'section', 'graph', hrefTo('/graph')),
      to('Services', 'section', 'services', hrefTo('/services')),
      to('Workloads', 'section', 'workloads', hrefTo('/workloads')),
      to('Proxies', 'section', 'proxies', hrefTo('/proxies')),
      to('Config', 'section', 'config', hrefTo('/config')),
      ...(services?.items ?? []).map((row) => to(row.name, `service in ${row.namespace}`, 'services', nodeHref(row.id) ?? '/')),
      ...(workloads?.items ?? []).map((row) => to(row.name, `workload in ${row.namespace}`, 'workloads', nodeHref(row.id) ?? '/')),
      ...(workloads?.items ?? []).map((row) =>
        to(`Explain a request of ${row.name}`, 'command', 'arrow', hrefTo(`/workloads/${row.namespace}/${row.name}`, { tab: 'explain' })),
      ),
      ...(proxies?.items ?? []).map((row) =>
        to(row.workload, `proxy (${row.engine})`, 'proxies', hrefTo(`/proxies/${encodeURIComponent(row.id)}`)),
      ),
      ...(kinds?.items ?? []).flatMap((row) => [
        to(row.kind, 'objects', 'config', hrefTo(`/config/${row.kind}`)),
        to(`New ${row.kind}`, 'command', 'plus', hrefTo(`/config/${row.kind}`, { new: '1' })),
      ]),
      { title: 'Light theme', hint: 'command', icon: 'sun', run: () => setTheme('light') },
      { title: 'Dark theme', hint: 'command', icon: 'moon', run: () => setTheme('dark') },
      { title: "The system's theme", hint: 'command', icon: 'auto', run: () => setTheme('system') },
      { title: 'Keyboard shortcuts', hint: 'command', icon: 'command', run: onHelp },
    ];
  }, [services, workloads, proxies, kinds, onHelp]);
}

import { type FormEvent, useCallback, useEffect, useState } from 'react';
import type { ApiError, Overview } from '#server/api.ts';
import { age } from './format.ts';
import { ConfigPage, NewObjectPage, ObjectPage } from './page/config.tsx';
import { GraphPage } from './page/graph.tsx';
import { NowPage } from './page/now.tsx';
import { ProxiesPage, ProxyPage } from './page/proxies.tsx';
import { ServicePage, ServicesPage } from './page/services.tsx';
import { WorkloadPage, WorkloadsPage } from './page/workloads.tsx';
import { errorOf } from './state/api.ts';
import { useConnection, useFindings } from './state/live.ts';
import { go, hrefTo, setParams, usePlace } from './state/location.ts';
import { useQuery } from './state/query.ts';
import { openWithToken, useWritable } from './state/session.ts';
import { setTheme, type Theme, useTheme } from './state/theme.ts';
import { Boundary } from './ui/boundary.tsx';
import { Button, IconButton } from './ui/button.tsx';
import { Dialog } from './ui/dialog.tsx';
import { Icon, type IconName } from './ui/icon.tsx';
import { Link } from './ui/link.tsx';
import { Page } from './ui/page.tsx';
import { Palette } from './ui/palette.tsx';
import { Empty, ErrorBox } from './ui/states.tsx';
import { WriteBar } from './ui/write-bar.tsx';

const sections: readonly (readonly [string, string, IconName])[] = [
  ['now', 'Now', 'now'],
  ['graph', 'Graph', 'graph'],
  ['services', 'Services', 'services'],
  ['workloads', 'Workloads', 'workloads'],
  ['proxies', 'Proxies', 'proxies'],
  ['config', 'Config', 'config'],
];

type Window = 'palette' | 'help' | 'unlock';

export function App() {
  const [open, setOpen] = useState<Window>();
  const showHelp = useCallback(() => setOpen('help'), []);
  useShortcuts(setOpen);
  const { path, steps } = usePlace();
  return (
    <>
      <a className="skip" href="#content">
        Skip to content
      </a>
      <Rail section={steps[0] ?? 'now'} />
      <TopBar onOpen={setOpen} />
      <main id="content" tabIndex={-1}>
        <StaleBanner />
        <Boundary view={path}>
          <View />
        </Boundary>
      </main>
      <WriteBar />
      {open === 'palette' && <Palette onClose={() => setOpen(undefined)} onHelp={showHelp} />}
      {open === 'help' && <Help onClose={() => setOpen(undefined)} />}
      {open === 'unlock' && <Unlock onClose={() => setOpen(undefined)} />}
    </>
  );
}

function View() {
  const { steps, params } = usePlace();
  const [section = 'now', first, second, third] = steps;
  switch (section) {
    case 'now':
      return <NowPage />;
    case 'graph':
      return <GraphPage />;
    case 'services':
      return first && second ? <ServicePage key={second} namespace={first} name={second} /> : <ServicesPage />;
    case 'workloads':
      return first && second ? <WorkloadPage key={second} namespace={first} name={second} /> : <WorkloadsPage />;
    case 'proxies':
      return first ? <ProxyPage key={first} id={first} /> : <ProxiesPage />;
    case 'config':
      if (first && second && third) return <ObjectPage kind={first} namespace={second === '-' ? '' : second} name={third} />;
      return params.get('new') && first ? <NewObjectPage kind={first} /> : <ConfigPage kind={first} />;
    default:
      return (
        <Page title="Not found">
          <Empty action={<Link href={hrefTo('/now')}>Go to Now</Link>}>There is no view at this address.</Empty>
        </Page>
      );
  }
}

function Rail({ section }: { readonly section: string }) {
  const findings = useFindings() ?? [];
  const bad = findings.filter((finding) => finding.severity === 'bad').length;
  return (
    <nav className="rail" aria-label="Sections">
      <Link href={hrefTo('/now')} className="brand">
        <img src="/icon.svg" alt="Meshwright" width="28" height="28" />
      </Link>
      {sections.map(([key, title, icon]) => (
        <Link key={key} href={hrefTo(`/${key}`)} current={section === key}>
          <Icon name={icon} size={20} />
          <span>{title}</span>
          {key === 'now' && bad > 0 && (
            <span className="count">
              {bad}
              <span className="hidden"> {bad === 1 ? 'error' : 'errors'}</span>
            </span>
          )}
        </Link>
      ))}
    </nav>
  );
}

const themes: Readonly<Record<Theme, readonly [Theme, IconName, string]>> = {
  system: ['light', 'auto', "Theme: the system's. Switch to light"],
  light: ['dark', 'sun', 'Theme: light. Switch to dark'],
  dark: ['system', 'moon', "Theme: dark. Switch to the system's"],
};

function TopBar({ onOpen }: { readonly onOpen: (window: Window) => void }) {
  const overview = useQuery<Overview>('/overview').data;
  const { params } = usePlace();
  const scope = params.get('ns') ?? '';
  const theme = useTheme();
  const [next, icon, label] = themes[theme];
  const writable = useWritable();
  const namespaces = overview?.namespaces ?? [];
  return (
    <header className="top">
      <label className="scope">
        <span className="hidden">Namespace</span>
        <select value={scope} onChange={(event) => setParams({ ns: event.target.value }, 'push')}>
          <option value="">All namespaces</option>
          {[...new Set([...namespaces, ...(scope ? [scope] : [])])].map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <LiveState />
      <button type="button" className="search" onClick={() => onOpen('palette')}>
        <Icon name="search" size={14} />
        <span>Search and commands</span>
        <kbd>Ctrl K</kbd>
      </button>
      {writable === false && (
        <Button icon="lock" onClick={() => onOpen('unlock')}>
          Read only
        </Button>
      )}
      <IconButton label="Keyboard shortcuts" icon="unknown" onClick={() => onOpen('help')} />
      <IconButton label={label} icon={icon} onClick={() => setTheme(next)} />
    </header>
  );
}

function LiveState() {
  const { state } = useConnection();
  return (
    <span className={`live ${state}`}>
      <i />
      {state === 'live' ? 'Live' : state === 'connecting' ? 'Connecting' : 'Not live'}
    </span>
  );
}

function StaleBanner() {
  const { state, since } = useConnection();
  const [, tick] = useState(0);
  useEffect(() => {
    if (state !== 'stale') return;
    const timer = setInterval(() => tick((count) => count + 1), 1000);
    return () => clearInterval(timer);
  }, [state]);
  if (state !== 'stale' || Date.now() - since < 1000) return null;
  return (
    <div className="notice warn" role="alert">
      <Icon name="warn" />
      <p>
        <b>What you see is {age(since)} old:</b> Meshwright does not answer. Look whether it still runs in its terminal; the page goes on by
        itself.
      </p>
    </div>
  );
}

const shortcuts = [
  ['Ctrl K or /', 'Search and commands'],
  ['g then n, g, s, w, p, c', 'Go to Now, Graph, Services, Workloads, Proxies, Config'],
  ['?', 'This list'],
  ['Ctrl S', 'Review changes, in the editor'],
  ['Arrows', 'On a weight: 1 %, Page up and down: 10 %. On the graph: along the requests'],
  ['Enter, +, -, 0', 'On the graph: open, zoom in, out, show all'],
  ['Escape', 'Close what is open'],
] as const;

function Help({ onClose }: { readonly onClose: () => void }) {
  return (
    <Dialog title="Keyboard shortcuts" onClose={onClose}>
      <dl className="facts">
        {shortcuts.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

function Unlock({ onClose }: { readonly onClose: () => void }) {
  const [token, setToken] = useState('');
  const [error, setError] = useState<ApiError>();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    openWithToken(token)
      .then(onClose)
      .catch((thrown: unknown) => setError(errorOf(thrown)));
  };
  return (
    <Dialog title="Unlock writing" onClose={onClose}>
      <p>
        Anyone on this machine may read this page; writing needs proof that the mesh is yours. Open the link that Meshwright printed when it
        started, or paste the token from the file <code>.meshwright/page-token</code> here.
      </p>
      <form className="row" onSubmit={submit}>
        <label className="field grow">
          <span>Token</span>
          <input type="password" autoComplete="off" value={token} onChange={(event) => setToken(event.target.value)} />
        </label>
        <Button look="primary" submit disabled={!token}>
          Unlock
        </Button>
      </form>
      {error && <ErrorBox error={error} />}
    </Dialog>
  );
}

/** Keys that work everywhere but in fields. */
function useShortcuts(onOpen: (window: Window) => void): void {
  useEffect(() => {
    let leader = 0;
    const press = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        return onOpen('palette');
      }
      const target = event.target instanceof Element ? event.target : document.body;
      if (event.ctrlKey || event.metaKey || event.altKey || target.closest('input, textarea, select, [contenteditable="true"], dialog'))
        return;
      if (Date.now() - leader < 1500) {
        const section = sections.find(([key]) => key.startsWith(event.key));
        leader = 0;
        if (section) return go(hrefTo(`/${section[0]}`));
      }
      if (event.key === 'g') leader = Date.now();
      else if (event.key === '/') onOpen('palette');
      else if (event.key === '?') onOpen('help');
      else return;
      event.preventDefault();
    };
    window.addEventListener('keydown', press);
    return () => window.removeEventListener('keydown', press);
  }, [onOpen]);
}

import { lazy, Suspense, useEffect, useState } from 'react';
import type { EventList, Finding, History, Overview, ServiceList, ServiceRow } from '#server/api.ts';
import { age, clockTime } from '../format.ts';
import { numbersOf, useFindings } from '../state/live.ts';
import { hrefTo, nodeHref, usePlace } from '../state/location.ts';
import { invalidate, useQuery } from '../state/query.ts';
import { Copy } from '../ui/command.tsx';
import { Icon } from '../ui/icon.tsx';
import { Link, NodeLink, ObjectLink, OriginLink } from '../ui/link.tsx';
import { LiveNumber } from '../ui/numbers.tsx';
import { Card, Page } from '../ui/page.tsx';
import { Empty, Loaded } from '../ui/states.tsx';
import { Status } from '../ui/status.tsx';
import { Table } from '../ui/table.tsx';

const Chart = lazy(() => import('../ui/chart.tsx'));

/** The first screen: is anything wrong, since when, why, what to do; then the mesh in numbers. */
export function NowPage() {
  const overview = useQuery<Overview>('/overview');
  return (
    <Page title="Now" commands={['meshwright check', 'meshwright proxy status', 'meshwright tap']}>
      <Loaded answer={overview}>
        {(data) => (
          <>
            <Summary overview={data} />
            <Findings />
            <div className="columns">
              <Busiest />
              <Changes />
            </div>
            <MeshCharts id="mesh" />
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Summary({ overview: { counts, demoUrl, epoch } }: { readonly overview: Overview }) {
  const lagging = counts.proxies - counts.proxiesSynced;
  return (
    <div className="summary">
      <Figure label="Requests/s">
        <LiveNumber id="mesh" quantity="rps" />
      </Figure>
      <Figure label="Failed">
        <LiveNumber id="mesh" quantity="errors" />
      </Figure>
      <Figure label="p50">
        <LiveNumber id="mesh" quantity="p50" />
      </Figure>
      <Figure label="p99">
        <LiveNumber id="mesh" quantity="p99" />
      </Figure>
      <Figure label="Services">
        <Link href={hrefTo('/services')}>{counts.services}</Link>
      </Figure>
      <Figure label="Workloads">
        <Link href={hrefTo('/workloads')}>{counts.workloads}</Link>
      </Figure>
      <Figure label="Proxies in sync">
        <Link href={hrefTo('/proxies')} className={lagging ? 'warn' : undefined}>
          {counts.proxiesSynced}/{counts.proxies}
        </Link>
      </Figure>
      <Figure label="Epoch">{epoch}</Figure>
      {demoUrl && (
        <a className="button" href={demoUrl} target="_blank" rel="noreferrer">
          <Icon name="open" size={14} />
          Open the demo
        </a>
      )}
    </div>
  );
}

function Figure({ label, children }: { readonly label: string; readonly children: React.ReactNode }) {
  return (
    <div className="figure">
      <span className="figure-label">{label}</span>
      <span className="figure-value">{children}</span>
    </div>
  );
}

function Findings() {
  const all = useFindings();
  const scope = usePlace().params.get('ns');
  if (!all) return null;
  const findings = scope ? all.filter((finding) => !finding.object || finding.object.namespace === scope) : all;
  const bad = findings.filter((finding) => finding.severity === 'bad').length;
  return (
    <section className="findings" aria-label="What is wrong">
      <h2>
        {findings.length === 0 ? 'Nothing is wrong' : bad ? `${bad} ${bad === 1 ? 'thing is' : 'things are'} wrong` : 'Worth a look'}
        {findings.length > bad && bad > 0 && <span className="muted"> and {findings.length - bad} worth a look</span>}
      </h2>
      {findings.length === 0 && (
        <p className="muted">
          <Icon name="ok" size={14} /> No problems in configuration, all proxies run what they were given, no service fails requests.
        </p>
      )}
      <ul>
        {findings.slice(0, 50).map((finding) => (
          <FindingCard key={finding.id} finding={finding} />
        ))}
      </ul>
      {findings.length > 50 && <p className="muted">{findings.length - 50} more: see the lists of their objects.</p>}
    </section>
  );
}

function FindingCard({ finding }: { readonly finding: Finding }) {
  const command = commandFor(finding);
  const target = finding.node ? nodeHref(finding.node) : undefined;
  return (
    <li className={`finding ${finding.severity}`}>
      <div className="finding-head">
        <Status tone={finding.severity}>{finding.severity === 'bad' ? 'error' : finding.severity === 'warn' ? 'warning' : 'note'}</Status>
        <h3>{finding.title}</h3>
        <Since at={finding.since} />
      </div>
      {finding.why && <p className="finding-why">{finding.why}</p>}
      <p>
        <b>Fix:</b> {finding.fix}
      </p>
      <div className="finding-foot">
        {finding.object && finding.node === undefined && (
          <span>
            <OriginLink origin={{ text: finding.origin ?? '', object: finding.object }} />
          </span>
        )}
        {finding.node && target && <NodeLink id={finding.node} />}
        {finding.proxy && <Link href={hrefTo(`/proxies/${encodeURIComponent(finding.proxy)}`)}>Open proxy</Link>}
        {finding.origin && !finding.object && <span className="mono muted">{finding.origin}</span>}
        <span className="code">{finding.code}</span>
        <span className="finding-command">
          <code>{command}</code>
          <Copy text={command} label="Copy command" />
        </span>
      </div>
    </li>
  );
}

function Since({ at }: { readonly at: number }) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((count) => count + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  return (
    <time className="muted" dateTime={new Date(at).toISOString()} title={clockTime(at)}>
      for {age(at)}
    </time>
  );
}

function commandFor({ object, proxy, node }: Finding): string {
  if (proxy) return `meshwright proxy status ${proxy.split('~')[2] ?? proxy}`;
  if (node) return `meshwright tap ${node.startsWith('workload/') ? '' : '--to '}${node.split('/').at(-1)}`;
  return object
    ? `meshwright describe ${object.kind.toLowerCase()} ${object.name}${object.namespace ? ` -n ${object.namespace}` : ''}`
    : 'meshwright check';
}

function Busiest() {
  const scope = usePlace().params.get('ns') ?? '';
  const services = useQuery<ServiceList>(`/services${scope ? `?namespace=${scope}` : ''}`);
  return (
    <Card title="Busiest services" beside={<Link href={hrefTo('/services')}>All services</Link>}>
      <Loaded answer={services}>
        {({ items }) => (
          <Table<ServiceRow>
            name="Busiest services"
            rows={items.toSorted((a, b) => b.numbers.rps - a.numbers.rps).slice(0, 8)}
            rowKey={(row) => row.id}
            empty={<Empty>No service yet. Apply a Service, or join a process with meshwright run.</Empty>}
            columns={[
              { key: 'name', title: 'Service', wide: true, cell: (row) => <NodeLink id={row.id} /> },
              { key: 'rps', title: 'Req/s', right: true, cell: (row) => <LiveNumber id={row.id} quantity="rps" /> },
              { key: 'errors', title: 'Failed', right: true, cell: (row) => <LiveNumber id={row.id} quantity="errors" /> },
              { key: 'p95', title: 'p95', right: true, cell: (row) => <LiveNumber id={row.id} quantity="p95" /> },
            ]}
          />
        )}
      </Loaded>
    </Card>
  );
}

const changeWords = { added: 'created', modified: 'changed', deleted: 'deleted' } as const;

function Changes() {
  const events = useQuery<EventList>('/events');
  return (
    <Card title="Latest changes">
      <Loaded answer={events}>
        {({ items }) =>
          items.length ? (
            <ul className="changes">
              {items.slice(0, 9).map((event) => (
                <li key={`${event.at}${event.ref.kind}${event.ref.name}${event.generation}`}>
                  <time className="muted number">{clockTime(event.at)}</time>
                  <span>
                    {event.type === 'deleted' ? (
                      <span className="mono">{`${event.ref.kind} ${event.ref.name}`}</span>
                    ) : (
                      <ObjectLink object={event.ref} />
                    )}{' '}
                    {changeWords[event.type]}
                    {event.by && <span className="muted"> by {event.by}</span>}
                  </span>
                </li>
              ))}
            </ul>
          ) : (
            <Empty>Nothing was changed since the server started. Drag a weight on a service's page, or use kubectl apply.</Empty>
          )
        }
      </Loaded>
    </Card>
  );
}

/** Rate, errors and latency of the mesh or one service, with marks of changes. */
export function MeshCharts({ id }: { readonly id: string }) {
  const path = `/history?id=${encodeURIComponent(id)}`;
  const history = useQuery<History>(path);
  const events = useQuery<EventList>('/events');
  useEffect(() => {
    const timer = setInterval(() => invalidate(path), 5_000);
    return () => clearInterval(timer);
  }, [path]);
  return (
    <div className="charts">
      <Suspense>
        {history.data && history.data.at.length > 1 && numbersOf(id) && (
          <>
            <Chart kind="rate" history={history.data} events={events.data?.items ?? []} />
            <Chart kind="errors" history={history.data} events={events.data?.items ?? []} />
            <Chart kind="latency" history={history.data} events={events.data?.items ?? []} />
          </>
        )}
      </Suspense>
    </div>
  );
}

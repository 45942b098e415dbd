import type { ProxyConfigItem, ProxyConfigSection, ProxyList, ProxyRow } from '#server/api.ts';
import { age, clockTime } from '../format.ts';
import { hrefTo, setParams, usePlace } from '../state/location.ts';
import { useQuery } from '../state/query.ts';
import { Copy } from '../ui/command.tsx';
import { Drawer } from '../ui/dialog.tsx';
import { Link, NodeLink, ObjectLink } from '../ui/link.tsx';
import { Card, Facts, Filter, Page, Tabs, useFilter } from '../ui/page.tsx';
import { ScrollBox } from '../ui/scroll-box.tsx';
import { Empty, Loaded } from '../ui/states.tsx';
import { SyncStatus } from '../ui/status.tsx';
import { Table } from '../ui/table.tsx';

const rank = { rejected: 3, stale: 2, 'never-sent': 1, synced: 0 } as const;

export function ProxiesPage() {
  const proxies = useQuery<ProxyList>('/proxies');
  const matches = useFilter();
  const scope = usePlace().params.get('ns');
  return (
    <Page title="Proxies" beside={<Filter label="Filter proxies" />} commands={['meshwright proxy status']}>
      <Loaded answer={proxies} rows={12}>
        {({ items, epoch }) => (
          <Table<ProxyRow>
            name="Proxies"
            rows={items
              .filter((row) => (!scope || row.namespace === scope) && matches(row.workload, row.namespace, row.address, row.state))
              .sort((a, b) => rank[b.state] - rank[a.state])}
            rowKey={(row) => row.id}
            empty={
              <Empty>
                No proxy{' '}
                {items.length
                  ? 'matches the filter'
                  : 'is connected. Join a process: meshwright run --service my-api --port 8080 -- node server.js'}
                .
              </Empty>
            }
            columns={[
              {
                key: 'state',
                title: 'State',
                cell: (row) => <SyncStatus state={row.state} />,
                sort: (row) => rank[row.state],
                value: (row) => row.state,
              },
              {
                key: 'workload',
                title: 'Workload',
                wide: true,
                cell: (row) => (
                  <Link className="mono" href={hrefTo(`/proxies/${encodeURIComponent(row.id)}`)}>
                    {row.workload}
                  </Link>
                ),
                sort: (row) => row.workload,
              },
              { key: 'namespace', title: 'Namespace', cell: (row) => row.namespace, sort: (row) => row.namespace },
              { key: 'engine', title: 'Engine', cell: (row) => row.engine, sort: (row) => row.engine },
              { key: 'address', title: 'Address', cell: (row) => <span className="mono">{row.address}</span>, sort: (row) => row.address },
              ...['CDS', 'EDS', 'LDS', 'RDS'].map((type) => ({
                key: type,
                title: type,
                value: (row: ProxyRow) => row.types.find((candidate) => candidate.name === type)?.state ?? null,
                cell: (row: ProxyRow) => {
                  const found = row.types.find((candidate) => candidate.name === type);
                  return found ? <SyncStatus state={found.state} /> : <span className="muted">–</span>;
                },
              })),
              {
                key: 'epoch',
                title: 'Epoch',
                right: true,
                cell: (row) => <span className={row.epoch < epoch ? 'number warn' : 'number'}>{row.epoch}</span>,
                sort: (row) => row.epoch,
              },
              {
                key: 'connected',
                title: 'Connected',
                right: true,
                cell: (row) => <span className="number muted">{age(row.connectedAt)}</span>,
                sort: (row) => -row.connectedAt,
                value: (row) => new Date(row.connectedAt).toISOString(),
              },
            ]}
          />
        )}
      </Loaded>
    </Page>
  );
}

const sections = ['listeners', 'routes', 'clusters', 'endpoints'] as const;

export function ProxyPage({ id }: { readonly id: string }) {
  const proxy = useQuery<ProxyRow>(`/proxies/${encodeURIComponent(id)}`);
  const name = proxy.data?.workload ?? id.split('~')[2]?.split('.')[0] ?? id;
  return (
    <Page
      title={name}
      above={<Link href={hrefTo('/proxies')}>Proxies</Link>}
      beside={proxy.data && <SyncStatus state={proxy.data.state} />}
      commands={[`meshwright proxy status ${name}`, ...sections.map((section) => `meshwright proxy config ${section} ${name}`)]}
    >
      <Loaded answer={proxy}>
        {(row) => (
          <Tabs
            label={`Proxy of ${name}`}
            tabs={[
              { key: 'overview', title: 'Overview', content: () => <ProxyOverview row={row} /> },
              ...sections.map((section) => ({
                key: section,
                title: section[0]?.toUpperCase() + section.slice(1),
                content: () => <Section key={section} id={id} section={section} />,
              })),
            ]}
          />
        )}
      </Loaded>
    </Page>
  );
}

function ProxyOverview({ row }: { readonly row: ProxyRow }) {
  return (
    <div className="columns">
      <Card title="Proxy">
        <Facts
          facts={{
            Workload: <NodeLink id={`workload/${row.namespace}/${row.workload}`} />,
            Engine: row.engine,
            Address: <span className="mono">{row.address}</span>,
            Node: <span className="mono">{row.id}</span>,
            Connected: `${age(row.connectedAt)}, since ${clockTime(row.connectedAt)}`,
            Epoch: String(row.epoch),
          }}
        />
      </Card>
      <Card title="Sync">
        <Table<ProxyRow['types'][number]>
          name="Sync by type"
          rows={row.types}
          rowKey={(type) => type.name}
          empty={<Empty>Nothing was sent yet.</Empty>}
          columns={[
            { key: 'name', title: 'Type', cell: (type) => type.name },
            { key: 'state', title: 'State', cell: (type) => <SyncStatus state={type.state} /> },
            { key: 'version', title: 'Version', cell: (type) => <span className="mono">{type.version}</span> },
            {
              key: 'sent',
              title: 'Sent',
              right: true,
              cell: (type) => <span className="number">{type.sentAt ? clockTime(type.sentAt) : '–'}</span>,
            },
            { key: 'error', title: 'Reason', wide: true, cell: (type) => <span className="bad">{type.error ?? ''}</span> },
          ]}
        />
      </Card>
    </div>
  );
}

function Section({ id, section }: { readonly id: string; readonly section: string }) {
  const answer = useQuery<ProxyConfigSection>(`/proxies/${encodeURIComponent(id)}/config/${section}`);
  const chosen = usePlace().params.get('item');
  const matches = useFilter();
  return (
    <Loaded answer={answer}>
      {({ items, version }) => {
        const item = items.find((candidate) => candidate.name === chosen);
        return (
          <div className="with-drawer">
            <div>
              <div className="row">
                <Filter label={`Filter ${section}`} />
                <span className="muted">
                  {items.length} {section}, version <span className="mono">{version}</span>
                </span>
              </div>
              <Table<ProxyConfigItem>
                name={section}
                rows={items.filter((row) => matches(row.name, row.summary, ...row.origins.map((origin) => origin.text)))}
                rowKey={(row) => row.name}
                empty={
                  <Empty>
                    No {section} {items.length ? 'match the filter' : 'were sent to this proxy'}.
                  </Empty>
                }
                columns={[
                  {
                    key: 'name',
                    title: 'Name',
                    wide: true,
                    cell: (row) => (
                      <button type="button" className="link mono" onClick={() => setParams({ item: row.name })}>
                        {row.name}
                      </button>
                    ),
                    sort: (row) => row.name,
                  },
                  { key: 'summary', title: 'What', wide: true, cell: (row) => row.summary, value: (row) => row.summary },
                  {
                    key: 'origin',
                    title: 'Origin',
                    cell: (row) => <Origins item={row} />,
                    value: (row) => row.origins.map((origin) => origin.text).join('; '),
                  },
                ]}
              />
            </div>
            {item && (
              <Drawer title={<span className="mono">{item.name}</span>} onClose={() => setParams({ item: '' })}>
                <p>
                  <Origins item={item} />
                </p>
                <div className="row">
                  <Copy text={JSON.stringify(item.resource, null, 2)} label="Copy as JSON" />
                  <span className="muted">Envoy's own form, as sent</span>
                </div>
                <ScrollBox look="code-block" label="Resource as JSON">
                  {JSON.stringify(item.resource, null, 2)}
                </ScrollBox>
              </Drawer>
            )}
          </div>
        );
      }}
    </Loaded>
  );
}

function Origins({ item }: { readonly item: ProxyConfigItem }) {
  if (!item.origins.length) return <span className="muted">Meshwright itself</span>;
  return (
    <>
      {item.origins.slice(0, 3).map((origin) => (
        <span className="item" key={origin.text}>
          {origin.object ? <ObjectLink object={origin.object} /> : <span className="mono">{origin.text}</span>}
        </span>
      ))}
      {item.origins.length > 3 && <span className="muted">and {item.origins.length - 3} more</span>}
    </>
  );
}

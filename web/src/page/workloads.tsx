import type { ProxyList, WorkloadList, WorkloadRow } from '#server/api.ts';
import { numbersOf } from '../state/live.ts';
import { hrefTo, usePlace } from '../state/location.ts';
import { useQuery } from '../state/query.ts';
import { Link, NodeLink } from '../ui/link.tsx';
import { LiveNumber } from '../ui/numbers.tsx';
import { Card, Facts, Filter, Page, Tabs, useFilter } from '../ui/page.tsx';
import { Empty, Loaded } from '../ui/states.tsx';
import { HealthStatus, Status, SyncStatus } from '../ui/status.tsx';
import { Table } from '../ui/table.tsx';
import { Explain } from './explain.tsx';
import { Tap } from './tap.tsx';

export function WorkloadsPage() {
  const scope = usePlace().params.get('ns') ?? '';
  const workloads = useQuery<WorkloadList>(`/workloads${scope ? `?namespace=${scope}` : ''}`);
  const matches = useFilter();
  return (
    <Page
      title="Workloads"
      beside={<Filter label="Filter workloads" />}
      commands={[`kubectl get workloadentries ${scope ? `-n ${scope}` : '-A'}`]}
    >
      <Loaded answer={workloads} rows={12}>
        {({ items }) => (
          <Table<WorkloadRow>
            name="Workloads"
            rows={items.filter((row) => matches(row.name, row.namespace, row.app, row.version))}
            rowKey={(row) => row.id}
            empty={
              <Empty>
                No workload{' '}
                {items.length
                  ? 'matches the filter'
                  : 'yet. Join a process: meshwright run --service my-api --version v1 --port 8080 -- node server.js'}
                .
              </Empty>
            }
            columns={[
              {
                key: 'health',
                title: 'Health',
                cell: (row) => <HealthStatus health={row.health} />,
                sort: (row) => ({ bad: 4, warn: 3, unknown: 2, ok: 1, idle: 0 })[row.health],
                value: (row) => row.health,
              },
              { key: 'name', title: 'Workload', wide: true, cell: (row) => <NodeLink id={row.id} />, sort: (row) => row.name },
              { key: 'version', title: 'Version', cell: (row) => row.version || '–', sort: (row) => row.version },
              { key: 'namespace', title: 'Namespace', cell: (row) => row.namespace, sort: (row) => row.namespace },
              {
                key: 'address',
                title: 'Address',
                cell: (row) => <span className="mono">{row.addresses.join(' ')}</span>,
                value: (row) => row.addresses.join(' '),
              },
              {
                key: 'rps',
                title: 'In req/s',
                right: true,
                cell: (row) => <LiveNumber id={row.id} quantity="rps" />,
                sort: (row) => numbersOf(row.id).rps,
              },
              {
                key: 'errors',
                title: 'Failed',
                right: true,
                cell: (row) => <LiveNumber id={row.id} quantity="errors" />,
                sort: (row) => numbersOf(row.id).errors,
              },
              {
                key: 'p95',
                title: 'p95',
                right: true,
                cell: (row) => <LiveNumber id={row.id} quantity="p95" />,
                sort: (row) => numbersOf(row.id).p95 ?? 0,
                value: (row) => numbersOf(row.id).p95,
              },
              {
                key: 'out',
                title: 'Out req/s',
                right: true,
                cell: (row) => <LiveNumber id={`out:${row.id}`} quantity="rps" />,
                sort: (row) => numbersOf(`out:${row.id}`).rps,
              },
            ]}
          />
        )}
      </Loaded>
    </Page>
  );
}

const agentWords = { ok: ['ok', 'answers'], silent: ['warn', 'silent'], none: ['unknown', 'none'] } as const;

export function WorkloadPage({ namespace, name }: { readonly namespace: string; readonly name: string }) {
  const workloads = useQuery<WorkloadList>('/workloads');
  const row = workloads.data?.items.find((item) => item.name === name && item.namespace === namespace);
  return (
    <Page
      title={name}
      above={<Link href={hrefTo('/workloads')}>Workloads</Link>}
      beside={row && <HealthStatus health={row.health} />}
      commands={[`meshwright tap ${name}.${namespace}`, `meshwright proxy status ${name}`, `meshwright proxy config routes ${name}`]}
    >
      <Loaded answer={workloads}>
        {() =>
          row ? (
            <Tabs
              label={`Workload ${name}`}
              tabs={[
                { key: 'overview', title: 'Overview', content: () => <WorkloadOverview row={row} /> },
                { key: 'requests', title: 'Live requests', content: () => <Tap query={`workload=${row.id}`} /> },
                { key: 'explain', title: 'Explain a request', content: () => <Explain from={`${namespace}/${name}`} /> },
              ]}
            />
          ) : (
            <Empty action={<Link href={hrefTo('/workloads')}>All workloads</Link>}>
              There is no workload {name} in namespace {namespace}.
            </Empty>
          )
        }
      </Loaded>
    </Page>
  );
}

function WorkloadOverview({ row }: { readonly row: WorkloadRow }) {
  const proxies = useQuery<ProxyList>('/proxies');
  const [tone, word] = agentWords[row.agent];
  const own = proxies.data?.items.filter((proxy) => row.proxies.includes(proxy.id)) ?? [];
  return (
    <div className="columns">
      <Card title="Workload">
        <Facts
          facts={{
            App: row.app || 'none',
            Version: row.version || 'none',
            Addresses: <span className="mono">{row.addresses.join(', ')}</span>,
            Serves: row.services.map((id) => (
              <span className="item" key={id}>
                <NodeLink id={id} />
              </span>
            )),
            Agent: (
              <Status tone={tone} icon={tone}>
                {word}
              </Status>
            ),
            Proxy: own.length
              ? own.map((proxy) => (
                  <span className="item" key={proxy.id}>
                    <Link href={hrefTo(`/proxies/${encodeURIComponent(proxy.id)}`)}>{proxy.engine}</Link> <SyncStatus state={proxy.state} />
                  </span>
                ))
              : 'none connected',
          }}
        />
      </Card>
      <Card title="Traffic">
        <table aria-label="Traffic">
          <thead>
            <tr>
              <th scope="col">Direction</th>
              {['Req/s', 'Failed', 'p50', 'p95', 'p99'].map((title) => (
                <th key={title} scope="col" className="right">
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {[
              ['received', row.id],
              ['sent', `out:${row.id}`],
            ].map(([word = '', id = '']) => (
              <tr key={id}>
                <td>{word}</td>
                {(['rps', 'errors', 'p50', 'p95', 'p99'] as const).map((quantity) => (
                  <td key={quantity} className="right">
                    <LiveNumber id={id} quantity={quantity} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Card>
    </div>
  );
}

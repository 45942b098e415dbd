import type { ServiceList, ServiceRow, SplitList } from '#server/api.ts';
import { numbersOf, useEdges } from '../state/live.ts';
import { hrefTo, usePlace } from '../state/location.ts';
import { useQuery } from '../state/query.ts';
import { Link, NodeLink, ObjectLink } from '../ui/link.tsx';
import { LiveNumber } from '../ui/numbers.tsx';
import { Card, Facts, Filter, Page, Tabs, useFilter } from '../ui/page.tsx';
import { Empty, ErrorBox, Loaded } from '../ui/states.tsx';
import { HealthStatus } from '../ui/status.tsx';
import { Table } from '../ui/table.tsx';
import { ResourceEditor } from './editor-lazy.tsx';
import { MeshCharts } from './now.tsx';
import { Split } from './split.tsx';
import { Tap } from './tap.tsx';

export function ServicesPage() {
  const scope = usePlace().params.get('ns') ?? '';
  const services = useQuery<ServiceList>(`/services${scope ? `?namespace=${scope}` : ''}`);
  const matches = useFilter();
  return (
    <Page title="Services" beside={<Filter label="Filter services" />} commands={[`kubectl get services ${scope ? `-n ${scope}` : '-A'}`]}>
      <Loaded answer={services} rows={12}>
        {({ items }) => (
          <Table<ServiceRow>
            name="Services"
            rows={items.filter((row) => matches(row.name, row.namespace, row.hostname))}
            rowKey={(row) => row.id}
            empty={
              <Empty>
                No service{' '}
                {items.length
                  ? 'matches the filter'
                  : 'yet. Apply a Service, or join a process: meshwright run --service my-api --port 8080 -- node server.js'}
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
              { key: 'name', title: 'Service', wide: true, cell: (row) => <NodeLink id={row.id} />, sort: (row) => row.name },
              { key: 'namespace', title: 'Namespace', cell: (row) => row.namespace, sort: (row) => row.namespace },
              {
                key: 'ports',
                title: 'Ports',
                cell: (row) => <span className="mono">{row.ports.map((port) => `${port.number}/${port.protocol}`).join(' ')}</span>,
                value: (row) => row.ports.map((port) => `${port.number}/${port.protocol}`).join(' '),
              },
              {
                key: 'endpoints',
                title: 'Endpoints',
                right: true,
                cell: (row) => (
                  <span className={row.endpoints > row.healthy ? 'number bad' : 'number'}>{`${row.healthy}/${row.endpoints}`}</span>
                ),
                sort: (row) => row.endpoints,
                value: (row) => `${row.healthy}/${row.endpoints}`,
              },
              {
                key: 'rps',
                title: 'Req/s',
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
                key: 'p50',
                title: 'p50',
                right: true,
                cell: (row) => <LiveNumber id={row.id} quantity="p50" />,
                sort: (row) => numbersOf(row.id).p50 ?? 0,
                value: (row) => numbersOf(row.id).p50,
              },
              {
                key: 'p99',
                title: 'p99',
                right: true,
                cell: (row) => <LiveNumber id={row.id} quantity="p99" />,
                sort: (row) => numbersOf(row.id).p99 ?? 0,
                value: (row) => numbersOf(row.id).p99,
              },
            ]}
          />
        )}
      </Loaded>
    </Page>
  );
}

export function ServicePage({ namespace, name }: { readonly namespace: string; readonly name: string }) {
  useEdges();
  const services = useQuery<ServiceList>('/services');
  const row = services.data?.items.find((item) => item.name === name && item.namespace === namespace);
  const kind = row && row.registry !== 'kubernetes' ? 'ServiceEntry' : 'Service';
  const commands = [`kubectl describe service ${name} -n ${namespace}`, `meshwright tap --to ${name}`];
  return (
    <Page
      title={name}
      above={<Link href={hrefTo('/services')}>Services</Link>}
      commands={commands}
      beside={row && <HealthStatus health={row.health} />}
    >
      <Loaded answer={services}>
        {() =>
          row ? (
            <Tabs
              label={`Service ${name}`}
              tabs={[
                { key: 'overview', title: 'Overview', content: () => <ServiceOverview row={row} /> },
                { key: 'traffic', title: 'Traffic', content: () => <MeshCharts id={row.id} /> },
                { key: 'requests', title: 'Live requests', content: () => <Tap query={`service=${row.id}`} /> },
                {
                  key: 'config',
                  title: 'Config',
                  content: () => <ResourceEditor object={{ kind, namespace, name: row.registry === 'kubernetes' ? name : row.name }} />,
                },
              ]}
            />
          ) : (
            <Empty action={<Link href={hrefTo('/services')}>All services</Link>}>
              There is no service {name} in namespace {namespace}.
            </Empty>
          )
        }
      </Loaded>
    </Page>
  );
}

function ServiceOverview({ row }: { readonly row: ServiceRow }) {
  const splits = useQuery<SplitList>(`/splits?service=${row.id}`);
  return (
    <>
      <div className="columns">
        <Card title="Service">
          <Facts
            facts={{
              Host: <span className="mono">{row.hostname}</span>,
              Addresses: <span className="mono">{row.addresses.join(', ') || 'none'}</span>,
              Ports: <span className="mono">{row.ports.map((port) => `${port.name}:${port.number} ${port.protocol}`).join(', ')}</span>,
              Endpoints: `${row.healthy} of ${row.endpoints} healthy`,
              Rules: row.rules.length
                ? row.rules.map((rule) => (
                    <span className="item" key={rule.kind + rule.name}>
                      <ObjectLink object={rule} />
                    </span>
                  ))
                : 'none',
            }}
          />
        </Card>
        <Card title="Workloads">
          <Table<{ id: string }>
            name="Workloads"
            rows={row.workloads.map((id) => ({ id }))}
            rowKey={({ id }) => id}
            empty={<Empty>No workload serves it. Join one: meshwright run --service {row.name} --port 8080 -- node server.js</Empty>}
            columns={[
              { key: 'name', title: 'Workload', wide: true, cell: ({ id }) => <NodeLink id={id} /> },
              { key: 'rps', title: 'Req/s', right: true, cell: ({ id }) => <LiveNumber id={`${row.id}>${id}`} quantity="rps" /> },
              { key: 'errors', title: 'Failed', right: true, cell: ({ id }) => <LiveNumber id={`${row.id}>${id}`} quantity="errors" /> },
              { key: 'p95', title: 'p95', right: true, cell: ({ id }) => <LiveNumber id={`${row.id}>${id}`} quantity="p95" /> },
            ]}
          />
        </Card>
      </div>
      <Card title="Traffic split">
        <Loaded answer={splits}>
          {({ items }) =>
            items.length ? (
              items.map((route) => (
                <Split key={`${route.ref.name}${route.protocol}${route.index}`} route={route} service={row.id} workloads={row.workloads} />
              ))
            ) : (
              <Empty>
                Its requests go to all its workloads alike. A DestinationRule with two subsets makes them a split that can be dragged here.
              </Empty>
            )
          }
        </Loaded>
        {splits.error && splits.data && <ErrorBox error={splits.error} />}
      </Card>
    </>
  );
}

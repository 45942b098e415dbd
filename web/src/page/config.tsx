import type { KindList, ResourceList, ResourceRow } from '#server/api.ts';
import { age } from '../format.ts';
import { hrefTo, usePlace } from '../state/location.ts';
import { useQuery } from '../state/query.ts';
import { Link, ObjectLink } from '../ui/link.tsx';
import { Filter, Page, useFilter } from '../ui/page.tsx';
import { Empty, Loaded } from '../ui/states.tsx';
import { Status } from '../ui/status.tsx';
import { Table } from '../ui/table.tsx';
import { ResourceEditor } from './editor-lazy.tsx';

const firstKind = 'VirtualService';

export function ConfigPage({ kind = firstKind }: { readonly kind?: string }) {
  const kinds = useQuery<KindList>('/kinds');
  const scope = usePlace().params.get('ns') ?? '';
  const list = useQuery<ResourceList>(`/resources/${kind}?limit=1000${scope ? `&namespace=${scope}` : ''}`);
  const matches = useFilter();
  const plural = kinds.data?.items.find((item) => item.kind === kind)?.plural ?? kind;
  return (
    <Page
      title="Config"
      commands={[`kubectl get ${plural} ${scope ? `-n ${scope}` : '-A'}`]}
      beside={
        <>
          <Filter label="Filter objects" />
          <Link className="button" href={hrefTo(`/config/${kind}`, { new: '1' })}>
            New object
          </Link>
        </>
      }
    >
      <nav className="kinds" aria-label="Kinds">
        {(kinds.data?.items ?? []).map((item) => (
          <Link key={item.kind} href={hrefTo(`/config/${item.kind}`)} current={item.kind === kind}>
            {item.kind}
          </Link>
        ))}
      </nav>
      <Loaded answer={list} rows={10}>
        {({ items, continueToken }) => (
          <>
            <Table<ResourceRow>
              name={kind}
              rows={items
                .filter((row) => matches(row.ref.name, row.ref.namespace, row.summary))
                .sort((a, b) => b.errors - a.errors || b.warnings - a.warnings)}
              rowKey={(row) => `${row.ref.namespace}/${row.ref.name}`}
              empty={
                <Empty action={<Link href={hrefTo(`/config/${kind}`, { new: '1' })}>Write one</Link>}>
                  No {kind}{' '}
                  {items.length ? 'matches the filter' : `${scope ? `in namespace ${scope}` : 'yet'}. kubectl apply -f file.yaml adds one`}.
                </Empty>
              }
              columns={[
                {
                  key: 'state',
                  title: 'State',
                  cell: (row) => <Problems row={row} />,
                  sort: (row) => row.errors * 1000 + row.warnings,
                  value: (row) => (row.errors ? 'error' : row.warnings ? 'warning' : 'valid'),
                },
                { key: 'name', title: 'Name', cell: (row) => <ObjectLink object={row.ref} short />, sort: (row) => row.ref.name },
                { key: 'namespace', title: 'Namespace', cell: (row) => row.ref.namespace, sort: (row) => row.ref.namespace },
                {
                  key: 'summary',
                  title: 'What',
                  wide: true,
                  cell: (row) => <span className="mono">{row.summary}</span>,
                  value: (row) => row.summary,
                },
                {
                  key: 'generation',
                  title: 'Generation',
                  right: true,
                  cell: (row) => <span className="number">{row.generation}</span>,
                  sort: (row) => row.generation,
                },
                {
                  key: 'age',
                  title: 'Age',
                  right: true,
                  cell: (row) => <span className="number muted">{row.createdAt ? age(Date.parse(row.createdAt)) : '–'}</span>,
                  sort: (row) => -Date.parse(row.createdAt),
                  value: (row) => row.createdAt,
                },
              ]}
            />
            {continueToken && <p className="muted">The first 1000 are shown. Choose a namespace, or use kubectl for all.</p>}
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Problems({ row }: { readonly row: ResourceRow }) {
  if (row.errors) return <Status tone="bad">{`${row.errors} ${row.errors === 1 ? 'error' : 'errors'}`}</Status>;
  if (row.warnings) return <Status tone="warn">{`${row.warnings} ${row.warnings === 1 ? 'warning' : 'warnings'}`}</Status>;
  return <Status tone="ok">valid</Status>;
}

export function ObjectPage({ kind, namespace, name }: { readonly kind: string; readonly namespace: string; readonly name: string }) {
  const flag = namespace ? ` -n ${namespace}` : '';
  const target = `${kind.toLowerCase()} ${name}${flag}`;
  return (
    <Page
      title={name}
      above={<Link href={hrefTo(`/config/${kind}`)}>{`Config / ${kind}`}</Link>}
      commands={[`kubectl get ${target} -o yaml`, `kubectl edit ${target}`, `kubectl describe ${target}`]}
    >
      <ResourceEditor object={{ kind, namespace, name }} />
    </Page>
  );
}

export function NewObjectPage({ kind }: { readonly kind: string }) {
  const kinds = useQuery<KindList>('/kinds');
  const scope = usePlace().params.get('ns') || 'default';
  const found = kinds.data?.items.find((item) => item.kind === kind);
  return (
    <Page
      title={`New ${kind}`}
      above={<Link href={hrefTo(`/config/${kind}`)}>{`Config / ${kind}`}</Link>}
      commands={['kubectl apply -f file.yaml']}
    >
      <Loaded answer={kinds}>
        {() => <ResourceEditor template={templateFor(kind, found?.apiVersion ?? 'v1', found?.namespaced === false ? '' : scope)} />}
      </Loaded>
    </Page>
  );
}

const specs: Readonly<Record<string, string>> = {
  VirtualService: 'spec:\n  hosts:\n    - my-service\n  http:\n    - route:\n        - destination:\n            host: my-service\n',
  DestinationRule: 'spec:\n  host: my-service\n  subsets:\n    - name: v1\n      labels:\n        version: v1\n',
  ServiceEntry:
    'spec:\n  hosts:\n    - api.example.com\n  ports:\n    - number: 443\n      name: https\n      protocol: TLS\n  resolution: DNS\n',
  Service: 'spec:\n  selector:\n    app: my-service\n  ports:\n    - name: http\n      port: 8080\n',
};

function templateFor(kind: string, apiVersion: string, namespace: string): string {
  const place = namespace ? `  namespace: ${namespace}\n` : '';
  return `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata:\n  name: my-${kind.toLowerCase()}\n${place}${specs[kind] ?? ''}`;
}

import { useMemo } from 'react';
import type { Graph, GraphEdge } from '#server/api.ts';
import { plural } from '../format.ts';
import { numbersOf, useEdges } from '../state/live.ts';
import { setParams, usePlace } from '../state/location.ts';
import { useQuery } from '../state/query.ts';
import { useStill } from '../state/theme.ts';
import { Button, Choice } from '../ui/button.tsx';
import { NodeLink } from '../ui/link.tsx';
import { LiveNumber } from '../ui/numbers.tsx';
import { Empty, Loaded } from '../ui/states.tsx';
import { Table } from '../ui/table.tsx';
import { Details } from './details.tsx';
import { DrawingView } from './drawing-view.tsx';
import { matcherFor } from './filter.ts';
import { drawingOf, groupAbove } from './grouping.ts';
import type { EdgeLabel } from './looks.ts';

const labelNames: readonly (readonly [EdgeLabel, string])[] = [
  ['rps', 'Rate'],
  ['errors', 'Errors'],
  ['p50', 'p50'],
  ['p95', 'p95'],
  ['p99', 'p99'],
];

/** The mesh as a drawing and, beside it, as a table of the same edges. */
export default function GraphView() {
  useEdges();
  const { params } = usePlace();
  const scope = params.get('ns') ?? '';
  const graph = useQuery<Graph>(`/graph${scope ? `?namespace=${scope}` : ''}`);
  return <Loaded answer={graph}>{(data) => <Shown graph={data} />}</Loaded>;
}

function Shown({ graph }: { readonly graph: Graph }) {
  const { params } = usePlace();
  const view = params.get('view') === 'workloads' ? 'workloads' : 'all';
  const as = params.get('as') === 'table' ? 'table' : 'graph';
  const labels = (params.get('labels') ?? 'rps,errors')
    .split(',')
    .filter((label): label is EdgeLabel => labelNames.some(([name]) => name === label));
  const shown = useMemo(() => visible(graph, view, params.get('q') ?? ''), [graph, view, params]);
  const selected = params.get('node') ?? undefined;
  const node = shown.nodes.find((candidate) => candidate.id === selected);
  const openText = params.get('open') ?? '';
  const drawing = useMemo(() => drawingOf(shown, new Set(openText.split(',').filter(Boolean)), selected), [shown, openText, selected]);
  const still = useStill();
  const flows = params.get('particles') !== 'off';
  const toggle = (label: EdgeLabel) => {
    const next = labels.includes(label) ? labels.filter((held) => held !== label) : [...labels, label].slice(-2);
    setParams({ labels: next.join(',') === 'rps,errors' ? '' : next.join(',') || 'none' });
  };
  return (
    <>
      <div className="row graph-tools">
        <Choice
          label="Show as"
          value={as}
          options={[
            ['graph', 'Graph'],
            ['table', 'Table'],
          ]}
          onChange={(value) => setParams({ as: value === 'graph' ? '' : value })}
        />
        <Choice
          label="Nodes"
          value={view}
          options={[
            ['all', 'Services and workloads'],
            ['workloads', 'Workloads'],
          ]}
          onChange={(value) => setParams({ view: value === 'all' ? '' : value })}
        />
        <fieldset className="row">
          <legend className="hidden">Edge labels, at most two</legend>
          {labelNames.map(([label, name]) => (
            <Button key={label} look="quiet" pressed={labels.includes(label)} onClick={() => toggle(label)}>
              {name}
            </Button>
          ))}
        </fieldset>
        {as === 'graph' && (
          <Button
            look="quiet"
            pressed={flows && !still}
            disabled={still}
            title={still ? 'Your system asks for less motion' : 'Dots that run along the edges as requests do; failed ones are red'}
            onClick={() => setParams({ particles: flows ? 'off' : '' })}
          >
            Particles
          </Button>
        )}
        <input
          type="search"
          className="filter wide"
          aria-label="Find, for example reviews errors>1 !kind=outside"
          placeholder="Find: reviews  errors>1  !kind=outside"
          value={params.get('q') ?? ''}
          onChange={(event) => setParams({ q: event.target.value })}
        />
      </div>
      {as === 'graph' && drawing.grouped && <Groups nodes={shown.nodes.length} open={openText} />}
      {shown.nodes.length === 0 ? (
        <Empty>
          {graph.nodes.length
            ? 'Nothing matches the expression.'
            : 'No service yet. Apply a Service, or join a process: meshwright run --service my-api --port 8080 -- node server.js'}
        </Empty>
      ) : (
        <div className="with-drawer">
          {as === 'table' ? (
            <EdgeTable edges={shown.edges} />
          ) : (
            <DrawingView drawing={drawing} labels={labels} selected={selected} flows={flows && !still} />
          )}
          {node && <Details node={node} graph={graph} />}
        </div>
      )}
    </>
  );
}

/** Says that nodes are grouped, which groups are open, and closes them. */
function Groups({ nodes, open }: { readonly nodes: number; readonly open: string }) {
  const names = open.split(',').filter(Boolean);
  const all = names.includes('*');
  return (
    <div className="row graph-groups">
      <span className="muted">
        {all
          ? `All ${plural(nodes, 'node')} are shown.`
          : `${plural(nodes, 'node')}, more than ${groupAbove}: grouped. Problems stay visible; click a group or press Enter on it to open it.`}
      </span>
      {!all &&
        names.map((name) => (
          <Button
            key={name}
            icon="close"
            title={`Close group ${name}`}
            onClick={() => setParams({ open: names.filter((other) => other !== name && !other.startsWith(`${name}/`)).join(',') })}
          >
            {name}
          </Button>
        ))}
      <Button onClick={() => setParams({ open: all ? '' : '*' })}>{all ? 'Group again' : 'Open all'}</Button>
    </div>
  );
}

/** The part of the graph that the view and the expression leave; neighbours of what matches stay. */
function visible(graph: Graph, view: 'all' | 'workloads', expression: string): Graph {
  const kinds = new Map(graph.nodes.map((node) => [node.id, node.kind]));
  const bothWorkloads = (edge: GraphEdge) => kinds.get(edge.source) !== 'service' && kinds.get(edge.target) !== 'service';
  const toOutside = (edge: GraphEdge) => kinds.get(edge.target) === 'outside';
  const edges = graph.edges.filter((edge) => (view === 'workloads' ? bothWorkloads(edge) : !bothWorkloads(edge) || toOutside(edge)));
  const inView = graph.nodes.filter((node) => view === 'all' || node.kind !== 'service');
  const matches = matcherFor(expression);
  const matched = new Set(inView.filter(matches).map((node) => node.id));
  if (matched.size === inView.length) return { ...graph, nodes: inView, edges };
  const near = edges.filter((edge) => matched.has(edge.source) || matched.has(edge.target));
  const kept = new Set([...matched, ...near.flatMap((edge) => [edge.source, edge.target])]);
  const hidden = expression.includes('!') ? new Set(inView.filter((node) => !matches(node)).map((node) => node.id)) : new Set<string>();
  return {
    ...graph,
    nodes: inView.filter((node) => kept.has(node.id) && !hidden.has(node.id)),
    edges: near.filter((edge) => !hidden.has(edge.source) && !hidden.has(edge.target)),
  };
}

function EdgeTable({ edges }: { readonly edges: readonly GraphEdge[] }) {
  const number = (quantity: 'rps' | 'errors' | 'p50' | 'p95' | 'p99', title: string) => ({
    key: quantity,
    title,
    right: true,
    cell: (edge: GraphEdge) => <LiveNumber id={edge.id} quantity={quantity} />,
    sort: (edge: GraphEdge) => numbersOf(edge.id)[quantity] ?? 0,
    value: (edge: GraphEdge) => numbersOf(edge.id)[quantity],
  });
  return (
    <Table<GraphEdge>
      name="Edges of the graph"
      rows={edges}
      rowKey={(edge) => edge.id}
      empty={<Empty>No edge: nothing talks to anything yet.</Empty>}
      columns={[
        { key: 'source', title: 'From', wide: true, cell: (edge) => <NodeLink id={edge.source} />, sort: (edge) => edge.source },
        { key: 'target', title: 'To', wide: true, cell: (edge) => <NodeLink id={edge.target} />, sort: (edge) => edge.target },
        { key: 'mtls', title: 'mTLS', cell: (edge) => (edge.mtls ? 'yes' : 'no'), value: (edge) => (edge.mtls ? 'yes' : 'no') },
        number('rps', 'Req/s'),
        number('errors', 'Failed'),
        number('p50', 'p50'),
        number('p95', 'p95'),
        number('p99', 'p99'),
      ]}
    />
  );
}

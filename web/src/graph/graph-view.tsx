import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from 'react';
import type { Graph, GraphEdge, GraphNode, SplitList } from '#server/api.ts';
import { Split } from '../page/split.tsx';
import { numbersOf, useEdges } from '../state/live.ts';
import { go, nodeHref, setParams, usePlace } from '../state/location.ts';
import { useQuery } from '../state/query.ts';
import { useShownTheme } from '../state/theme.ts';
import { Button, Choice, IconButton } from '../ui/button.tsx';
import { Drawer } from '../ui/dialog.tsx';
import { Link, NodeLink } from '../ui/link.tsx';
import { LiveNumber, quantityText } from '../ui/numbers.tsx';
import { Facts } from '../ui/page.tsx';
import { Empty, Loaded } from '../ui/states.tsx';
import { HealthStatus } from '../ui/status.tsx';
import { Table } from '../ui/table.tsx';
import { createCanvas, type EdgeLabel, type GraphCanvas } from './canvas.ts';
import { matcherFor } from './filter.ts';

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
        <input
          type="search"
          className="filter wide"
          aria-label="Find, for example reviews errors>1 !kind=outside"
          placeholder="Find: reviews  errors>1  !kind=outside"
          value={params.get('q') ?? ''}
          onChange={(event) => setParams({ q: event.target.value })}
        />
      </div>
      {shown.nodes.length === 0 ? (
        <Empty>
          {graph.nodes.length
            ? 'Nothing matches the expression.'
            : 'No service yet. Apply a Service, or join a process: meshwright run --service my-api --port 8080 -- node server.js'}
        </Empty>
      ) : (
        <div className="with-drawer">
          {as === 'table' ? <EdgeTable edges={shown.edges} /> : <Drawing graph={shown} labels={labels} selected={selected} />}
          {node && <Details node={node} graph={graph} />}
        </div>
      )}
    </>
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

const nodeNumbers = (id: string) => {
  const received = numbersOf(id);
  return received.rps || received.bps ? received : numbersOf(`out:${id}`);
};

function Drawing({
  graph,
  labels,
  selected,
}: {
  readonly graph: Graph;
  readonly labels: readonly EdgeLabel[];
  readonly selected: string | undefined;
}) {
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<GraphCanvas>(undefined);
  const [hover, setHover] = useState<{ id: string; x: number; y: number }>();
  const theme = useShownTheme();
  const labelText = labels.join();

  useEffect(() => {
    if (!frame.current) return;
    const made = createCanvas(frame.current, {
      onSelect: (id) => setParams({ node: id && !id.includes('>') ? id : '' }),
      onOpen: open,
      onHover: (id, x, y) => setHover(id ? { id, x, y } : undefined),
    });
    canvas.current = made;
    return () => made.destroy();
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: labels are compared by their text
  useEffect(() => canvas.current?.show(graph, labels), [graph, labelText]);
  useEffect(() => {
    const timer = setInterval(() => canvas.current?.update(numbersOf, nodeNumbers), 1000);
    return () => clearInterval(timer);
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: nodes that came anew are not marked yet
  useEffect(() => canvas.current?.select(selected), [selected, graph]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new theme means new colours on the canvas
  useEffect(() => canvas.current?.recolour(), [theme]);

  const press = (event: KeyboardEvent) => {
    const arrows: Readonly<Record<string, 'left' | 'right' | 'up' | 'down'>> = {
      ArrowLeft: 'left',
      ArrowRight: 'right',
      ArrowUp: 'up',
      ArrowDown: 'down',
    };
    const arrow = arrows[event.key];
    const { current } = canvas;
    if (!current) return;
    if (arrow) setParams({ node: current.step(selected, arrow) ?? '' });
    else if (event.key === 'Enter' && selected) open(selected);
    else if (event.key === 'Escape') setParams({ node: '' });
    else if (event.key === '+') current.zoom(1.25);
    else if (event.key === '-') current.zoom(0.8);
    else if (event.key === '0') current.fit();
    else return;
    event.preventDefault();
  };
  const chosen = graph.nodes.find((node) => node.id === selected);
  const save = () => {
    void canvas.current?.png().then((blob) => {
      const link = document.createElement('a');
      link.href = URL.createObjectURL(blob);
      link.download = 'mesh.png';
      link.click();
      URL.revokeObjectURL(link.href);
    });
  };
  return (
    <div className="graph-frame">
      <div
        ref={frame}
        className="graph-canvas"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the drawing takes arrow keys
        tabIndex={0}
        role="application"
        aria-label="Graph of the mesh. Arrow keys go along requests, Enter opens, plus and minus zoom, zero shows all."
        onKeyDown={press}
      />
      <div className="graph-buttons">
        <IconButton label="Zoom in" icon="plus" onClick={() => canvas.current?.zoom(1.25)} />
        <IconButton label="Zoom out" icon="minus" onClick={() => canvas.current?.zoom(0.8)} />
        <IconButton label="Show all" icon="fit" onClick={() => canvas.current?.fit()} />
        <IconButton label="Arrange anew" icon="layout" onClick={() => canvas.current?.layout()} />
        <IconButton label="Save as PNG" icon="copy" onClick={save} />
      </div>
      <p className="hidden" role="status">
        {chosen
          ? `${chosen.kind} ${chosen.name}, ${chosen.health}, ${quantityText(nodeNumbers(chosen.id), 'rps')} requests per second, ${quantityText(nodeNumbers(chosen.id), 'errors')} failed`
          : ''}
      </p>
      {hover && (
        <div className="graph-tip" style={{ left: hover.x + 14, top: hover.y + 14 }}>
          <b>
            {hover.id
              .split('>')
              .map((id) => id.split('/').at(-1))
              .join(' → ')}
          </b>
          <span className="number">
            {(['rps', 'errors', 'p50', 'p95', 'p99'] as const)
              .map(
                (quantity) => `${quantity} ${quantityText(hover.id.includes('>') ? numbersOf(hover.id) : nodeNumbers(hover.id), quantity)}`,
              )
              .join('   ')}
          </span>
        </div>
      )}
    </div>
  );
}

function open(id: string): void {
  const href = nodeHref(id);
  if (href) go(href);
}

function EdgeTable({ edges }: { readonly edges: readonly GraphEdge[] }) {
  const number = (quantity: 'rps' | 'errors' | 'p50' | 'p95' | 'p99', title: string) => ({
    key: quantity,
    title,
    right: true,
    cell: (edge: GraphEdge) => <LiveNumber id={edge.id} quantity={quantity} />,
    sort: (edge: GraphEdge) => numbersOf(edge.id)[quantity] ?? 0,
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
        { key: 'mtls', title: 'mTLS', cell: (edge) => (edge.mtls ? 'yes' : 'no') },
        number('rps', 'Req/s'),
        number('errors', 'Failed'),
        number('p50', 'p50'),
        number('p95', 'p95'),
        number('p99', 'p99'),
      ]}
    />
  );
}

function Details({ node, graph }: { readonly node: GraphNode; readonly graph: Graph }) {
  const isService = node.kind === 'service';
  const splits = useQuery<SplitList>(isService ? `/splits?service=${node.id}` : undefined);
  const href = nodeHref(node.id);
  const edges = graph.edges.filter((edge) => edge.source === node.id || edge.target === node.id);
  const workloads = graph.edges.filter((edge) => edge.source === node.id).map((edge) => edge.target);
  return (
    <Drawer title={node.name} onClose={() => setParams({ node: '' })}>
      <Facts
        facts={{
          Kind: node.kind,
          Health: <HealthStatus health={node.health} />,
          ...(node.namespace ? { Namespace: node.namespace } : {}),
          ...(node.version ? { Version: node.version } : {}),
          ...(node.problems ? { Problems: `${node.problems}, see Now` } : {}),
        }}
      />
      {href && (
        <p>
          <Link href={href}>Open {node.name}</Link>
        </p>
      )}
      {splits.data?.items.map((route) => (
        <Split key={`${route.ref.name}${route.protocol}${route.index}`} route={route} service={node.id} workloads={workloads} />
      ))}
      <h3>Traffic</h3>
      <div className="table-frame">
        <table aria-label="Traffic of this node">
          <thead>
            <tr>
              <th scope="col">Edge</th>
              <th scope="col" className="right">
                Req/s
              </th>
              <th scope="col" className="right">
                Failed
              </th>
              <th scope="col" className="right">
                p95
              </th>
            </tr>
          </thead>
          <tbody>
            {edges.map((edge) => (
              <tr key={edge.id}>
                <td>
                  {edge.source === node.id ? 'to ' : 'from '}
                  <NodeLink id={edge.source === node.id ? edge.target : edge.source} />
                </td>
                {(['rps', 'errors', 'p95'] as const).map((quantity) => (
                  <td key={quantity} className="right">
                    <LiveNumber id={edge.id} quantity={quantity} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Drawer>
  );
}

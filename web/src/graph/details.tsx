import type { Graph, GraphNode, SplitList } from '#server/api.ts';
import { Split } from '../page/split.tsx';
import { nodeHref, setParams } from '../state/location.ts';
import { useQuery } from '../state/query.ts';
import { Drawer } from '../ui/dialog.tsx';
import { Link, NodeLink } from '../ui/link.tsx';
import { LiveNumber } from '../ui/numbers.tsx';
import { Facts } from '../ui/page.tsx';
import { HealthStatus } from '../ui/status.tsx';

/** What is known of the chosen node, with its split and the traffic of its edges. */
export function Details({ node, graph }: { readonly node: GraphNode; readonly graph: Graph }) {
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

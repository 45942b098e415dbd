import { lazy, Suspense } from 'react';
import { Page } from '../ui/page.tsx';
import { Skeleton } from '../ui/states.tsx';

const GraphView = lazy(() => import('../graph/graph-view.tsx'));

export function GraphPage() {
  return (
    <Page title="Graph" commands={['meshwright tap', 'kubectl get services,workloadentries -A']}>
      <Suspense fallback={<Skeleton rows={10} />}>
        <GraphView />
      </Suspense>
    </Page>
  );
}

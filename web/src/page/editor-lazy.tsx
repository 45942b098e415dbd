import { lazy, Suspense } from 'react';
import type { ObjectRef } from '#server/api.ts';
import { Skeleton } from '../ui/states.tsx';

const Editor = lazy(() => import('../editor/resource-editor.tsx'));

/** An object's YAML with its problems, to be changed, compared, applied or deleted; or a new one from a template. */
export function ResourceEditor(props: { readonly object: ObjectRef } | { readonly template: string }) {
  return (
    <Suspense fallback={<Skeleton rows={12} />}>
      <Editor {...props} key={'object' in props ? `${props.object.kind}/${props.object.namespace}/${props.object.name}` : 'new'} />
    </Suspense>
  );
}

import { splitApiVersion } from '#kube/object.ts';
import type { ApiKind, KindTable } from '../kinds.ts';
import { pathNotFound } from '../status.ts';

/** What a path under /api or /apis names. */
export interface Target {
  readonly kind: ApiKind;
  readonly version: string;
  /** Empty: all namespaces, or a cluster-scoped kind. */
  readonly namespace: string;
  /** Empty for collections. */
  readonly name: string;
  readonly subresource: '' | 'status';
}

/** `/api/v1/...` and `/apis/<group>/<version>/...`, `namespaces/<ns>/` in front of namespaced resources. Refuses NotFound. */
export function readTarget(path: string, kinds: KindTable): Target {
  const steps = path.split('/').slice(1).map(decode);
  const prefix = steps.shift();
  const { group, version } = splitApiVersion(prefix === 'api' ? (steps.shift() ?? '') : `${steps.shift() ?? ''}/${steps.shift() ?? ''}`);
  let namespace = '';
  // `namespaces/x` alone, and with a subresource, is the Namespace itself.
  if (steps[0] === 'namespaces' && steps.length > 2 && !(steps.length === 3 && ['status', 'finalize'].includes(steps[2] ?? ''))) {
    namespace = steps[1] ?? '';
    steps.splice(0, 2);
  }
  const [plural = '', name = '', subresource = '', ...rest] = steps;
  const kind = kinds.byResource(group, version, plural);
  if (!kind || rest.length > 0 || (steps.length > 1 && name === '') || (namespace !== '' && !kind.namespaced)) throw pathNotFound();
  if (kind.namespaced && name !== '' && namespace === '') throw pathNotFound();
  if (subresource !== '' && !(subresource === 'status' && kind.hasStatus)) throw pathNotFound();
  return { kind, version, namespace, name, subresource: subresource === 'status' ? 'status' : '' };
}

function decode(step: string): string {
  try {
    return decodeURIComponent(step);
  } catch {
    throw pathNotFound();
  }
}

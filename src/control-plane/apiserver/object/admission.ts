import { isDeepStrictEqual } from 'node:util';
import { isJsonObject, type KubeObject } from '#kube/object.ts';
import type { StatusCause } from '#kube/status.ts';
import { type ApiKind, qualifiedResource, storedApiVersion } from '../kinds.ts';
import { causeOf, forbidden, invalid, notFound } from '../status.ts';
import type { ObjectsContext } from './context.ts';
import { mapCauses, type NameRule, nameCause } from './names.ts';
import { admitService } from './service.ts';

/**
 * The object as it may be stored: defaulted, with every rule checked. Refuses Invalid with all causes at once, NotFound
 * when its namespace does not exist and Forbidden when that is being deleted. The kind's own rules are asked only when
 * the content changed, so that an object that became invalid by an upgrade can still be labelled and deleted.
 */
export function admit(
  context: ObjectsContext,
  kind: ApiKind,
  draft: KubeObject,
  before: KubeObject | undefined,
  warn: (message: string) => void = () => {},
): KubeObject {
  if (before === undefined) checkNamespace(context, kind, draft);
  const { object, causes } = defaulted(context, kind, draft, before);
  const { metadata } = object;
  const all: StatusCause[] = [...causes, ...mapCauses(metadata.labels ?? {}, metadata.annotations ?? {})];
  const name = before === undefined ? nameCause(metadata.name, nameRule(kind)) : undefined;
  if (name) all.push(name);
  if (before === undefined || !isDeepStrictEqual(contentOf(object), contentOf(before))) {
    const isMetadataBad = all.some((cause) => cause.field.startsWith('metadata'));
    for (const problem of kind.decode(object, originOf(kind, object)).problems) {
      // Names and labels were refused above already, in Kubernetes' words.
      if (isMetadataBad && problem.path.startsWith('metadata')) continue;
      if (problem.severity === 'error') all.push(causeOf(problem));
      if (problem.severity === 'warning') warn(`${problem.path === '' ? '' : `${problem.path}: `}${problem.message} [${problem.code}]`);
    }
  }
  if (all.length > 0) throw invalid(kind, metadata.name, all);
  return object;
}

function defaulted(context: ObjectsContext, kind: ApiKind, draft: KubeObject, before: KubeObject | undefined) {
  if (kind.group === '' && kind.kind === 'Service')
    return admitService(draft, before, () => context.ledger.list({ group: '', kind: 'Service' }));
  if (kind.group === '' && kind.kind === 'Namespace') return { object: namespaceDefaults(draft), causes: [] };
  if (kind.group === '' && kind.kind === 'Secret') return { object: secretDefaults(draft), causes: [] };
  return { object: draft, causes: [] };
}

/** `stringData` is a way of writing `data` without base64, and is never read back. */
function secretDefaults(draft: KubeObject): KubeObject {
  const { stringData, ...rest } = draft;
  const texts = isJsonObject(stringData)
    ? Object.entries(stringData).map(([name, value]) => [name, Buffer.from(String(value)).toString('base64')])
    : [];
  const data = { ...(isJsonObject(draft.data) ? draft.data : {}), ...Object.fromEntries(texts) };
  return {
    ...rest,
    apiVersion: draft.apiVersion,
    kind: draft.kind,
    metadata: draft.metadata,
    type: draft.type ?? 'Opaque',
    ...(Object.keys(data).length > 0 ? { data } : {}),
  };
}

/** Namespaces can be selected by their own name, and say that they are in use. */
function namespaceDefaults(draft: KubeObject): KubeObject {
  const labels = { ...draft.metadata.labels, 'kubernetes.io/metadata.name': draft.metadata.name };
  return { ...draft, metadata: { ...draft.metadata, labels }, status: draft.status ?? { phase: 'Active' } };
}

function checkNamespace(context: ObjectsContext, kind: ApiKind, object: KubeObject): void {
  if (!kind.namespaced) return;
  const namespace = object.metadata.namespace ?? '';
  const entry = context.ledger.get({ group: '', kind: 'Namespace', namespace: '', name: namespace });
  const namespaces = context.kinds.byKind('', 'Namespace');
  if (!entry && namespaces) throw notFound(namespaces, namespace);
  if (entry?.object.metadata.deletionTimestamp !== undefined) {
    const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
    throw forbidden(`${qualifiedResource(kind)} "${object.metadata.name}" is forbidden: ${why}`, {
      name: object.metadata.name,
      kind: kind.plural,
      causes: [{ reason: 'NamespaceTerminating', message: `namespace ${namespace} is being terminated`, field: 'metadata.namespace' }],
    });
  }
}

function nameRule(kind: ApiKind): NameRule {
  if (kind.group !== '') return 'subdomain';
  return kind.kind === 'Namespace' ? 'label' : kind.kind === 'Service' ? 'rfc1035' : 'subdomain';
}

function originOf(kind: ApiKind, object: KubeObject) {
  const { namespace, name, generation, resourceVersion } = object.metadata;
  return {
    source: 'kubernetes' as const,
    kind: `${storedApiVersion(kind)}/${kind.kind}`,
    namespace: namespace ?? '',
    name,
    generation,
    resourceVersion,
  };
}

function contentOf(object: KubeObject): Readonly<Record<string, unknown>> {
  const { metadata: _metadata, status: _status, ...content } = object;
  return content;
}
